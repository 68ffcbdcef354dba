"""What people and other programs do to the account while the bot trades on it."""

from __future__ import annotations

from decimal import Decimal

from tests.sim.draws import fraction
from tests.sim.plan import Hand

from cab_core.domain.money import floor_step
from cab_core.domain.orders import Side
from cab_exchange_sim.engine import Exchange, OrderRequest, Refused, pair_of


def act(exchange: Exchange, account: str, hand: Hand) -> bool:
    """Do it; return False where there was nothing to do it to."""
    try:
        return _ACTS[hand.kind](exchange, account, hand)
    except Refused:
        return False


def _cancel_stop(exchange: Exchange, account: str, hand: Hand) -> bool:
    return bool(exchange.cancel_stops(account, pair_of(hand.symbol)))


def _sell_by_hand(exchange: Exchange, account: str, hand: Hand) -> bool:
    market = exchange.market(pair_of(hand.symbol))
    free = exchange.accounts.of(account, market.base).available
    amount = floor_step(free * Decimal(str(round(hand.size, 3))), market.instrument.amount_step)
    if not amount:
        return False
    exchange.phantom(
        account,
        OrderRequest(pair=market.pair, side=Side.SELL, type="market", amount=amount, tif="ioc"),
    )
    return True


def _deposit(exchange: Exchange, account: str, hand: Hand) -> bool:
    exchange.adjust(account, exchange.market(pair_of(hand.symbol)).base, Decimal("0.001"))
    return True


def _foreign_order(exchange: Exchange, account: str, hand: Hand) -> bool:
    return _rest(exchange, account, hand, f"t-man{int(hand.size * 1e9)}")


def _phantom_order(exchange: Exchange, account: str, hand: Hand) -> bool:
    return _rest(exchange, account, hand, f"t-c{int(fraction('phantom', hand.at_ms) * 1e15):016d}-1")


def _rest(exchange: Exchange, account: str, hand: Hand, text: str) -> bool:
    """Let a buy rest far below the price."""
    market = exchange.market(pair_of(hand.symbol))
    price = floor_step(market.last(exchange.now_ms) / 2, market.instrument.price_tick)
    amount = floor_step(Decimal(20) / price, market.instrument.amount_step)
    exchange.phantom(
        account,
        OrderRequest(pair=market.pair, side=Side.BUY, type="limit", amount=amount, price=price, text=text),
    )
    return True


def _quote_drift(exchange: Exchange, account: str, hand: Hand) -> bool:
    exchange.adjust(account, "USDT", Decimal(round(200 * hand.size)) - 100)
    return True


_ACTS = {
    "cancel_stop": _cancel_stop,
    "sell_by_hand": _sell_by_hand,
    "deposit": _deposit,
    "foreign_order": _foreign_order,
    "phantom_order": _phantom_order,
    "quote_drift": _quote_drift,
}
