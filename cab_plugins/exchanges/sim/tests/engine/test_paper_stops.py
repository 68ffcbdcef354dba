from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cab_core.data.generator import generate
from cab_core.domain.market import Costs, Instrument, Quote
from cab_core.domain.matcher import Matcher
from cab_core.domain.orders import Intent, OrderType, Purpose, Side
from cab_exchange_sim.engine import Exchange, StopRequest, VenueSettings

BARS = generate("BTC/USDT", 3, 9)
COSTS = Costs()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200).map(lambda n: 1 - Decimal(n) / 10_000), st.integers(0, 200))
def test_a_stop_sells_at_the_price_at_which_a_paper_stop_does(distance: Decimal, bars: int) -> None:
    """Paper is shown the bid at the very instant at which the exchange says the stop fired."""
    exchange = Exchange(
        {"BTC/USDT": BARS},
        settings=VenueSettings(costs=COSTS, stops_lock_funds=True),
        balances={"main": {"USDT": Decimal(0), "BTC": Decimal(1)}},
    )
    exchange.advance(exchange.now_ms + bars * 900_000)
    bid = exchange.market("BTC_USDT").prices(exchange.now_ms).bid
    trigger = (bid * distance).quantize(Decimal("0.01"))
    limit = (trigger * Decimal("0.9")).quantize(Decimal("0.01"))
    exchange.place_stop(
        "main",
        StopRequest(
            pair="BTC_USDT", trigger=trigger, rule="<=", ttl_s=30 * 86_400, side=Side.SELL,
            amount=Decimal(1), price=limit,
        ),
    )  # fmt: skip
    exchange.advance(exchange.end_ms)
    trades = exchange.trades("main", "BTC_USDT")
    if not trades:
        assert float(BARS.low[bars:].min()) * float(1 - COSTS.half_spread) > float(trigger)
        return
    paper = Matcher({"BTC/USDT": Instrument("BTC/USDT")}, COSTS, {"USDT": Decimal(0), "BTC": Decimal(1)})
    intent = Intent(
        "k", "BTC/USDT", Side.SELL, Purpose.STOP_LOSS, "", "", 0, type=OrderType.STOP_LIMIT,
        quantity=Decimal(1), trigger=trigger, limit=limit,
    )  # fmt: skip
    paper.submit(intent, Quote(bid, None, 0), 0)
    [fill] = paper.observe("BTC/USDT", Quote(trades[0].price, None, trades[0].ts_ms), trades[0].ts_ms)
    assert (fill.quantity, fill.price, fill.fee) == (trades[0].quantity, trades[0].price, trades[0].fee)
    held = exchange.balances("main")[0]
    assert {name: held[name].available for name in held} == paper.free
    assert fill.price <= trigger
