"""Figures of closed trades. Money in quote, as Decimal; percents and ratios as floats, None if undefined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import groupby

import attrs

from cab_core.domain.money import HUNDRED, ZERO
from cab_core.domain.position import ExitFill, TradeRecord


@attrs.frozen(slots=True, kw_only=True)
class TradeFigures:
    """What a list of closed trades came to.

    Attributes:
        wins: trades with a PnL above 0; ``losses`` below 0; the rest broke even.
        gross_profit: sum of the wins' PnL; ``gross_loss`` of the losses', as a positive number.
        win_rate: percent of all trades.
        profit_factor: ``gross_profit / gross_loss``.
        expectancy: average PnL of a trade; ``expectancy_pct`` average of its PnL in percent of its cost.
        average_win: in quote; ``average_loss`` likewise, negative.
        payoff: ``average_win`` over the size of ``average_loss``.
        best: highest PnL, ``worst`` the lowest.
        losing_streak: most losses in a row by time of closing; ``winning_streak`` likewise.
        average_ms: average time from entry to close.
    """

    trades: int = 0
    wins: int = 0
    losses: int = 0
    pnl: Decimal = ZERO
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    win_rate: float | None = None
    profit_factor: float | None = None
    expectancy: Decimal | None = None
    expectancy_pct: float | None = None
    average_win: Decimal | None = None
    average_loss: Decimal | None = None
    payoff: float | None = None
    best: Decimal | None = None
    worst: Decimal | None = None
    losing_streak: int = 0
    winning_streak: int = 0
    average_ms: float | None = None


@attrs.frozen(slots=True)
class Group:
    """Trades or exits that share a name.

    Attributes:
        count: how many; ``wins`` of them gained.
        pnl: what they realized.
        share: of the total PnL, what falls to this name; differs from ``pnl`` only where names overlap.
    """

    name: str
    count: int
    wins: int
    pnl: Decimal
    share: Decimal

    @property
    def win_rate(self) -> float:
        """Percent of the count that gained."""
        return 100 * self.wins / self.count


def trade_figures(trades: Sequence[TradeRecord]) -> TradeFigures:
    """Return the figures of closed trades, given in the order of closing."""
    if not trades:
        return TradeFigures()
    pnls = [trade.pnl for trade in trades]
    won = [pnl for pnl in pnls if pnl > 0]
    lost = [pnl for pnl in pnls if pnl < 0]
    profit, loss = sum(won, ZERO), -sum(lost, ZERO)
    average_win, average_loss = _mean(won), _mean(lost)
    returns = [float(HUNDRED * trade.pnl / trade.cost) for trade in trades if trade.cost > 0]
    return TradeFigures(
        trades=len(pnls),
        wins=len(won),
        losses=len(lost),
        pnl=sum(pnls, ZERO),
        gross_profit=profit,
        gross_loss=loss,
        win_rate=100 * len(won) / len(pnls),
        profit_factor=float(profit / loss) if loss else None,
        expectancy=_mean(pnls),
        expectancy_pct=sum(returns) / len(returns) if returns else None,
        average_win=average_win,
        average_loss=average_loss,
        payoff=None if average_win is None or average_loss is None else float(average_win / -average_loss),
        best=max(pnls),
        worst=min(pnls),
        losing_streak=_longest(pnls, lambda pnl: pnl < 0),
        winning_streak=_longest(pnls, lambda pnl: pnl > 0),
        average_ms=sum(trade.closed_ms - trade.opened_ms for trade in trades) / len(trades),
    )


def initial_risk(trade: TradeRecord) -> Decimal | None:
    """Return what the trade risked: its quantity times the distance of its first stop, fees left out."""
    if trade.levels is None:
        return None
    risk = (trade.entry_price - trade.levels.sl) * trade.quantity
    return risk if risk > 0 else None


def r_multiple(trade: TradeRecord) -> float | None:
    """Return the PnL in units of the initial risk."""
    risk = initial_risk(trade)
    return None if risk is None else float(trade.pnl / risk)


def by_exit_reason(exits: Iterable[ExitFill]) -> tuple[Group, ...]:
    """Group sells by their reason, the most frequent first."""
    tally = _Tally()
    for sale in exits:
        tally.add(sale.reason, sale.pnl, sale.pnl)
    return tally.groups()


def by_symbol(trades: Iterable[TradeRecord]) -> tuple[Group, ...]:
    """Group trades by symbol, the most frequent first."""
    tally = _Tally()
    for trade in trades:
        tally.add(trade.symbol, trade.pnl, trade.pnl)
    return tally.groups()


def by_strategy(trades: Iterable[TradeRecord]) -> tuple[Group, ...]:
    """Group trades by the strategies that voted for the entry, the most frequent first.

    A trade with k votes counts in full in ``count``, ``wins`` and ``pnl`` of all k, and with a k-th of its
    PnL in each one's ``share``; so the shares add up to the PnL of all trades that had votes.
    """
    tally = _Tally()
    for trade in trades:
        for name in trade.votes:
            tally.add(name, trade.pnl, trade.pnl / len(trade.votes))
    return tally.groups()


class _Tally:
    """Sums by name."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Decimal, Decimal]]] = defaultdict(list)

    def add(self, name: str, pnl: Decimal, share: Decimal) -> None:
        self._rows[name].append((pnl, share))

    def groups(self) -> tuple[Group, ...]:
        found = [
            Group(
                name,
                len(rows),
                sum(pnl > 0 for pnl, _ in rows),
                sum((pnl for pnl, _ in rows), ZERO),
                sum((share for _, share in rows), ZERO),
            )
            for name, rows in self._rows.items()
        ]
        return tuple(sorted(found, key=lambda group: (-group.count, group.name)))


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, ZERO) / len(values) if values else None


def _longest(pnls: Sequence[Decimal], wanted: Callable[[Decimal], bool]) -> int:
    """Return the length of the longest run of PnLs that are wanted."""
    return max((len(list(run)) for hit, run in groupby(pnls, wanted) if hit), default=0)
