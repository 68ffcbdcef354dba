"""What is known of an order whose own trades, or the venue's answers, do not settle it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Broker
from cab_core.cycle.asking import asked
from cab_core.cycle.standing import Standing
from cab_core.cycle.trader import Trader
from cab_core.domain.booking import malformed
from cab_core.domain.comparison import CLIENT_PREFIX, belongs
from cab_core.domain.corrections import EXTERNAL, estimate_id
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Ack, Fill, Intent, Side
from cab_core.domain.slippage import average_price
from cab_core.errors import CabError

log = logging.getLogger("cab.settlement")

#: A final order whose trades do not add up is closed after this long: longer than trades and balances lag.
UNSETTLED_MS = 120_000

#: By how much the venue's times of trades may lie before the bot's own.
SKEW_MS = 5_000

#: Two looks that confirm each other lie at least this far apart.
APART_MS = 30_000


@attrs.frozen(eq=False)
class Proof:
    """Looks at the account as a whole, where its parts do not tell."""

    trader: Trader
    broker: Broker
    clock: Clock

    def complete(self, standing: Standing, ack: Ack, trades: Sequence[Fill]) -> bool:
        """Say whether all trades of a final order are seen.

        Where the venue names no sum, they must add up to what was ordered, but for less than one step.
        """
        intent = standing.intent
        if (told := _filled(intent, ack)) is not None:
            return standing.filled >= told
        if standing.is_stop or intent.cost is None:
            short = (intent.quantity or ZERO) - standing.filled
            return standing.is_stop or short < self._step(intent.symbol)
        instrument = self.trader.config.instruments[intent.symbol]
        step = instrument.cost_step + instrument.amount_step * max((t.price for t in trades), default=ZERO)
        return intent.cost - sum((trade.value for trade in trades), ZERO) < step

    async def missing(self, standing: Standing, ack: Ack, *, listed: bool) -> Decimal | None:
        """Return how much base of a final order its trades do not show; None while they may yet come.

        Where the venue names what was filled, that is what the trades lack. Else, and where its trades cannot
        be ``listed`` at all, only the account as a whole tells, and only of a sell.
        """
        now_ms, final_ms = self.clock.now_ms(), standing.final_ms or 0
        over = now_ms - final_ms >= UNSETTLED_MS
        if listed and (told := _filled(standing.intent, ack)) is not None:
            return told - standing.filled if over else None
        if standing.intent.side is Side.BUY:
            return ZERO if over and listed else None
        if now_ms - final_ms < UNSETTLED_MS - APART_MS:
            return None
        missing = await self.unaccounted(standing)
        return missing if over else None

    async def unaccounted(self, standing: Standing, apart_ms: int = APART_MS) -> Decimal | None:
        """Return what a sell has sold by the evidence of the account, None while it proves nothing."""
        try:
            return await self._sold(standing, apart_ms)
        except CabError as error:
            log.warning("nothing can be proven of %s yet: %s", standing.intent.client_id, error)
            return None

    def price(self, intent: Intent, trades: Sequence[Fill]) -> Decimal:
        """Return the best price that is known for what an order traded without a trade to show for it."""
        book, symbol = self.trader.book, intent.symbol
        position = book.positions.get(symbol)
        known = book.marks.get(symbol) or intent.reference or (position.entry_price if position else ZERO)
        return average_price((trade.price, trade.quantity) for trade in trades) or known

    def estimate(self, intent: Intent, quantity: Decimal, price: Decimal) -> Fill:
        """Return what an order traded without a trade to show for it."""
        return Fill(
            estimate_id(intent.client_id),
            EXTERNAL,
            intent.symbol,
            intent.side,
            quantity,
            price,
            quantity * price * self.trader.config.costs.fee,
            self.trader.book.instruments[intent.symbol].quote,
            self.clock.now_ms(),
            intent.reference,
        )

    async def _sold(self, standing: Standing, apart_ms: int) -> Decimal | None:
        """Return the base that a sell has sold beyond what its own trades show.

        It is what the book holds and the account does not, at most what the order may still have sold; and at
        least what was sold since by nobody that is known: the owner's coins may hide that the bot's are gone.
        Looks over ``apart_ms`` must say the same, and none may show the order open.

        Returns:
            None while it is not proven.

        Raises:
            CabError: the venue does not answer.
        """
        intent, book = standing.intent, self.trader.book
        balances = await asked(self.broker.balances(), "balances")
        orders = await asked(self.broker.orders(intent.symbol, self.clock.now_ms()), "orders")
        if any(order.open and belongs(order, [intent]) for order in orders):
            standing.proof = None
            return None
        base = book.instruments[intent.symbol].base
        total = balances[base].total if base in balances else ZERO
        siblings = (symbol for symbol, instrument in book.instruments.items() if instrument.base == base)
        managed = sum((book.ledger.held(symbol).quantity for symbol in siblings), ZERO)
        gone = max(ZERO, managed - total, await self._loose(standing))
        missing = min(gone, (intent.quantity or ZERO) - standing.filled)
        now_ms = self.clock.now_ms()
        if standing.proof is None or standing.proof[1] != missing:
            standing.proof = now_ms, missing
        return missing if now_ms - standing.proof[0] >= apart_ms else None

    async def _loose(self, standing: Standing) -> Decimal:
        """Return the base of unbooked sales since the order was sent that no other order of ours made."""
        intent, since_ms = standing.intent, (standing.intent.sent_ms or standing.since_ms) - SKEW_MS
        told = await asked(self.broker.fills_since(intent.symbol, since_ms), "fills_since")
        seen = self.trader.book.seen[intent.symbol]
        loose = (
            trade.quantity
            for trade in told
            if trade.side is Side.SELL
            and trade.ts_ms >= since_ms
            and malformed(trade) is None
            and not seen.knows(trade.trade_id, trade.ts_ms)
            and (trade.client_id == intent.client_id or not trade.client_id.startswith(CLIENT_PREFIX))
        )
        return sum(loose, ZERO)

    def _step(self, symbol: str) -> Decimal:
        return self.trader.config.instruments[symbol].amount_step


def _filled(intent: Intent, ack: Ack) -> Decimal | None:
    """Return what the venue says was filled: of a sell never more than was ordered, whatever it says."""
    if ack.filled is None or intent.quantity is None:
        return ack.filled
    return min(ack.filled, intent.quantity)


def odd(trade: Fill, intent: Intent) -> str | None:
    """Say why a trade that a venue lists for an order cannot be a trade of it, None if it can."""
    if (trade.symbol, trade.side) != (intent.symbol, intent.side):
        return f"trade {trade.trade_id} is a {trade.side} of {trade.symbol}"
    return malformed(trade)
