"""The demo: a scripted month on the sample market, run as an ordinary backtest that can be explained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from cab_core.app.research import Plan, Prepared, prepare_run
from cab_core.app.runs import Runs
from cab_core.cycle.backtest import Finished
from cab_core.data.files import write_candles
from cab_core.data.generator import START_MS, generate
from cab_core.data.symbols import NamedFile
from cab_core.domain.regime import RegimeState
from cab_core.domain.timeframes import DAY_MS, MINUTE_MS
from cab_core.report import RunFacts, summary, write_report
from cab_core.settings import Settings, load_settings

SYMBOLS = ("BTC/USDT", "ETH/USDT")

#: In this month all regimes, all kinds of exits and all kinds of risk rules have their say.
SEED, DAYS = 38, 30

#: Days of candles before the month, so that its first candle is decided as one in the middle of a market.
_HISTORY_DAYS = 60

STRATEGIES = (
    "ema_atr",
    "ema_cross",
    "rsi_momentum",
    "bollinger_bands",
    "donchian_breakout",
    "supertrend",
    "stochastic_adx",
    "keltner_squeeze",
    "vwap_reversion",
)

#: The demo's own settings; those of the user are not read. Stops are tight and limits low, so that a month
#: is enough to meet them all.
SETTINGS = (
    f"STRATEGY_SET={','.join(STRATEGIES)}",
    "STRATEGY_MODE=vote",
    "STRATEGY_MIN_CONFIDENCE=0.7",
    "FIXED_AMOUNT=1000",
    "STOP_LOSS_PCT=1.5",
    "TAKE_PROFIT_1_PCT=0.8",
    "TAKE_PROFIT_2_PCT=2",
    "TRAILING_STOP_PCT=0.8",
    "RISK_DAILY_LOSS_LIMIT_QUOTE=25",
    "RISK_COOLDOWN_SEC=1800",
    "RISK_CORR_GROUPS=BTC/USDT|ETH/USDT",
)

#: Changes in percent that the indices report, from which part of the demo's time on.
_INDICES = (
    (0.00, "dxy", 0.05),
    (0.00, "btc_dominance", 0.0),
    (0.20, "dxy", 0.35),
    (0.30, "dxy", 0.05),
    (0.40, "dxy", 0.4),
    (0.40, "btc_dominance", 0.65),
    (0.46, "dxy", 0.0),
    (0.46, "btc_dominance", 0.1),
    (0.56, "dxy", 0.6),
    (0.62, "dxy", 0.1),
    (0.75, "btc_dominance", 0.5),
    (0.85, "btc_dominance", 0.0),
)
#: When the committee meets.
_FOMC = 0.58


@attrs.frozen(eq=False, kw_only=True)
class Demo:
    """A finished demo.

    Attributes:
        regime_at: the scripted regime at a time.
    """

    seed: int
    days: int
    prepared: Prepared
    finished: Finished
    facts: RunFacts
    regime_at: Callable[[int], RegimeState]


def run_demo(seed: int, days: int, out: Path, to_ms: int | None = None) -> Demo:
    """Write the market of the demo below ``out`` and trade it, up to ``to_ms`` if given.

    Raises:
        CabError: the folder cannot be written, or a plugin is broken.
    """
    return _finish(prepare_demo(seed, days, out, to_ms), seed, days)


def prepare_demo(seed: int, days: int, out: Path, to_ms: int | None = None) -> Prepared:
    """Write the market of the demo below ``out`` and lay its run out, up to ``to_ms`` if given.

    Raises:
        CabError: the folder cannot be written, or a plugin is broken.
    """
    folder = out / f"seed-{seed}-{days}d"
    return prepare_run(attrs.evolve(_plan(seed, days, folder), to_ms=to_ms), demo_settings(folder))


def _finish(prepared: Prepared, seed: int, days: int) -> Demo:
    finished, facts = prepared.run()
    cursor = prepared.backtest.timeline.cursor(prepared.backtest.config.regime)
    return Demo(
        seed=seed,
        days=days,
        prepared=prepared,
        finished=finished,
        facts=attrs.evolve(facts, seed=seed),
        regime_at=cursor.advance,
    )


def demo_settings(folder: Path, *more: str) -> Settings:
    """Return the demo's settings and ``more`` of them; ``folder`` must not hold a configuration."""
    return load_settings({}, folder, (*SETTINGS, *more), require_run=False).settings


def conclude(demo: Demo, out: Path, runs: Runs) -> dict[str, Any]:
    """Write the report and the run's record; return the summary as plain data.

    Raises:
        OSError: they cannot be written.
    """
    report = out / f"report-{demo.seed}.html"
    told = summary(demo.finished.result, demo.facts)
    told["demo"] = {"seed": demo.seed, "days": demo.days, "regime_minutes": regime_minutes(demo)}
    told["report"] = str(report)
    told["report_sha256"] = write_report(report, demo.finished.result, demo.facts)
    runs.save(demo.prepared, demo.finished.result, told)
    told["trace_id"] = worth_asking(demo)
    told["next"] = [
        f"cab why {told['trace_id']}",
        "cab new strategy my-idea",
        "cab config init",
    ]
    return told


def worth_asking(demo: Demo) -> str:
    """Return the trace id of the last trade's entry, or of the first decision if nothing was traded."""
    trades = demo.finished.result.trades
    return trades[-1].trace_id if trades else f"{demo.facts.run_id[:6]}{0:010x}"


def regime_minutes(demo: Demo) -> dict[str, int]:
    """Return how long each regime lasted."""
    times = demo.finished.result.times
    minutes: Counter[str] = Counter()
    step = 15
    for ts_ms in times.tolist():
        minutes[str(demo.regime_at(ts_ms - step * MINUTE_MS).state)] += step
    return dict(minutes.most_common())


def _plan(seed: int, days: int, folder: Path) -> Plan:
    files = []
    for symbol in SYMBOLS:
        path = folder / f"{symbol.replace('/', '-')}_15m_sample-{seed}.csv.gz"
        since_ms = START_MS - _HISTORY_DAYS * DAY_MS
        write_candles(path, generate(symbol, _HISTORY_DAYS + days, seed, start_ms=since_ms))
        files.append(NamedFile(path, symbol))
    macro = folder / "macro.jsonl"
    macro.write_text(_script(days), encoding="utf-8")
    return Plan(data=tuple(files), macro=macro, from_ms=START_MS)


def _script(days: int) -> str:
    """Return the macro readings as JSON lines."""

    def at(part: float) -> int:
        return START_MS + round(part * days * DAY_MS)

    lines: list[dict[str, Any]] = [
        {"ts_ms": START_MS, "source": "fomc", "reading": {"events": [at(_FOMC)]}},
        *(
            {"ts_ms": at(part), "source": source, "reading": {"change_pct": change}}
            for part, source, change in _INDICES
        ),
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)
