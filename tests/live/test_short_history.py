"""An exchange that lists fewer candles than a decision looks back on is told of before anybody compares."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from live_bench import LiveBench

from cab_core.cli import invoke

Bench = Callable[..., LiveBench]
SHORT = "BTC/USDT: the exchange lists 600 of the 1,000 candles of 15m that a decision looks back on"


async def test_the_first_decision_tells_it_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    live = bench()
    with caplog.at_level(logging.WARNING, "cab.live"):
        await live.run(35, "paper")
    told = [record.getMessage() for record in caplog.records if "candles of 15m" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(SHORT)


def test_the_doctor_tells_it_when_it_asks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = bench()
    live.load("paper")
    monkeypatch.chdir(live.folder)
    code = invoke(["doctor", "--online", "--only", "candles", "--json", *_settings(live)])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert code == 0
    assert {row["status"] for row in rows} == {"warn"}
    assert rows[0]["detail"].startswith(SHORT)


def _settings(live: LiveBench) -> list[str]:
    texts = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT", "DB_PATH": str(live.database)}
    return [part for name, value in texts.items() for part in ("--set", f"{name}={value}")]
