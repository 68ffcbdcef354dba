"""How the templates write values. Money stays exact until it is shown; a sign never is a color alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from cab_core.domain.currencies import quote_of
from cab_core.domain.figures import (
    fees,
    measured,
    money,
    number,
    percent,
    price,
    quantity,
    reading,
    signed_money,
    signed_number,
    signed_percent,
    unit_name,
)
from cab_core.report.text import duration, minute, words

_DASH = "–"


def when(ts_ms: int | None, form: str = "minute") -> Markup:
    """Return an instant as a ``time`` element in UTC; the page's script adds the local time on hover."""
    if ts_ms is None:
        return Markup('<span class="none">{}</span>').format(_DASH)
    moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    shown = f"{moment:%Y-%m-%d %H:%M:%S}" if form == "second" else f"{moment:%Y-%m-%d %H:%M}"
    if form == "clock":
        shown = f"{moment:%H:%M:%S}"
    iso = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        iso, f"{moment:%Y-%m-%d %H:%M:%S}", shown
    )


def level(value: Decimal | None) -> str:
    """Return a price, or a dash."""
    return _DASH if value is None else price(value)


def amount(value: Decimal | None) -> str:
    """Return a quantity, or a dash."""
    return _DASH if value is None else quantity(value)


def change(value: Decimal | float | None, unit: str) -> Markup:
    """Return a gain or loss in percent or in a currency: an arrow, a sign and a color."""
    if value is None:
        return Markup('<span class="none">{}</span>').format(_DASH)
    text = signed_percent(value) if unit == "%" else signed_money(value, unit)
    kind = {"+": "gain", "-": "loss"}.get(text[0], "even")
    arrow = {"gain": "▲ ", "loss": "▼ ", "even": ""}[kind]
    return Markup('<span class="{}"><span class="arrow" aria-hidden="true">{}</span>{}</span>').format(
        kind, arrow, text
    )


def short(value: Any) -> str:
    """Return a number of an indicator with six digits, other things as text."""
    return reading(value) if isinstance(value, float) else str(value)


def data(value: Any) -> str:
    """Return JSON for people: texts without quotes, nothing as a dash."""
    if value is None:
        return _DASH
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def span(seconds: float) -> str:
    """Return a duration given in seconds, also below a minute."""
    return f"{round(seconds)} s" if seconds < 60 else duration(1000 * seconds)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "amount": amount,
    "change": change,
    "data": data,
    "duration": duration,
    "fees": fees,
    "level": level,
    "measured": measured,
    "minute": minute,
    "money": money,
    "number": number,
    "percent": percent,
    "price": price,
    "quote": quote_of,
    "short": short,
    "signed_number": signed_number,
    "span": span,
    "unit_name": unit_name,
    "when": when,
    "words": words,
}
