"""What reconciliation looks at: one symbol in the book and at the venue."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.contracts import Broker
from cab_core.cycle.asking import asked
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.trader import Trader
from cab_core.domain.booking import malformed
from cab_core.domain.comparison import CLIENT_PREFIX, LocalView, VenueView
from cab_core.domain.corrections import estimate_id
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Intent, OrderState, Side
from cab_core.domain.position import Position
from cab_core.domain.resting import DesiredStop, desired_stop
from cab_core.ports import Storage

_NEVER_TAKEN = frozenset({OrderState.REJECTED, OrderState.ABANDONED})


@attrs.frozen(eq=False)
class Observer:
    """Looks at both sides; calls reading verbs only.

    Attributes:
        stop_offset: how far limits of resting stops lie below their triggers; None where no stops rest.
    """

    trader: Trader
    broker: Broker
    execution: Execution
    storage: Storage
    stop_offset: Decimal | None

    async def venue(self, symbol: str, since_ms: int) -> VenueView:
        """Read what the venue has of the symbol; orders and trades from ``since_ms`` on.

        Raises:
            CabError: one of the listings could not be had.
        """
        instrument = self._instrument(symbol)
        # The balance first: what trades after it was read shows in the listings, and then proves nothing.
        balances = await asked(self.broker.balances(), "balances")
        orders = await asked(self.broker.orders(symbol, since_ms), "orders")
        ours = [order.created_ms for order in orders if order.client_id.startswith(CLIENT_PREFIX)]
        told = await asked(self.broker.fills_since(symbol, min([since_ms, *ours])), "fills_since")
        bid = self.trader.book.marks.get(symbol) if symbol in self.trader.book.positions else None
        if bid is None:  # nothing looks at the price of what is not held
            bid = (await asked(self.broker.quote(symbol), "quote")).bid
        base, quote = balances.get(instrument.base), balances.get(instrument.quote)
        return VenueView(
            base_total=ZERO if base is None else base.total,
            quote_free=ZERO if quote is None else quote.free,
            orders=orders,
            trades=[trade for trade in told if malformed(trade) is None],
            bid=bid,
        )

    async def local(self, symbol: str, venue: VenueView) -> LocalView:
        """Return what the bot has of the symbol, seen beside the venue's listings."""
        book, seen = self.trader.book, self.trader.book.seen[symbol]
        ids = {order.order_id for order in venue.orders} | {order.client_id for order in venue.orders}
        ids |= {trade.client_id for trade in venue.trades}
        known = await self.storage.known_orders(ids - {""})
        position = book.positions.get(symbol)
        if position is None:
            ref = f"{symbol}@{book.last_fill_ms.get(symbol, 0)}:0"
        else:
            ref = f"{position.id}:{len(position.exits)}"
        intents = self._intents(symbol)
        return LocalView(
            symbol=symbol,
            managed=book.ledger.held(symbol).quantity,
            elsewhere=sum((book.ledger.held(other).quantity for other in self._siblings(symbol)), ZERO),
            ref=ref,
            flat=position is None,
            intents=intents,
            known=frozenset(known),
            refused=frozenset(each for each, state in known.items() if state in _NEVER_TAKEN),
            booked=frozenset(
                trade.trade_id
                for trade in venue.trades
                if seen.knows(trade.trade_id, trade.ts_ms) or estimate_id(trade.client_id) in seen.ids
            ),
            stop=None if position is None or _selling(intents) else self._stop(position),
            quote_needed=self._quote_needed(),
        )

    def _stop(self, position: Position) -> DesiredStop | None:
        resting = self.broker.caps().native_stop in {"limit", "both"}
        if position.protection is None or self.stop_offset is None or not resting:
            return None
        return desired_stop(position.protection, self._instrument(position.symbol), self.stop_offset)

    def standing(self, symbol: str) -> tuple[Any, ...]:
        """Return what must not have moved between two looks for them to be comparable."""
        book = self.trader.book
        symbols = [symbol, *self._siblings(symbol)]
        return (
            tuple(book.ledger.held(each) for each in symbols),
            tuple(book.last_fill_ms.get(each) for each in symbols),
            tuple((i.client_id, i.sent_ms, i.order_id) for each in symbols for i in self._intents(each)),
        )

    def busy(self, symbol: str) -> bool:
        """Say whether an order that touches the symbol's balance is under way."""
        return any(self.execution.busy(each) for each in (symbol, *self._siblings(symbol)))

    def _siblings(self, symbol: str) -> list[str]:
        """Return other symbols whose base is the same balance at the venue."""
        base, book = self._instrument(symbol).base, self.trader.book
        known = dict.fromkeys([*book.instruments, *book.ledger.symbols()])  # dust of former symbols, too
        return [other for other in known if other != symbol and other.partition("/")[0] == base]

    def _instrument(self, symbol: str) -> Instrument:
        return self.trader.book.instruments[symbol]

    def _intents(self, symbol: str) -> list[Intent]:
        return [planned.intent for planned in self.execution.open_intents(symbol)]

    def _quote_needed(self) -> Decimal:
        intents = [intent for symbol in self.trader.config.symbols for intent in self._intents(symbol)]
        buys = (i.cost or ZERO for i in intents if i.side is Side.BUY and i.order_id is None)
        return sum(buys, ZERO)


def _selling(intents: Sequence[Intent]) -> bool:
    """Say whether a market sell is under way: the stop makes way for it."""
    return any(intent.side is Side.SELL and intent.trigger is None for intent in intents)
