"""A desk asked over HTTP says what the desk in the bot says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from served import ServedBot

from cab_core.app.desk.commands import Action, Actor, Command, Role
from cab_core.app.desk.desk import Desk, Filter
from cab_core.app.desk.endpoint import endpoint_path, local_endpoint
from cab_core.app.desk.plain import plain
from cab_core.app.desk.remote import RemoteDesk
from cab_core.errors import CabError, ExitCode

Question = Callable[[Desk], Awaitable[Any]]

QUESTIONS: dict[str, Question] = {
    "ready": lambda desk: desk.ready(),
    "status": lambda desk: desk.status(),
    "status of one": lambda desk: desk.status("ETH/USDT"),
    "pnl": lambda desk: desk.pnl("month"),
    "positions": lambda desk: desk.positions(),
    "orders": lambda desk: desk.orders(Filter(limit=7)),
    "fills": lambda desk: desk.fills(Filter(symbol="BTC/USDT")),
    "trades": lambda desk: desk.trades(Filter(limit=2)),
    "decisions": lambda desk: desk.decisions(Filter(since_ms=1_704_100_000_000, limit=20)),
    "latest trace": lambda desk: desk.latest_trace(),
    "signals": lambda desk: desk.signals(),
    "candles": lambda desk: desk.candles("BTC/USDT", 50),
    "equity": lambda desk: desk.equity(points=40),
    "risk": lambda desk: desk.risk(),
    "regime": lambda desk: desk.regime(),
    "plugins": lambda desk: desk.plugins(),
    "config": lambda desk: desk.config(),
    "runs": lambda desk: desk.runs(Filter()),
    "audit": lambda desk: desk.audit(Filter(limit=5)),
}


def remote(bot: ServedBot, role: str = "admin") -> RemoteDesk:
    return RemoteDesk(bot.url, bot.tokens[role])


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_desks_say_the_same(bot: ServedBot, question: str) -> None:
    ask = QUESTIONS[question]

    async def here() -> Any:
        return await ask(bot.service.desk)

    async def there() -> Any:
        return await ask(remote(bot))

    assert plain(asyncio.run(there())) == plain(bot.ask(here))


def test_money_stays_exact(bot: ServedBot) -> None:
    async def here() -> Any:
        return await bot.service.desk.status(), await bot.service.desk.pnl("month")

    async def there() -> Any:
        desk = remote(bot)
        return await desk.status(), await desk.pnl("month")

    (status, report), (far_status, far_report) = bot.ask(here), asyncio.run(there())
    assert far_status.account == status.account
    assert far_report["realized"] == report["realized"]
    assert type(far_report["realized"]) is type(report["realized"])


def order(action: Action, symbol: str | None = None) -> Command:
    actor = Actor(name="somebody-else", role=Role.ADMIN, surface="cli")
    return Command(action=action, actor=actor, symbol=symbol, reason="over http", key="")


def test_a_command_goes_through_with_the_role_of_the_token(bot: ServedBot) -> None:
    done = asyncio.run(remote(bot).do(order(Action.PAUSE, "BTC/USDT")))
    assert done.states["BTC/USDT"] == "paused"
    asyncio.run(remote(bot).do(order(Action.RESUME)))
    rows, _ = asyncio.run(remote(bot).audit(Filter(limit=5)))
    mine = next(row for row in rows if row.seq == done.audit_seq)
    assert (mine.actor, mine.after["reason"]) == ("token:test-admin", "over http")


REFUSED = {
    "no such symbol": (lambda desk: desk.status("BTC/USD"), "admin", "CAB-E201", ExitCode.NOT_FOUND),
    "no such cycle": (lambda desk: desk.trace("0000"), "admin", "CAB-E201", ExitCode.NOT_FOUND),
    "not its role": (lambda desk: desk.do(order(Action.RELEASE)), "viewer", "CAB-E610", ExitCode.REFUSED),
    "no cursor": (lambda desk: desk.orders(Filter(after="x")), "admin", "CAB-E200", ExitCode.USAGE),
    "no rows": (lambda desk: desk.orders(Filter(limit=0)), "admin", "validation_failed", ExitCode.USAGE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_keeps_code_and_words(bot: ServedBot, case: str) -> None:
    ask, role, code, exit_code = REFUSED[case]

    async def there() -> Any:
        return await ask(remote(bot, role))

    with pytest.raises(CabError) as caught:
        asyncio.run(there())
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
    assert caught.value.what


def test_a_wrong_token_and_a_wrong_address_are_named(bot: ServedBot) -> None:
    with pytest.raises(CabError, match="wrong or revoked") as refused:
        asyncio.run(RemoteDesk(bot.url, "wrong").positions())
    assert refused.value.exit_code == ExitCode.REFUSED
    with pytest.raises(CabError, match="no bot answers") as nobody:
        asyncio.run(RemoteDesk("http://127.0.0.1:9", "x").positions())
    assert nobody.value.exit_code == ExitCode.NOT_RUNNING
    assert nobody.value.fix


def test_commands_on_this_machine_find_the_bot(bot: ServedBot) -> None:
    endpoint = local_endpoint(bot.settings)
    assert endpoint is not None
    assert endpoint.url == bot.url
    assert endpoint_path(bot.settings).stat().st_mode & 0o777 == 0o600
    assert asyncio.run(RemoteDesk(endpoint.url, endpoint.token).health()).mode == "paper"
    endpoint_path(bot.settings).chmod(0o644)
    assert local_endpoint(bot.settings) is None, "others could have written it"
    endpoint_path(bot.settings).chmod(0o600)
