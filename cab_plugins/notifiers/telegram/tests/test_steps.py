from __future__ import annotations

from cab_notifier_telegram import confirm
from cab_notifier_telegram.gate import FLOOD, FLOOD_S, Flood, Strangers


def test_a_confirmation_is_found_again_by_its_name_only():
    pending = confirm.ask_for("pause", "BTC/USDT", 7, 1000.0)
    kept = {pending.key: pending.text(), "other": "1"}
    assert confirm.find(kept, pending.nonce) == pending
    assert confirm.find(kept, "guess") is None
    assert len(f"y:{pending.nonce}") <= 64
    assert confirm.ask_for("pause", None, 7, 1000.0).nonce != pending.nonce


def test_a_confirmation_counts_for_a_minute_and_for_the_press_it_was_made_by():
    pending = confirm.ask_for("stop", None, 7, 1000.0)
    assert pending.holds(5, 1060.0)
    assert not pending.holds(5, 1060.1)
    pressed = confirm.Pending(pending.nonce, "stop", None, 7, pending.until_s, pressed=5)
    assert pressed.holds(5, 9999.0)  # the same press again, after a restart
    assert not pressed.holds(6, 1001.0)


def test_void_confirmations_are_forgotten():
    old, new = confirm.ask_for("stop", None, 7, 0.0), confirm.ask_for("stop", None, 7, 1000.0)
    kept = {each.key: each.text() for each in (old, new)} | {"last_update_id": "1"}
    assert confirm.expired(kept, 1001.0) == {old.key: None}


def test_the_flood_gate_opens_again_after_its_time():
    flood = Flood()
    assert [flood.admits(1, 0.1 * k) for k in range(FLOOD + 1)] == [True] * FLOOD + [False]
    assert flood.admits(2, 0.5)
    assert flood.warns(1)
    assert not flood.warns(1)
    assert flood.admits(1, FLOOD_S + 0.01)
    assert not flood.admits(1, FLOOD_S + 0.05)
    assert flood.warns(1)


def test_a_stranger_is_news_once_an_hour():
    strangers = Strangers()
    assert [strangers.is_news(1, now) for now in (0, 10, 3599, 3600)] == [True, False, False, True]
    assert strangers.count == 4
    assert all(strangers.is_news(user, 0) for user in range(2, 3000))
