"""An intent as the body of a request to Gate (pure)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from cab_broker_ccxt.amounts import floored, plain
from cab_broker_ccxt.memory import is_stop
from cab_broker_ccxt.rules import pair_of
from cab_core.sdk import Instrument, Intent, Rejected, Side

#: What Gate takes as ``text``; ccxt would add or drop the prefix on its own, so it never gets another.
CLIENT_ID = re.compile(r"t-[0-9A-Za-z_.\-]{1,26}")


def order_body(intent: Intent, rules: Instrument, account: str, stop_ttl_s: int) -> dict[str, Any] | Rejected:
    """Return the body of the request that places the order; `Rejected` if the rules forbid it.

    Amounts are rounded down. A market buy's amount is the quote to spend, a sell's the base to give.
    """
    if not CLIENT_ID.fullmatch(intent.client_id):
        return Rejected("bad_client_id", f"{intent.client_id} is not {CLIENT_ID.pattern}")
    if not (rules.buyable if intent.side is Side.BUY else rules.sellable):
        return Rejected("not_tradable", f"{intent.symbol} cannot be traded this way now")
    amount = amount_of(intent, rules)
    if isinstance(amount, Rejected):
        return amount
    if is_stop(intent):
        return _stop_body(intent, rules, amount, account, stop_ttl_s)
    return {
        "currency_pair": pair_of(intent.symbol),
        "type": "market",
        "account": account,
        "side": intent.side.value,
        "amount": plain(amount),
        "time_in_force": "ioc",
        "text": intent.client_id,
    }


def amount_of(intent: Intent, rules: Instrument) -> Decimal | Rejected:
    """Return the quote to spend or the base to sell, rounded down; `Rejected` if it is below the minimum."""
    if intent.side is Side.BUY:
        if intent.cost is None or is_stop(intent):
            return Rejected("bad_order", "a buy is a market order with a cost in quote")
        cost = floored(intent.cost, rules.cost_step)
        if cost <= 0 or cost < rules.min_notional:
            return Rejected(
                "below_min_notional", f"{plain(cost)} {rules.quote} < {plain(rules.min_notional)}"
            )
        return cost
    if intent.quantity is None:
        return Rejected("bad_order", "a sell has a quantity in base")
    quantity = floored(intent.quantity, rules.amount_step)
    if quantity <= 0 or quantity < rules.min_amount:
        return Rejected("below_min_notional", f"{plain(quantity)} {rules.base} is below the least amount")
    return quantity


def _stop_body(
    intent: Intent, rules: Instrument, amount: Decimal, account: str, ttl_s: int
) -> dict[str, Any] | Rejected:
    if intent.trigger is None or intent.limit is None:
        return Rejected("bad_order", "a stop has a trigger and a limit")
    trigger, limit = floored(intent.trigger, rules.price_tick), floored(intent.limit, rules.price_tick)
    if limit <= 0 or trigger <= 0:
        return Rejected("bad_precision", f"trigger {plain(trigger)} or limit {plain(limit)} is not positive")
    return {
        "market": pair_of(intent.symbol),
        "trigger": {"price": plain(trigger), "rule": "<=", "expiration": ttl_s},
        "put": {
            "type": "limit",
            "side": "sell",
            "price": plain(limit),
            "amount": plain(amount),
            "account": "normal" if account == "spot" else account,
            "time_in_force": "gtc",
        },
    }
