"""Figures as people read them: the one place that decides their digits and their sign.

What machines read (JSON, CSV, the database) stays exact and does not come through here. For people:

- An amount of money has the decimals of its currency: two for dollars, eight for coins.
- A price or a quantity has the digits of the instrument's steps, which are the digits that the exchange gave
  it. One that was computed, such as an average, has six significant digits instead of 28.
- The sign is that of the value. Zero has none, and what is not zero is not written as zero: a small value
  gets the decimals that show two digits of it.
- What is not known, or means nothing, is ``n/a``.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import TypeAlias

from cab_core.domain.currencies import COIN_DECIMALS, decimals_of, quote_of

__all__ = [
    "NOT_AVAILABLE",
    "fee",
    "fees",
    "measured",
    "money",
    "number",
    "percent",
    "price",
    "quantity",
    "quote_of",
    "reading",
    "signed_money",
    "signed_number",
    "signed_percent",
    "unit_name",
]

NOT_AVAILABLE = "n/a"

#: A number, or its text as JSON holds it; None is not known.
Value: TypeAlias = Decimal | float | str | None

#: Digits of a computed price, and of a small value.
_SIGNIFICANT, _SEEN = 6, 2

#: Decimals beyond which an amount is a rest of arithmetic, and so nothing.
_LAST = 12
#: The same of a percentage or ratio: float64 leaves larger rests.
_LAST_RATIO = 6

#: Precision that holds any float64 exactly while it is rounded for the eye.
_PRECISION = 400


def money(amount: Value, currency: str) -> str:
    """Return an amount of a currency, without its name: ``1,234.50``, ``0.00250000``."""
    return NOT_AVAILABLE if amount is None else _fixed(_exact(amount), decimals_of(currency), _LAST)


def signed_money(amount: Value, currency: str) -> str:
    """Return a gain or loss of a currency, ``+`` included."""
    return _signed(money(amount, currency))


def price(value: Value) -> str:
    """Return a price: ``60,120.40``, ``0.0412345``."""
    if value is None:
        return NOT_AVAILABLE
    exact = _exact(value)
    wanted = max(2, _SIGNIFICANT - 1 - exact.adjusted()) if exact else 2
    return _fixed(exact, min(wanted, max(2, _own_decimals(exact))), wanted)


def quantity(value: Value) -> str:
    """Return an amount of a coin without needless zeros: ``0.015``."""
    if value is None:
        return NOT_AVAILABLE
    return _short(_fixed(_exact(value), COIN_DECIMALS, _LAST))


def fee(amount: Value, currency: str) -> str:
    """Return a fee with its currency: ``0.0512 USDT``."""
    return NOT_AVAILABLE if amount is None else f"{quantity(amount)} {currency}"


def fees(amount: Value, currency: str, further: Iterable[str]) -> list[str]:
    """Return the fee of a fill and, one by one, those it had in other currencies (``0.0004 BNB``)."""
    return [fee(amount, currency), *(fee(*text.split()) for text in further)]


def percent(value: Value, digits: int = 2) -> str:
    """Return a percentage: ``12.34 %``."""
    return NOT_AVAILABLE if value is None else f"{number(value, digits)} %"


def signed_percent(value: Value, digits: int = 2) -> str:
    """Return a percentage with its sign, ``+`` included."""
    return _signed(percent(value, digits))


def number(value: Value, digits: int = 2) -> str:
    """Return a ratio, a score or another number without a unit, with ``digits`` decimals."""
    return NOT_AVAILABLE if value is None else _fixed(_exact(value), digits, _LAST_RATIO)


def signed_number(value: Value, digits: int = 2) -> str:
    """Return such a number with its sign, ``+`` included."""
    return _signed(number(value, digits))


def reading(value: Value) -> str:
    """Return a number of any size, as an indicator has it, with six significant digits: ``60123.5``."""
    if value is None:
        return NOT_AVAILABLE
    exact = _exact(value)
    decimals = max(0, _SIGNIFICANT - 1 - exact.adjusted()) if exact else 0
    return _short(_fixed(exact, decimals, decimals).replace(",", ""))  # it stands in lists with commas


def measured(value: Value, unit: str, currency: str) -> str:
    """Return what a limit measures, without its unit: money, a percentage or a count.

    Args:
        value: the measure.
        unit: ``quote`` and ``%`` for what they say; anything else is counted.
        currency: that of the account, for ``quote``.
    """
    if value is None:
        return NOT_AVAILABLE
    if unit == "quote":
        return money(value, currency)
    return number(value) if unit == "%" else reading(value)


def unit_name(unit: str, currency: str) -> str:
    """Return the unit of a limit for people: that of money is the currency of the account."""
    return currency if unit == "quote" else unit


def _exact(value: Decimal | float | str) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _fixed(value: Decimal, decimals: int, last: int) -> str:
    """Return a number with so many decimals, more of them, up to ``last``, where it would read as zero."""
    if not value.is_finite():
        return NOT_AVAILABLE
    rounded = _rounded(value, decimals)
    if value and not rounded:
        decimals_seen = _SEEN - 1 - value.adjusted()
        seen = _rounded(value, min(decimals_seen, last))
        rounded = seen if seen else rounded
    return f"{rounded:z,f}"


def _rounded(value: Decimal, decimals: int) -> Decimal:
    with localcontext(prec=_PRECISION, rounding=ROUND_HALF_EVEN):
        return value.quantize(Decimal(1).scaleb(-decimals))


def _own_decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(text: str) -> str:
    """Put ``+`` before a text that begins with a digit and shows more than zeros."""
    return f"+{text}" if text[0].isdigit() and any(digit in text for digit in "123456789") else text
