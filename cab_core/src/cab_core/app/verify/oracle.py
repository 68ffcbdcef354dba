"""First in, first out, told another way than the ledger: lots as stretches of one line, with more digits.

Everything ever bought of a symbol lies end to end on a line; everything sold is a mark that moves along it.
What a sale cost is what the stretch cost that the mark passed. Nothing here is shared with `domain.ledger`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from decimal import Context, Decimal

import attrs

from cab_core.app.verify.evidence import Event, Trade
from cab_core.domain.timeframes import DAY_MS

#: More digits than money has, so that the oracle's own rounding never shows.
_WIDE = Context(prec=60)
_NONE = Decimal(0)


@attrs.define
class Line:
    """Everything bought and sold of one symbol, in base; costs in quote.

    Attributes:
        ends: where each bought stretch ends. ``costs``: what it cost, fees included.
        mark: how much was sold.
    """

    ends: list[Decimal] = attrs.Factory(list)
    costs: list[Decimal] = attrs.Factory(list)
    mark: Decimal = _NONE

    @property
    def held(self) -> Decimal:
        """What is left of everything bought; negative if more was sold."""
        return _WIDE.subtract(self.ends[-1] if self.ends else _NONE, self.mark)

    def buy(self, quantity: Decimal, cost: Decimal) -> None:
        """Lay another stretch."""
        self.ends.append(_WIDE.add(self.ends[-1] if self.ends else _NONE, quantity))
        self.costs.append(cost)

    def sell(self, quantity: Decimal) -> Decimal:
        """Move the mark and return what the passed stretch cost."""
        start, end = self.mark, _WIDE.add(self.mark, quantity)
        self.mark = end
        cost, index = _NONE, bisect_right(self.ends, start)
        while start < end and index < len(self.ends):
            begin = self.ends[index - 1] if index else _NONE
            length = _WIDE.subtract(self.ends[index], begin)
            passed = _WIDE.subtract(min(end, self.ends[index]), start)
            cost = _WIDE.add(cost, _WIDE.divide(_WIDE.multiply(self.costs[index], passed), length))
            start, index = self.ends[index], index + 1
        return cost


@attrs.define
class Oracle:
    """An account as its trades imply it; money in quote.

    Attributes:
        cash: change of the free quote currency.
        realized: profit of all sales after fees, less the cost of dust that was given up. ``by_day``: the
            same by UTC day.
        unpriced: fees in a third currency, whose value in quote no record tells.
        oversold: sales of more than was held, one line each.
    """

    lines: defaultdict[str, Line] = attrs.Factory(lambda: defaultdict(Line))
    cash: Decimal = _NONE
    realized: Decimal = _NONE
    by_day: defaultdict[int, Decimal] = attrs.Factory(lambda: defaultdict(Decimal))
    unpriced: list[str] = attrs.Factory(list)
    oversold: list[str] = attrs.Factory(list)

    def take(self, trade: Trade) -> Decimal:
        """Take in one trade and return what it realized, 0 for a buy."""
        base, _, quote = trade.symbol.partition("/")
        value = _WIDE.multiply(trade.quantity, trade.price)
        fee_base = fee_quote = _NONE
        for currency, paid in trade.fees:
            if currency == base:
                fee_base = _WIDE.add(fee_base, paid)
            elif currency == quote:
                fee_quote = _WIDE.add(fee_quote, paid)
            elif paid:
                self.unpriced.append(f"trade {trade.trade_id} paid {paid} {currency}")
        line = self.lines[trade.symbol]
        if trade.side == "buy":
            line.buy(_WIDE.subtract(trade.quantity, fee_base), _WIDE.add(value, fee_quote))
            self.cash = _WIDE.subtract(self.cash, _WIDE.add(value, fee_quote))
            return _NONE
        proceeds = _WIDE.subtract(value, fee_quote)
        taken = _WIDE.add(trade.quantity, fee_base)
        if taken > line.held:
            self.oversold.append(
                f"trade {trade.trade_id} sold {taken} {base} of {line.held} held (order {trade.client_id})"
            )
        gain = _WIDE.subtract(proceeds, line.sell(taken))
        self.cash = _WIDE.add(self.cash, proceeds)
        self.realized = _WIDE.add(self.realized, gain)
        self.by_day[trade.ts_ms // DAY_MS] += gain
        return gain

    def follow(self, event: Event) -> Decimal:
        """Take in a journalled trade, or dust that was given up; return what that realized."""
        if event.kind == "fill":
            return self.take(Trade.of(event.facts))
        line = self.lines[event.ref]
        gain = -line.sell(line.held)
        self.realized = _WIDE.add(self.realized, gain)
        self.by_day[event.ts_ms // DAY_MS] += gain
        return gain

    def held(self, symbol: str) -> Decimal:
        """Return what is held of a symbol, dust included."""
        return self.lines[symbol].held
