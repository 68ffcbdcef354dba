"""``cab run`` as a process: killed, stopped and started again, it ends where one that ran through does."""

from __future__ import annotations

import json
import random
import signal
import time
from decimal import Decimal
from pathlib import Path

import pytest
from run_desk import SYMBOLS, assert_as_if_never_interrupted, cut_off_entry, desk_of, wait_for

from cab_core.data.generator import generate
from cab_core.storage import intents_open, verify_journal


@pytest.mark.catalogue(16, 18)
@pytest.mark.slow
@pytest.mark.timeout(280)
def test_killed_at_random_moments_it_ends_like_one_that_ran_through(
    tmp_path: Path, database_url: str
) -> None:
    desk, chance = desk_of(tmp_path, url=database_url), random.Random(5)
    total, kills = sum(len(generate(symbol, 5, 11)) for symbol in SYMBOLS), 0
    wanted = 3 if database_url else 6
    while kills < wanted and desk.evaluated() < total - 40:
        desk.keep()
        process = desk.start()
        wait_for(desk, desk.evaluated() + chance.randrange(5, 120), process)
        time.sleep(chance.random() / 20)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if cut_off_entry(desk):  # take this kill back
            desk.take_back()
            continue
        kills += 1
        assert desk.ask(verify_journal) == []
    assert kills >= wanted - 2
    desk.finish()
    assert desk.evaluated() == total
    assert_as_if_never_interrupted(desk)


def test_ctrl_c_stops_cleanly_and_the_next_start_goes_on(tmp_path: Path, database_url: str) -> None:
    desk = desk_of(tmp_path, ("BTC/USDT",), days=3, url=database_url)
    process = desk.start()
    wait_for(desk, 60, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    first = json.loads(out)
    assert (first["ended"], first["failures"]) == ("SIGINT", {})
    assert 0 < first["cycles"] < 3 * 96
    assert desk.ask(intents_open) == []
    assert not (tmp_path / "lock.json").exists()
    process = desk.start()
    wait_for(desk, first["cycles"] + 60, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    second = json.loads(out)
    assert second["ended"] == "SIGTERM"
    last = desk.finish()
    assert last["ended"] == "end"
    assert first["cycles"] + second["cycles"] + last["cycles"] == 3 * 96
    assert_as_if_never_interrupted(desk)
    assert Decimal(last["equity"]) == Decimal(last["baseline"]) + Decimal(last["realized"]) + Decimal(
        last["unrealized"]
    )


@pytest.mark.catalogue(117, 119)
def test_a_second_instance_is_refused_and_a_crash_frees_the_place(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("BTC/USDT",), days=2)
    first = desk.start(speed="1")
    while not (tmp_path / "lock.json").exists() and first.poll() is None:
        time.sleep(0.05)
    second = desk.start()
    _, err = second.communicate(timeout=30)
    assert second.returncode == 75
    assert "Instance already running" in json.loads(err.splitlines()[-1])["error"]["what"]
    first.kill()
    first.communicate()
    assert desk.finish()["cycles"] > 0


def test_secrets_never_show(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("BTC/USDT",), days=1)
    canaries = {
        "API_KEY": "canary-key-1f6b7c",
        "API_SECRET": "canary-secret-9d2e1a",
        "API_TOKEN": "canary-token-77aa01-long-enough",
        "TELEGRAM_BOT_TOKEN": "canary-bot-5512ff",
        "TELEGRAM_CHAT_ID": "12345",
    }
    out, err = (process := desk.start(LOG_LEVEL="DEBUG", **canaries)).communicate(timeout=60)
    assert process.returncode == 0, err
    written = [path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()]
    for text in [value for name, value in canaries.items() if name != "TELEGRAM_CHAT_ID"]:
        assert text not in out + err
        assert not any(text.encode() in content for content in written)
