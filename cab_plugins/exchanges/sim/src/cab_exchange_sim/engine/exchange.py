"""The exchange in one object: synchronous, without a network and without a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cab_core.domain.bars import Bars
from cab_core.domain.candles import Series
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Side
from cab_exchange_sim.engine.accounts import Accounts
from cab_exchange_sim.engine.core import Core
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.timeline import Timeline
from cab_exchange_sim.engine.values import (
    Order,
    OrderRequest,
    Refused,
    Stop,
    StopRequest,
)
from cab_exchange_sim.engine.venue import VenueSettings
from cab_exchange_sim.engine.view import ExchangeView


class Exchange(ExchangeView):
    """A spot exchange that plays recorded candles; a function of its arguments, the calls and their times.

    Args:
        bars: recorded 15m candles by symbol (``BTC/USDT``).
        settings: the rules of the house.
        instruments: precision and minimums by symbol; a default `Instrument` where there is none.
        balances: free amounts by account and currency.
        start_ms: the time it opens; the latest of the first candles unless given.

    Methods that an account calls raise `Refused` with the venue's label and change nothing then.
    """

    def __init__(
        self,
        bars: Mapping[str, Bars | Series],
        *,
        settings: VenueSettings | None = None,
        instruments: Mapping[str, Instrument] | None = None,
        balances: Mapping[str, Mapping[str, Decimal]] | None = None,
        start_ms: int | None = None,
    ) -> None:
        settings = settings or VenueSettings()
        known = instruments or {}
        markets = [
            Market(
                symbol,
                recorded.bars if isinstance(recorded, Series) else recorded,
                known.get(symbol) or Instrument(symbol),
                settings,
            )
            for symbol, recorded in bars.items()
        ]
        first_ms = max(market.path.start_ms for market in markets) if start_ms is None else start_ms
        accounts = Accounts(balances or {"main": {"USDT": Decimal(10_000)}}, first_ms)
        super().__init__(Core(settings, {market.pair: market for market in markets}, accounts, first_ms))
        self._timeline = Timeline(self._core, self._execution, self._stops)

    def advance(self, to_ms: int) -> None:
        """Play the market until ``to_ms``: stops fire and expire, resting orders fill, countdowns run down.

        Raises:
            ValueError: that is in the past.
        """
        if to_ms < self.now_ms:
            raise ValueError(f"time does not go back from {self.now_ms} to {to_ms}")
        self._timeline.play(to_ms)

    def place(self, account: str, request: OrderRequest) -> Order:
        """Take an order, match it and return it."""
        try:
            self._core.admit(request.expires_ms)
            return self._execution.place(account, request)
        except Refused as refused:
            self._note_refused(account, request, refused)
            raise

    def amend(
        self,
        account: str,
        key: str,
        pair: str,
        *,
        amount: Decimal | None = None,
        price: Decimal | None = None,
        expires_ms: int | None = None,
    ) -> Order:
        """Change an open limit order."""
        self._core.admit(expires_ms)
        order = self._open_order(account, key, pair)
        return self._execution.amend(order, amount or order.amount, price or order.price or ZERO)

    def cancel(self, account: str, key: str, pair: str, *, expires_ms: int | None = None) -> Order:
        """Cancel an open order by its id or text."""
        self._core.admit(expires_ms)
        return self._execution.end(self._open_order(account, key, pair), "cancelled")

    def cancel_all(self, account: str, pair: str | None = None, side: Side | None = None) -> list[Order]:
        """Cancel open orders."""
        self._core.admit(None)
        found = self._execution.orders.open(account, pair)
        return [self._execution.end(order, "cancelled") for order in found if side in (None, order.side)]

    def countdown(self, account: str, timeout_s: int, pair: str | None = None) -> int:
        """Cancel all orders when this is not called again in time; 0 disarms. Return when, 0 for never."""
        if timeout_s and timeout_s < 5:
            raise Refused("INVALID_PARAM_VALUE", f"timeout {timeout_s}: 0 or at least 5 seconds")
        at_ms = self.now_ms + 1000 * timeout_s if timeout_s else None
        self._timeline.countdown(account, pair, at_ms)
        return at_ms or 0

    def place_stop(self, account: str, request: StopRequest) -> Stop:
        """Take a stop."""
        try:
            self._core.admit(request.expires_ms)
            return self._stops.place(account, request)
        except Refused as refused:
            self._note_refused(account, request, refused)
            raise

    def cancel_stop(self, account: str, stop_id: str, *, expires_ms: int | None = None) -> Stop:
        """Cancel a waiting stop."""
        self._core.admit(expires_ms)
        return self._stops.cancel(self._stops.get(account, stop_id))

    def cancel_stops(self, account: str, pair: str | None = None) -> list[Stop]:
        """Cancel all waiting stops."""
        self._core.admit(None)
        return [self._stops.cancel(stop) for stop in self._stops.open(account, pair)]

    def adjust(self, account: str, currency: str, delta: Decimal) -> None:
        """Change a balance from outside: a deposit, a withdrawal, a drift."""
        self._core.accounts.adjust(account, currency, delta, self.now_ms)
        self._core.note("adjust", account=account, type=currency, quantity=delta)

    def phantom(self, account: str, request: OrderRequest) -> Order:
        """Place an order that no request asked for; ``text`` may be anyone's, or empty."""
        return self._execution.place(account, request, source="phantom")

    def _open_order(self, account: str, key: str, pair: str) -> Order:
        """Return the true newest version of an open order.

        Raises:
            Refused: there is none, or it has ended.
        """
        self._core.market(pair)
        orders = self._execution.orders
        ids = list(orders.with_text(account, key))[-1:] if key.startswith("t-") else [key]
        order = orders.get(ids[0]) if ids else None
        if order is None or order.account != account or order.pair != pair:
            raise Refused("ORDER_NOT_FOUND", f"no order {key}", 404)
        if order.status == "closed":
            raise Refused("ORDER_CLOSED", f"order {key} is closed")
        if order.status == "cancelled":
            raise Refused("ORDER_CANCELLED", f"order {key} is cancelled")
        return order

    def _note_refused(self, account: str, request: OrderRequest | StopRequest, refused: Refused) -> None:
        kind = "stop" if isinstance(request, StopRequest) else request.type
        self._core.note("refused", account=account, pair=request.pair, text=request.text,
                        request_id=request.request_id, side=request.side.value, type=kind,
                        quantity=request.amount, reason=refused.label)  # fmt: skip
