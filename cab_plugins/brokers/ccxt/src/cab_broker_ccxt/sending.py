"""Placing one order, at most once."""

from __future__ import annotations

import attrs

from cab_broker_ccxt.api import Api
from cab_broker_ccxt.bodies import order_body
from cab_broker_ccxt.config import Config
from cab_broker_ccxt.errors import VenueError, no_keys
from cab_broker_ccxt.gate_terms import EXPIRES
from cab_broker_ccxt.memory import Memory, deadline_ms, is_stop
from cab_broker_ccxt.order_rows import ack_of, id_of
from cab_broker_ccxt.reply import REQUEST_EXPIRED, Reply, failed_send
from cab_broker_ccxt.rules import Rules, pair_of
from cab_core.sdk import Ack, Intent, Outcome, Rejected, Side, Unknown

#: Refusals that mean that our picture of the instrument is old.
_OLD_RULES = frozenset({"bad_precision", "below_min_notional", "not_tradable"})


@attrs.frozen(eq=False)
class Sending:
    """Sends orders with an expiry and says what came of it; never repeats one."""

    api: Api
    rules: Rules
    memory: Memory
    config: Config

    async def submit(self, intent: Intent) -> Outcome:
        """Send the order once. See `cab_core.sdk.Broker.submit`."""
        if not self.api.keyed:
            return Rejected("credentials", str(no_keys(self.api.where)))
        if intent.client_id in self.memory.sent:
            return Unknown(f"{intent.client_id} was sent before and is not sent again")
        try:
            await self.api.sync()
            rules = await self.rules.of(intent.symbol)
        except VenueError as error:
            return Rejected("not_sent", str(error), transient=True)
        if rules is None:
            return Rejected("unknown_symbol", f"{intent.symbol} is not among the configured symbols")
        body = order_body(intent, rules, self.config.account_type, self.config.stop_ttl_s)
        if isinstance(body, Rejected):
            return body
        await self.api.limiter.acquire(urgent=intent.side is Side.SELL, market=pair_of(intent.symbol))
        expires_ms = deadline_ms(intent) + self.api.server.offset_ms
        if self.api.server.now_ms() >= expires_ms:
            return Rejected("not_sent", "its time was over before it could be sent", transient=True)
        self.memory.sent.add(intent.client_id)
        self.memory.deadlines[intent.client_id] = expires_ms
        self.memory.since_s[intent.client_id] = self.api.clock.monotonic()
        endpoint = "privateSpotPostPriceOrders" if is_stop(intent) else "privateSpotPostOrders"
        reply = await self.api.send(endpoint, {**body, EXPIRES: expires_ms})
        return self._accepted(intent, reply) if reply.answered else await self._failed(reply)

    def _accepted(self, intent: Intent, reply: Reply) -> Ack | Unknown:
        """Believe an acceptance only if it names the order and, where the venue repeats it, our text."""
        row = reply.data
        if not isinstance(row, dict) or not id_of(row) or reply.status not in (200, 201):
            return Unknown(f"{reply.text()} without an order")
        if is_stop(intent):
            ack = Ack(id_of(row), final=False)
        elif row.get("text") != intent.client_id:
            return Unknown(f"the answer is about {row.get('text')!r} and not about {intent.client_id}")
        else:
            ack = ack_of(row)
        self.memory.learn(intent.client_id, ack.order_id)
        return ack

    async def _failed(self, reply: Reply) -> Rejected | Unknown:
        outcome = failed_send(reply)
        if reply.label == REQUEST_EXPIRED:
            await self.api.measure()
        if isinstance(outcome, Rejected) and outcome.reason in _OLD_RULES:
            self.rules.forget()
        return outcome
