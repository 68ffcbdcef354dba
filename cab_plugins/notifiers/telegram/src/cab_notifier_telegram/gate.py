"""Who is heard: fresh, original messages of allowed users in the right chat, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from enum import StrEnum

import attrs
from telegram import CallbackQuery, Message, Update

#: Older messages have no effect, seconds.
FRESH_S = 60.0
#: Commands of one user within `FLOOD_S` seconds.
FLOOD, FLOOD_S = 5, 10.0
#: A stranger is logged once in this time, seconds.
STRANGER_S = 3600.0
#: Strangers remembered at most.
_STRANGERS = 1000


class Ruling(StrEnum):
    """What becomes of an update."""

    TAKE = "take"
    IGNORE = "ignore"  # nothing for us, or nothing that may command
    STRANGER = "stranger"
    STALE = "stale"


@attrs.frozen
class Call:
    """A command or a pressed button of somebody who may use the bot.

    Attributes:
        update_id: Telegram's number of the update.
        user: numeric id; ``name`` is for texts only.
        text: the message, or what the button carried.
        query: id of the pressed button's query, None for a message.
        message: id of the message that was written or whose button was pressed.
        sent_s: when it was written, in epoch seconds; 0 for a button, which has no time.
    """

    update_id: int
    user: int
    name: str
    chat: int
    text: str
    query: str | None
    message: int
    sent_s: float


@attrs.frozen
class Gate:
    """Judges updates.

    Attributes:
        chat: the configured chat's id, None if it is a channel or not numeric.
        users: ids of those who may use the bot.
    """

    chat: int | None
    users: Collection[int]

    def judge(self, update: Update, now_s: float) -> tuple[Ruling, Call | None]:
        """Return the ruling, and the call of whoever could be made out (also of a stranger)."""
        call = _pressed(update) if update.callback_query else _written(update)
        if call is None:
            return Ruling.IGNORE, None
        if call.user not in self.users:
            return Ruling.STRANGER, call
        if call.chat not in (self.chat, call.user):
            return Ruling.IGNORE, None
        if call.query is None and now_s - call.sent_s > FRESH_S:
            return Ruling.STALE, call
        return Ruling.TAKE, call


def _written(update: Update) -> Call | None:
    message = update.message  # edited messages and channel posts come under other names
    if message is None or message.text is None or message.from_user is None or _second_hand(message):
        return None
    return Call(
        update.update_id,
        message.from_user.id,
        message.from_user.first_name,
        message.chat.id,
        message.text,
        None,
        message.message_id,
        message.date.timestamp(),
    )


def _second_hand(message: Message) -> bool:
    """Say whether somebody else wrote it, or nobody one could name."""
    sender = message.from_user
    return bool(
        message.forward_origin
        or message.is_automatic_forward
        or message.sender_chat
        or message.via_bot
        or message.edit_date
        or (sender is not None and sender.is_bot)
    )


def _pressed(update: Update) -> Call | None:
    query: CallbackQuery | None = update.callback_query
    if query is None or query.message is None or not query.data or query.from_user.is_bot:
        return None
    where = query.message
    return Call(
        update.update_id,
        query.from_user.id,
        query.from_user.first_name,
        where.chat.id,
        query.data,
        query.id,
        where.message_id,
        0.0,
    )


@attrs.define
class Flood:
    """Holds each user to `FLOOD` commands in `FLOOD_S` seconds."""

    _times: dict[int, deque[float]] = attrs.field(factory=dict, init=False)
    _warned: set[int] = attrs.field(factory=set, init=False)

    def admits(self, user: int, now_s: float) -> bool:
        """Count a command and say whether it may be carried out."""
        times = self._times.setdefault(user, deque(maxlen=FLOOD))
        if len(times) == FLOOD and now_s - times[0] < FLOOD_S:
            return False
        times.append(now_s)
        self._warned.discard(user)
        return True

    def warns(self, user: int) -> bool:
        """Say whether the user is yet to be told, once for each flood."""
        fresh = user not in self._warned
        self._warned.add(user)
        return fresh


@attrs.define
class Strangers:
    """Counts those who may not use the bot.

    Attributes:
        count: messages and buttons of strangers since the start.
    """

    count: int = 0
    _logged: dict[int, float] = attrs.field(factory=dict, init=False)

    def is_news(self, user: int, now_s: float) -> bool:
        """Count one and say whether it should be logged."""
        self.count += 1
        last = self._logged.get(user)
        if last is not None and now_s - last < STRANGER_S:
            return False
        if len(self._logged) >= _STRANGERS:
            self._logged.pop(next(iter(self._logged)))
        self._logged[user] = now_s
        return True
