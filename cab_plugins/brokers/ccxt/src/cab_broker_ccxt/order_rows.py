"""Gate's rows of orders, stops and trades as our values (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cab_broker_ccxt.amounts import ZERO, maybe, millis, number
from cab_core.sdk import Ack, Fill, Side, VenueOrder

Row = dict[str, Any]

#: Fees in coins of the venue, by the field that carries them. They replace the ordinary fee or a part of it.
_OTHER_FEES = (("gt_fee", "GT"), ("point_fee", "POINT"))

SIDES = frozenset(str(side) for side in Side)


def id_of(row: Mapping[str, Any]) -> str:
    """Return the venue's id of a row, empty if it has none."""
    found = row.get("id")
    return "" if found is None else str(found)


def text_of(row: Mapping[str, Any]) -> str:
    """Return the client id of a row; empty if the text only names where the order came from."""
    text = str(row.get("text") or "")
    return text if text.startswith("t-") else ""


def is_open(row: Mapping[str, Any]) -> bool:
    """Say whether an order rests. A status that is missing proves no end."""
    return str(row.get("status") or "open") == "open"


def filled_of(row: Mapping[str, Any]) -> Decimal | None:
    """Return the base an order has filled, None if the row does not tell.

    ``left`` of a market buy is in quote, so only the explicit amount counts there.
    """
    filled = maybe(row.get("filled_amount"))
    if filled is not None:
        return filled
    amount, left = maybe(row.get("amount")), maybe(row.get("left"))
    if amount is None or left is None or (row.get("type") == "market" and row.get("side") == "buy"):
        return None
    return amount - left


def ack_of(row: Mapping[str, Any]) -> Ack:
    """Read how an order stands. ``status`` does not tell success: the filled amount does."""
    final = not is_open(row)
    ended = str(row.get("finish_as") or row.get("status") or "") if final else ""
    return Ack(id_of(row), final=final, filled=filled_of(row), ended=ended)


def venue_order(row: Mapping[str, Any], symbol: str, offset_ms: int) -> VenueOrder:
    """Read an ordinary order of a listing."""
    side = Side(str(row["side"]))
    market = row.get("type") == "market"
    return VenueOrder(
        order_id=id_of(row),
        client_id=text_of(row),
        symbol=symbol,
        side=side,
        stop=False,
        open=is_open(row),
        quantity=None if market and side is Side.BUY else maybe(row.get("amount")),
        filled=filled_of(row) or ZERO,
        created_ms=millis(dict(row), "create_time") - offset_ms,
        limit=None if market else maybe(row.get("price")),
    )


def fired_order(row: Mapping[str, Any]) -> str | None:
    """Return the id of the order a stop has become, None if it has not."""
    fired = str(row.get("fired_order_id") or "0")
    return None if fired == "0" else fired


def stop_waits(row: Mapping[str, Any]) -> bool:
    """Say whether a stop still waits for its trigger."""
    return str(row.get("status") or "open") == "open"


def stop_ended(row: Mapping[str, Any]) -> str:
    """Say why a stop ended without an order, in the venue's words."""
    return ": ".join(str(row[name]) for name in ("status", "reason") if row.get(name))


def venue_stop(
    row: Mapping[str, Any], child: Mapping[str, Any] | None, symbol: str, client_id: str, offset_ms: int
) -> VenueOrder:
    """Read a stop of a listing together with the order it has become, if it is listed too."""
    put, trigger = row.get("put") or {}, row.get("trigger") or {}
    return VenueOrder(
        order_id=id_of(row),
        client_id=client_id,
        symbol=symbol,
        side=Side(str(put.get("side"))),
        stop=stop_waits(row),
        open=stop_waits(row) or (child is not None and is_open(child)),
        quantity=maybe(put.get("amount")),
        filled=(filled_of(child) or ZERO) if child is not None else ZERO,
        created_ms=millis(dict(row), "ctime") - offset_ms,
        trigger=maybe(trigger.get("price")),
        limit=maybe(put.get("price")),
    )


def fill_of(row: Mapping[str, Any], symbol: str, client_id: str, offset_ms: int) -> Fill:
    """Read one own trade. What was paid in GT or points is in that coin and not taken from the base.

    What cannot be read is zero, so that the kernel leaves this trade out and still sees all others; a trade
    of no known side has no quantity.
    """
    first, *further = _fees(row)
    side = str(row.get("side"))
    return Fill(
        trade_id=id_of(row),
        client_id=client_id,
        symbol=symbol,
        side=Side.BUY if side == Side.BUY else Side.SELL,
        quantity=number(row.get("amount")) if side in SIDES else ZERO,
        price=number(row.get("price")),
        fee=first[1],
        fee_currency=first[0],
        ts_ms=millis(dict(row), "create_time") - offset_ms,
        further_fees=tuple(further),
        order_id=str(row["order_id"]) if row.get("order_id") else None,
    )


def _fees(row: Mapping[str, Any]) -> list[tuple[str, Decimal]]:
    """Return the fees of a trade as (currency, amount), at least one: GT and points may pay a part of it."""
    ordinary = str(row.get("fee_currency") or ""), number(row.get("fee"))
    others = [(coin, number(row.get(field))) for field, coin in _OTHER_FEES]
    return [fee for fee in (ordinary, *others) if fee[1]] or [ordinary]


def trade_order(row: Mapping[str, Any]) -> tuple[Decimal, int, str]:
    """Return what trades are ordered by: their time, then their id as a number."""
    trade_id = id_of(row)
    return number(row.get("create_time_ms")), int(trade_id) if trade_id.isdigit() else 0, trade_id
