"""Figures of closed trades: by hand, against a second implementation, and where undefined."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.exits import Levels
from cab_core.domain.position import ExitFill, TradeRecord
from cab_core.domain.trade_figures import (
    TradeFigures,
    by_exit_reason,
    by_strategy,
    by_symbol,
    r_multiple,
    trade_figures,
)

HOUR = 3_600_000


def trade(
    pnl: str, *, votes: tuple[str, ...] = (), symbol: str = "BTC/USDT", hours: int = 1, cost: str = "50"
) -> TradeRecord:
    """A trade of one unit bought at 100 with its stop at 95."""
    return TradeRecord(
        symbol=symbol,
        opened_ms=0,
        closed_ms=hours * HOUR,
        quantity=Decimal(1),
        entry_price=Decimal(100),
        cost=Decimal(cost),
        proceeds=Decimal(cost) + Decimal(pnl),
        fees_quote=Decimal("0.2"),
        pnl=Decimal(pnl),
        exits=(
            ExitFill(hours * HOUR, Decimal(1), Decimal(100), "signal_sell", Decimal("0.1"), Decimal(pnl)),
        ),
        entry_reason="vote:1-0",
        votes=votes,
        trace_id="0000000000000001",
        levels=Levels(Decimal(95), Decimal(102), Decimal(105), Decimal("100.4")),
    )


def test_five_trades_by_hand() -> None:
    found = trade_figures([trade(pnl) for pnl in ("3", "-1", "-1", "0", "1.5")])
    assert found.trades == 5
    assert (found.wins, found.losses) == (2, 2)
    assert found.pnl == Decimal("2.5")
    assert found.win_rate == 40.0
    assert found.profit_factor == 2.25
    assert found.expectancy == Decimal("0.5")
    assert found.expectancy_pct == pytest.approx(1.0)
    assert (found.average_win, found.average_loss) == (Decimal("2.25"), Decimal(-1))
    assert found.payoff == 2.25
    assert (found.best, found.worst) == (Decimal(3), Decimal(-1))
    assert (found.losing_streak, found.winning_streak) == (2, 1)
    assert found.average_ms == HOUR


def test_a_trade_that_breaks_even_ends_a_streak() -> None:
    assert trade_figures([trade(pnl) for pnl in ("-1", "-1", "0", "-1")]).losing_streak == 2


def test_no_trades_have_no_figures() -> None:
    found = trade_figures([])
    assert found == TradeFigures()
    assert (found.win_rate, found.profit_factor, found.expectancy, found.best) == (None, None, None, None)


def test_without_losses_there_is_no_profit_factor() -> None:
    found = trade_figures([trade("1"), trade("2")])
    assert (found.profit_factor, found.payoff, found.average_loss) == (None, None, None)
    assert found.win_rate == 100.0


def test_r_is_the_pnl_over_what_the_first_stop_risks() -> None:
    assert r_multiple(trade("-5")) == -1.0
    assert r_multiple(trade("7.5")) == 1.5
    assert r_multiple(attrs.evolve(trade("1"), levels=None)) is None


def test_votes_share_a_trade() -> None:
    rows = by_strategy([trade("3", votes=("a", "b", "c")), trade("-1", votes=("a",)), trade("9")])
    assert [(row.name, row.count, row.wins, row.pnl, row.share) for row in rows] == [
        ("a", 2, 1, Decimal(2), Decimal(0)),
        ("b", 1, 1, Decimal(3), Decimal(1)),
        ("c", 1, 1, Decimal(3), Decimal(1)),
    ]


def test_groups_are_ordered_by_frequency_then_name() -> None:
    rows = by_symbol([trade("1", symbol=name) for name in ("B/USDT", "C/USDT", "A/USDT", "C/USDT")])
    assert [row.name for row in rows] == ["C/USDT", "A/USDT", "B/USDT"]


amounts = st.decimals(-100, 100, allow_nan=False, allow_infinity=False, places=4)


@given(st.lists(amounts, min_size=1, max_size=40))
def test_a_second_implementation_agrees(pnls: list[Decimal]) -> None:
    found = trade_figures([trade(str(pnl)) for pnl in pnls])
    gained = lost = Decimal(0)
    streak = longest = wins = 0
    for pnl in pnls:
        gained, lost = gained + max(pnl, Decimal(0)), lost + max(-pnl, Decimal(0))
        wins += pnl > 0
        streak = streak + 1 if pnl < 0 else 0
        longest = max(longest, streak)
    assert found.gross_profit - found.gross_loss == found.pnl == gained - lost
    assert found.profit_factor == (float(gained / lost) if lost else None)
    assert found.win_rate == pytest.approx(wins / len(pnls) * 100)
    assert found.losing_streak == longest
    assert found.expectancy == sum(pnls) / len(pnls)
    exits = by_exit_reason(sale for each in pnls for sale in trade(str(each)).exits)
    assert sum(row.pnl for row in exits) == found.pnl
