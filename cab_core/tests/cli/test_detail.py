"""``cab backtest --detail``: 15m candles walked by finer ones."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke

HEADER = "ts_ms,open,high,low,close,volume"
BACKTEST = ("backtest", "--data", "BTC-USDT.csv.gz", "--strategies", "./swing.py", "-q")
TIGHT = (
    *(
        "--set",
        "VOLUME_FILTER_ENABLED=false",
        "--set",
        "TREND_UNKNOWN_POLICY=allow",
        "--set",
        "STOP_LOSS_PCT=0.4",
    ),
    *("--set", "TAKE_PROFIT_1_PCT=0.3", "--set", "TAKE_PROFIT_2_PCT=0.7", "--set", "TRAILING_STOP_PCT=0.3"),
)
FIVE_MS = 300_000

Cab = Callable[..., dict[str, Any]]
Refused = Callable[..., tuple[int, str]]


def finer(desk: Path, name: str, *, low_first: bool, scale: float = 1.0) -> list[str]:
    """Write three candles for each of the market: one order of its extremes, each candle flat."""
    lines = []
    for row in gzip.decompress((desk / "BTC-USDT.csv.gz").read_bytes()).decode().splitlines()[1:]:
        ts_ms, *prices = row.split(",")
        _, h, low, c = (float(price) * scale for price in prices[:4])
        for part, price in enumerate((low, h, c) if low_first else (h, low, c)):
            lines.append(f"{int(ts_ms) + part * FIVE_MS},{price!r},{price!r},{price!r},{price!r},1")
    write(desk / name, lines)
    return lines


def write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join((HEADER, *lines)) + "\n")


def outcome(told: dict[str, Any]) -> tuple[Any, ...]:
    return told["final_equity"], told["exits_by_reason"], told["fees_quote"], told["decisions_sha256"]


def test_the_band_shrinks_to_what_the_market_did(cab: Cab, desk: Path) -> None:
    whole = [cab(*BACKTEST, *TIGHT, "--fills", fills) for fills in ("worst", "best")]
    assert whole[0]["final_equity"] != whole[1]["final_equity"]
    seen = []
    for low_first in (True, False):
        bars = len(finer(desk, "BTC-USDT_5m.csv", low_first=low_first)) // 3
        told = [
            cab(*BACKTEST, *TIGHT, "--detail", "BTC-USDT_5m.csv", "--fills", fills)
            for fills in ("worst", "best")
        ]
        assert outcome(told[0]) == outcome(told[1])  # flat candles leave nothing open
        assert told[0]["detail"]["candles"] == told[0]["bars"] == bars
        assert told[0]["detail"]["walked_whole"] == 0
        seen.append(told[0])
    assert outcome(seen[0]) != outcome(seen[1])
    assert len({told["run_id"] for told in (*whole, *seen)}) == 4


def test_candles_without_complete_detail_are_walked_whole_and_counted(
    cab: Cab, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = finer(desk, "BTC-USDT_5m.csv", low_first=False)
    write(desk / "BTC-USDT_5m.csv", [*lines[:300], *lines[301:900], *lines[904:3000]])
    report = desk / "report.html"
    args = (*BACKTEST, *TIGHT, "--detail", "BTC-USDT_5m.csv")
    told = cab(*args, "--report", str(report))
    lacking = told["bars"] - 1000 + 1 + 2
    assert told["detail"]["walked_whole"] == lacking
    assert [file["file"] for file in told["detail"]["files"]] == ["BTC-USDT_5m.csv"]
    assert f"{lacking:,} of {told['bars']:,} lack complete detail" in report.read_text()
    assert invoke(list(args)) == 0
    out = capsys.readouterr().out
    assert f"{lacking:,} of {told['bars']:,} walked whole" in " ".join(out.split())
    whole, best = cab(*BACKTEST, *TIGHT), cab(*BACKTEST, *TIGHT, "--detail", "BTC-USDT_5m.csv")
    assert outcome(whole) != outcome(best)


def test_a_run_with_detail_is_explained_with_its_detail(cab: Cab, desk: Path, refused: Refused) -> None:
    finer(desk, "fine.csv", low_first=False)
    told = cab(*BACKTEST, *TIGHT, "--detail", "BTC/USDT=fine.csv")
    trace_id = told["last_trades"][0]["trace_id"]
    assert cab("why", trace_id)["trace_id"] == trace_id
    finer(desk, "fine.csv", low_first=True)
    _, err = refused("why", trace_id)
    assert "the data changed" in err


@pytest.mark.parametrize(
    ("args", "needles"),
    [
        (("ETH-USDT_5m.csv",), ("ETH/USDT", "not traded here", "BTC/USDT")),
        (("ETH/USDT=BTC-USDT_5m.csv",), ("ETH/USDT", "not traded here")),
        (("BTC-USDT.csv.gz",), ("15m candles", "give 1m or 5m")),
        (
            ("late_BTC-USDT_5m.csv",),
            ("no 15m candle of BTC/USDT is complete", "of the same time"),
        ),
        (("scaled_BTC-USDT_5m.csv",), ("its detail between", "same market")),
        (("BTC-USDT_5m.csv", "--detail", "late_BTC-USDT_1m.csv"), ("1m and 5m", "one timeframe")),
        (("nowhere.csv",), ("no such file", "nowhere.csv")),
    ],
    ids=["symbol", "named", "coarse", "elsewhere", "market", "two", "absent"],
)
def test_detail_that_cannot_be_used_is_refused(
    args: tuple[str, ...], needles: tuple[str, ...], desk: Path, refused: Refused
) -> None:
    lines = finer(desk, "BTC-USDT_5m.csv", low_first=True)
    write(desk / "ETH-USDT_5m.csv", lines)
    write(
        desk / "late_BTC-USDT_5m.csv", [f"{int(t) + 3_650 * 86_400_000},{x}" for t, x in map(cut, lines[:30])]
    )
    write(desk / "late_BTC-USDT_1m.csv", [f"{2_000_000_040_000 + 60_000 * n},1,1,1,1,1" for n in range(30)])
    finer(desk, "scaled_BTC-USDT_5m.csv", low_first=True, scale=2.0)
    _, err = refused(*BACKTEST, "--detail", *args)
    for needle in needles:
        assert needle in " ".join(err.split())


def cut(line: str) -> tuple[str, str]:
    stamp, _, rest = line.partition(",")
    return stamp, rest
