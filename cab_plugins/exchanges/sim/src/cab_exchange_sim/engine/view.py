"""What can be seen of an exchange: the true state, and what reads show of it after their delays."""

from __future__ import annotations

from collections.abc import Mapping

from cab_core.domain.timeframes import DAY_MS, HOUR_MS, MINUTE_MS
from cab_exchange_sim.engine.accounts import Accounts, Holding
from cab_exchange_sim.engine.candles import ServedCandle
from cab_exchange_sim.engine.core import Core
from cab_exchange_sim.engine.execution import Execution
from cab_exchange_sim.engine.ledger import Ledger
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.stops import Stops
from cab_exchange_sim.engine.values import Book, Order, Refused, Stop, Trade
from cab_exchange_sim.engine.venue import Conditions, PairConditions, VenueSettings

_LOOKUP_MS = {"open_only": 0, "30m": 30 * MINUTE_MS, "1h": HOUR_MS}

#: The longest span of own trades in one answer.
TRADES_SPAN_MS = 30 * DAY_MS
_TRADES_DEFAULT_MS = 7 * DAY_MS


class ExchangeView:
    """The reading side of an exchange.

    Methods with an account raise `Refused` with the venue's label. Orders, stops, trades and balances come as
    reads show them now, late where the conditions say so; `open_now`, `every_order` and `waiting_stops` tell
    the truth.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._execution = Execution(core)
        self._stops = Stops(core, self._execution)

    @property
    def now_ms(self) -> int:
        """The exchange's true time."""
        return self._core.now_ms

    @property
    def server_ms(self) -> int:
        """The time it reports and judges requests by."""
        return self._core.server_ms

    @property
    def settings(self) -> VenueSettings:
        """The rules of the house."""
        return self._core.settings

    @property
    def conditions(self) -> Conditions:
        """What is wrong with the exchange; may be changed."""
        return self._core.conditions

    @property
    def ledger(self) -> Ledger:
        """Everything that really happened."""
        return self._core.ledger

    @property
    def accounts(self) -> Accounts:
        """All balances."""
        return self._core.accounts

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets by pair (``BTC_USDT``)."""
        return self._core.markets

    @property
    def end_ms(self) -> int:
        """When the last recorded candle closes; prices stand still from then."""
        return max(market.path.end_ms for market in self.markets.values())

    def market(self, pair: str) -> Market:
        """Return a market: its conditions, its rules (assign ``instrument`` to change them), its path."""
        return self._core.market(pair)

    def pair_conditions(self, pair: str) -> PairConditions:
        """Return what is wrong with a pair; may be changed."""
        return self._core.market(pair).conditions

    def order(self, account: str, key: str, pair: str) -> Order:
        """Return an order as reads show it now, by id or, while the policy allows, by text."""
        seen_ms = self._seen_ms(pair)
        by_text = key.startswith("t-")
        ids = reversed(self._execution.orders.with_text(account, key)) if by_text else iter((key,))
        for order_id in ids:
            order = self._execution.orders.seen(order_id, seen_ms)
            if order is None or (order.account, order.pair) != (account, pair):
                continue
            if not by_text or self._can_look_up(order):
                return order
        raise Refused("CLIENT_ID_NOT_FOUND" if by_text else "ORDER_NOT_FOUND", f"no order {key}", 404)

    def open_orders(self, account: str, pair: str) -> list[Order]:
        """Return open orders as reads show them now, oldest first."""
        return self._execution.orders.open_seen(account, pair, self._seen_ms(pair))

    def finished_orders(
        self, account: str, pair: str, from_ms: int | None = None, to_ms: int | None = None
    ) -> list[Order]:
        """Return orders that ended between two times, as reads show them now, newest first."""
        until = self._seen_ms(pair)
        last = until if to_ms is None else min(to_ms, until)
        return self._execution.orders.finished(account, pair, from_ms or 0, last)

    def stop(self, account: str, stop_id: str) -> Stop:
        """Return a stop as reads show it now."""
        pair = self._stops.get(account, stop_id).pair
        found = self._stops.seen(account, stop_id, self._seen_ms(pair))
        if found is None:
            raise Refused("ORDER_NOT_FOUND", f"no price order {stop_id}", 404)
        return found

    def stops(self, account: str, pair: str | None = None, *, waiting: bool = True) -> list[Stop]:
        """Return waiting or ended stops as reads show them now, newest first."""
        found = []
        for stop_id in self._stops.ids(account, pair):
            stop = self._stops.seen(account, stop_id, self._seen_ms(self._stops.get(account, stop_id).pair))
            if stop is not None and (stop.status == "open") is waiting:
                found.append(stop)
        return found

    def trades(
        self,
        account: str,
        pair: str,
        from_ms: int | None = None,
        to_ms: int | None = None,
        order_id: str | None = None,
    ) -> list[Trade]:
        """Return own trades as reads show them now, newest first; the last 7 days unless told otherwise."""
        conditions = self._core.market(pair).conditions
        seen_ms = self.now_ms - conditions.trade_delay_ms
        first, last = _trade_span(from_ms, to_ms, self.now_ms)
        if order_id is not None:
            found = self._execution.orders.trades_of(account, pair, order_id)
            found = [trade for trade in found if trade.ts_ms <= seen_ms]
        else:
            found = self._execution.orders.trades(account, pair, first, min(last, seen_ms))
        if conditions.doubled_trades:
            found = [trade for trade in found for _ in range(2)]
        return sorted(found, key=lambda trade: trade.trade_id[::-1]) if conditions.unordered_trades else found

    def balances(self, account: str) -> tuple[Mapping[str, Holding], int]:
        """Return what reads show of the account now, and the number of its last change."""
        return self._core.accounts.seen(account, self.now_ms - self.conditions.balance_delay_ms)

    def book(self, pair: str, depth: int = 10) -> Book:
        """Return the order book as it is shown."""
        return self._core.market(pair).book(self.now_ms, depth)

    def candles(
        self,
        pair: str,
        interval: str,
        *,
        limit: int | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> list[ServedCandle]:
        """Return candles, oldest first, the running one last."""
        market = self._core.market(pair)
        conditions = market.conditions.candles
        return market.candles.served(
            interval, self.now_ms, conditions, limit=limit, from_ms=from_ms, to_ms=to_ms
        )

    def open_now(self, account: str) -> list[Order]:
        """Return what is truly open, oldest first."""
        return self._execution.orders.open(account)

    def every_order(self) -> list[Order]:
        """Return the true newest version of every order ever taken, oldest first."""
        return self._execution.orders.every()

    def waiting_stops(self, account: str) -> list[Stop]:
        """Return the stops that truly wait, oldest first."""
        return self._stops.open(account)

    def _seen_ms(self, pair: str) -> int:
        return self.now_ms - self._core.market(pair).conditions.order_delay_ms

    def _can_look_up(self, order: Order) -> bool:
        newest = self._execution.orders.get(order.order_id)
        if newest is None or newest.status == "open" or order.status == "open":
            return True
        return self.now_ms - newest.updated_ms < _LOOKUP_MS[self.settings.text_lookup]


def _trade_span(from_ms: int | None, to_ms: int | None, now_ms: int) -> tuple[int, int]:
    """Return the first and last time of own trades that are meant."""
    if from_ms is None:
        last = now_ms if to_ms is None else to_ms
        return last - _TRADES_DEFAULT_MS, last
    last = from_ms + _TRADES_DEFAULT_MS if to_ms is None else to_ms
    if last - from_ms > TRADES_SPAN_MS:
        raise Refused("INVALID_PARAM_VALUE", "the time range is longer than 30 days")
    return from_ms, last
