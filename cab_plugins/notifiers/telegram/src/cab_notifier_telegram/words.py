"""Numbers and times as people read them on a phone. Amounts come as exact texts and are shown rounded."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

#: What stands for a figure that is not known.
NONE = "–"


def money(amount: str | None, *, sign: bool = False) -> str:
    """Return an amount of the quote currency: ``1,234.50``."""
    if amount is None:
        return NONE
    return f"{Decimal(amount):+,.2f}" if sign else f"{Decimal(amount):,.2f}"


def price(amount: str | float | None) -> str:
    """Return a price with about six digits: ``60,120.48``, ``0.0412345``."""
    if amount is None:
        return NONE
    value = Decimal(str(amount))
    if abs(value) >= 1000:
        return f"{value:,.2f}"
    return f"{value:.6g}" if value == 0 or abs(value) >= Decimal("0.0001") else f"{value:.8f}"


def quantity(amount: str) -> str:
    """Return a quantity of the base currency without needless zeros."""
    text = f"{Decimal(amount):,.8f}"
    return text.rstrip("0").rstrip(".")


def percent(value: str | float | None, *, sign: bool = False) -> str:
    """Return a percentage: ``+0.6 %``."""
    if value is None:
        return NONE
    return f"{Decimal(str(value)):+.1f} %" if sign else f"{Decimal(str(value)):.1f} %"


def clock(ts_ms: int | None, now_ms: int | None = None) -> str:
    """Return a time in UTC, with its date unless that is today's."""
    if ts_ms is None:
        return NONE
    moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    today = now_ms is not None and datetime.fromtimestamp(now_ms / 1000, UTC).date() == moment.date()
    return moment.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: ``2 h 5 min``."""
    whole = int(seconds)
    parts = [(whole // 86_400, "d"), (whole // 3_600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"
