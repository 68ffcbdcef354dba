"""The summary of a run as rows for a terminal: one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cab_core.domain.currencies import quote_of
from cab_core.domain.figures import money, number, percent, signed_money, signed_percent
from cab_core.domain.timeframes import DAY_MS
from cab_core.report.text import TOO_SHORT, day, duration, hours, minute, words

#: How many names of a group fit on the screen.
_SHOWN = 9


def human_summary(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return label and text of each row, from what `summary` returned."""
    held, quote = data["buy_and_hold"], quote_of(data["symbols"][0]) if data["symbols"] else ""
    ratios = [number(data[name]) for name in ("sharpe", "sortino", "calmar")]
    rows = [
        ("Span", f"{minute(data['first_ms'])} to {minute(data['last_ms'])} UTC, {data['bars']:,} bars"),
        ("Symbols", ", ".join(data["symbols"])),
        ("Final equity", f"{money(data['final_equity'], quote)} from {money(data['baseline'], quote)}"),
        ("Return", f"{signed_percent(data['return_pct'])}   buy & hold {signed_percent(held['return_pct'])}"),
        ("CAGR", TOO_SHORT if data["too_short"] else _cagr(data)),
        ("Max drawdown", _drawdown(data)),
        ("Sharpe, Sortino, Calmar", TOO_SHORT if data["too_short"] else ", ".join(ratios)),
        ("Volatility, exposure", f"{percent(data['volatility_pct'])}, {percent(data['exposure_pct'])}"),
        ("Trades", _trades(data)),
        ("Profit factor", f"{number(data['profit_factor'])}   payoff {number(data['payoff'])}"),
        ("Expectancy", _expectancy(data, quote)),
        ("Average win, loss", _pair(data, quote, "average_win_quote", "average_loss_quote")),
        ("Best, worst trade", _pair(data, quote, "best_trade_quote", "worst_trade_quote")),
        ("Fees, turnover", f"{money(data['fees_quote'], quote)}, {money(data['turnover_quote'], quote)}"),
    ]
    rows += _groups("By strategy", data["by_strategy"], quote)
    rows += _groups("By exit", data["by_exit_reason"], quote)
    blocked = list(data["blocked_by_reason"].items())[:_SHOWN]
    if blocked:
        rows.append(("Blocked", ", ".join(f"{words(reason)} {count:,}" for reason, count in blocked)))
    rows.append(("Caveats", caveats(data)))
    rows.append(("Speed", f"{number(data['elapsed_s'])} s, {number(data['bars_per_s'], 0)} bars/s"))
    return rows


def caveats(data: Mapping[str, Any]) -> str:
    """Return what to keep in mind about the run's data and fills."""
    missing, silent = (sum(file[key] for file in data["data"]) for key in ("missing", "zero_volume"))
    gaps = f"{missing:,} candles missing" if missing else "no candle missing"
    text = f"simulated fills, policy {data['fill_policy']}; {gaps}, {silent:,} without volume"
    detail = data["detail"]
    if detail is None:
        return text
    return f"{text}; {detail['walked_whole']:,} of {detail['candles']:,} walked whole for lack of detail"


def _cagr(data: Mapping[str, Any]) -> str:
    held = signed_percent(data["buy_and_hold"]["cagr_pct"])
    return f"{signed_percent(data['cagr_pct'])}   buy & hold {held}"


def _drawdown(data: Mapping[str, Any]) -> str:
    deepest = data["max_drawdown"]
    text = percent(data["max_drawdown_pct"])
    if deepest is None:
        return text
    recovery = deepest["recovery_ms"]
    until = "not recovered" if recovery is None else f"recovered {day(recovery)}"
    lasted = duration(deepest["duration_days"] * DAY_MS)
    return f"{text} from {day(deepest['start_ms'])}, {lasted}, {until}"


def _trades(data: Mapping[str, Any]) -> str:
    lasted = hours(data["average_trade_hours"])
    held = f"; {data['open_positions']} open" if data["open_positions"] else ""
    streak = f"longest losing streak {data['longest_losing_streak']}"
    return f"{data['trades']:,}, {percent(data['win_rate'], 1)} won, {lasted} each, {streak}{held}"


def _expectancy(data: Mapping[str, Any], quote: str) -> str:
    share = signed_percent(data["expectancy_pct"])
    return f"{signed_money(data['expectancy_quote'], quote)} a trade, {share} of its cost"


def _pair(data: Mapping[str, Any], quote: str, first: str, second: str) -> str:
    return f"{signed_money(data[first], quote)}, {signed_money(data[second], quote)}"


def _groups(label: str, groups: Mapping[str, Mapping[str, Any]], quote: str) -> list[tuple[str, str]]:
    """Return one row per name; a continued row has no label."""
    texts = [
        f"{name}: {group['count']:,}, {percent(group['win_rate'], 1)} won, "
        f"{signed_money(group['pnl_quote'], quote)}"
        for name, group in list(groups.items())[:_SHOWN]
    ]
    return [(label if not index else "", text) for index, text in enumerate(texts)]
