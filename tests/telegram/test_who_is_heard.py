"""Only fresh, original messages of allowed users in the right chat have an effect."""

from __future__ import annotations

import logging

import pytest
from people import ADMIN, GROUP, READER, STRANGER, message, person

HOUR = 3600


async def only_the_sentinel(people, desk):
    """Wait for the answer to a last, proper message; nothing else was said or done."""
    people.write("/health", user=READER)
    (call,) = await people.answers(1)
    assert "healthy" in call["text"]
    await people.done()
    assert len(people.calls()) == 1
    assert desk.done == []


def forwarded(**origin):
    return {"forward_origin": {"type": "user", "date": 1, "sender_user": person(ADMIN), **origin}}


#: Under this id the anonymous admins of all groups write.
ANYBODY = 1087968824
SPOOFED = person(STRANGER) | {"first_name": "Anna", "username": "anna_the_admin"}


@pytest.mark.parametrize(
    "update",
    [
        pytest.param(
            {"message": message("/pause", STRANGER, GROUP)},
            marks=pytest.mark.catalogue(133, 135),
            id="stranger",
        ),
        pytest.param(
            {"message": message("/pause", STRANGER, STRANGER)}, marks=pytest.mark.catalogue(133), id="private"
        ),
        pytest.param(
            {"message": {**message("/pause", STRANGER, GROUP), "from": SPOOFED}},
            marks=pytest.mark.catalogue(134),
            id="spoofed",
        ),
        pytest.param(
            {"message": message("/pause", ADMIN, -4)}, marks=pytest.mark.catalogue(135), id="other chat"
        ),
        pytest.param(
            {"message": message("/pause", ADMIN, GROUP, sender_chat={"id": GROUP, "type": "supergroup"})},
            marks=pytest.mark.catalogue(136),
            id="anonymous admin",
        ),
        pytest.param(
            {
                "message": {
                    **message("/stop", ANYBODY, GROUP),
                    "sender_chat": {"id": GROUP, "type": "group"},
                }
            },
            marks=pytest.mark.catalogue(136),
            id="group's own id",
        ),
        pytest.param(
            {"channel_post": message("/pause", ADMIN, GROUP)}, marks=pytest.mark.catalogue(136), id="channel"
        ),
        pytest.param(
            {"message": message("/pause", ADMIN, GROUP, via_bot={**person(5), "is_bot": True})},
            marks=pytest.mark.catalogue(136),
            id="via bot",
        ),
        pytest.param(
            {"edited_message": message("/resume", ADMIN, GROUP, HOUR, edit_date=1)},
            marks=pytest.mark.catalogue(138),
            id="edited",
        ),
        pytest.param(
            {"message": message("/pause", ADMIN, GROUP, **forwarded())},
            marks=pytest.mark.catalogue(138),
            id="forwarded",
        ),
        pytest.param({"message": message("/pause@another_bot", ADMIN, GROUP)}, id="to another bot"),
        pytest.param({"message": message("pause everything", ADMIN, GROUP)}, id="chatter"),
        pytest.param({"my_chat_member": {}}, id="unknown kind"),
    ],
)
async def test_it_has_no_effect_and_gets_no_answer(people, bot, desk, update):
    await bot()
    people.update(**({} if update == {"my_chat_member": {}} else update))
    await only_the_sentinel(people, desk)


@pytest.mark.catalogue(133)
async def test_a_stranger_is_logged_once_and_their_buttons_do_nothing(people, bot, desk, caplog):
    caplog.set_level(logging.INFO)
    await bot()
    for _ in range(3):
        people.write("/status", user=STRANGER)
        people.press("v:status:", user=STRANGER)
    await only_the_sentinel(people, desk)
    told = [entry for entry in caplog.records if "TELEGRAM_ALLOWED_USERS" in entry.getMessage()]
    assert len(told) == 1
    assert str(STRANGER) in told[0].getMessage()


@pytest.mark.catalogue(137)
async def test_what_was_written_before_an_outage_has_no_effect_and_is_told_once(people, bot, desk):
    for command in ("/resume", "/stop", "/status"):
        people.write(command, age_s=2 * HOUR)
    await bot()
    (note,) = await people.answers(1)
    assert "/resume came 2 h" in note["text"]
    people.write("/health", user=READER)
    calls = await people.answers(2)
    assert len(calls) == 2
    assert "healthy" in calls[1]["text"]
    assert desk.done == []


@pytest.mark.catalogue(140)
async def test_who_writes_too_fast_is_told_once_and_others_are_not_held_up(people, bot):
    await bot()
    for _ in range(12):
        people.write("/health")
    people.write("/regime", user=READER)
    calls = await people.until(lambda calls: any("risk_on" in call["text"] for call in calls))
    texts = [call["text"] for call in calls]
    assert sum("healthy" in text for text in texts) == 5
    assert sum("Too fast" in text for text in texts) == 1
    assert len(texts) == 7


async def test_an_allowed_user_may_use_the_private_chat(people, bot, desk):
    await bot()
    people.write("/health", chat=ADMIN)
    (call,) = await people.answers(1)
    assert call["chat_id"] == str(ADMIN)
