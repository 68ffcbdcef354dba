"""Candles as a picture for a phone: entries and exits, stop and targets, volume, equity."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from PIL import Image, ImageDraw, ImageFont

from cab_core.sdk import figures

Document = Mapping[str, Any]
Color = tuple[int, int, int]

SIZE = (1080, 1080)
_LEFT, _RIGHT, _TOP, _BOTTOM = 24, 168, 92, 56
_BACK: Color = (16, 20, 28)
_GRID: Color = (38, 45, 58)
_TEXT: Color = (214, 220, 230)
_DIM: Color = (132, 142, 158)
_UP: Color = (38, 186, 132)
_DOWN: Color = (236, 88, 92)
_EQUITY: Color = (88, 152, 248)
_LINES: Mapping[str, Color] = {"take_profit_1": _UP, "take_profit_2": _UP, "entry": _DIM}
_STOP: Color = (250, 176, 60)
_NAMES: Mapping[str, str] = {
    "take_profit_1": "TP1",
    "take_profit_2": "TP2",
    "trailing_stop": "TS",
    "break_even": "BE",
}
#: Least distance between a label of the scale and a tag.
_CLEAR = 34
#: Share of the height below the title that each strip takes, from the top.
_CANDLES, _VOLUME = 0.68, 0.13
_GAP = 26


@attrs.frozen
class Strip:
    """A rectangle of the picture with a scale of its own."""

    top: float
    bottom: float
    low: float
    high: float

    def y(self, value: float) -> float:
        """Return the height at which a value lies, within the strip."""
        share = (value - self.low) / (self.high - self.low or 1.0)
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)


class Canvas:
    """The picture while it is drawn."""

    def __init__(self, stamps: Sequence[int]) -> None:
        self.image = Image.new("RGB", SIZE, _BACK)
        self.pen = ImageDraw.Draw(self.image)
        self.right = SIZE[0] - _RIGHT
        self.step = (self.right - _LEFT) / len(stamps)
        self.first = stamps[0]
        self.tf_ms = stamps[1] - stamps[0]

    def x(self, ts_ms: float) -> float:
        """Return where the middle of the candle of that time lies, within the picture."""
        place = _LEFT + ((ts_ms - self.first) // self.tf_ms + 0.5) * self.step
        return min(max(place, _LEFT), self.right)

    def write(
        self, at: tuple[float, float], text: str, size: int, color: Color = _TEXT, anchor: str = "la"
    ) -> None:
        """Write a text; the built-in font has Latin letters only."""
        latin = text.encode("latin-1", "replace").decode("latin-1")
        self.pen.text(at, latin, fill=color, font=ImageFont.load_default(size), anchor=anchor)


def draw(candles: Document, equity: Sequence[Document]) -> bytes:
    """Return a PNG of at least two candles and the equity curve of their time."""
    canvas = Canvas(candles["ts_ms"])
    height = SIZE[1] - _TOP - _BOTTOM
    candles_end = _TOP + _CANDLES * height
    volume_end = candles_end + _GAP + _VOLUME * height
    main = _price_strip(candles, _TOP, candles_end)
    _title(canvas, candles)
    _scale(canvas, main, _tagged(candles, main))
    _times(canvas, candles["ts_ms"])
    _bodies(canvas, candles, main)
    _levels(canvas, candles["lines"], main)
    _marks(canvas, candles["markers"], main)
    _volume(canvas, candles, Strip(candles_end + _GAP, volume_end, 0.0, max(candles["volume"]) or 1.0))
    quote = figures.quote_of(candles["symbol"])
    _equity(canvas, equity, quote, volume_end + _GAP, SIZE[1] - _BOTTOM)
    _last_price(canvas, candles, main)
    file = io.BytesIO()
    canvas.image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


def _price_strip(candles: Document, top: float, bottom: float) -> Strip:
    low, high = min(candles["low"]), max(candles["high"])
    reach = (high - low) or high * 0.01
    levels = [float(line["price"]) for line in candles["lines"] if line["to_ms"] is None]
    near = [level for level in levels if low - reach <= level <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.06 * ((high - low) or high * 0.01)
    return Strip(top, bottom, low - margin, high + margin)


def _title(canvas: Canvas, candles: Document) -> None:
    first, last = candles["close"][0], candles["close"][-1]
    change = 100 * (last / first - 1) if first else 0.0
    canvas.write((_LEFT, 20), f"{candles['symbol']}  {candles['timeframe']}", 40)
    color = _UP if change >= 0 else _DOWN
    canvas.write(
        (SIZE[0] - _LEFT, 20), f"{figures.price(last)}  {figures.signed_percent(change)}", 40, color, "ra"
    )


def _tagged(candles: Document, strip: Strip) -> list[float]:
    """Return the heights at which tags will stand on the scale."""
    levels = [float(line["price"]) for line in candles["lines"] if line["to_ms"] is None]
    return [strip.y(level) for level in [*levels, candles["close"][-1]]]


def _scale(canvas: Canvas, strip: Strip, tagged: Sequence[float]) -> None:
    step = _round_step((strip.high - strip.low) / 5)
    level = math.ceil(strip.low / step) * step
    while level < strip.high:
        y = strip.y(level)
        canvas.pen.line([(_LEFT, y), (canvas.right, y)], fill=_GRID)
        if all(abs(y - tag) >= _CLEAR for tag in tagged):
            canvas.write((canvas.right + 10, y), figures.price(level), 26, _DIM, "lm")
        level += step


def _round_step(raw: float) -> float:
    """Return the next step of 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)


def _times(canvas: Canvas, stamps: Sequence[int]) -> None:
    every = max(1, len(stamps) // 5)
    for k in range(every // 2, len(stamps), every):
        x = canvas.x(stamps[k])
        canvas.pen.line([(x, _TOP), (x, SIZE[1] - _BOTTOM)], fill=_GRID)
        moment = datetime.fromtimestamp(stamps[k] / 1000, UTC)
        canvas.write((x, SIZE[1] - _BOTTOM + 14), f"{moment:%d.%m. %H:%M}", 26, _DIM, "ma")


def _bodies(canvas: Canvas, candles: Document, strip: Strip) -> None:
    half = max(1.0, 0.36 * canvas.step)
    columns = (candles[name] for name in ("ts_ms", "open", "high", "low", "close"))
    for ts_ms, open_, high, low, close in zip(*columns, strict=True):
        x, color = canvas.x(ts_ms), _UP if close >= open_ else _DOWN
        canvas.pen.line([(x, strip.y(high)), (x, strip.y(low))], fill=color, width=2)
        top, bottom = strip.y(max(open_, close)), strip.y(min(open_, close))
        canvas.pen.rectangle([x - half, top, x + half, max(bottom, top + 1)], fill=color)


def _levels(canvas: Canvas, lines: Sequence[Document], strip: Strip) -> None:
    for line in lines:
        level = float(line["price"])
        if not strip.low <= level <= strip.high:
            continue
        color, y = _LINES.get(line["name"], _STOP), strip.y(level)
        begin = canvas.x(line["from_ms"])
        end = canvas.right if line["to_ms"] is None else canvas.x(line["to_ms"])
        for x in range(int(begin), int(end), 18):
            canvas.pen.line([(x, y), (min(x + 10, end), y)], fill=color, width=3)
        if line["to_ms"] is None:
            _tag(canvas, y, f"{_NAMES.get(line['name'], 'SL')} {figures.price(level)}", color)


def _tag(canvas: Canvas, y: float, text: str, color: Color) -> None:
    canvas.pen.rounded_rectangle([canvas.right + 4, y - 17, SIZE[0] - 4, y + 17], 6, fill=color)
    canvas.write((canvas.right + 10, y), text[:14], 21, _BACK, "lm")


def _marks(canvas: Canvas, markers: Sequence[Document], strip: Strip) -> None:
    for mark in markers:
        if mark["kind"] not in ("buy", "sell") or mark["ts_ms"] < canvas.first:
            continue
        x, y = canvas.x(mark["ts_ms"]), strip.y(float(mark["price"]))
        down = 1 if mark["kind"] == "buy" else -1  # the arrow stands below a buy and above a sell
        color, size = _UP if down == 1 else _DOWN, 17
        corners = [
            (x, y + 8 * down),
            (x - size, y + (8 + 1.7 * size) * down),
            (x + size, y + (8 + 1.7 * size) * down),
        ]
        canvas.pen.polygon(corners, fill=color, outline=_TEXT, width=2)


def _volume(canvas: Canvas, candles: Document, strip: Strip) -> None:
    half = max(1.0, 0.36 * canvas.step)
    columns = (candles[name] for name in ("ts_ms", "open", "close", "volume"))
    for ts_ms, open_, close, volume in zip(*columns, strict=True):
        shade = _UP if close >= open_ else _DOWN
        color = tuple((part + back) // 2 for part, back in zip(shade, _BACK, strict=True))
        x = canvas.x(ts_ms)
        canvas.pen.rectangle([x - half, strip.y(volume), x + half, strip.bottom], fill=color)
    canvas.write((canvas.right + 10, strip.top), "volume", 24, _DIM)


def _equity(canvas: Canvas, points: Sequence[Document], quote: str, top: float, bottom: float) -> None:
    values = [float(point["equity"]) for point in points]
    canvas.write((canvas.right + 10, top), "equity", 24, _DIM)
    if len(values) < 2:
        canvas.write((_LEFT, top), "equity: not enough points yet", 24, _DIM)
        return
    strip = Strip(top, bottom - 8, min(values), max(values))
    path = [(canvas.x(point["ts_ms"]), strip.y(value)) for point, value in zip(points, values, strict=True)]
    canvas.pen.line(path, fill=_EQUITY, width=4, joint="curve")
    canvas.write((canvas.right + 10, top + 32), figures.money(values[-1], quote), 26, _EQUITY)


def _last_price(canvas: Canvas, candles: Document, strip: Strip) -> None:
    last, rising = candles["close"][-1], candles["close"][-1] >= candles["open"][-1]
    y, color = strip.y(last), _UP if rising else _DOWN
    canvas.pen.line([(_LEFT, y), (canvas.right, y)], fill=color)
    _tag(canvas, y, figures.price(last), _TEXT)
