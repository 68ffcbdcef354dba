"""Risk: what a rule sees, what it answers, and how the kernel sums the answers up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import attrs

from cab_core.domain.bars import FloatArray, IntArray
from cab_core.domain.market import Quote
from cab_core.domain.money import ONE, ZERO, to_decimal
from cab_core.domain.timeframes import DAY_MS

#: Reason of an entry that is blocked because a rule could not judge it.
RISK_ERROR = "risk_error"


class VerdictKind(StrEnum):
    """``halt`` stops all entries on all symbols, ``delay`` this one for now, ``reduce`` shrinks it."""

    ALLOW = "allow"
    REDUCE = "reduce"
    DELAY = "delay"
    HALT = "halt"
    NOTE = "note"


@attrs.frozen(slots=True)
class Verdict:
    """A rule's answer to one entry.

    Attributes:
        factor: in [0, 1]; 1 for allow and note, 0 for delay and halt.
        reason: lower snake case, e.g. ``wide_spread``; empty for a plain allow.
        value: what was measured, in the rule's own unit.
        threshold: the limit it was held against.
        until_ms: halt only: when it is released by itself, None means by hand.
    """

    kind: VerdictKind
    factor: float = 1.0
    reason: str = ""
    value: float | None = None
    threshold: float | None = None
    until_ms: int | None = None


ALLOW = Verdict(VerdictKind.ALLOW)


@attrs.frozen(slots=True)
class PositionView:
    """An open position: managed base quantity, its cost in quote and when it was opened."""

    symbol: str
    quantity: Decimal
    cost: Decimal
    opened_ms: int


@attrs.frozen(slots=True)
class RoundTrip:
    """From flat to flat of one symbol: net PnL in quote after all fees, over all its sells."""

    symbol: str
    opened_ms: int
    closed_ms: int
    pnl: Decimal


@attrs.frozen(slots=True)
class HourlyReturns:
    """Log returns of closed 1h candles: ``ts_ms[i]`` is the open time of the later candle of each pair."""

    ts_ms: IntArray
    values: FloatArray


@attrs.frozen(slots=True)
class Entry:
    """The candidate a rule judges: a market buy of ``amount`` quote at about ``price``."""

    symbol: str
    amount: Decimal
    price: Decimal
    quote: Quote
    now_ms: int


@attrs.frozen(slots=True, kw_only=True)
class BookView:
    """The immutable snapshot of the account a rule sees. Money in quote currency.

    Attributes:
        positions: open positions by symbol.
        round_trips: closed round trips of the account, oldest first (at least the last 50).
        realized_today: net PnL of the sell fills since 00:00 UTC, all symbols.
        unrealized: value at the bid minus cost of all open positions.
        equity: baseline + realised + unrealised. ``peak``: its running maximum.
        last_fill_ms: time of the last fill of each symbol.
        spreads: earlier spread observations of the candidate's symbol in percent, oldest first (up to 100).
        orders_5m: orders of the last five minutes. ``turnover_5m``: quote value of their fills.
        released_ms: per rule, when its halt was last released; what lies before no longer counts.
        hourly_returns: returns of a symbol's closed 1h candles known now, or None without data.
    """

    positions: Mapping[str, PositionView]
    round_trips: Sequence[RoundTrip]
    realized_today: Decimal
    unrealized: Decimal
    equity: Decimal
    peak: Decimal
    last_fill_ms: Mapping[str, int]
    spreads: Sequence[float]
    orders_5m: int
    turnover_5m: Decimal
    released_ms: Mapping[str, int]
    hourly_returns: Callable[[str], HourlyReturns | None]


@attrs.frozen(slots=True)
class RuleFailed:
    """A rule raised, ran over its budget or answered nonsense: the entry is blocked.

    Attributes:
        error: ``error:<ExceptionName>``. ``message``: what it said, and where, for people.
    """

    error: str
    message: str = ""


Judgment: TypeAlias = Verdict | RuleFailed


#: The halt over orders that no record knows. It stands among those of critical rules and tells of no loss.
UNKNOWN_ORDERS = "unknown_orders"


@attrs.frozen(slots=True)
class Halt:
    """All entries on all symbols stand still since ``since_ms``.

    Attributes:
        until_ms: when the halt ends by itself, None means by hand only.
        reason: the verdict's reason.
    """

    rule: str
    since_ms: int
    until_ms: int | None = None
    reason: str = ""

    def holds(self, now_ms: int) -> bool:
        """Say whether the halt is in force."""
        return self.until_ms is None or now_ms < self.until_ms


@attrs.frozen(slots=True)
class Halts:
    """The halts of an account, at most one per rule; every change gives a new value.

    Attributes:
        by_rule: halts that were not released yet; those past their ``until_ms`` no longer count.
        released_at: per rule, when its last halt was released.
    """

    by_rule: Mapping[str, Halt] = attrs.field(factory=dict)
    released_at: Mapping[str, int] = attrs.field(factory=dict)

    def active(self, now_ms: int) -> tuple[Halt, ...]:
        """Return the halts in force, the oldest first."""
        held = [halt for halt in self.by_rule.values() if halt.holds(now_ms)]
        return tuple(sorted(held, key=lambda halt: (halt.since_ms, halt.rule)) if len(held) > 1 else held)

    def released_ms(self, now_ms: int) -> dict[str, int]:
        """Return per rule when its halt was last released, by hand or by time, as `BookView` wants it."""
        return dict(self.expire(now_ms).released_at)

    def trip(self, halt: Halt) -> Halts:
        """Add a halt. One already in force stays as it is: it is latched."""
        settled = self.expire(halt.since_ms)
        if halt.rule in settled.by_rule:
            return settled
        return attrs.evolve(settled, by_rule={**settled.by_rule, halt.rule: halt})

    def release(self, rule: str, now_ms: int) -> Halts:
        """Release a rule's halt by hand; what lies before ``now_ms`` no longer counts for that rule."""
        settled = self.expire(now_ms)
        kept = {name: halt for name, halt in settled.by_rule.items() if name != rule}
        return Halts(kept, {**settled.released_at, rule: now_ms})

    def expire(self, now_ms: int) -> Halts:
        """Release every halt whose time is over, as of that time."""
        if not self.by_rule:
            return self
        over = {
            name: halt.until_ms
            for name, halt in self.by_rule.items()
            if halt.until_ms is not None and not halt.holds(now_ms)
        }
        if not over:
            return self
        kept = {name: halt for name, halt in self.by_rule.items() if name not in over}
        return Halts(kept, {**self.released_at, **over})


@attrs.frozen(slots=True)
class Assessment:
    """What all rules together say about one entry.

    Attributes:
        blocked: None, or the blocking reason: ``risk_<rule>`` or ``risk_error``.
        kind: ``halt`` (a critical rule), ``delay`` (this entry for now) or ``allow``.
        factor: the least of the soft factors, in [0, 1]; 0 if blocked.
        verdicts: every rule's answer in the order asked, for the trace.
        trips: halts that begin with this assessment; the caller persists them with `Halts.trip`.
    """

    blocked: str | None
    kind: VerdictKind
    factor: Decimal
    verdicts: tuple[tuple[str, Judgment], ...]
    trips: tuple[Halt, ...] = ()


def next_midnight_ms(now_ms: int) -> int:
    """Return the first 00:00 UTC after ``now_ms``."""
    return (now_ms // DAY_MS + 1) * DAY_MS


def check_order(rules: Mapping[str, bool]) -> tuple[str, ...]:
    """Return the names of rules (name to "is critical") in the order asked: critical first, then by name."""
    return tuple(sorted(rules, key=lambda name: (not rules[name], name)))


def assess(verdicts: Sequence[tuple[str, Judgment]], halts: Halts, now_ms: int) -> Assessment:
    """Sum up all verdicts on one entry: halts first, then failures, then the least soft factor.

    Args:
        verdicts: name and answer of every rule, in `check_order`.
        halts: the account's halts; one in force blocks even if its rule now allows.
        now_ms: time of the decision.
    """
    halted = halts.active(now_ms)
    answers: list[tuple[str, Judgment]] = []
    trips: tuple[Halt, ...] = ()
    failed = False
    least, rule = ONE, ""
    for name, answer in verdicts:
        verdict = answer if answer is ALLOW else _checked(answer)
        answers.append((name, verdict))
        if verdict is ALLOW:  # nearly every answer
            continue
        if isinstance(verdict, RuleFailed):
            failed = True
        elif verdict.kind is VerdictKind.HALT:
            trips += () if name in {halt.rule for halt in halted} else (_halt(name, verdict, now_ms),)
        elif (factor := _factor(verdict)) < least:
            least, rule = factor, name
    judged = tuple(answers)
    if halted or trips:
        return Assessment(f"risk_{(*halted, *trips)[0].rule}", VerdictKind.HALT, ZERO, judged, trips)
    if failed:
        return Assessment(RISK_ERROR, VerdictKind.DELAY, ZERO, judged)
    if least == ZERO:
        return Assessment(f"risk_{rule}", VerdictKind.DELAY, ZERO, judged)
    return Assessment(None, VerdictKind.ALLOW, least, judged)


def _halt(rule: str, verdict: Verdict, now_ms: int) -> Halt:
    return Halt(rule, now_ms, verdict.until_ms, verdict.reason)


def _checked(verdict: Judgment) -> Judgment:
    """Turn a factor outside [0, 1] (or NaN) into a failure: a rule that errs must not enlarge an entry."""
    if isinstance(verdict, Verdict) and not 0.0 <= verdict.factor <= 1.0:
        return RuleFailed(f"factor {verdict.factor!r} is not in [0, 1]")
    return verdict


def _factor(verdict: Verdict) -> Decimal:
    if verdict.kind is VerdictKind.DELAY:
        return ZERO
    return to_decimal(verdict.factor) if verdict.kind is VerdictKind.REDUCE else ONE
