"""Closing by hand over the API: who may, that it sells, once, and that the route tells why."""

from __future__ import annotations

from pathlib import Path

import pytest
from served import ServedBot, overrides

from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.settings import load_settings

pytestmark = pytest.mark.catalogue(195)

BTC, ETH = "BTC/USDT", "ETH/USDT"

#: Buys at once and never sells.
_HOLDER = '''
"""Buys and holds."""

import numpy as np

from cab_core.sdk import Signals, Strategy, hookimpl, plugin


@plugin
class Holder(Strategy):
    """Wants to be in the market."""

    def warmup_bars(self):
        return 3

    @hookimpl
    def signals(self, bars):
        count = len(bars)
        return Signals(np.ones(count, np.int8), np.ones(count), np.zeros(count, np.int32), ("always",))
'''


def test_the_route_closes_for_an_admin_alone_once_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "holder.py").write_text(_HOLDER)
    far = {"STOP_LOSS_PCT": "40", "TAKE_PROFIT_1_PCT": "40", "TAKE_PROFIT_2_PCT": "80"}
    given = overrides(
        tmp_path,
        STRATEGY_SET=str(tmp_path / "holder.py"),
        STRATEGY_MODE="weighted",
        VOLUME_FILTER_ENABLED="false",
        **far,
    )
    monkeypatch.chdir(tmp_path)
    for days in (1, 2):
        for symbol in (BTC, ETH):
            write_candles(tmp_path / "market" / f"{symbol.replace('/', '-')}.csv", generate(symbol, days, 11))
        if days == 1:
            sets = [part for each in given for part in ("--set", each)]
            assert invoke(["run", "--market", "file:market", "--speed", "max", "--json", *sets]) == 0
    bot = ServedBot(load_settings({}, tmp_path, given).settings, f"file:{tmp_path / 'market'}")
    bot.start()
    try:
        _close(bot)
    finally:
        bot.stop()


def _close(bot: ServedBot) -> None:
    book, path = bot.orchestrator.trader.book, f"/orchestrator/close?symbol={BTC}"
    assert book.positions.keys() == {BTC, ETH}
    for role, status in (("", 401), ("viewer", 403), ("operator", 403)):
        with bot.client(role) as client:
            assert client.post(path, json={}).status_code == status
    assert book.positions.keys() == {BTC, ETH}
    with bot.client("admin") as client:
        key = {"Idempotency-Key": "close-btc-once"}
        first = client.post(path, json={"reason": "on leave"}, headers=key)
        assert first.status_code == 200, first.text
        done = first.json()
        assert [(each["symbol"], each["state"]) for each in done["closings"]] == [(BTC, "sold")]
        assert book.positions.keys() == {ETH}
        assert client.post(path, json={"reason": "on leave"}, headers=key).json() == done
        assert client.post(path, json={}).status_code == 409
        assert client.post("/orchestrator/close?symbol=DOGE/USDT", json={}).status_code == 404
        told = client.get(f"/api/v1/traces/{done['trace_id']}").json()
        assert told["by_hand"] == "closed by hand by token:test-admin: on leave"
        everything = client.post("/orchestrator/close", json={"confirm": "ALL"}).json()
        assert [(each["symbol"], each["state"]) for each in everything["closings"]] == [(ETH, "sold")]
        assert client.post("/orchestrator/close", json={}).status_code == 409
