"""What a running session shows at the moment it is asked, as gauges. Only memory is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal

from cab_core.app.running import Running
from cab_core.cycle.supervise import State
from cab_core.domain.book import Book
from cab_core.domain.limits import limit_use
from cab_core.domain.money import ZERO
from cab_core.domain.orders import OrderState
from cab_core.observability.metrics import Metrics


def read_gauges(
    metrics: Metrics, running: Running, now_s: float, realized_before: Mapping[str, Decimal]
) -> None:
    """Set every gauge that follows from the session.

    Args:
        metrics: where to.
        running: the session, running or over.
        now_s: Unix time; the session's own clock may be that of a played market.
        realized_before: realized profit by symbol of trades that are not in the book's memory.
    """
    _account(metrics, running)
    _symbols(metrics, running, realized_before)
    _regime(metrics, running)
    _intents(metrics, running, now_s)


def _account(metrics: Metrics, running: Running) -> None:
    trader, now_ms = running.session.trader, running.session.venue.clock.now_ms()
    book = trader.book
    use = limit_use(book, trader.halts.released_ms(now_ms), now_ms)
    orders, turnover = book.activity(now_ms)
    metrics.set("crypto_equity_quote", to=float(book.equity()))
    metrics.set("crypto_drawdown_current_pct", to=max(0.0, float(use["max_drawdown"])))
    metrics.set("crypto_loss_streak", to=float(use["loss_streak"]))
    metrics.set("crypto_daily_loss_quote", to=float(use["daily_loss"]))
    metrics.set("crypto_orders_5m", to=orders)
    metrics.set("crypto_turnover_5m_quote", to=float(turnover))
    halted = {halt.rule for halt in trader.halts.active(now_ms)}
    for rule in metrics.known.rules:
        metrics.set("crypto_risk_halted", rule, to=rule in halted)


def _symbols(metrics: Metrics, running: Running, realized_before: Mapping[str, Decimal]) -> None:
    session = running.session
    book, supervisor = session.trader.book, session.orchestrator.supervisor
    realized = _realized(book, realized_before)
    for symbol in metrics.known.symbols:
        position = book.positions.get(symbol)
        metrics.set("crypto_position_size", symbol, to=0.0 if position is None else float(position.quantity))
        metrics.set("crypto_pnl_realized_total", symbol, to=float(realized[symbol]))
        metrics.choose("crypto_orchestrator_state", symbol, str(supervisor.states.get(symbol, State.IDLE)))
        age_ms = session.orchestrator.exits.age_ms(symbol) if position is not None else 0
        metrics.set("crypto_exits_look_age_seconds", symbol, to=age_ms / 1000)
        watched = not running.ended and session.orchestrator.exits.watched(symbol)
        metrics.set("crypto_protection", symbol, "bot", to=watched)
        if "exchange" in metrics.known.stops:
            stop = session.orchestrator.execution.standings.stop(symbol)
            resting = position is not None and stop is not None and stop.state is OrderState.ACKED
            metrics.set("crypto_protection", symbol, "exchange", to=resting)


def _realized(book: Book, before: Mapping[str, Decimal]) -> defaultdict[str, Decimal]:
    realized = defaultdict(lambda: ZERO, before)
    for trade in book.trades:
        realized[trade.symbol] += trade.pnl
    for symbol, position in book.positions.items():
        realized[symbol] += position.realized
    return realized


def _regime(metrics: Metrics, running: Running) -> None:
    regime = running.session.regime_at(running.session.venue.clock.now_ms())
    if regime is not None:
        metrics.choose("crypto_regime_state", str(regime.state))
        metrics.set("crypto_regime_score", to=regime.score)


def _intents(metrics: Metrics, running: Running, now_s: float) -> None:
    ages_s = [*_unknown_ages_s(running)]
    metrics.set("crypto_intents_unknown", to=len(ages_s))
    oldest_s = now_s - max(ages_s) if ages_s else 0.0
    metrics.set("crypto_oldest_unknown_intent_timestamp_seconds", to=oldest_s)


def _unknown_ages_s(running: Running) -> Iterator[float]:
    session = running.session
    now_ms = session.venue.clock.now_ms()
    for standing in session.orchestrator.execution.standings:
        if standing.unknown:
            yield (now_ms - standing.since_ms) / 1000
