"""Nine planted bugs, each a small change of the kernel or of its broker: a simulation must find every one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from tests.sim.absence import Absences
from tests.sim.broker import SimBroker
from tests.sim.sending import placing
from tests.sim.simulation import HONEST, Sabotage
from tests.sim.wire import GARBLED, Wire

from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.records import Executed
from cab_core.cycle.settlement import plain
from cab_core.cycle.trader import Planned
from cab_core.domain import book as books
from cab_core.domain import exits
from cab_core.domain import position as positions
from cab_core.domain.exits import ExitRules, Protection
from cab_core.domain.orders import Ack, Intent, OrderState, Outcome, Rejected, Unknown
from cab_core.domain.seen import SeenTrades


async def _send_first(self: Execution, planned: Planned) -> Executed:
    """Send, and only then write down that it was sent."""
    standing = self.standings.find(planned.intent.client_id)
    if standing is None:
        return Executed("abandoned")
    intent = attrs.evolve(planned.intent, sent_ms=self.clock.now_ms())
    outcome = await self.broker.submit(intent)
    await self.settlement.move(standing, OrderState.SENT)
    standing.planned = attrs.evolve(planned, intent=intent)
    if isinstance(outcome, Ack):
        return Executed(None, await self.settlement.settle(standing, outcome))
    if isinstance(outcome, Rejected):
        return await self._rejected(standing, outcome)
    await self.settlement.move(standing, OrderState.UNKNOWN, outcome.message)
    return Executed(None, unknown=True)


class TimeoutMeansRejected(SimBroker):
    """A broker that takes silence for a refusal."""

    def lost(self, fault: str) -> Outcome:
        return Rejected("timeout", fault)


class _Hasty(Absences):
    def missed(self, client_id: str, begun_ms: int, expires_ms: int) -> bool:
        del client_id, begun_ms, expires_ms
        return True


def _not_found_once(wire: Wire) -> SimBroker:
    return SimBroker(wire, _Hasty())


_honest_send = Execution._send


async def _retry_with_a_new_id(self: Execution, planned: Planned) -> Executed:
    """Send an order without an answer again at once, as if it had never arrived."""
    done = await _honest_send(self, planned)
    standing = self.standings.find(planned.intent.client_id)
    if not done.unknown or standing is None or planned.intent.attempt > 3:
        return done
    await self.settlement.end(standing, OrderState.ABANDONED, "no answer")
    again = attrs.evolve(plain(planned.intent), attempt=planned.intent.attempt + 1)
    following = attrs.evolve(planned, intent=again)
    return await _retry_with_a_new_id(self, following) if await self.plan([following]) else done


class WithoutExpiry(SimBroker):
    """A broker whose requests never expire, though its proof of absence says they do."""

    def placing(self, intent: Intent, expires_ms: int) -> Any:
        del expires_ms
        return placing(self.exchange, intent, self._rules[intent.symbol], None)


class AnyAnswerIsSuccess(SimBroker):
    """A broker that does not look into the answer."""

    def lost(self, fault: str) -> Outcome:
        return Ack("", final=True) if fault in GARBLED else Unknown(fault)


def _not_lower(current: Protection, following: Protection) -> Protection:
    return following


def _falling(p: Protection, price: Any, rules: ExitRules) -> Protection:
    """Let the stop follow the price in both directions."""
    if p.stage == 0:
        return p
    return attrs.evolve(p, stop=price * (1 - rules.trailing), kind="trailing_stop", peak=price)


def _without_breakeven(p: Protection, rules: ExitRules) -> Protection:
    del rules
    levels = p.levels
    return Protection(1, p.stop, "breakeven", levels.tp1, levels, p.quantity, p.entry_price)


SABOTEURS: Mapping[str, Sabotage] = {
    "none": HONEST,
    "send_before_journal": Sabotage(patched=((Execution, "_send", _send_first),)),
    "timeout_means_rejected": Sabotage(broker=TimeoutMeansRejected),
    "not_found_once_means_absent": Sabotage(broker=_not_found_once),
    "retry_with_a_new_id": Sabotage(patched=((Execution, "_send", _retry_with_a_new_id),)),
    "no_expiry": Sabotage(broker=WithoutExpiry),
    "fills_not_deduped": Sabotage(patched=((SeenTrades, "knows", lambda *_: False),)),
    "any_answer_is_success": Sabotage(broker=AnyAnswerIsSuccess),
    "stop_may_fall": Sabotage(patched=((exits, "_trailed", _falling), (positions, "not_lower", _not_lower))),
    "tp1_without_breakeven": Sabotage(
        patched=(
            (exits, "after_take_profit_1", _without_breakeven),
            (books, "after_take_profit_1", _without_breakeven),
        )
    ),
}
