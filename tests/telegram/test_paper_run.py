"""A real paper run is watched and commanded through a chat; what was commanded is in its journal."""

from __future__ import annotations

import asyncio

import pytest
from people import ADMIN, GROUP, READER, buttons

from cab_core.app.desk.desk import Filter
from cab_core.app.desk.port import DeskPort
from cab_core.app.market_choice import parse_market
from cab_core.app.run import run_paper
from cab_core.settings import load_settings
from cab_core.storage import verify_journal, visit


def settings_of(folder, people):
    environment = {
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": "BTC/USDT",
        "DB_PATH": str(folder / "trader.sqlite3"),
        "INSTANCE_LOCK_PATH": str(folder / "lock"),
        "TREND_UNKNOWN_POLICY": "allow",
        "TELEGRAM_BOT_TOKEN": people.token,
        "TELEGRAM_CHAT_ID": str(GROUP),
        "TELEGRAM_ALLOWED_USERS": f"{ADMIN},{READER}",
        "TELEGRAM_ADMINS": str(ADMIN),
        "TELEGRAM_API_URL": people.url,
    }
    return load_settings(environment, folder).settings


async def commanded(people, command, sign):
    """Send a command, confirm it, and return what the bot says then."""
    label = command.capitalize()
    before = len(people.calls())
    people.write(f"/{command}")
    calls = await people.until(lambda calls: any(label in buttons(call) for call in calls[before:]))
    (offered,) = (buttons(call) for call in calls[before:] if label in buttons(call))
    pressed = people.press(offered[label])
    people.keys[command] = f"tg:{pressed['update_id']}"
    calls = await people.until(lambda calls: sign in calls[-1].get("text", ""), "editMessageText")
    return calls[-1]["text"]


async def delivered_again(running, people):
    """Carry out the confirmed pause as after a crash: with the same key, now that trading was resumed."""
    port = DeskPort(running.desk, running.desk.store, "notifier:telegram")
    key = people.keys["pause"]
    done = await port.do("pause", actor=f"telegram:{ADMIN}", role="admin", reason="/pause by Anna", key=key)
    return done["trace_id"], [each.state for each in (await running.desk.status()).symbols]


@pytest.mark.catalogue(139)
async def test_a_run_is_paused_resumed_stopped_and_started_through_the_chat(tmp_path, people):
    settings, seen = settings_of(tmp_path, people), {}

    async def view(running):
        for command in ("/status", "/chart"):
            people.write(command, user=READER)
        await people.until(lambda calls: any(call["method"] == "sendPhoto" for call in calls))
        seen["paused"] = await commanded(people, "pause", "paused")
        seen["status"] = await running.desk.status()
        seen["resumed"] = await commanded(people, "resume", "running")
        seen["again"] = await delivered_again(running, people)
        people.write("/stop", user=READER)
        await people.until(lambda calls: any("not viewer" in call.get("text", "") for call in calls))
        seen["audit"], _ = await running.desk.audit(Filter())
        await commanded(people, "stop", "stopped")
        seen["stopped"] = await running.desk.status()
        await commanded(people, "start", "running")  # the chat goes on, and so does the bot
        await running.session.orchestrator.end()

    await asyncio.wait_for(run_paper(settings, parse_market(["sample"]), 60, view), 60)
    assert [each.state for each in seen["stopped"].symbols] == ["stopped"]
    assert [each.state for each in seen["status"].symbols] == ["paused"]
    assert [(row.actor, row.role, row.surface, row.action.rpartition(".")[2]) for row in seen["audit"]] == [
        (f"telegram:{READER}", "viewer", "telegram", "stop"),
        (f"telegram:{ADMIN}", "admin", "telegram", "resume"),
        (f"telegram:{ADMIN}", "admin", "telegram", "pause"),
    ]
    trace_id = seen["audit"][-1].trace_id
    assert trace_id in seen["paused"]
    assert seen["again"] == (trace_id, ["running"])  # the first answer again, and no second effect
    assert visit(settings.db_path, verify_journal) == []
    assert any("PAPER" in text and "BTC/USDT" in text for text in people.texts())
    assert any("stopped" in call["text"] for call in people.calls("editMessageText"))
