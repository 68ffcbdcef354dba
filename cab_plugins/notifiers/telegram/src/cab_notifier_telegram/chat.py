"""One conversation: what becomes of each update, and what is said to it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import attrs
from telegram import Update

from cab_core.sdk import CabError, OperatorDesk, figures
from cab_notifier_telegram import confirm, replies
from cab_notifier_telegram.account_texts import banner
from cab_notifier_telegram.commands import READING, STARTABLE, Asked, Misunderstood, symbol_in
from cab_notifier_telegram.gate import Call, Flood, Gate, Ruling, Strangers
from cab_notifier_telegram.html import bold, code, escape
from cab_notifier_telegram.line import Line, RefusedByTelegramError
from cab_notifier_telegram.mute import KEY, Mute, seconds_of
from cab_notifier_telegram.replies import Button, Reply
from cab_notifier_telegram.words import clock, span

log = logging.getLogger("cab.telegram")

#: Commands that change something: icon, description in the menu, and what the confirmation says of them.
CHANGING: Mapping[str, tuple[str, str, str]] = {
    "pause": ("⏸", "stop entries; exits stay active", "No new entries; exits stay active."),
    "resume": ("▶️", "allow entries again", "Entries are allowed again."),
    "start": ("▶️", "let what is stopped trade", "What is stopped trades again; what is paused stays so."),
    "close": ("💰", "sell: /close btc, /close all", "What is held is sold now, at market."),
    "stop": (
        "⏹",
        "decide nothing more",
        "No entries, no exits by a signal. Nothing is sold; stops are watched on.",
    ),
}
#: Other commands.
OTHERS: Mapping[str, str] = {"mute": "silence: /mute 2h, /mute off", "help": "what the bot understands"}

#: What an update wants to be kept, together with its number.
Kept = dict[str, str | None]
#: Seconds between two notes about messages that came too late.
_NOTE_S = 60.0


@attrs.define(eq=False, kw_only=True)
class Chat:
    """Answers updates of those who may use the bot.

    Attributes:
        admins: ids of those who may start, pause, resume and stop.
        username: the bot's name; commands addressed to another bot are not ours.
        now: epoch seconds.
    """

    desk: OperatorDesk
    line: Line
    gate: Gate
    admins: Collection[int]
    username: str
    mute: Mute
    now: Callable[[], float]
    strangers: Strangers = attrs.field(factory=Strangers)
    _flood: Flood = attrs.field(factory=Flood, init=False)
    _admitted: int = attrs.field(default=-1, init=False)
    _noted_s: float = attrs.field(default=float("-inf"), init=False)

    async def take(self, update: Update) -> Kept:
        """Do what an update asks for; return what is to be kept with its number.

        Raises:
            CabError: Telegram cannot be reached; the update is to be taken again.
        """
        ruling, call = self.gate.judge(update, self.now())
        if call is None or ruling is Ruling.IGNORE:
            return {}
        if ruling is Ruling.STRANGER:
            if self.strangers.is_news(call.user, self.now()):
                log.warning("user %d is not in TELEGRAM_ALLOWED_USERS and gets no answer", call.user)
            return {}
        return await self._heard(call, ruling)

    async def _heard(self, call: Call, ruling: Ruling) -> Kept:
        name, argument = self._parsed(call)
        if not name:
            return {}
        try:
            if ruling is Ruling.STALE:
                await self._note_late(call, name)
                return {}
            if not self._is_admitted(call, name):
                await self._slow_down(call)
                return {}
            return await self._answered(call, name, argument)
        except RefusedByTelegramError as error:
            log.warning("an answer to user %d was not delivered: %s", call.user, error)
            return {}

    def _parsed(self, call: Call) -> tuple[str, str]:
        """Return command and argument of a message; of a button its kind, and the rest of what it carried."""
        if call.query is not None:
            kind, _, rest = call.text.partition(":")
            return kind, rest
        first, _, argument = call.text.strip().partition(" ")
        command, _, addressed = first.partition("@")
        ours = command.startswith("/") and addressed.lower() in ("", self.username.lower())
        return (command[1:].lower(), argument.strip()) if ours else ("", "")

    def _is_admitted(self, call: Call, name: str) -> bool:
        """Count a command, once however often its answer fails; its second step belongs to it."""
        if call.update_id == self._admitted or _is_second_step(call, name):
            return True
        if not self._flood.admits(call.user, self.now()):
            return False
        self._admitted = call.update_id
        return True

    async def _note_late(self, call: Call, name: str) -> None:
        late_s, now_s = self.now() - call.sent_s, self.now()
        if now_s - self._noted_s < _NOTE_S:
            return
        self._noted_s = now_s
        late = f"⏱ /{escape(name)} came {span(late_s)} late and has no effect."
        text = f"{late} Send it again if you mean it."
        await self.line.send(call.chat, Reply(text))

    async def _slow_down(self, call: Call) -> None:
        if call.query is not None:
            await self.line.answer(call.query, "Too fast: wait a few seconds.")
        elif self._flood.warns(call.user):
            await self.line.send(
                call.chat, Reply("🐢 Too fast: 5 commands in 10 seconds. Wait a few seconds.")
            )

    async def _answered(self, call: Call, name: str, argument: str) -> Kept:
        if call.query is None:
            return await self._command(call, name, argument)
        if _is_second_step(call, name):
            return await self._decided(call, name, argument)
        await self.line.answer(call.query)
        command, _, about = argument.partition(":")
        if name == replies.REFRESH and command in READING:
            await self.line.edit(call.chat, call.message, await self._read(call, command, about))
            return {}
        return await self._command(call, command, about)

    async def _command(self, call: Call, name: str, argument: str) -> Kept:
        kept: Kept = {}
        if name == "start" and not argument and not await self._can_start(call):
            name = "help"  # Telegram itself sends it when somebody opens the conversation
        if name in CHANGING:
            reply = await self._guarded(lambda: self._proposed(call, name, argument))
        elif name == "mute":
            reply, kept = self._muted(call, argument)
        elif name in READING:
            reply = await self._read(call, name, argument)
        elif name == "help":
            reply = Reply(self._help(call))
        else:
            reply = Reply(f"I do not know /{escape(name[:32])}. /help lists what I know.")
        await self.line.send(call.chat, reply)
        return kept

    async def _can_start(self, call: Call) -> bool:
        """Say whether an admin asks while something is there to be started."""
        if not self._is_admin(call):
            return False
        try:
            symbols = (await self.desk.ask("status"))["symbols"]
        except CabError:
            return False
        return any(each["state"] in STARTABLE for each in symbols)

    async def _read(self, call: Call, name: str, argument: str) -> Reply:
        answer, _ = READING[name]
        return await self._guarded(lambda: answer(self.desk, Asked(argument, self._is_admin(call))))

    async def _guarded(self, answer: Callable[[], Awaitable[Reply]]) -> Reply:
        """Return an answer, or why there is none."""
        try:
            return await answer()
        except Misunderstood as misunderstood:
            return Reply(misunderstood.text, rows=misunderstood.choices)
        except CabError as error:
            return Reply(_refusal(error))

    def _is_admin(self, call: Call) -> bool:
        return call.user in self.admins

    def _muted(self, call: Call, argument: str) -> tuple[Reply, Kept]:
        if not argument:
            on = f"on until {clock(int(self.mute.until_s * 1000))} UTC"
            state = on if self.mute.holds(self.now()) else "off"
            return Reply(f"🔕 Mute is {state}. /mute 2h, /mute 30m, /mute off"), {}
        if not self._is_admin(call):  # it silences alerts for everybody
            return Reply("❌ Only an admin may mute. Alerts can be silenced for yourself in Telegram."), {}
        seconds = seconds_of(argument)
        if seconds is None:
            return Reply("Write how long: /mute 30m, /mute 2h, /mute 1d, or /mute off."), {}
        self.mute.until_s = self.now() + seconds if seconds else 0.0
        until = (
            f"until {clock(int(self.mute.until_s * 1000))} UTC: only critical alerts" if seconds else "off"
        )
        return Reply(f"🔕 Muted {until} ({escape(call.name)})."), {KEY: str(self.mute.until_s)}

    def _help(self, call: Call) -> str:
        known = {name: text for name, (_, text) in READING.items()}
        changing = {name: text for name, (_, text, _) in CHANGING.items()} if self._is_admin(call) else {}
        lines = [f"/{name} – {escape(text)}" for name, text in {**known, **changing, **OTHERS}.items()]
        return "\n".join([bold("cab"), *lines])

    async def _proposed(self, call: Call, action: str, argument: str) -> Reply:
        """Ask for the second step; who may not command is refused by the desk, and that is audited."""
        if action == "close" and not argument:
            raise Misunderstood("Which? /close btc, or /close all")
        everything = action == "close" and argument.lower() == "all"
        symbol = None if everything else await symbol_in(self.desk, argument)
        if not self._is_admin(call):
            await self._do(call, action, symbol)
        status = await self.desk.ask("status", symbol=symbol)
        pending = confirm.ask_for(action, symbol, call.user, self.now())
        await self.desk.keep({pending.key: pending.text()})
        names = ", ".join(each["symbol"] for each in status["symbols"])
        icon, _, meaning = CHANGING[action]
        text = (
            f"{banner(status)}\n{icon} {bold(action)} {bold(names)}?\n{meaning}\n"
            f"Only {escape(call.name)} can confirm, within 60 s."
        )
        yes = Button(f"{icon} {action.capitalize()}", f"{replies.CONFIRM}:{pending.nonce}")
        return Reply(text, rows=[(yes, Button("✖️ Cancel", f"{replies.CANCEL}:{pending.nonce}"))])

    async def _decided(self, call: Call, name: str, nonce: str) -> Kept:
        query = call.query or ""
        pending = confirm.find(await self.desk.recall(), nonce)
        if pending is None:
            await self.line.answer(query, "This button is void. Send the command again.")
            return {}
        if pending.user != call.user:
            await self.line.answer(query, "Only the one who asked can confirm.")
            return {}
        await self.line.answer(query)
        reply = await self._carried_out(call, pending) if name == replies.CONFIRM else Reply("✖️ Cancelled.")
        await self.line.edit(call.chat, call.message, reply)
        return {pending.key: None}

    async def _carried_out(self, call: Call, pending: confirm.Pending) -> Reply:
        if not pending.holds(call.update_id, self.now()):
            return Reply(f"⌛ Too late: nothing was done. Send /{pending.action} again.")
        # Kept before the effect: after a crash in between, the same update finds its confirmation valid, and
        # the desk answers the same key with what was done.
        await self.desk.keep({pending.key: attrs.evolve(pending, pressed=call.update_id).text()})

        async def done() -> Reply:
            return Reply(_result(call, pending, await self._do(call, pending.action, pending.symbol)))

        return await self._guarded(done)

    async def _do(self, call: Call, action: str, symbol: str | None) -> Mapping[str, Any]:
        return await self.desk.do(
            action,
            actor=f"telegram:{call.user}",
            role="admin" if self._is_admin(call) else "viewer",
            symbol=symbol,
            reason=f"/{action} by {call.name[:64]}",
            key=f"tg:{call.update_id}",
        )


def _is_second_step(call: Call, name: str) -> bool:
    """Say whether a confirmation is answered."""
    return call.query is not None and name in (replies.CONFIRM, replies.CANCEL)


def _result(call: Call, pending: confirm.Pending, done: Mapping[str, Any]) -> str:
    states = ", ".join(f"{bold(symbol)} {escape(state)}" for symbol, state in done["states"].items())
    changed = "" if done["changed"] else " (was so already)"
    icon = CHANGING[pending.action][0]
    closed = "".join(f"\n{_closed(each)}" for each in done["closings"])
    held = "".join(f"\nopen: {_open(each)}" for each in done["positions"])
    return f"{icon} {states}{changed}{closed}{held}\nby {escape(call.name)} · trace {code(done['trace_id'])}"


def _closed(each: Mapping[str, Any]) -> str:
    state = escape(each["state"].replace("_", " "))
    detail = f": {escape(each['detail'])}" if each["detail"] else ""
    return f"{bold(each['symbol'])} {state}, {figures.quantity(each['sold'])} sold{detail}"


def _open(each: Mapping[str, Any]) -> str:
    stop = (
        f"stop {figures.price(each['stop'])}"
        if each["watched"] and each["stop"]
        else "not watched by the bot"
    )
    resting = f", stop {code(each['resting_stop'])} at the exchange" if each["resting_stop"] else ""
    return f"{bold(each['symbol'])} {figures.quantity(each['quantity'])}, {stop}{resting}"


def _refusal(error: CabError) -> str:
    where = f"{escape(error.where)}: " if error.where else ""
    fix = f"\n{escape(error.fix)}" if error.fix else ""
    return f"❌ {where}{escape(error.what)}{fix}"
