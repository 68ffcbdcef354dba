"""Texts about the bot and its account, from the answers of the desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cab_core.sdk import figures
from cab_notifier_telegram.html import bold, code, escape, table
from cab_notifier_telegram.words import clock, span

Document = Mapping[str, Any]

money, percent, price, quantity = figures.money, figures.percent, figures.price, figures.quantity
signed_money, signed_percent = figures.signed_money, figures.signed_percent

_STATES = {"running": "▶️", "paused": "⏸", "stopped": "⏹", "idle": "💤"}
_HEALTH = {"healthy": "🟢", "degraded": "🟠", "unhealthy": "🔴"}


def banner(status: Document) -> str:
    """Return the line that says what is traded with: LIVE is unmistakable."""
    mode = str(status["mode"]).upper()
    prices = status["exchange"] if status["market"] == "exchange" else status["market"]
    running = "" if status["running"] else " · not running"
    return f"{'🔴' if mode == 'LIVE' else '⚪'} {bold(mode)} {escape(prices)}{running}"


def status(document: Document) -> str:
    """Return everything at a glance."""
    lines = [banner(document)]
    for each in document["symbols"]:
        lines += _symbol(each)
    account = document["account"]
    if account is not None:
        lines.append(
            f"Equity {money(account['equity'], account['quote'])} {escape(account['quote'])}, drawdown "
            f"{percent(account['drawdown_pct'])}"
        )
    lines += halts(document["halts"], document["now_ms"])
    regime = document["regime"]
    sourced = regime["source"] == "macro"
    told = escape(regime["state"] or "unknown") if sourced else "no source: always risk on"
    lines.append(f"Regime {told}")
    if document["unfinished_orders"]:
        lines.append(f"⏳ {document['unfinished_orders']} order(s) not finished")
    return "\n".join(lines)


def _symbol(each: Document) -> list[str]:
    blocked = f" · no entries: {escape(each['blocked_by'])}" if each["blocked_by"] else ""
    state = f"{_STATES.get(each['state'], '')} {escape(each['state'])}"
    lines = [f"{bold(each['symbol'])} {price(each['bid'])} {state}{blocked}"]
    if each["position"] is not None:
        lines.append(f"  {_holding(each['position'])}")
    if each["last_decision"] is not None:
        decided = each["last_decision"]
        lines.append(f"  {escape(decided['action'])}: {escape(decided['reason'])}")
    failing = [f"{escape(loop['name'])} ×{loop['failures']}" for loop in each["loops"] if loop["failures"]]
    return [*lines, f"  ⚠️ failed: {', '.join(failing)}"] if failing else lines


def _holding(position: Document) -> str:
    gain = signed_money(position["unrealized"], figures.quote_of(position["symbol"]))
    share = signed_percent(position["unrealized_pct"])
    return f"{quantity(position['quantity'])} @ {price(position['entry_price'])}, now {gain} ({share})"


def positions(rows: list[Document]) -> str:
    """Return the open positions with what protects them."""
    if not rows:
        return "No open position."
    return "\n\n".join(_position(each) for each in rows)


def _position(each: Document) -> str:
    quote = figures.quote_of(each["symbol"])
    cost, value, fees = (money(each[name], quote) for name in ("cost", "value", "fees_quote"))
    stop = f"{escape(each['stop_kind'] or 'stop')} {price(each['stop'])}"
    where = " (rests at the exchange)" if each["resting_stop"] else ""
    if not each["watched"]:
        where += "; ⚠️ the bot does not watch it"
    return "\n".join(
        [
            f"🟢 {bold(each['symbol'])} {_holding(each)}",
            f"cost {cost}, worth {value}, fees {fees}",
            f"{stop}{where} · TP1 {price(each['take_profit_1'])} · TP2 {price(each['take_profit_2'])}",
            f"since {clock(each['opened_ms'])} UTC: {escape(each['entry_reason'])}",
            f"trace {code(each['entry_trace_id'])}",
        ]
    )


def balance(document: Document) -> str:
    """Return what the account is worth."""
    account = document["account"]
    if account is None:
        return "The account is not known yet."
    quote = account["quote"]
    rows = [
        ("equity", money(account["equity"], quote)),
        ("free", money(account["quote_free"], quote)),
        ("invested", money(account["invested"], quote)),
        ("realized", signed_money(account["realized"], quote)),
        ("unrealized", signed_money(account["unrealized"], quote)),
        ("started with", money(account["baseline"], quote)),
        ("peak", money(account["peak"], quote)),
        ("drawdown", percent(account["drawdown_pct"])),
    ]
    return f"{banner(document)}\n💰 {bold('Balance')} in {escape(quote)}\n{table(rows)}"


def pnl(report: Document) -> str:
    """Return profit and loss of a period in detail."""
    head = f"📊 {bold('Profit and loss')} {escape(report['period'])}, since {clock(report['from_ms'])} UTC"
    quote = report["quote"]
    rows = [
        ("realized", signed_money(report["realized"], quote)),
        ("unrealized", signed_money(report["unrealized"], quote)),
        ("equity", money(report["equity"], quote)),
        ("round trips", str(report["round_trips"])),
        ("won / lost", f"{report['wins']} / {report['losses']}"),
        ("profit factor", figures.number(report["profit_factor"])),
        ("best", signed_money(report["best"], quote)),
        ("worst", signed_money(report["worst"], quote)),
        ("turnover", money(report["turnover"], quote)),
        ("max drawdown", percent(report["max_drawdown_pct"])),
        *((f"fees {currency}", quantity(fee)) for currency, fee in report["fees"].items()),
    ]
    parts = [head, table(rows)]
    for title, key in (("By symbol", "by_symbol"), ("Exits", "exits_by_reason")):
        if report[key]:
            found = [
                (name, f"×{each['count']}", signed_money(each["pnl"], quote))
                for name, each in report[key].items()
            ]
            parts += [bold(title), table(found)]
    return "\n".join(parts)


def today(report: Document) -> str:
    """Return the day in a few lines."""
    realized, unrealized = (
        signed_money(report[name], report["quote"]) for name in ("realized", "unrealized")
    )
    lines = [
        f"📅 {bold('Today')} until {clock(report['now_ms'], report['now_ms'])} UTC",
        f"PnL {realized} realized, {unrealized} open",
        f"{report['fills']} fills, {report['wins']} round trips won, {report['losses']} lost",
    ]
    if report["blocked_by_reason"]:
        found = ", ".join(f"{escape(name)} ×{count}" for name, count in report["blocked_by_reason"].items())
        lines.append(f"Entries blocked: {found}")
    if report["regime_minutes"]:
        found = ", ".join(f"{escape(name)} {span(60 * n)}" for name, n in report["regime_minutes"].items())
        lines.append(f"Regime: {found}")
    held = ", ".join(report["open_positions"]) or "none"
    return "\n".join([*lines, f"Open positions: {escape(held)}"])


def limits(risk: Document, now_ms: int, quote: str) -> str:
    """Return how far each limit is used, halts, and what was blocked today."""
    rows = [
        (
            each["rule"],
            figures.measured(each["value"], each["unit"], quote),
            "/",
            figures.measured(each["limit"], each["unit"], quote),
            figures.unit_name(each["unit"], quote),
            percent(each["used_pct"], 1),
        )
        for each in risk["limits"]
    ]
    open_ = "open" if risk["entries_allowed"] else "blocked"
    lines = [f"🛡 {bold('Limits')} · entries {open_}", table(rows), *halts(risk["halts"], now_ms)]
    lines.append(f"Last 5 min: {risk['orders_5m']} orders, turnover {money(risk['turnover_5m'], quote)}")
    if risk["blocked_today"]:
        found = ", ".join(f"{escape(name)} ×{count}" for name, count in risk["blocked_today"].items())
        lines.append(f"Blocked today: {found}")
    return "\n".join(line for line in lines if line)


def halts(rows: list[Document], now_ms: int) -> list[str]:
    """Return a line for each halt of all entries: why, and until when."""
    return [
        f"⛔ {bold(each['rule'])}: {escape(each['reason'])}; entries blocked "
        + (
            f"until {clock(each['until_ms'], now_ms)} UTC"
            if each["until_ms"]
            else "until somebody releases it"
        )
        for each in rows
    ]


def health(document: Document) -> str:
    """Return whether the bot and its parts work."""
    state, mode = str(document["status"]), escape(document["mode"].upper())
    head = f"{_HEALTH.get(state, '⚪')} {bold(state)} · {mode} {escape(document['version'])}"
    lines = [f"{head} · up {span(document['uptime_s'])}"]
    for name, part in sorted(document["components"].items()):
        took = "" if part["latency_ms"] is None else f" {round(part['latency_ms'])} ms"
        detail = f" {escape(part['detail'])}" if part["detail"] else ""
        lines.append(f"{'✅' if part['ok'] else '❌'} {escape(name)}{took}{detail}")
    states = [f"{escape(symbol)} {escape(each)}" for symbol, each in document["orchestrators"].items()]
    return "\n".join([*lines, ", ".join(states)])
