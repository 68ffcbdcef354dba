"""An intent as a request to the exchange."""

from __future__ import annotations

from collections.abc import Callable

from tests.sim.world import ACCOUNT

from cab_core.domain.market import Instrument
from cab_core.domain.money import floor_step
from cab_core.domain.orders import Intent, Rejected, Side
from cab_exchange_sim.engine import Exchange, Order, OrderRequest, Stop, StopRequest, pair_of


def placing(
    exchange: Exchange, intent: Intent, rules: Instrument, expires_ms: int | None, ttl_s: int = 8 * 3600
) -> Callable[[], Order | Stop] | Rejected:
    """Return what places the order once it arrives, or why it is not even sent.

    The exchange keeps no client id of a stop, as Gate does not; its ledger knows it as the request's id.
    """
    pair, client_id = pair_of(intent.symbol), intent.client_id
    wanted = intent.cost if intent.side is Side.BUY else intent.quantity
    if wanted is None:
        return Rejected("bad_order", "a buy has a cost, a sell a quantity")
    amount = floor_step(wanted, rules.cost_step if intent.side is Side.BUY else rules.amount_step)
    if amount <= 0 or (intent.side is Side.BUY and amount < rules.min_notional):
        return Rejected("below_min_notional", f"{amount}")
    if intent.trigger is None or intent.limit is None:
        order = OrderRequest(
            pair=pair,
            side=intent.side,
            type="market",
            amount=amount,
            tif="ioc",
            text=client_id,
            request_id=client_id,
            expires_ms=expires_ms,
        )
        return lambda: exchange.place(ACCOUNT, order)
    stop = StopRequest(
        pair=pair,
        trigger=floor_step(intent.trigger, rules.price_tick),
        rule="<=",
        ttl_s=ttl_s,
        side=intent.side,
        amount=amount,
        price=floor_step(intent.limit, rules.price_tick),
        request_id=client_id,
        expires_ms=expires_ms,
    )
    return lambda: exchange.place_stop(ACCOUNT, stop)
