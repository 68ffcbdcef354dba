"""What an order executes against: the recorded price through the shared core, or a given book."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.market import Costs, Quote
from cab_core.domain.matching import Match, filled_part, market_buy, market_sell, sell_at
from cab_core.domain.money import ONE, ZERO, floor_step
from cab_core.domain.orders import Rejected, Side
from cab_exchange_sim.engine.core import refusal
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.values import Level, OrderRequest
from cab_exchange_sim.engine.venue import VenueSettings


def market_matches(
    request: OrderRequest, name: str, market: Market, quote: Quote, settings: VenueSettings
) -> list[Match]:
    """Return the executions of a market order; ``name`` decides whether it fills in part.

    Raises:
        Refused: it is too small.
    """
    if market.conditions.book is not None:
        return _walk(request, market, market.conditions.book.asks, market.conditions.book.bids, settings)
    part = _part(name, market, settings)
    instrument = attrs.evolve(market.instrument, cost_step=market.instrument.price_tick)
    take = market_buy if request.side is Side.BUY else market_sell
    match = take(request.amount, quote, instrument, settings.costs, part=part or ONE)
    if isinstance(match, Rejected):
        raise refusal(match)
    return [match] if part else []


def limit_matches(
    request: OrderRequest,
    market: Market,
    quote: Quote,
    settings: VenueSettings,
    *,
    quantity: Decimal,
    begun: bool = False,
) -> list[Match]:
    """Return the executions of what is left (``quantity``) of a limit order at the prices of now.

    If it has ``begun`` to fill, the rest fills whole.
    """
    if market.conditions.book is not None:
        book = market.conditions.book
        left = attrs.evolve(request, amount=quantity)
        return _walk(left, market, book.asks, book.bids, settings)
    price = quote.ask if request.side is Side.BUY else quote.bid
    if price is None or request.price is None or not _crosses(request.side, price, request.price):
        return []
    if market.conditions.limit_part is not None and not begun:
        step = market.instrument.amount_step
        quantity = min(quantity, max(floor_step(quantity * market.conditions.limit_part, step), step))
    return [one_match(request.side, quantity, price, market, settings.costs)]


def one_match(side: Side, quantity: Decimal, price: Decimal, market: Market, costs: Costs) -> Match:
    """Return the execution of a quantity at a price: limit orders know no slippage."""
    if side is Side.SELL:
        return sell_at(quantity, price, market.instrument, costs)
    return Match(quantity, price, quantity * costs.fee, market.base)


def _part(name: str, market: Market, settings: VenueSettings) -> Decimal:
    conditions = market.conditions
    if conditions.fill_part is not None:
        return conditions.fill_part
    probability = conditions.partial_fill_prob
    return filled_part(
        settings.seed, name, settings.partial_fill_prob if probability is None else probability
    )


def _crosses(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price <= limit if side is Side.BUY else price >= limit


def _walk(
    request: OrderRequest,
    market: Market,
    asks: tuple[Level, ...],
    bids: tuple[Level, ...],
    settings: VenueSettings,
) -> list[Match]:
    """Execute against the levels of a book, as far as the amount and the limit go."""
    step = market.instrument.amount_step
    in_quote = request.type == "market" and request.side is Side.BUY
    left, matches = request.amount, []
    for price, offered in asks if request.side is Side.BUY else bids:
        if request.price is not None and not _crosses(request.side, price, request.price):
            break
        wanted = floor_step(left / price, step) if in_quote else left
        quantity = min(wanted, floor_step(offered, step))
        if quantity <= ZERO:
            break
        matches.append(one_match(request.side, quantity, price, market, settings.costs))
        left -= quantity * price if in_quote else quantity
    return matches
