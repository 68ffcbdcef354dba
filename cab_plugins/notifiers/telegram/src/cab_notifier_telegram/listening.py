"""Reads updates one after the other; what one did and its number are kept together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import attrs
from telegram import BotCommandScope, BotCommandScopeChat, BotCommandScopeChatMember, Update

from cab_core.sdk import CabError
from cab_notifier_telegram import confirm
from cab_notifier_telegram.chat import CHANGING, OTHERS, Chat, Kept
from cab_notifier_telegram.commands import READING
from cab_notifier_telegram.line import BusyError, ConflictError, Line, RefusedByTelegramError

log = logging.getLogger("cab.telegram")

#: Name under which the number of the last update is kept.
LAST = "last_update_id"
#: Longest pause before Telegram is asked again, seconds; the pauses are 1, 2, 4 … s.
LONGEST_PAUSE_S = 30.0
#: An update that failed so often is left out.
TRIES = 3
#: How long the update in hand may still take at a stop, seconds.
FINISH_S = 3.0


@attrs.define(eq=False)
class Outage:
    """Logs a loss once, and the recovery once.

    Attributes:
        first_pause_s: the first pause, seconds.
    """

    first_pause_s: float = 1.0
    _told: str = ""
    _pause_s: float = 0.0

    async def wait(self, error: CabError) -> None:
        """Log what is new about an error, and wait a growing time."""
        if type(error).__name__ != self._told:
            self._told = type(error).__name__
            log.warning("%s%s; commands wait, trading goes on", error, f" ({error.fix})" if error.fix else "")
        self._pause_s = min(2 * self._pause_s or self.first_pause_s, LONGEST_PAUSE_S)
        await asyncio.sleep(self._pause_s)

    def over(self) -> None:
        """Log that it works again, if it did not."""
        if self._told:
            log.info("Telegram answers again")
        self._told, self._pause_s = "", 0.0


async def listen(chat: Chat, outage: Outage, failed: dict[int, int]) -> None:
    """Take updates until cancelled.

    Args:
        chat: what answers them.
        outage: tells of an outage once.
        failed: how often updates have been tried, by number; outlives a failure of this function.
    """
    kept = await chat.desk.recall()
    last = int(kept[LAST]) if LAST in kept else None
    if void := confirm.expired(kept, chat.now()):
        await chat.desk.keep(void)
    while True:
        try:
            updates = await chat.line.updates(last)
            for update in updates:
                if last is None or update.update_id > last:
                    await _finished(_taken(chat, update, failed))
                    last = update.update_id
            outage.over()
        except CabError as error:
            if not _is_passing(error):
                raise
            await outage.wait(error)


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Await what one update asks for; a stop that comes meanwhile, perhaps by it, lets it finish."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=FINISH_S)
        task.cancel()
        raise


async def _taken(chat: Chat, update: Update, failed: dict[int, int]) -> None:
    number, kept = update.update_id, Kept()
    failed[number] = failed.get(number, 0) + 1
    if failed[number] > TRIES:
        log.error("update %d failed %d times and is left out", number, TRIES)
    else:
        try:
            kept = await chat.take(update)
        except CabError as error:
            if _is_passing(error):
                failed.pop(number)  # an outage says nothing against the update
            raise
    await chat.desk.keep({**kept, LAST: str(number)})
    failed.clear()


def _is_passing(error: CabError) -> bool:
    """Say whether it is about the line and passes; errors of the bot's own database are not."""
    return error.where == "TELEGRAM_API_URL" or isinstance(error, ConflictError | BusyError)


async def publish(line: Line, chat: int | None, users: Mapping[int, bool]) -> None:
    """Show each allowed user the commands they may use, and nobody else any.

    Args:
        line: the bot.
        chat: the configured chat, None if it takes no commands.
        users: whether each allowed user is an admin, by id.
    """
    everybody = [(name, text) for name, (_, text) in READING.items()]
    everybody += list(OTHERS.items())
    admin = [*everybody, *((name, text) for name, (_, text, _) in CHANGING.items())]
    scopes: list[tuple[BotCommandScope, list[tuple[str, str]]]] = [
        (BotCommandScopeChat(user), admin if is_admin else everybody) for user, is_admin in users.items()
    ]
    if chat is not None and chat not in users:
        scopes.append((BotCommandScopeChat(chat), everybody))
        scopes += [
            (BotCommandScopeChatMember(chat, user), admin) for user, is_admin in users.items() if is_admin
        ]
    for scope, commands in scopes:
        try:
            await line.publish(commands, scope)
        except RefusedByTelegramError as error:  # e.g. a user who has never written to the bot
            log.debug("no menu for %s: %s", scope, error)


async def opened(line: Line, outage: Outage) -> str:
    """Connect, however long that takes, and return the bot's user name."""
    while True:
        try:
            name = await line.open()
        except CabError as error:
            if not _is_passing(error):
                raise
            await outage.wait(error)
        else:
            return name
