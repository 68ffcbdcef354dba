"""What the shells need of the world. Implementations live in ``storage/`` and ``bus/``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

import attrs

from cab_core.domain.equity import Equity
from cab_core.domain.orders import Fill, Intent, OrderState
from cab_core.domain.risk import Halt, Halts

#: Called as ``handler(topic, payload, trace_id)``.
EventHandler: TypeAlias = Callable[[str, Mapping[str, Any], str], Awaitable[None]]


class Ids(Protocol):
    """A source of trace ids."""

    def trace_id(self) -> str:
        """Return a new trace id: 16 lower-case hexadecimal characters."""


class EventBus(Protocol):
    """Publishes events of registered topics. A projection: the journal is the truth."""

    def publish(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Hand an event to all subscribers; never blocks, never raises for a subscriber's error.

        Raises:
            KeyError: the topic is not registered in `cab_core.events`.
        """

    def subscribe(self, topic: str, handler: EventHandler) -> None:
        """Call ``handler`` for each event of the topic (``*`` for all)."""


@attrs.frozen(slots=True, kw_only=True)
class Cycle:
    """One evaluated candle, as it is recorded.

    Attributes:
        trace: the whole chain, JSON-safe.
        order_key: key of the intent it led to, None without an order.
    """

    trace_id: str
    symbol: str
    candle_ts_ms: int
    close: Decimal | None
    action: str
    reason: str
    order_key: str | None
    trace: Mapping[str, Any]


@attrs.frozen(slots=True, kw_only=True)
class IntentChange:
    """The next state of one attempt of an intent."""

    key: str
    attempt: int
    to: OrderState
    order_id: str | None = None
    message: str | None = None


@attrs.frozen(slots=True)
class Note:
    """Something the journal must keep that is no change of an order or a position."""

    kind: str
    ref: str
    payload: Mapping[str, Any]


@attrs.frozen(slots=True, kw_only=True)
class Reconciled:
    """One comparison of a symbol's book with the venue.

    Attributes:
        duration_ms: how long it took.
        findings: what differed (JSON-safe), empty if clean.
        corrected: what was done about it.
    """

    symbol: str
    duration_ms: int
    findings: Sequence[Mapping[str, Any]] = ()
    corrected: Sequence[str] = ()


@attrs.frozen(slots=True, kw_only=True)
class Changes:
    """Everything one step changes, written in one transaction, with its journal rows, or not at all.

    Attributes:
        trace_id: of the cycle, order, command or loop that caused it.
        planned: new intents with what their fills will belong to (JSON-safe).
        moved: transitions of intents, in order.
        fills: our own trades.
        positions: state by symbol, None for flat.
        account: the account's state, None if it did not change.
        cycle: an evaluated candle.
        revised: a recorded cycle whose outcome turned out differently.
        halts: halts that begin.
        counters: how far the account's limits are used, by rule.
        equity: a point of the equity curve.
        values: durable key-value memory of the shell.
        notes: what else the journal keeps.
        reconciled: a comparison with the venue.
    """

    ts_ms: int
    trace_id: str
    planned: Sequence[tuple[Intent, Mapping[str, Any]]] = ()
    moved: Sequence[IntentChange] = ()
    fills: Sequence[Fill] = ()
    positions: Mapping[str, Mapping[str, Any] | None] = attrs.field(factory=dict)
    account: Mapping[str, Any] | None = None
    cycle: Cycle | None = None
    revised: Cycle | None = None
    halts: Sequence[Halt] = ()
    counters: Mapping[str, Decimal] = attrs.field(factory=dict)
    equity: Equity | None = None
    values: Mapping[str, str] = attrs.field(factory=dict)
    notes: Sequence[Note] = ()
    reconciled: Reconciled | None = None


@attrs.frozen(slots=True, kw_only=True)
class OpenIntent:
    """An intent that has not ended, and what its fills belong to."""

    intent: Intent
    state: OrderState
    context: Mapping[str, Any]


@attrs.frozen(slots=True, kw_only=True)
class Remembered:
    """The durable state a start continues from.

    Attributes:
        account: None on the first start.
        last_candles: open time of the last evaluated candle by symbol.
        peak_reset: somebody released the drawdown halt: the peak starts again at the present equity.
        as_of_ms: the last instant of the shell's clock at which the account was written, None before that.
    """

    account: Mapping[str, Any] | None
    positions: Mapping[str, Mapping[str, Any]]
    open_intents: Sequence[OpenIntent]
    halts: Halts
    last_candles: Mapping[str, int]
    peak_reset: bool
    regime: Mapping[str, Any] | None
    values: Mapping[str, str]
    as_of_ms: int | None = None


@attrs.frozen(slots=True)
class Committed:
    """What became of a commit; true if it was written.

    Attributes:
        refused: why nothing was: ``duplicate``, or of an entry, which does not wait, ``disk_full``,
            ``storage_busy`` or ``storage_away``.
    """

    refused: str | None = None

    def __bool__(self) -> bool:
        return self.refused is None


class Storage(Protocol):
    """The durable memory of the orchestrator."""

    async def remember(self) -> Remembered:
        """Return the durable state in one snapshot."""

    async def commit(self, changes: Changes) -> Committed:
        """Write the changes durably in one transaction.

        Returns:
            Refused, with nothing written, if an intent or a cycle is a duplicate.

        Raises:
            cab_core.errors.StorageError: the database refused; nothing was written.
        """

    async def last_attempt(self, key: str) -> tuple[int, OrderState] | None:
        """Return number and state of the newest attempt of an intent key, None if it was never planned."""

    async def known_orders(self, ids: Collection[str]) -> Mapping[str, OrderState]:
        """Return those of some client ids and venue's order ids that are on record, and their states."""

    async def halts(self, now_ms: int) -> tuple[Halts, bool]:
        """Return the halts as they are now, and whether the peak is to be reset (``cab risk reset``)."""

    async def save_regime(self, regime: Mapping[str, Any]) -> None:
        """Keep the regime and what it was derived from."""
