"""How far the limits are used, what is halted, what was blocked; and the release of halts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from importlib.metadata import entry_points

from cab_core.app.desk.holdings import saved_book
from cab_core.app.desk.views import HaltView, LimitView, RiskView
from cab_core.app.perf import blocked_entries
from cab_core.domain.book import ACTIVITY_MS, Book
from cab_core.domain.limits import limit_use
from cab_core.domain.money import ZERO
from cab_core.domain.risk import Halt as LatchedHalt
from cab_core.domain.timeframes import DAY_MS, floor_ms
from cab_core.errors import NotFoundError
from cab_core.nearest import nearest
from cab_core.settings.schema import Settings
from cab_core.storage import (
    Connection,
    Halt,
    Release,
    active_halts,
    last_equity,
    load_counters,
    load_fills,
    load_halts,
    release_halt,
    releases,
)
from cab_core.storage.records import utc_date

#: Critical rules: the option that holds the limit, the setting with its default, and the unit.
_LIMITS = {
    "loss_streak": ("count", "risk_loss_streak_count", "round trips"),
    "max_drawdown": ("max_pct", "risk_max_drawdown_pct", "%"),
    "daily_loss": ("limit_quote", "risk_daily_loss_limit_quote", "quote"),
}
_DAILY = "daily_loss"


def limits(
    measured: Mapping[str, Decimal], halts: Collection[HaltView], settings: Settings, now_ms: int
) -> list[LimitView]:
    """Return the critical limits against what was measured, by rule."""
    halted = {halt.rule: halt for halt in halts}
    return [_limit(rule, measured.get(rule), halted.get(rule), settings, now_ms) for rule in _LIMITS]


def _limit(
    rule: str, value: Decimal | None, halt: HaltView | None, settings: Settings, now_ms: int
) -> LimitView:
    option, attribute, unit = _LIMITS[rule]
    limit = Decimal(str(settings.options_of("risk_rules", rule).get(option, getattr(settings, attribute))))
    midnight = floor_ms(now_ms, DAY_MS) + DAY_MS if rule == _DAILY else None
    return LimitView(
        rule=rule,
        value=value,
        limit=limit,
        unit=unit,
        used_pct=None if value is None or not limit else float(100 * value / limit),
        halted=halt is not None,
        resets_ms=midnight if halt is None else halt.until_ms,
    )


def book_limits(
    book: Book, released_ms: Mapping[str, int], halts: Collection[HaltView], settings: Settings, now_ms: int
) -> list[LimitView]:
    """Return the critical limits as a book at its present marks uses them."""
    return limits(limit_use(book, released_ms, now_ms), halts, settings, now_ms)


def saved_limits(conn: Connection, settings: Settings, now_ms: int) -> list[LimitView]:
    """Return the critical limits as the database knows them."""
    halts = load_halts(conn)
    shown = halt_views(active_halts(halts, now_ms))
    book = saved_book(conn, settings)
    if book is not None:
        return book_limits(book, releases(halts, now_ms), shown, settings, now_ms)
    counters = load_counters(conn, utc_date(now_ms))
    measured = {counter.rule: counter.value for counter in counters if counter.scope == "account"}
    newest = last_equity(conn)
    if newest is not None:
        measured.setdefault("max_drawdown", newest.drawdown_pct)
    return limits(measured, shown, settings, now_ms)


def halt_views(halts: Iterable[Halt | LatchedHalt]) -> list[HaltView]:
    """Return halts as they are shown."""
    return [
        HaltView(rule=halt.rule, since_ms=halt.since_ms, until_ms=halt.until_ms, reason=halt.reason)
        for halt in halts
    ]


def risk_view(conn: Connection, settings: Settings, now_ms: int) -> RiskView:
    """Return everything about risk that the database knows."""
    halts = active_halts(load_halts(conn), now_ms)
    today = floor_ms(now_ms, DAY_MS)
    recent = [fill for fill in load_fills(conn, since_ms=now_ms - ACTIVITY_MS + 1) if fill.ts_ms <= now_ms]
    return RiskView(
        entries_allowed=not halts,
        blocked_by={},
        limits=saved_limits(conn, settings, now_ms),
        halts=halt_views(halts),
        blocked_today=blocked_entries(conn, today, today + DAY_MS),
        orders_5m=len({fill.client_id for fill in recent}),
        turnover_5m=sum((fill.value for fill in recent), ZERO),
    )


def require_rule(conn: Connection, rule: str) -> None:
    """Refuse the name of a rule that is neither installed nor on record.

    Raises:
        NotFoundError: with the nearest name.
    """
    known = {entry.name for entry in entry_points(group="cab.risk_rules")}
    known |= {halt.rule for halt in load_halts(conn)}
    if rule not in known:
        close = nearest(rule, known)
        fix = f"did you mean {close}?" if close else f"known rules: {', '.join(sorted(known))}"
        raise NotFoundError(f"there is no risk rule {rule!r}", where="RULE", fix=fix)


def release(conn: Connection, rule: str | None, by: str, now_ms: int) -> list[Release]:
    """Release the active halts of a rule, or all.

    Raises:
        NotFoundError: no such rule.
    """
    if rule is not None:
        require_rule(conn, rule)
    active = {halt.rule for halt in active_halts(load_halts(conn), now_ms)}
    wanted = active if rule is None else active & {rule}
    return [found for name in sorted(wanted) for found in release_halt(conn, name, by=by, ts_ms=now_ms)]
