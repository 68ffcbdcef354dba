"""Every decision of the nine strategies against the reference vectors, through anchored windows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from cab_core.domain.timeframes import LOOKBACK_BARS, TF_MS, anchor_ms
from cab_core.sdk import Bars, Decision

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
STRATEGIES = (
    "bollinger_bands",
    "donchian_breakout",
    "ema_atr",
    "ema_cross",
    "keltner_squeeze",
    "rsi_momentum",
    "stochastic_adx",
    "supertrend",
    "vwap_reversion",
)

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no reference vectors at {REFERENCE}")


def _rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(newline="") as file:
        return list(csv.DictReader(file))


def _bars(data_set: str) -> Bars:
    rows = _rows(f"ohlcv_15m_{data_set}.csv")
    prices = ([float(row[name]) for row in rows] for name in ("open", "high", "low", "close", "volume"))
    return Bars.of([int(row["ts_ms"]) for row in rows], *prices)


def _windows(bars: Bars) -> Iterator[tuple[int, int, int]]:
    """Yield (start, first, stop): the rows first..stop-1 are decided in the window that begins at start."""
    anchors = [anchor_ms(ts, TF_MS, LOOKBACK_BARS) for ts in bars.ts_ms.tolist()]
    first = 0
    for row in range(1, len(bars) + 1):
        if row == len(bars) or anchors[row] != anchors[first]:
            yield int(bars.ts_ms.searchsorted(anchors[first])), first, row
            first = row


def _decisions(strategy: str, bars: Bars) -> list[Decision]:
    (found,) = entry_points(group="cab.strategies", name=strategy)
    plugin = found.load()()
    decisions = []
    for start, first, stop in _windows(bars):
        signals = plugin.signals(bars[start:stop])
        decisions += [signals.row(row - start) for row in range(first, stop)]
    return decisions


@pytest.mark.parametrize("data_set", ["real_btc", "synth_a"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_decision_equals_the_reference(strategy: str, data_set: str) -> None:
    expected = [row for row in _rows(f"decisions_{data_set}.csv") if row["strategy"] == strategy]
    decided = _decisions(strategy, _bars(data_set))
    assert len(decided) == len(expected) == 720
    for row, decision in zip(expected, decided, strict=True):
        assert (decision.action, decision.reason) == (row["action"], row["reason"]), f"bar {row['bar']}"
        assert decision.confidence == pytest.approx(float(row["confidence"]), rel=0, abs=1e-9), row["bar"]
