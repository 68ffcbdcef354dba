from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cab_core.data.files import read_candles, write_candles
from cab_core.data.generator import generate
from cab_core.data.store import CandleStore
from cab_core.domain.bars import Bars
from cab_core.errors import CabError, DataError, NotFoundError, RefusedError, UsageError


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(tmp_path / "data" / "candles")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "BTC-USDT.csv"
    write_candles(path, generate("BTC/USDT", 3, 1))
    return path


def fast(path: Path, n: int, tf_ms: int = 300_000, first: int = 0) -> Path:
    close = 100 + np.sin(np.arange(n))
    ts_ms = 1_704_067_200_000 + (first + np.arange(n)) * tf_ms
    write_candles(path, Bars.of(ts_ms, close, close + 1, close - 1, close, np.ones(n)))
    return path


def test_an_imported_file_can_be_read_by_its_symbol(store: CandleStore, source: Path) -> None:
    stored = store.add(source)
    assert stored.symbol == "BTC/USDT"
    assert stored.path == store.folder / "BTC-USDT_15m.csv.gz"
    assert store.read("BTC/USDT").sha256 == read_candles(source).sha256
    assert store.list() == [stored]


def test_nothing_is_replaced_or_merged_unasked(store: CandleStore, source: Path, tmp_path: Path) -> None:
    first = store.add(source)
    other = tmp_path / "other.csv"
    write_candles(other, generate("BTC/USDT", 5, 2))
    with pytest.raises(RefusedError, match="already stored"):
        store.add(other, symbol="BTC/USDT")
    assert store.list() == [first]
    replaced = store.add(other, symbol="btc/usdt", replace=True)
    assert store.list() == [replaced]
    assert store.read("BTC/USDT").sha256 == read_candles(other).sha256


def test_five_minute_candles_become_complete_15m_candles(store: CandleStore, tmp_path: Path) -> None:
    path = fast(tmp_path / "ETH-USDT.csv", 3 * 10 + 4, first=1)
    with pytest.raises(DataError) as caught:
        store.add(path)
    assert "--to 15m" in caught.value.fix
    stored = store.add(path, to="15m")
    assert (stored.bars, stored.left_out) == (10, 4)
    bars = store.read("ETH/USDT").bars
    assert bars.volume.tolist() == [3.0] * 10
    assert bars.open[0] == read_candles(path).bars.open[2]


def test_recorded_5m_candles_become_the_recorded_15m_candles(store: CandleStore, recorded: Path) -> None:
    store.add(recorded / "binance_BTC-USDT_5m_2024-01_2024-09.csv.gz", to="15m")
    built = store.read("BTC/USDT").bars
    kept = read_candles(recorded / "binance_BTC-USDT_15m_2024-01_2025-08.csv.gz").bars[: len(built)]
    for name in ("ts_ms", "open", "high", "low", "close"):
        assert np.array_equal(getattr(built, name), getattr(kept, name)), name
    np.testing.assert_allclose(built.volume, kept.volume, atol=1e-6)


def test_minutes_without_a_trade_take_no_candle_away(store: CandleStore, tmp_path: Path) -> None:
    """Exporters leave out minutes in which nothing traded: three days of them are still 288 candles."""
    rng = np.random.default_rng(1)
    n = 3 * 1440
    close = 100 + np.cumsum(rng.normal(0, 0.1, n))
    ts_ms = 1_704_067_200_000 + np.arange(n) * 60_000
    kept = rng.random(n) < 0.6
    kept[[0, -1]] = True
    minutes = Bars.of(ts_ms, close, close + 0.05, close - 0.05, close, np.ones(n)).take(kept)
    write_candles(tmp_path / "ETH-USDT_1m.csv", minutes)
    stored = store.add(tmp_path / "ETH-USDT_1m.csv", to="15m")
    assert (stored.bars, stored.missing, stored.left_out) == (288, 0, 0)
    assert 200 < stored.thin <= 288
    bars = store.read("ETH/USDT").bars
    assert bars.volume.sum() == kept.sum()
    for row in (0, 100, 287):
        own = minutes.close[(minutes.ts_ms - 1_704_067_200_000) // 900_000 == row]
        assert (bars.open[row], bars.close[row]) == (own[0], own[-1])
        assert (bars.high[row], bars.low[row]) == (own.max() + 0.05, own.min() - 0.05)


@pytest.mark.parametrize(
    ("name", "tf_ms", "options", "error", "what"),
    [
        ("x.csv", 900_000, {}, UsageError, "does not tell the symbol"),
        ("x.csv", 900_000, {"symbol": "BTCUSDT"}, UsageError, "no symbol"),
        ("x.csv", 900_000, {"symbol": "../X/USDT"}, UsageError, "no symbol"),
        ("BTC-USDT.csv", 900_000, {"to": "1h"}, UsageError, "1h"),
        ("BTC-USDT.csv", 3_600_000, {"to": "15m"}, DataError, "cannot be made from 1h"),
        ("BTC-USDT.csv", 3_600_000, {}, DataError, "these are 1h"),
    ],
)
def test_what_cannot_be_imported_is_explained(
    store: CandleStore,
    tmp_path: Path,
    name: str,
    tf_ms: int,
    options: dict[str, str],
    error: type[CabError],
    what: str,
) -> None:
    path = fast(tmp_path / name, 8, tf_ms)
    with pytest.raises(error) as caught:
        store.add(path, symbol=options.get("symbol"), to=options.get("to"))
    assert what in caught.value.what
    assert caught.value.fix
    assert store.list() == []


def test_too_few_candles_for_one_bucket_are_refused(store: CandleStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no complete 15m candle"):
        store.add(fast(tmp_path / "BTC-USDT.csv", 3, first=1), to="15m")


def test_a_symbol_that_is_not_stored_is_not_found(store: CandleStore) -> None:
    with pytest.raises(NotFoundError) as caught:
        store.read("SOL/USDT")
    assert "cab data import" in caught.value.fix


def test_a_damaged_file_is_listed_with_its_problem(store: CandleStore, source: Path) -> None:
    good = store.add(source)
    broken = store.path("AAA/USDT")
    broken.write_bytes(good.path.read_bytes()[:100])
    found = store.list()
    assert [stored.symbol for stored in found] == ["AAA/USDT", "BTC/USDT"]
    assert "damaged" in found[0].problem
    assert found[1] == good
