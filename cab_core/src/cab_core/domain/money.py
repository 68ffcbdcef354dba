"""Money is Decimal. This module is the only border between float64 prices and Decimal money."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

#: Precision of all money arithmetic (spec: precision 28, ROUND_HALF_EVEN). It is also CPython's default
#: context; `use_money_context` in the shells guards against a plugin that changed the default.
MONEY = Context(prec=28, rounding=ROUND_HALF_EVEN)

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)


def to_decimal(value: float) -> Decimal:
    """Return the Decimal whose text is the shortest one that round-trips the float64 ``value``."""
    return Decimal(repr(float(value)))


def floor_step(value: Decimal, step: Decimal) -> Decimal:
    """Round ``value`` down to a multiple of ``step`` (> 0): toward less exposure."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_step(value: Decimal, step: Decimal) -> Decimal:
    """Round ``value`` up to a multiple of ``step`` (> 0)."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def fraction(percent: Decimal) -> Decimal:
    """Turn a percent setting (5.0 means 5 %) into a fraction (0.05)."""
    return percent / HUNDRED
