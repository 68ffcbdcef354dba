"""The command: ``python -m benchmarks [--rounds N] [--only NAME] [--days N] [--data FILE] [--json]``."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import api, engine, keep, latency, live, many, processes
from benchmarks.measure import Figure
from cab_core.data.files import read_market, write_candles
from cab_core.data.generator import generate

MONTH = 30


def main() -> None:
    """Measure what was asked for and print it."""
    options = _options()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data or _year(folder)
        bars = read_market(data).bars
        month = {symbol: generate(symbol, MONTH, 38) for symbol in ("BTC/USDT", "ETH/USDT")}
        groups: dict[str, Callable[[], list[Figure]]] = {
            "engine": lambda: engine.year(options.rounds, bars),
            "recheck": lambda: engine.recheck(options.rounds, data, folder),
            "years": lambda: engine.ten_years(options.rounds, folder),
            "symbols": lambda: engine.ten_symbols(options.rounds, folder),
            "process": lambda: processes.backtests(options.rounds, data, folder),
            "latency": lambda: latency.latency(month),
            "instant": lambda: processes.instant(options.rounds, folder),
            "idle": lambda: processes.idle(folder),
            "api": lambda: api.api(folder),
            "live": lambda: live.live(folder, options.days),
            "many": lambda: many.many(folder),
            "keep": lambda: keep.keep(folder / "keep"),
        }
        figures = [f for name, group in groups.items() if options.only in (None, name) for f in group()]
    if options.json:
        print(json.dumps([_row(figure) for figure in figures], indent=2))
        return
    print(
        f"medians of {options.rounds} (lowest to highest); load average {load:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores"
    )
    for figure in figures:
        print(_line(figure))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure speed and weight of cab."
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is taken")
    names = (
        "engine",
        "recheck",
        "years",
        "symbols",
        "process",
        "latency",
        "instant",
        "idle",
        "api",
        "live",
        "many",
        "keep",
    )
    parser.add_argument("--only", choices=names, help="measure one group")
    parser.add_argument("--days", type=int, default=live.DAYS, help="simulated days of the live bot")
    parser.add_argument("--data", type=Path, help="a year of 15m candles instead of the sample market")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


def _year(folder: Path) -> Path:
    path = folder / "BTC-USDT_15m.csv.gz"
    write_candles(path, generate("BTC/USDT", engine.YEAR, 7))
    return path


def _line(figure: Figure) -> str:
    low, high = min(figure.values), max(figure.values)
    span = f" ({low:.2f} to {high:.2f})" if len(figure.values) > 1 else ""
    target = "" if figure.target is None else f"  target {figure.target:g}"
    late = "  MISSED" if figure.target is not None and figure.median > figure.target else ""
    stick = ""
    if figure.yardsticks:
        ratios = sorted(value / unit for value, unit in zip(figure.values, figure.yardsticks, strict=True))
        unit = sorted(figure.yardsticks)[len(ratios) // 2]
        stick = f"  = {ratios[len(ratios) // 2]:.1f} yardsticks of {unit:.2f}"
    note = f"  [{figure.note}]" if figure.note else ""
    return f"{figure.name:<54}{figure.median:>9.2f} {figure.unit}{span}{target}{late}{stick}{note}"


def _row(figure: Figure) -> dict[str, object]:
    return {
        "name": figure.name.strip(),
        "median": figure.median,
        "values": list(figure.values),
        "unit": figure.unit,
        "target": figure.target,
        "yardsticks": list(figure.yardsticks),
        "note": figure.note,
    }


if __name__ == "__main__":
    main()
