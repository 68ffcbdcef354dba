"""An account as its database holds it, to be worked on while no bot runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import attrs

from cab_core.clock import Clock
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.settlement import Settlement
from cab_core.cycle.standing import Standing
from cab_core.cycle.trader import Trader
from cab_core.domain.bars import Bars
from cab_core.domain.book import Book
from cab_core.domain.book_state import from_state
from cab_core.domain.market import Instrument, Quote
from cab_core.domain.orders import Fill, Intent, Outcome, Resolution, VenueOrder
from cab_core.errors import NotRunningError
from cab_core.ports import Remembered, Storage
from cab_core.sdk import Balance, Broker, BrokerCaps


def stored_execution(
    config: CycleConfig, past: Remembered, storage: Storage, broker: Broker, clock: Clock
) -> Execution:
    """Return the book and the orders that have not ended, as they were left; nothing is asked or sent."""
    book = Book(config.baseline, config.instruments)
    if past.account is not None:
        book = from_state({"account": past.account, "positions": past.positions}, config.instruments)
    trader = Trader(config, book, lambda *_: [], lambda *_: None, past.halts)
    settlement = Settlement(trader, broker, storage, clock)
    for found in past.open_intents:
        intent = found.intent
        settlement.standings.add(Standing.left_open(found, intent.sent_ms or intent.created_ms))
    return Execution(trader, broker, storage, clock, settlement)


@attrs.frozen
class NoVenue:
    """A venue that is not asked: only what is on record counts."""

    def caps(self) -> BrokerCaps:
        """Return that it can do nothing."""
        return BrokerCaps(native_stop="none")

    async def instruments(self) -> Mapping[str, Instrument]:
        """Refuse."""
        _refuse()

    async def server_time_ms(self) -> int:
        """Refuse."""
        _refuse()

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def quote(self, symbol: str) -> Quote:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def balances(self) -> Mapping[str, Balance]:
        """Refuse."""
        _refuse()

    async def submit(self, intent: Intent) -> Outcome:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def resolve(self, intent: Intent) -> Resolution:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def cancel(self, intent: Intent) -> Outcome:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:  # noqa: ARG002 - the port's
        """Refuse."""
        _refuse()

    async def close(self) -> None:
        """Do nothing."""


def _refuse() -> NoReturn:
    raise NotRunningError("the exchange is not asked while no bot runs", fix="run: cab run")
