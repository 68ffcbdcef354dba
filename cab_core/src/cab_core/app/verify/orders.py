"""I1, I2, I6, I7, I8, I26: the life of each order, from the journal and the table of intents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from cab_core.app.verify.evidence import PREFIX, Event, Evidence
from cab_core.app.verify.results import Found
from cab_core.app.verify.values import amount
from cab_core.domain.corrections import estimate_id
from cab_core.domain.orders import TERMINAL, TRANSITIONS, OrderState, Purpose, Side

#: An unknown outcome is found out within this time while the venue answers: expiry of the request, its late
#: listings, and a few rounds of reconciliation.
UNKNOWN_LIMIT_MS = 600_000

_STATES = {f"order.{state}": state for state in OrderState}
_ANSWERS = {"order.acked", "order.rejected", "fill"}


def one_order_per_intent(evidence: Evidence) -> Found:
    """I1: each attempt is sent once, has an order id of its own, and no key has two attempts alive."""
    return Found([*_double_sends(evidence), *_shared(evidence)], f"{len(evidence.intents)} orders")


def _double_sends(evidence: Evidence) -> Iterator[str]:
    sent: dict[str, int] = {}
    for event in evidence.of_kind("order.sent"):
        if event.ref in sent:
            yield f"order {event.ref} was sent twice (journal rows {sent[event.ref]} and {event.seq})"
        sent[event.ref] = event.seq


def _shared(evidence: Evidence) -> Iterator[str]:
    by_id: dict[tuple[str, str], str] = {}
    alive: dict[str, str] = {}
    for row in evidence.intents:
        client_id, order_id = row["client_id"], row["order_id"]
        if order_id is not None:
            other = by_id.setdefault((row["symbol"], order_id), client_id)
            if other != client_id:
                yield f"orders {other} and {client_id} have one order id: {order_id}"
        if row["state"] not in TERMINAL:
            other = alive.setdefault(row["key"], client_id)
            if other != client_id:
                yield f"orders {other} and {client_id} of {row['key']} are alive together"


def journalled_before_the_send(evidence: Evidence) -> Found:
    """I2: every trade of ours belongs to an intent that was planned, then sent, before it."""
    planned = {event.ref: event.seq for event in reversed(evidence.of_kind("order.planned"))}
    sent = {event.ref: event.seq for event in reversed(evidence.of_kind("order.sent"))}
    problems: list[str] = []
    for event in evidence.of_kind("order.sent", "order.acked", "fill"):
        before = planned if event.kind == "order.sent" else sent
        step = "planned" if before is planned else "sent"
        if _ours(event, evidence) and before.get(event.ref, event.seq) >= event.seq:
            problems.append(
                f"{event.kind} of {event.ref} (journal row {event.seq}) came before it was {step}"
            )
    rows = {row["client_id"] for row in evidence.intents}
    problems += [
        f"trade {trade.trade_id} belongs to {trade.client_id}, which is no intent"
        for trade in evidence.trades
        if trade.ours and trade.client_id not in rows and trade.trade_id not in evidence.adjusted
    ]
    problems += [f"intent {ref} is not in the table" for ref in planned if ref not in rows]
    problems += [
        f"intent {client_id} is not in the journal" for client_id in rows if client_id not in planned
    ]
    return Found(problems, f"{len(planned)} intents, {len(evidence.trades)} trades")


def _ours(event: Event, evidence: Evidence) -> bool:
    if event.kind != "fill":
        return True
    return event.ref.startswith(PREFIX) and event.facts["trade_id"] not in evidence.adjusted


def one_entry_at_a_time(evidence: Evidence) -> Found:
    """I6: one entry per closed candle, sent only while flat, and never dearer than it was sized."""
    watch = _Entries(evidence)
    problems = [problem for event in evidence.events for problem in watch.see(event)]
    return Found(problems, f"{watch.count} entries")


class _Entries:
    """Follows entries along the journal: which are in flight, which symbols are open."""

    def __init__(self, evidence: Evidence) -> None:
        self.count = 0
        self._sizes = evidence.sizes
        self._planned: dict[str, Mapping[str, Any]] = {}
        self._candles: dict[tuple[str, str], str] = {}
        self._in_flight: defaultdict[str, set[str]] = defaultdict(set)
        self._open: set[str] = set()

    def see(self, event: Event) -> Iterator[str]:
        """Take in one row of the journal."""
        if event.kind == "position":
            (self._open.discard if event.facts.get("state") is None else self._open.add)(event.ref)
        elif event.kind == "order.planned" and event.facts.get("purpose") == Purpose.ENTRY:
            self._planned[event.ref] = event.facts
            yield from self._plan(event)
        elif event.ref in self._planned and event.kind in _STATES:
            symbol = str(self._planned[event.ref]["symbol"])
            if event.kind == "order.sent":
                yield from self._send(event, symbol)
                self._in_flight[symbol].add(event.ref)
            elif _STATES[event.kind] in TERMINAL:
                self._in_flight[symbol].discard(event.ref)

    def _plan(self, event: Event) -> Iterator[str]:
        facts = event.facts
        key = str(facts["key"])
        candle = (str(facts["symbol"]), key.rpartition("|")[2])
        other = self._candles.setdefault(candle, key)
        if other != key:
            yield f"{other} and {key} are two entries for one candle"
        ruled = self._sizes.get(key)
        if ruled is not None and amount(facts["cost"]) > ruled:
            yield f"entry {event.ref} costs {facts['cost']}, but {ruled} was decided"

    def _send(self, event: Event, symbol: str) -> Iterator[str]:
        self.count += 1
        others = self._in_flight[symbol] - {event.ref}
        if others:
            yield f"entry {event.ref} was sent while {', '.join(sorted(others))} was in flight"
        if symbol in self._open:
            yield f"entry {event.ref} was sent while a position of {symbol} was open"


def states_are_true(evidence: Evidence) -> Found:
    """I7: each order went legal ways, stands where the journal left it, and refused ones have no trades."""
    problems: list[str] = []
    last: dict[str, OrderState] = {}
    for event in evidence.events:
        state = _STATES.get(event.kind)
        if state is not None:
            before = last.get(event.ref)
            if not _legal(before, state):
                problems.append(f"order {event.ref} went from {before} to {state} (journal row {event.seq})")
            last[event.ref] = state
    # What an ended order turned out to have traded was adopted, and what nobody showed was estimated.
    traded = {trade.client_id for trade in evidence.trades if trade.trade_id not in evidence.adjusted}
    for row in evidence.intents:
        client_id, state = row["client_id"], row["state"]
        if last.get(client_id, state) != state:
            problems.append(f"order {client_id} is {state}, the journal says {last[client_id]}")
        if state in {OrderState.REJECTED, OrderState.ABANDONED} and client_id in traded:
            problems.append(f"order {client_id} is {state} but has trades")
        estimated = estimate_id(client_id) in evidence.adjusted
        if state == OrderState.DONE and row["order_id"] is None and not estimated:
            problems.append(f"order {client_id} is done without an order id")
    return Found(problems, f"{len(last)} orders")


def _legal(before: OrderState | None, state: OrderState) -> bool:
    if before is None:
        return state is OrderState.PLANNED
    return state in TRANSITIONS[before]


def unknown_ends(evidence: Evidence, limit_ms: int = UNKNOWN_LIMIT_MS) -> Found:
    """I8: no outcome stays unknown while the venue answers about other orders all the while."""
    problems: list[str] = []
    since: dict[str, Event] = {}
    answered: dict[str, tuple[int, int]] = {}  # order -> epoch and time of the first answer meanwhile
    for event in evidence.events:
        if event.kind in _ANSWERS:
            for ref in since.keys() - {event.ref}:
                first = answered.get(ref)
                if first is None or first[0] != event.epoch:
                    answered[ref] = event.epoch, event.ts_ms
                elif event.ts_ms - first[1] > limit_ms:
                    problems.append(
                        f"order {ref} was still unknown {(event.ts_ms - first[1]) // 1000} s after the venue "
                        f"answered again (journal row {event.seq})"
                    )
                    del since[ref]
        if event.kind == "order.unknown":
            since[event.ref] = event
            answered.pop(event.ref, None)
        elif event.kind in _STATES:
            since.pop(event.ref, None)
    waiting = [row["client_id"] for row in evidence.intents if row["state"] == OrderState.UNKNOWN]
    if waiting and not problems:
        return Found(missing=f"unknown at present: {', '.join(waiting)}")
    return Found(problems, f"{len(evidence.of_kind('order.unknown'))} unknown outcomes")


def dead_man_acts_once(evidence: Evidence) -> Found:
    """I26: emergency exits only sell, and none of a position begins before the one before it has ended."""
    problems: list[str] = []
    alive: dict[str, str] = {}
    keys: dict[str, str] = {}
    for event in evidence.events:
        if event.kind == "order.planned" and event.facts.get("purpose") == Purpose.DEAD_MAN:
            position = str(event.facts["key"]).rpartition("|")[2].partition("#")[0]
            keys[event.ref] = position
            other = alive.setdefault(position, event.ref)
            if other != event.ref:
                problems.append(f"emergency exits {other} and {event.ref} of {position} are alive together")
            if event.facts.get("side") != Side.SELL:
                problems.append(f"emergency exit {event.ref} is no sell")
        elif _STATES.get(event.kind) in TERMINAL and alive.get(keys.get(event.ref, "")) == event.ref:
            del alive[keys[event.ref]]
    return Found(problems, f"{len(keys)} emergency exits")
