"""Commands that change something: two steps, one person, one minute, one effect."""

from __future__ import annotations

import asyncio
import json

import attrs
import pytest
from people import ADMIN, READER, buttons, running_bot, telegram

from cab_core.sdk import CabError
from cab_core.testing import CannedDesk


async def asked(people, command="/pause", **who):
    """Send a command; return the update and what the buttons of the confirmation carry."""
    before = len(people.calls())
    people.write(command, **who)
    calls = await people.answers(before + 1)
    return calls[-1], buttons(calls[-1])


async def edited(people):
    calls = await people.until(lambda calls: calls[-1]["method"] == "editMessageText")
    return calls[-1]["text"]


@pytest.mark.parametrize(
    ("command", "state"),
    [("pause", "paused"), ("resume", "running"), ("stop", "stopped"), ("start", "running")],
)
async def test_nothing_happens_before_the_second_step(people, bot, desk, command, state):
    first = desk.answers["status"]["symbols"][0]
    desk.answers["status"] |= {"symbols": [{**first, "state": "stopped"}]}
    await bot()
    prompt, offered = await asked(people, f"/{command}")
    assert "PAPER" in prompt["text"]
    assert "BTC/USDT" in prompt["text"]
    assert desk.done == []
    update = people.press(offered[command.capitalize()])
    assert state in await edited(people)
    (done,) = desk.done
    assert (done["action"], done["actor"], done["role"]) == (command, f"telegram:{ADMIN}", "admin")
    assert done["key"] == f"tg:{update['update_id']}"
    assert done["reason"] == f"/{command} by Anna"
    assert buttons(people.calls()[-1]) == {}


async def test_a_close_names_what_is_sold_and_asks_twice(people, bot, desk):
    await bot()
    vague, offered = await asked(people, "/close")
    assert "/close all" in vague["text"]
    assert offered == {}
    _, offered = await asked(people, "/close btc")
    assert desk.done == []
    people.press(offered["Close"])
    assert "BTC/USDT</b> sold" in await edited(people)
    assert [(each["action"], each["symbol"]) for each in desk.done] == [("close", "BTC/USDT")]


async def test_in_live_the_symbols_and_the_money_are_named(people, bot, desk):
    first = desk.answers["status"]["symbols"][0]
    both = [first, {**first, "symbol": "ETH/USDT"}]
    desk.answers["status"] |= {"mode": "live", "market": "exchange", "prices": "gateio", "symbols": both}
    await bot()
    prompt, _ = await asked(people, "/stop")
    assert "🔴 <b>LIVE</b> gateio" in prompt["text"]
    assert "BTC/USDT, ETH/USDT" in prompt["text"]


async def test_only_who_asked_can_confirm_and_only_once(people, bot, desk):
    await bot(admins=(ADMIN, READER))
    _, offered = await asked(people)
    people.press(offered["Pause"], user=READER)
    calls = await people.answers(2)
    assert "Only the one who asked" in calls[-1]["text"]
    assert desk.done == []
    people.press(offered["Pause"])
    await edited(people)
    people.press(offered["Pause"])
    calls = await people.until(lambda calls: "void" in calls[-1].get("text", ""))
    assert calls[-1]["method"] == "answerCallbackQuery"
    assert len(desk.done) == 1


async def test_a_confirmation_is_void_after_a_minute(people, bot, desk):
    await bot()
    _, offered = await asked(people)
    (key,) = [key for key in desk.memory if key.startswith("confirm:")]
    desk.memory[key] = json.dumps({**json.loads(desk.memory[key]), "until_s": 1.0})
    people.press(offered["Pause"])
    assert "Too late: nothing was done" in await edited(people)
    assert desk.done == []


async def test_a_command_can_be_dropped(people, bot, desk):
    await bot()
    _, offered = await asked(people)
    people.press(offered["Cancel"])
    assert "Cancelled" in await edited(people)
    await people.done()
    assert desk.done == []
    assert not [key for key in desk.memory if key.startswith("confirm:")]


async def test_a_reader_is_refused_by_the_desk_which_audits_it(people, bot, desk):
    await bot()
    refused, offered = await asked(people, "/stop", user=READER)
    assert "a viewer may not stop" in refused["text"]
    assert offered == {}
    assert [(each["actor"], each["role"]) for each in desk.done] == [(f"telegram:{READER}", "viewer")]


async def test_without_admins_every_allowed_user_is_one(people, bot):
    await bot(admins=())
    _, offered = await asked(people, "/pause", user=READER)
    assert "Pause" in offered


async def test_what_the_desk_refuses_is_told(people, bot, desk):
    await bot()
    _, offered = await asked(people, "/resume btc")
    desk.failing = CabError("BTC/USDT is stopped", fix="start it again")
    people.press(offered["Resume"])
    assert await edited(people) == "❌ BTC/USDT is stopped\nstart it again"


@attrs.define(eq=False)
class Dying(CannedDesk):
    """The desk of a process that dies after a command took effect, before its update is marked as handled."""

    dies: bool = False
    keys: list[str] = attrs.field(factory=list)

    async def do(self, action, **given):
        self.keys.append(given["key"])
        return await CannedDesk.do(self, action, **given)

    async def keep(self, values):
        if self.dies and self.keys and "last_update_id" in values:
            await asyncio.Event().wait()
        await CannedDesk.keep(self, values)


@pytest.mark.catalogue(139)
async def test_a_restart_between_effect_and_mark_neither_repeats_nor_loses(people):
    desk = Dying(dies=True)
    async with running_bot(people, desk):
        _, offered = await asked(people)
        update = people.press(offered["Pause"])
        assert "paused" in await edited(people)
    assert people.control("calls")["waiting"] == [update["update_id"]]
    desk.dies = False
    async with running_bot(people, desk):
        await people.done()
        people.write("/health")
        calls = await people.until(lambda calls: "healthy" in calls[-1].get("text", ""))
    assert desk.keys == [f"tg:{update['update_id']}"] * 2
    assert len(desk.done) == 1
    assert [call["text"].count("paused") for call in calls if call["method"] == "editMessageText"] == [1, 1]


@pytest.mark.catalogue(139)
async def test_an_update_that_comes_twice_is_handled_once(people, bot, desk):
    await bot()
    _, offered = await asked(people)
    pressed = people.press(offered["Pause"])
    people.control("update", [pressed, pressed])
    await edited(people)
    people.write("/health")
    await people.until(lambda calls: "healthy" in calls[-1].get("text", ""))
    async with running_bot(people, desk):
        people.control("update", [pressed])
        people.write("/regime")
        await people.until(lambda calls: "risk_on" in calls[-1].get("text", ""))
    assert len(desk.done) == 1
    assert sum(call["method"] == "editMessageText" for call in people.calls()) == 1


async def test_an_update_that_cannot_be_handled_is_left_out_after_three_tries(people, desk):
    desk.answers["regime"] = {"no": "such shape"}
    people.write("/regime")
    people.write("/health")
    notifier = telegram(people)
    notifier.start()
    for _ in range(3):
        with pytest.raises(KeyError):
            await notifier.attend(desk)
    attending = asyncio.create_task(notifier.attend(desk))
    (call,) = await people.answers(1)
    assert "healthy" in call["text"]
    attending.cancel()
    await asyncio.wait([attending])
    await notifier.stop()
