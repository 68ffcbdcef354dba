"""A run as others see it: what it does, and what it came to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from cab_core.app.bus import OpenBus
from cab_core.app.session import Session
from cab_core.cycle.records import OrderRecord
from cab_core.plugins.failures import Failure, failed
from cab_core.ports import Cycle
from cab_core.settings.schema import Settings

if TYPE_CHECKING:
    from cab_core.app.alerting.pump import Pump
    from cab_core.app.desk.desk import Desk

T = TypeVar("T")

#: Decisions kept for the live view.
SHOWN = 10


@attrs.define(eq=False)
class Tally:
    """Counts what a run does.

    Attributes:
        latest: the newest decisions, oldest first.
        last: the newest decision of each symbol.
    """

    latest: deque[Cycle] = attrs.field(factory=lambda: deque(maxlen=SHOWN))
    last: dict[str, Cycle] = attrs.field(factory=dict)
    cycles: int = 0
    actions: Counter[str] = attrs.field(factory=Counter)
    orders: int = 0
    fills: int = 0

    def on_cycle(self, cycle: Cycle) -> None:
        """Count a decision."""
        self.cycles += 1
        self.actions[cycle.action] += 1
        self.latest.append(cycle)
        self.last[cycle.symbol] = cycle

    def on_order(self, order: OrderRecord) -> None:
        """Count an order."""
        self.orders += 1
        self.fills += len(order.fills)


@attrs.define(eq=False, kw_only=True)
class Running:
    """A run as a view sees it.

    Attributes:
        opened: the bus of its events.
        ended: why it ended: ``end`` of the recording, ``SIGINT`` or ``SIGTERM``; empty while it goes on.
        stopping: told that a clean stop begins.
        desk: what operators may see and do.
        pump: brings its alerts to the notifiers.
    """

    settings: Settings
    market: str
    session: Session
    tally: Tally
    opened: OpenBus
    ended: str = ""
    stopping: Callable[[], None] = lambda: None
    desk: Desk | None = None
    pump: Pump | None = None

    def end(self, why: str) -> None:
        """Take note of why a clean stop begins; the first reason counts."""
        if not self.ended:
            self.ended = why
            self.stopping()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of SYMBOLS, and those beside them that are looked after until they are sold."""
        return self.session.trader.config.symbols

    @property
    def failures(self) -> list[Failure]:
        """What became of the plugins that failed; notifiers change no result, but are named."""
        channels = () if self.pump is None else self.pump.channels
        notifiers = [channel.caller.strikes.failure(channel.caller.id) for channel in channels]
        return failed((*self.session.trust.failures, *notifiers))

    @property
    def troubles(self) -> list[str]:
        """What is wrong with its plugins so far, one line each, also where it changes no result."""
        doubts = [doubt.text for doubt in self.session.trust.doubts]
        return doubts + [failure.text for failure in self.failures]

    def halted_by(self) -> list[str]:
        """Return the rules that halt all entries now."""
        active = self.session.trader.halts.active(self.session.venue.clock.now_ms())
        return [halt.rule for halt in active]

    def summary(self) -> dict[str, Any]:
        """Return what the run came to, as plain data."""
        book = self.session.trader.book
        return {
            "mode": self.settings.mode,
            "market": self.market,
            "symbols": list(self.symbols),
            "ended": self.ended,
            "now_ms": self.session.venue.clock.now_ms(),
            "cycles": self.tally.cycles,
            "actions": dict(self.tally.actions),
            "orders": self.tally.orders,
            "fills": self.tally.fills,
            "trades": len(book.trades),
            "equity": book.equity(),
            "baseline": book.baseline,
            "realized": book.realized,
            "unrealized": book.unrealized(),
            "positions": {
                symbol: {"quantity": position.quantity, "cost": position.cost}
                for symbol, position in book.positions.items()
            },
            "halts": self.halted_by(),
            "doubts": [attrs.asdict(doubt) for doubt in self.session.trust.doubts],
            "plugin_failures": [attrs.asdict(failure) for failure in self.failures],
            "alarms": self.session.trust.alarms,
            "failures": {
                f"{symbol} {loop}": count
                for (symbol, loop), count in self.session.orchestrator.supervisor.failures.items()
            },
        }


def also(first: Callable[[T], None], second: Callable[[T], None]) -> Callable[[T], None]:
    """Return a listener that tells two, one after the other."""

    def tell(value: T) -> None:
        first(value)
        second(value)

    return tell
