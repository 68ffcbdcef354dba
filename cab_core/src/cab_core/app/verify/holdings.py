"""I3, I5, I13, I25: what is held, what was earned, and the counters that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from cab_core.app.history import WRITTEN_OFF
from cab_core.app.verify.evidence import Event, Evidence, Trade
from cab_core.app.verify.oracle import Oracle
from cab_core.app.verify.results import Found
from cab_core.app.verify.values import amount
from cab_core.domain.orders import TERMINAL, Side
from cab_core.domain.timeframes import DAY_MS

#: Difference in quote that rounding to 28 digits explains.
TOLERANCE = Decimal("1e-12")

#: A rest worth less than this in quote may be held without a position: dust that no venue sells.
DUST_QUOTE = Decimal(10)

#: Round trips an account remembers across starts; longer streaks of losses look like this one.
REMEMBERED_TRIPS = 50

_NONE = Decimal(0)


def positions_are_their_fills(evidence: Evidence) -> Found:
    """I3: at every journalled change, and now, a position is what its trades bought less what they sold."""
    problems: list[str] = []
    along = Oracle()
    last: dict[str, Mapping[str, Any] | None] = {}
    for event in evidence.of_kind("fill", "position", WRITTEN_OFF):
        if event.kind != "position":
            along.follow(event)
            continue
        state = event.facts.get("state")
        last[event.ref] = state
        problems += _unlike(event.ref, state, along, f" (journal row {event.seq})")
    now = _oracle(evidence)
    positions = evidence.positions
    for symbol in sorted({*positions, *now.lines, *last}):
        state = positions.get(symbol)
        problems += _unlike(symbol, state, now, "")
        if state is None and _worth(symbol, now, evidence) >= DUST_QUOTE:
            problems.append(f"{symbol}: {now.held(symbol)} is held by the trades, but there is no position")
        if (last.get(symbol) or None) != (state or None):
            problems.append(f"position {symbol} is not the one the journal saved last")
    return Found(problems, f"{len(positions)} open positions, {len(evidence.trades)} trades")


def _unlike(symbol: str, state: Mapping[str, Any] | None, oracle: Oracle, where: str) -> Iterator[str]:
    if state is not None and amount(state.get("quantity")) != oracle.held(symbol):
        quantity = state.get("quantity")
        yield f"position {symbol} has {quantity}, its trades make {oracle.held(symbol)}{where}"


def _worth(symbol: str, oracle: Oracle, evidence: Evidence) -> Decimal:
    prices = [trade.price for trade in evidence.trades if trade.symbol == symbol]
    return oracle.held(symbol) * prices[-1] if prices else _NONE


def _oracle(evidence: Evidence) -> Oracle:
    """Return the account that the table of trades implies, taken in the order they were booked."""
    booked = {Trade.of(event.facts).identity: event.seq for event in reversed(evidence.of_kind("fill"))}
    last = evidence.scan.newest_seq + 1
    steps: list[tuple[int, Trade | Event]] = [
        (booked.get(trade.identity, last), trade) for trade in evidence.trades
    ]
    steps += [(event.seq, event) for event in evidence.of_kind(WRITTEN_OFF)]
    oracle = Oracle()
    for _, step in sorted(steps, key=lambda step: step[0]):
        if isinstance(step, Event):
            oracle.follow(step)
        else:
            oracle.take(step)
    return oracle


def never_oversold(evidence: Evidence) -> Found:
    """I5: no trade sold more than was held, and sells alive together never exceeded it."""
    along = _Sells()
    problems = [problem for event in evidence.events for problem in along.see(event)]
    sales = sum(trade.side == Side.SELL for trade in evidence.trades)
    return Found(along.oracle.oversold + problems, f"{sales} sales")


@attrs.define
class _Sells:
    """Follows the sells along the journal: what is held, and what each order may still sell."""

    oracle: Oracle = attrs.Factory(Oracle)
    planned: dict[str, tuple[str, Decimal]] = attrs.Factory(dict)
    alive: defaultdict[str, dict[str, Decimal]] = attrs.Factory(lambda: defaultdict(dict))

    def see(self, event: Event) -> Iterator[str]:
        """Take in one row of the journal."""
        if event.kind == "fill":
            self._fill(Trade.of(event.facts))
        elif event.kind == WRITTEN_OFF:
            self.oracle.follow(event)
        elif event.kind == "order.planned" and event.facts.get("side") == Side.SELL:
            self.planned[event.ref] = str(event.facts["symbol"]), amount(event.facts["quantity"])
        elif event.ref in self.planned and event.kind.startswith("order."):
            symbol, quantity = self.planned[event.ref]
            if event.kind == "order.sent":
                self.alive[symbol][event.ref] = quantity
                yield from self._compare(symbol, event)
            elif event.kind.removeprefix("order.") in TERMINAL:
                self.alive[symbol].pop(event.ref, None)

    def _fill(self, trade: Trade) -> None:
        self.oracle.take(trade)
        left = self.alive[trade.symbol]
        if trade.client_id in left:
            left[trade.client_id] -= trade.quantity

    def _compare(self, symbol: str, event: Event) -> Iterator[str]:
        total = sum(self.alive[symbol].values(), _NONE)
        held = self.oracle.held(symbol)
        if total > held:
            yield (
                f"sells of {total} {symbol} were alive together with {held} held "
                f"({', '.join(self.alive[symbol])}; journal row {event.seq})"
            )


def profits_are_right(evidence: Evidence) -> Found:
    """I13: realized profit, cash and lots are what an oracle of another build makes of the trades."""
    book = evidence.book
    if book is None:
        return Found(missing="no account is saved yet")
    oracle = _oracle(evidence)
    baseline = amount(book["baseline"])
    told = {"free quote": (amount(book["quote_free"]), baseline + oracle.cash)}
    lots = book.get("lots", {})
    for symbol in sorted({*lots, *oracle.lines}):
        held = sum((amount(quantity) for quantity, _ in lots.get(symbol, ())), _NONE)
        told[f"lots of {symbol}"] = held, oracle.held(symbol)
    if not oracle.unpriced:
        told["realized profit"] = amount(book["realized"]), oracle.realized
        for day, realized in book.get("realized_by_day", {}).items():
            told[f"profit of day {day}"] = amount(realized), oracle.by_day[int(day)]
    problems = [
        f"{name} is {found}, the trades make {expected}"
        for name, (found, expected) in told.items()
        if abs(found - expected) > TOLERANCE
    ]
    row = evidence.tables["account"][0]
    problems += [
        f"{name} of the account is {row[name]}, its book says {book[name]}"
        for name in ("baseline", "peak", "quote_free")
        if amount(row[name]) != amount(book[name])
    ]
    if oracle.unpriced and not problems:
        return Found(missing=f"fees in a third currency: {oracle.unpriced[0]}")
    return Found(problems, f"realized {book['realized']}")


def counters_follow(evidence: Evidence) -> Found:
    """I25: risk counters are what the journal's trades make them, and the table holds the newest of each."""
    along = _Streaks()
    problems = [problem for event in evidence.events for problem in along.see(event)]
    for row in evidence.tables["risk_counters"]:
        key = row["date"], row["scope"], row["rule"]
        if along.newest.get(key) != amount(row["value"]):
            problems.append(
                f"counter {' '.join(key)} is {row['value']}, the journal says {along.newest.get(key)}"
            )
    return Found(problems, f"{len(along.newest)} counters")


@attrs.define
class _Streaks:
    """Follows round trips along the journal and judges each counter when it is written.

    Attributes:
        trips: when each ended, its symbol, and what it gained.
    """

    oracle: Oracle = attrs.Factory(Oracle)
    running: dict[str, Decimal] = attrs.Factory(dict)
    trips: list[tuple[int, str, Decimal]] = attrs.Factory(list)
    ends: list[int] = attrs.Factory(lambda: [0])
    newest: dict[tuple[str, str, str], Decimal] = attrs.Factory(dict)

    def see(self, event: Event) -> Iterator[str]:
        """Take in one row of the journal."""
        facts = event.facts
        if event.kind == "fill":
            trade = Trade.of(facts)
            gain = self.oracle.take(trade)
            if trade.side == Side.SELL:
                self.running[trade.symbol] = self.running.get(trade.symbol, _NONE) + gain
        elif event.kind == "position" and facts.get("state") is None and event.ref in self.running:
            self.trips.append((event.ts_ms, event.ref, self.running.pop(event.ref)))
        elif event.kind == WRITTEN_OFF:
            self._lessen(event.ref, self.oracle.follow(event))
        elif event.kind in {"halt", "halt.released"} and event.ref == "loss_streak":
            end = facts.get("until_ms") if event.kind == "halt" else event.ts_ms
            self.ends += [] if end is None else [end]
        elif event.kind == "risk.counter":
            value = amount(facts["value"])
            self.newest[str(facts["date"]), str(facts["scope"]), str(facts["rule"])] = value
            yield from self._judge(event, value)

    def _judge(self, event: Event, value: Decimal) -> Iterator[str]:
        rule, where = event.facts["rule"], f"(journal row {event.seq})"
        if event.facts["scope"] != "account" or self.oracle.unpriced:
            return
        if rule == "loss_streak":
            # A halt that just ended may or may not have been seen when the counter was written.
            possible = {self._streak(end) for end in self.ends if end <= event.ts_ms}
            if min(int(value), REMEMBERED_TRIPS) not in possible:
                yield f"loss_streak was {value}, the trades make {max(possible)} {where}"
        elif rule == "daily_loss":
            least = -self.oracle.by_day[event.ts_ms // DAY_MS]
            if value < max(_NONE, least) - TOLERANCE:
                yield f"daily_loss was {value}, the day's sales alone lost {least} {where}"
        elif rule == "max_drawdown" and not 0 <= value <= 100:
            yield f"max_drawdown was {value} % {where}"

    def _lessen(self, symbol: str, gain: Decimal) -> None:
        """Count what dust cost in the trip that left it."""
        for index in range(len(self.trips) - 1, -1, -1):
            closed_ms, of, before = self.trips[index]
            if of == symbol:
                self.trips[index] = closed_ms, of, before + gain
                return

    def _streak(self, since_ms: int) -> int:
        streak = 0
        for closed_ms, _, gain in reversed(self.trips[-REMEMBERED_TRIPS:]):
            if gain >= 0 or closed_ms <= since_ms:
                break
            streak += 1
        return streak
