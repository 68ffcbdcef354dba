"""The desk as plugins get it: questions by name, JSON-safe answers, commands by name, a small memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import attrs

from cab_core.app.desk.commands import Action, Actor, Command, Role
from cab_core.app.desk.desk import PAGE, Desk, Filter
from cab_core.app.desk.plain import plain
from cab_core.errors import UsageError
from cab_core.nearest import nearest
from cab_core.storage import Store
from cab_core.storage.memories import memorize, recall

#: Questions that are answered by one document; their filters are the parameters of the desk's method.
_DOCUMENTS: Mapping[str, frozenset[str]] = {
    "health": frozenset(),
    "ready": frozenset(),
    "status": frozenset({"symbol"}),
    "pnl": frozenset({"period", "symbol"}),
    "positions": frozenset(),
    "trace": frozenset({"trace_id"}),
    "latest_trace": frozenset({"symbol"}),
    "signals": frozenset(),
    "candles": frozenset({"symbol", "limit"}),
    "equity": frozenset({"since_ms", "points"}),
    "risk": frozenset(),
    "regime": frozenset(),
    "plugins": frozenset(),
}

#: Questions that are answered by a page of rows.
_LISTS = frozenset({"orders", "fills", "trades", "decisions", "audit"})
_LIST_FILTERS = frozenset(attrs.fields_dict(Filter))

#: Without a given value: what people ask about.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"pnl": {"period": "today"}}


@attrs.frozen(eq=False)
class DeskPort:
    """`cab_core.sdk.OperatorDesk` over the desk of this bot, for one plugin.

    Attributes:
        desk: the read model and commands every surface shares.
        store: the bot's database, which keeps the plugin's memory.
        plugin: id of the plugin, e.g. ``notifier:telegram``.
    """

    desk: Desk
    store: Store
    plugin: str

    async def ask(self, question: str, **filters: Any) -> Any:
        """Return the answer to a question, JSON-safe.

        Lists are ``{"items": rows, "next": cursor}``.

        Raises:
            UsageError: no such question or filter.
            CabError: the desk cannot answer.
        """
        if question in _LISTS:
            _check(question, filters, _LIST_FILTERS)
            rows, after = await getattr(self.desk, question)(Filter(**_bounded(filters)))
            return {"items": plain(rows), "next": after}
        if question not in _DOCUMENTS:
            raise _unknown("question", question, [*_DOCUMENTS, *_LISTS])
        _check(question, filters, _DOCUMENTS[question])
        method: Callable[..., Awaitable[Any]] = getattr(self.desk, question)
        return plain(await method(**{**_DEFAULTS.get(question, {}), **filters}))

    async def do(
        self,
        action: str,
        *,
        actor: str,
        role: str,
        symbol: str | None = None,
        rule: str | None = None,
        reason: str = "",
        key: str = "",
    ) -> Mapping[str, Any]:
        """Carry out a command.

        Raises:
            UsageError: no such action or role.
            CabError: refused or impossible.
        """
        roles = {each.label: each for each in Role}
        if action not in list(Action):
            raise _unknown("action", action, [str(each) for each in Action])
        if role not in roles:
            raise _unknown("role", role, list(roles))
        surface = actor.partition(":")[0]
        command = Command(
            action=Action(action),
            actor=Actor(name=actor, role=roles[role], surface=surface),
            symbol=symbol,
            rule=rule,
            reason=reason,
            confirm=symbol or "ALL",  # a chat has asked twice before it comes here
            key=key,
        )
        done: dict[str, Any] = plain(await self.desk.do(command))
        return done

    async def recall(self) -> Mapping[str, str]:
        """Return everything the plugin has kept."""
        return await self.store.read(partial(recall, plugin=self.plugin))

    async def keep(self, values: Mapping[str, str | None]) -> None:
        """Save or replace values of the plugin in one transaction."""
        kept = dict(values)
        await self.store.transact(lambda conn: memorize(conn, self.plugin, kept))


def _bounded(filters: Mapping[str, Any]) -> dict[str, Any]:
    limit = filters.get("limit", Filter().limit)
    return {**filters, "limit": max(1, min(int(limit), PAGE))}


def _check(question: str, filters: Mapping[str, Any], allowed: frozenset[str]) -> None:
    for name in filters.keys() - allowed:
        raise _unknown(f"filter of {question}", name, sorted(allowed))


def _unknown(what: str, name: str, known: list[str]) -> UsageError:
    near = nearest(name, known)
    fix = f"did you mean {near}?" if near else f"there are: {', '.join(known) or 'none'}"
    return UsageError(f"no {what} {name!r}", fix=fix)
