"""What the exchange asks of an order before it takes it."""

from __future__ import annotations

import re
from decimal import Decimal

import attrs

from cab_core.domain.matching import below_minimum
from cab_core.domain.orders import Side
from cab_exchange_sim.engine.core import Core, on_step, refusal
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.orders import Orders
from cab_exchange_sim.engine.values import OrderRequest, Refused, StopRequest

_TEXT = re.compile(r"t-[0-9A-Za-z_.-]{1,28}")

#: Texts without prefix that only name where an order came from.
_SOURCES = frozenset({"", "api", "apiv4", "app", "web"})

#: Most quote that one order may be worth.
MAX_QUOTE = Decimal(5_000_000)

_MARKET_TIFS = frozenset({"ioc", "fok"})


def check_text(text: str) -> None:
    """Refuse a client's id that breaks the rules: ``t-`` and at most 28 of ``0-9A-Za-z_-.``."""
    if text not in _SOURCES and _TEXT.fullmatch(text) is None:
        raise Refused("INVALID_PARAM_VALUE", f"invalid text {text!r}: t- and 1 to 28 of 0-9A-Za-z_-.")


def checked(request: OrderRequest, market: Market, core: Core) -> OrderRequest:
    """Return the order as the exchange takes it.

    Raises:
        Refused: something about it is not allowed.
    """
    check_text(request.text)
    if request.type == "market" and request.tif not in _MARKET_TIFS:
        raise Refused("INVALID_PARAM_VALUE", f"time_in_force {request.tif} is not for market orders")
    market.check_open(request.side, core.now_ms)
    instrument = market.instrument
    step = instrument.amount_step
    if request.type == "market" and request.side is Side.BUY:
        step = instrument.price_tick
    amount = on_step("amount", request.amount, step, core.settings)
    if request.type == "market":
        return attrs.evolve(request, amount=amount, price=None)
    if request.price is None:
        raise Refused("INVALID_PARAM_VALUE", "a limit order needs a price")
    price = on_step("price", request.price, instrument.price_tick, core.settings)
    check_size(market, amount, price)
    return attrs.evolve(request, amount=amount, price=price)


def check_size(market: Market, amount: Decimal, price: Decimal) -> None:
    """Refuse an order that is too small or too large."""
    instrument = market.instrument
    if amount * price < instrument.min_notional:
        raise refusal(below_minimum(amount * price, instrument))
    if amount < instrument.min_amount:
        least = f"{instrument.min_amount:f} {instrument.base}"
        raise Refused("INVALID_PARAM_VALUE", f"Your order size is too small. The minimum is {least}")
    if amount * price > MAX_QUOTE:
        raise Refused("AMOUNT_TOO_MUCH", f"the maximum is {MAX_QUOTE:f} {instrument.quote}")


def check_duplicate(request: OrderRequest, account: str, orders: Orders, policy: str) -> None:
    """Refuse a client's id that is taken, where the policy says so."""
    if policy == "accept" or not request.text.startswith("t-"):
        return
    for order_id in orders.with_text(account, request.text):
        order = orders.get(order_id)
        if order is not None and (policy == "always" or order.status == "open"):
            raise Refused("REPEATED_CREATION", f"there is an order {request.text} already")


def checked_stop(request: StopRequest, market: Market, core: Core) -> StopRequest:
    """Return the stop as the exchange takes it.

    Raises:
        Refused: something about it is not allowed, or the price is through its trigger already.
    """
    market.check_open(request.side, core.now_ms)
    if not 1 <= request.ttl_s <= core.settings.max_stop_ttl_s:
        what = f"invalid argument: trigger.expiration invalid range: 1 to {core.settings.max_stop_ttl_s}"
        raise Refused("AUTO_INVALID_PARAM_TRIGGER_EXPIRATION", what)
    instrument = market.instrument
    trigger = on_step("trigger price", request.trigger, instrument.price_tick, core.settings)
    in_quote = request.type == "market" and request.side is Side.BUY
    step = instrument.price_tick if in_quote else instrument.amount_step
    amount = on_step("amount", request.amount, step, core.settings)
    price = request.price
    if request.type == "limit":
        if price is None:
            raise Refused("INVALID_PARAM_VALUE", "a limit order needs a price")
        price = on_step("price", price, instrument.price_tick, core.settings)
        check_size(market, amount, price)
    now = market.trigger_price(core.now_ms)
    if request.rule == "<=" and trigger >= now:
        raise Refused("AUTO_TRIGGER_PRICE_LESS_LAST", f"Trigger.Price must < last_price {now:f}")
    if request.rule == ">=" and trigger <= now:
        raise Refused("AUTO_TRIGGER_PRICE_GREATE_LAST", f"Trigger.Price must > last_price {now:f}")
    return attrs.evolve(request, trigger=trigger, amount=amount, price=price)
