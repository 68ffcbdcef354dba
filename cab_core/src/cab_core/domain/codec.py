"""Values of the domain as JSON-safe data and back, without losing a digit."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from cattrs import Converter

from cab_core.domain.ledger import Lot
from cab_core.domain.position import ExitFill


@cache
def money_converter() -> Converter:
    """Return the converter between attrs values and JSON-safe data: Decimals are texts, lots short lists.

    It knows no defaults for strange input: a missing, unknown or malformed field raises.
    """
    converter = Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, lambda text, _: Decimal(text))
    converter.register_unstructure_hook(Lot, lambda lot: [str(lot.quantity), str(lot.cost)])
    converter.register_structure_hook(Lot, lambda row, _: Lot(Decimal(row[0]), Decimal(row[1])))
    converter.register_unstructure_hook(ExitFill, _exit_row)
    converter.register_structure_hook(ExitFill, lambda row, _: _exit_fill(row))
    return converter


def decimals(values: Mapping[Any, Decimal]) -> dict[str, str]:
    """Return a mapping of money as JSON-safe data."""
    return {str(key): str(value) for key, value in values.items()}


def _exit_row(fill: ExitFill) -> dict[str, Any]:
    return {
        "ts_ms": fill.ts_ms,
        "quantity": str(fill.quantity),
        "price": str(fill.price),
        "reason": fill.reason,
        "fee": str(fill.fee),
        "pnl": str(fill.pnl),
    }


def _exit_fill(row: Mapping[str, Any]) -> ExitFill:
    return ExitFill(
        int(row["ts_ms"]),
        Decimal(row["quantity"]),
        Decimal(row["price"]),
        str(row["reason"]),
        Decimal(row["fee"]),
        Decimal(row["pnl"]),
    )
