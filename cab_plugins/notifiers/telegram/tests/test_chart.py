from __future__ import annotations

import io

import pytest
from PIL import Image

from cab_core.testing.desk_documents import answers
from cab_notifier_telegram.chart import _DOWN, _EQUITY, _STOP, _UP, SIZE, draw


def picture(candles, equity):
    data = draw(candles, equity)
    assert len(data) < 300_000
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("PNG", SIZE)
    return image.convert("RGB")


def count(image, color) -> int:
    """Return how many pixels have about this color."""
    near = [
        n
        for n, found in image.getcolors(100_000)
        if max(abs(a - b) for a, b in zip(found, color, strict=True)) < 24
    ]
    return sum(near)


@pytest.fixture
def candles():
    return answers()["candles"]


@pytest.fixture
def equity():
    return answers()["equity"]


def test_everything_is_on_it(candles, equity):
    image = picture(candles, equity)
    assert count(image, (16, 20, 28)) > 0.7 * SIZE[0] * SIZE[1]
    assert all(count(image, color) > 300 for color in (_UP, _DOWN, _STOP, _EQUITY))


def test_stop_entries_and_equity_are_drawn_because_they_are_there(candles, equity):
    full = picture(candles, equity)
    without = picture({**candles, "lines": [], "markers": []}, [])
    assert count(without, _STOP) == 0
    assert count(without, _EQUITY) == 0
    assert count(picture({**candles, "markers": []}, equity), _UP) < count(full, _UP)


@pytest.mark.parametrize(
    "change",
    [
        {"close": [5.0] * 60, "open": [5.0] * 60, "high": [5.0] * 60, "low": [5.0] * 60},
        {"volume": [0.0] * 60},
        {"lines": [{"name": "take_profit_2", "price": "9e9", "from_ms": 0, "to_ms": None}]},
        {"lines": [{"name": "stop_loss", "price": "60100", "from_ms": 0, "to_ms": 1}]},
        {"markers": [{"ts_ms": 0, "price": "1", "kind": "buy", "text": "old", "trace_id": "-"}]},
        {"markers": [{"ts_ms": 9e15, "price": "1", "kind": "ema_cross", "text": "x", "trace_id": "-"}]},
        {"symbol": "ШИБ/USDT"},
    ],
    ids=["flat", "no volume", "far level", "old level", "old marker", "signal", "not latin"],
)
def test_odd_markets_are_drawn_too(candles, equity, change):
    picture({**candles, **change}, equity)


def test_two_candles_and_long_histories_fit(candles, equity):
    columns = ("ts_ms", "open", "high", "low", "close", "volume")
    picture({**candles, **{name: candles[name][:2] for name in columns}, "markers": []}, equity[:1])
    many = {name: list(candles[name]) * 10 for name in columns}
    first, step = candles["ts_ms"][0], candles["ts_ms"][1] - candles["ts_ms"][0]
    many["ts_ms"] = [first + k * step for k in range(600)]
    picture({**candles, **many}, equity * 10)
