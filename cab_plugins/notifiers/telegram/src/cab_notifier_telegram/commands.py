"""The commands that read: each asks the desk and makes a reply."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from cab_core.sdk import OperatorDesk, figures
from cab_notifier_telegram import account_texts, market_texts
from cab_notifier_telegram.html import bold, escape
from cab_notifier_telegram.replies import Button, Reply, refresh, row, view

_TRACE_ID = re.compile(r"[0-9a-f]{16}")
_PERIODS = ("today", "yesterday", "week", "month")
#: Candles of a chart, two days of quarters of an hour.
_CANDLES = 192
#: The states that /start lifts.
STARTABLE = frozenset({"stopped", "idle"})
#: Symbols offered as buttons.
_OFFERED = 12


class Misunderstood(Exception):  # noqa: N818 - it is no failure
    """What was written cannot be answered; the text says what would be, ``choices`` offers it."""

    def __init__(self, text: str, choices: Sequence[Sequence[Button]] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.choices = choices


@attrs.frozen
class Asked:
    """A command as it was written: its argument, and whether an admin wrote it."""

    argument: str = ""
    admin: bool = False


Answer = Callable[[OperatorDesk, Asked], Awaitable[Reply]]


async def status(desk: OperatorDesk, asked: Asked) -> Reply:
    """Return everything at a glance, with buttons for what usually comes next."""
    symbol = await symbol_in(desk, asked.argument)
    document = await desk.ask("status", symbol=symbol)
    states = {each["state"] for each in document["symbols"]}
    about = symbol or (document["symbols"][0]["symbol"] if len(document["symbols"]) == 1 else "")
    buttons = [
        refresh("status", symbol or ""),
        view("📈 Chart", "chart", about),
        view("❓ Why", "why", about),
    ]
    commands = [view("⏸ Pause", "pause", symbol or "")] if "running" in states else []
    commands += [view("▶️ Resume", "resume", symbol or "")] if "paused" in states else []
    commands += [view("▶️ Start", "start", symbol or "")] if states & STARTABLE else []
    rows = [row(*buttons), row(*commands)] if asked.admin and commands else [row(*buttons)]
    return Reply(account_texts.status(document), rows=rows)


async def pnl(desk: OperatorDesk, asked: Asked) -> Reply:
    """Return profit and loss of a period."""
    period = asked.argument.lower() or "today"
    if period not in _PERIODS:
        raise Misunderstood(f"Periods are {', '.join(_PERIODS)}.", [_periods()])
    report = await desk.ask("pnl", period=period)
    if report is None:
        return Reply("Nothing has been traded yet.")
    return Reply(account_texts.pnl(report), rows=[_periods()])


def _periods() -> tuple[Button, ...]:
    return row(*(view(period, "pnl", period) for period in _PERIODS))


async def today(desk: OperatorDesk, _: Asked) -> Reply:
    """Return the day in a few lines."""
    report = await desk.ask("pnl", period="today")
    if report is None:
        return Reply("Nothing has been traded yet.")
    return Reply(account_texts.today(report), rows=[row(refresh("today"), view("📊 Details", "pnl"))])


async def balance(desk: OperatorDesk, _: Asked) -> Reply:
    """Return what the account is worth."""
    return Reply(account_texts.balance(await desk.ask("status")), rows=[row(refresh("balance"))])


async def position(desk: OperatorDesk, asked: Asked) -> Reply:
    """Return the open positions."""
    symbol = await symbol_in(desk, asked.argument)
    rows = [each for each in await desk.ask("positions") if symbol in (None, each["symbol"])]
    buttons = [
        row(
            view(f"📈 {each['symbol']}", "chart", each["symbol"]),
            view("❓ Why", "trace", each["entry_trace_id"]),
        )
        for each in rows[:_OFFERED]
    ]
    return Reply(account_texts.positions(rows), rows=[row(refresh("position", symbol or "")), *buttons])


async def limits(desk: OperatorDesk, _: Asked) -> Reply:
    """Return how far the limits are used."""
    risk, status = await desk.ask("risk"), await desk.ask("status")
    quote = figures.quote_of(status["symbols"][0]["symbol"]) if status["symbols"] else ""
    return Reply(account_texts.limits(risk, status["now_ms"], quote), rows=[row(refresh("limits"))])


async def health(desk: OperatorDesk, _: Asked) -> Reply:
    """Return whether the bot works, and what a start still waits for."""
    document, ready = await desk.ask("health"), await desk.ask("ready")
    text = account_texts.health(document)
    if not ready["ready"]:
        text += f"\n⏳ starting: {escape(', '.join(ready['waiting_for']))}"
    return Reply(text, rows=[row(refresh("health"))])


async def why(desk: OperatorDesk, asked: Asked) -> Reply:
    """Return why a cycle did what it did: of a trace id, or the latest of a symbol."""
    if _TRACE_ID.fullmatch(asked.argument.lower()):
        return await trace(desk, asked)
    symbol = await symbol_in(desk, asked.argument)
    document = await desk.ask("latest_trace", symbol=symbol)
    return _explained(document)


async def trace(desk: OperatorDesk, asked: Asked) -> Reply:
    """Return the chain of one cycle by its id."""
    if not _TRACE_ID.fullmatch(asked.argument.lower()):
        raise Misunderstood("Give the 16 characters of a trace id: /trace 0123456789abcdef")
    return _explained(await desk.ask("trace", trace_id=asked.argument.lower()))


def _explained(document: Mapping[str, Any]) -> Reply:
    return Reply(market_texts.why(document), rows=[row(view("📈 Chart", "chart", document["symbol"]))])


async def regime(desk: OperatorDesk, _: Asked) -> Reply:
    """Return the market regime."""
    return Reply(market_texts.regime(await desk.ask("regime")), rows=[row(refresh("regime"))])


async def signals(desk: OperatorDesk, asked: Asked) -> Reply:
    """Return what each strategy said last."""
    symbol = await symbol_in(desk, asked.argument)
    text = market_texts.signals(await desk.ask("signals"), symbol)
    return Reply(text, rows=[row(refresh("signals", symbol or ""))])


async def chart(desk: OperatorDesk, asked: Asked) -> Reply:
    """Return a picture of the newest candles of a symbol."""
    from cab_notifier_telegram.chart import draw  # Pillow is loaded with the first picture

    symbol = await symbol_in(desk, asked.argument) or await _only_symbol(desk)
    candles = await desk.ask("candles", symbol=symbol, limit=_CANDLES)
    if len(candles["ts_ms"]) < 2:
        return Reply(f"There are no candles of {escape(symbol)} yet.")
    equity = await desk.ask("equity", since_ms=candles["ts_ms"][0], points=_CANDLES)
    picture = await asyncio.to_thread(draw, candles, equity)
    again = view("🔄 Again", "chart", symbol)
    return Reply(bold(symbol), picture, [row(again, view("❓ Why", "why", symbol))])


async def _only_symbol(desk: OperatorDesk) -> str:
    symbols = await _symbols(desk)
    if len(symbols) == 1:
        return symbols[0]
    offered = [row(view(symbol, "chart", symbol)) for symbol in symbols[:_OFFERED]]
    raise Misunderstood("Which symbol?", offered)


async def _symbols(desk: OperatorDesk) -> list[str]:
    return [each["symbol"] for each in (await desk.ask("status"))["symbols"]]


async def symbol_in(desk: OperatorDesk, written: str) -> str | None:
    """Return the traded symbol meant by ``btc``, ``BTCUSDT`` or ``btc/usdt``; None if nothing is written.

    Raises:
        Misunderstood: it is not traded.
    """
    if not written:
        return None
    symbols = await _symbols(desk)
    plain = re.sub(r"[^A-Z0-9]", "", written.upper())
    for symbol in symbols:
        base, _, quote = symbol.partition("/")
        if plain in (base, base + quote):
            return symbol
    raise Misunderstood(f"{escape(written[:40])} is not traded here; there are {escape(', '.join(symbols))}.")


#: Reading commands by name: what they do, and their description in Telegram's menu.
READING: Mapping[str, tuple[Answer, str]] = {
    "status": (status, "everything at a glance"),
    "pnl": (pnl, "profit and loss: today, yesterday, week, month"),
    "today": (today, "the day in a few lines"),
    "balance": (balance, "what the account is worth"),
    "position": (position, "open positions and their stops"),
    "limits": (limits, "how far the risk limits are used"),
    "health": (health, "whether the bot and its parts work"),
    "why": (why, "why the last decision: of a symbol or trace id"),
    "chart": (chart, "picture of the candles of a symbol"),
    "regime": (regime, "market regime and its sources"),
    "signals": (signals, "what each strategy said last"),
    "trace": (trace, "the chain of one cycle by its id"),
}

__all__ = ["READING", "Asked", "Misunderstood", "symbol_in"]
