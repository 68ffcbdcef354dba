"""The line breaks, is slow or is taken: alerts fail, to be sent again, and the token stays hidden."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback

import pytest
from people import ADMIN, GROUP, READER, buttons, running_bot, telegram

from cab_core.sdk import Alert, CabError, Severity
from cab_notifier_telegram.chat import Chat
from cab_notifier_telegram.gate import Gate
from cab_notifier_telegram.listening import Outage, listen
from cab_notifier_telegram.mute import Mute

CRITICAL = Alert(
    Severity.CRITICAL,
    "emergency.stop",
    "loss < limit & more",
    "0123456789abcdef",
    "BTC/USDT",
    "daily_loss",
    1,
)
INFO = Alert(Severity.INFO, "report.daily", "all is well", "0" * 16)


@pytest.fixture
async def notifier(people):
    notifier = telegram(people)
    notifier.start()
    yield notifier
    await notifier.stop()


@pytest.mark.catalogue(144)
async def test_an_alert_says_what_is_wrong_and_leads_on(people, notifier):
    await notifier.notify(CRITICAL)
    (call,) = people.calls()
    assert call["chat_id"] == str(GROUP)
    assert call["text"] == (
        "🔴 <b>CRITICAL</b> <b>BTC/USDT</b> loss &lt; limit &amp; more\ntrace <code>0123456789abcdef</code>"
    )
    assert buttons(call) == {
        "Why": "v:trace:0123456789abcdef",
        "Chart": "v:chart:BTC/USDT",
        "Pause": "v:pause:BTC/USDT",
    }


@pytest.mark.catalogue(144)
async def test_a_long_alert_becomes_several_messages_and_loses_nothing(people, notifier):
    text = "\n".join(f"line {k} <&> " + "x" * 90 for k in range(100))
    await notifier.notify(Alert(Severity.INFO, "report.daily", text, "0" * 16))
    calls = people.calls()
    assert len(calls) > 1
    assert all(len(call["text"]) <= 4096 for call in calls)
    sent = "\n".join(call["text"] for call in calls)
    plain = sent.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert plain == f"🔵 {text}\ntrace <code>{'0' * 16}</code>"


async def test_a_channel_gets_alerts_without_buttons(people):
    notifier = telegram(people, chat_id="@my_channel")
    await notifier.notify(CRITICAL)
    await notifier.stop()
    (call,) = people.calls()
    assert call["chat_id"] == "@my_channel"
    assert buttons(call) == {}


@pytest.mark.catalogue(141)
async def test_a_short_pause_is_waited_out(people, notifier):
    people.faults({"method": "sendMessage", "status": 429, "retry_after": 1})
    began = time.monotonic()
    await notifier.notify(INFO)
    assert time.monotonic() - began >= 1
    assert len(people.calls()) == 1


@pytest.mark.catalogue(141)
async def test_a_long_pause_is_an_error_and_telegram_is_left_alone(people, notifier):
    people.faults({"method": "sendMessage", "status": 429, "retry_after": 30})
    for _ in range(2):
        with pytest.raises(CabError, match="wants a pause"):
            await notifier.notify(INFO)
    assert people.calls() == []


@pytest.mark.catalogue(141)
@pytest.mark.parametrize("status", [500, 502])
async def test_a_server_in_trouble_is_an_error_and_the_next_alert_arrives(people, notifier, status):
    people.faults({"method": "sendMessage", "status": status})
    with pytest.raises(CabError, match="does not answer"):
        await notifier.notify(INFO)
    assert not notifier.health().ok
    await notifier.notify(INFO)
    assert len(people.calls()) == 1
    assert notifier.health().ok


async def test_what_telegram_refuses_names_the_setting(people, notifier):
    people.faults({"method": "sendMessage", "status": 400, "description": "Bad Request: chat not found"})
    with pytest.raises(CabError, match=r"TELEGRAM_CHAT_ID: .*[Cc]hat not found"):
        await notifier.notify(INFO)


@pytest.mark.parametrize(
    "reason", ["can't parse entities: unsupported start tag", "BUTTON_DATA_INVALID", "message is malformed"]
)
async def test_a_message_that_is_not_understood_goes_out_as_plain_text(people, notifier, caplog, reason):
    people.faults({"method": "sendMessage", "status": 400, "description": f"Bad Request: {reason}"})
    await notifier.notify(CRITICAL)
    (call,) = people.calls()
    assert call["text"] == "🔴 CRITICAL BTC/USDT loss < limit & more\ntrace 0123456789abcdef"
    assert "parse_mode" not in call
    assert reason.lower() in caplog.text.lower()


async def test_a_message_that_is_refused_plain_too_is_not_blamed_on_the_chat(people, notifier):
    fault = {"method": "sendMessage", "status": 400, "description": "Bad Request: can't parse entities"}
    people.faults(fault, fault)
    with pytest.raises(CabError, match=r"[Cc]an't parse") as refused:
        await notifier.notify(INFO)
    assert "TELEGRAM_CHAT_ID" not in str(refused.value)
    await notifier.notify(INFO)
    assert len(people.calls()) == 1


async def test_mute_lets_only_critical_alerts_through_also_after_a_restart(people, desk):
    async with running_bot(people, desk):
        people.write("/mute 2h")
        (call,) = await people.answers(1)
        assert "Muted until" in call["text"]
        await people.done()
    async with running_bot(people, desk) as (notifier, _):
        people.write("/mute")
        calls = await people.answers(2)
        assert "on until" in calls[1]["text"]
        await notifier.notify(INFO)
        await notifier.notify(CRITICAL)
        people.write("/mute off")
        calls = await people.answers(4)
        await notifier.notify(INFO)
    texts = people.texts()
    assert [("all is well" in text, "CRITICAL" in text) for text in texts[2:]] == [
        (False, True),
        (False, False),
        (True, False),
    ]


async def test_a_reader_silences_nobody(people, desk):
    async with running_bot(people, desk) as (notifier, _):
        people.write("/mute 1d", READER)
        (call,) = await people.answers(1)
        assert "Only an admin may mute" in call["text"]
        await notifier.notify(INFO)
        assert "all is well" in people.texts()[1]


@pytest.mark.catalogue(141)
async def test_commands_go_on_by_themselves_after_an_outage(people, bot, caplog):
    caplog.set_level(logging.INFO, "cab.telegram")
    people.faults({"method": "getMe", "status": 502}, {"method": "getUpdates", "status": 502, "times": 1})
    await bot()
    people.write("/health")
    await people.answers(1)
    await people.done()
    told = [entry.getMessage() for entry in caplog.records if entry.name == "cab.telegram"]
    assert sum("does not answer" in text for text in told) == 1  # not at each of its tries
    assert sum("answers again" in text for text in told) == 1


@pytest.mark.catalogue(141)
async def test_a_command_outlives_an_outage_of_its_answer(people, notifier, desk, caplog):
    line = notifier._opened()
    chat = Chat(
        desk=desk,
        line=line,
        gate=Gate(GROUP, {ADMIN}),
        admins={ADMIN},
        username=await line.open(),
        mute=Mute(),
        now=time.time,
    )
    people.faults({"method": "sendMessage", "status": 502, "times": 6})
    people.write("/health")
    listening = asyncio.create_task(listen(chat, Outage(first_pause_s=0.001), {}))
    (call,) = await people.answers(1)
    assert "healthy" in call["text"]
    await people.done()
    assert sum("does not answer" in entry.getMessage() for entry in caplog.records) == 1
    listening.cancel()
    await asyncio.wait([listening])


async def test_without_a_network_attending_waits_and_ends_at_once(people, desk):
    async with running_bot(people, desk, base_url="http://127.0.0.1:9") as (notifier, task):
        while notifier.health().ok:
            await asyncio.sleep(0.01)
        assert not task.done()
        began = time.monotonic()
    assert time.monotonic() - began < 2


@pytest.mark.catalogue(143)
async def test_another_program_with_the_same_token_is_reported_and_waited_for(people, bot, caplog):
    conflict = "Conflict: terminated by other getUpdates request"
    people.faults({"method": "getUpdates", "status": 409, "description": conflict})
    notifier, task = await bot()
    while notifier.health().ok:
        await asyncio.sleep(0.01)
    assert "409 Conflict" in notifier.health().detail
    people.write("/health")
    await people.answers(1)
    assert notifier.health().ok
    assert not task.done()
    assert sum("another program" in entry.getMessage() for entry in caplog.records) == 1


@pytest.mark.catalogue(142)
async def test_the_token_is_in_no_log_error_or_repr(server, request, desk, caplog):
    caplog.set_level(logging.DEBUG)
    shown = []
    people = server.people(request.node.name, prefix="1")  # the emulator refuses such tokens
    for base_url in (people.url, "http://127.0.0.1:9"):
        notifier = telegram(people, base_url=base_url)
        notifier.start()
        shown += [repr(notifier), repr(vars(notifier))]
        for work in (notifier.notify(CRITICAL), asyncio.wait_for(notifier.attend(desk), 0.2)):
            try:
                await work
            except (CabError, TimeoutError) as error:
                shown += [str(error), repr(error), *traceback.format_exception(error)]
        shown.append(notifier.health().detail)
        await notifier.stop()
    assert any("refused the bot's token" in text for text in shown)
    assert [text for text in [*shown, caplog.text] if people.token in text] == []


async def test_without_users_it_only_sends(people, desk):
    async with running_bot(people, desk, allowed_users=(), admins=()) as (notifier, task):
        await asyncio.wait([task])
        await notifier.notify(INFO)
    assert people.control("calls")["polls"] == 0
    assert len(people.calls()) == 1
