"""Reports as text for a phone: no line of a table is longer than 40 characters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cab_core.domain.figures import fee, money, number, percent, signed_money
from cab_core.domain.timeframes import DAY_MS

#: Characters of a table's line.
WIDTH = 40
_LABEL = 12
#: Most rows of a breakdown.
_MOST = 5


def daily(told: Mapping[str, Any]) -> str:
    """Return the report of one day, as `cab_core.app.perf.report` made it."""
    return "\n".join([f"Daily report {_date(told['from_ms'])} (UTC)", *_figures(told), *_breakdowns(told)])


def weekly(told: Mapping[str, Any], before: Mapping[str, Any], days: Sequence[Mapping[str, Any]]) -> str:
    """Return the report of a week, with a line for each day and a comparison with the week before."""
    last = _date(told["to_ms"] - DAY_MS)
    head = f"Weekly report {_date(told['from_ms'])} to {last}"
    return "\n".join([head, *_figures(told), *_days(days), *_compared(told, before), *_breakdowns(told)])


def _figures(told: Mapping[str, Any]) -> list[str]:
    quote = told["quote"]
    trips, wins, losses = told["round_trips"], told["wins"], told["losses"]
    rows = [
        ("Realized", signed_money(told["realized"], quote)),
        ("Unrealized", f"{signed_money(told['unrealized'], quote)} now"),
        ("Equity", f"{money(told['equity'], quote)} now"),
        ("Trips", f"{trips} ({wins} won, {losses} lost)" if trips else "0"),
    ]
    if told["win_rate"] is not None:
        rows.append(("Win rate", percent(told["win_rate"], 0)))
    if told["profit_factor"] is not None:
        rows.append(("Profit fact.", number(told["profit_factor"])))
    if trips:
        rows.append(
            ("Best, worst", f"{signed_money(told['best'], quote)}, {signed_money(told['worst'], quote)}")
        )
    rows.append(("Streak", f"{told['current_streak']:+d}" if told["current_streak"] else "0"))
    rows += [("Fees", fee(paid, name)) for name, paid in told["fees"].items()]
    rows.append(("Fills", f"{told['fills']}, turnover {money(told['turnover'], quote)}"))
    if told["max_drawdown_pct"] is not None:
        deepest, now = percent(told["max_drawdown_pct"]), percent(told["current_drawdown_pct"])
        rows.append(("Drawdown", f"{deepest}, now {now}"))
    if told["open_positions"]:
        rows.append(("Open", ", ".join(told["open_positions"])))
    return [_row(label, value) for label, value in rows]


def _breakdowns(told: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for title, key in (
        ("By symbol", "by_symbol"),
        ("By strategy", "by_strategy"),
        ("Exits", "exits_by_reason"),
    ):
        groups = [
            (name, f"{group['count']}  {signed_money(group['pnl'], told['quote'])}")
            for name, group in told[key].items()
        ]
        lines += _section(title, groups)
    lines += _section("Blocked", [(name, str(count)) for name, count in told["blocked_by_reason"].items()])
    regimes = told["regime_minutes"] or {}
    return lines + _section("Regime", [(name, f"{minutes} min") for name, minutes in regimes.items()])


def _days(days: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["", f"{'day':<9}{'trips':>7}{'PnL':>12}{'drawdown':>12}"]
    for day in days:
        name = datetime.fromtimestamp(day["from_ms"] / 1000, UTC).strftime("%a %d")
        dd = "-" if day["max_drawdown_pct"] is None else percent(day["max_drawdown_pct"])
        lines.append(
            f"{name:<9}{day['round_trips']:>7}{signed_money(day['realized'], day['quote']):>12}{dd:>12}"
        )
    return lines


def _compared(told: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    def both(label: str, key: str, show: Any) -> str:
        cells = ["-" if week[key] is None else show(week[key]) for week in (told, before)]
        return f"{label:<{_LABEL}}{cells[0]:>13}{cells[1]:>15}"

    return [
        "",
        f"{'':<{_LABEL}}{'this week':>13}{'week before':>15}",
        both("Realized", "realized", partial(signed_money, currency=told["quote"])),
        both("Trips", "round_trips", str),
        both("Win rate", "win_rate", partial(percent, digits=0)),
        both("Profit fact.", "profit_factor", number),
        both("Turnover", "turnover", partial(money, currency=told["quote"])),
        both("Drawdown", "max_drawdown_pct", percent),
    ]


def _section(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    found = list(rows)
    if not found:
        return []
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return ["", title, *(_split(name, value) for name, value in found[:_MOST]), *more]


def _row(label: str, value: str) -> str:
    return f"{label:<{_LABEL}} {value}"[:WIDTH]


def _split(name: str, value: str) -> str:
    room = WIDTH - len(value) - 1
    return f"{name[:room]:<{room}} {value}"


def _date(ts_ms: int) -> str:
    return f"{datetime.fromtimestamp(ts_ms / 1000, UTC):%Y-%m-%d}"
