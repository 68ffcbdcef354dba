"""A bot and its Redis: stopped, hung, started again; the stream holds nothing up, the key only entries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from live_desk import LiveDesk
from own_redis import RedisServer
from run_desk import desk_of

from cab_core.bus.redis import stream_of
from cab_core.domain.orders import Side
from cab_core.safety.instance_key import key_of

pytestmark = pytest.mark.redis

Desk = Callable[..., LiveDesk]
KEY = key_of("live:gateio")


def entered(live: LiveDesk) -> Callable[[], object]:
    return lambda: live.filled(Side.BUY) and live.held


@pytest.mark.catalogue(153)
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_stream_that_is_away_holds_up_no_entry_and_no_exit(
    desk: Desk, redis_server: RedisServer, how: str
) -> None:
    live = desk(EVENT_BUS_URL=redis_server.url.reveal(), EVAL_INTERVAL_SEC="1", DMS_ENABLED="false")
    live.hold_candles()
    bot = live.start()
    live.until_running()
    (redis_server.kill if how == "killed" else redis_server.freeze)()
    live.until(lambda: not asyncio.run(live.bot().health()).components["eventbus"].ok)
    assert live.blocked_by() is None
    live.hold_candles(0)
    live.until(entered(live))
    live.price("94")
    live.until(lambda: live.filled(Side.SELL))
    redis_server.thaw() if how == "frozen" else redis_server.start()
    live.until(lambda: asyncio.run(live.bot().health()).components["eventbus"].ok)
    live.finish(bot)
    with redis_server.client() as client:
        topics = [fields["topic"] for _, fields in client.xrange(stream_of("live:gateio"))]
    assert {"position.opened", "position.closed"} <= set(topics)
    live.assert_sound()


@pytest.mark.slow
@pytest.mark.catalogue(192)
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_while_the_key_is_not_sure_exits_go_on_and_redis_may_come_back(
    desk: Desk, redis_server: RedisServer, how: str
) -> None:
    live = desk(INSTANCE_KEY_URL=redis_server.url.reveal(), DMS_ENABLED="false")
    bot = live.start()
    live.until_running()
    live.until(entered(live))
    (redis_server.kill if how == "killed" else redis_server.freeze)()
    live.until(lambda: live.blocked_by() == "instance_unsure")
    live.price("94")
    live.until(lambda: live.filled(Side.SELL))
    redis_server.thaw() if how == "frozen" else redis_server.start()
    live.until(lambda: live.blocked_by() != "instance_unsure")
    with redis_server.client() as client:
        assert client.get(KEY)
    assert live.finish(bot)["positions"] == {}
    live.assert_sound()


@pytest.mark.catalogue(118)
def test_another_host_that_has_the_key_is_left_alone(desk: Desk, redis_server: RedisServer) -> None:
    live = desk(INSTANCE_KEY_URL=redis_server.url.reveal(), DMS_ENABLED="false")
    bot = live.start(buys=False)
    live.until_running()
    with redis_server.client() as client:
        client.set(KEY, "host-b:7:other:z")
    assert bot.wait(60) == 75
    with redis_server.client() as client:
        assert client.get(KEY) == "host-b:7:other:z"
    second = live.cab("run", "--yes-live", "--json")
    assert second.returncode == 75
    assert "host-b:7:other:z" in second.stderr
    assert live.ledger("order") == []


@pytest.mark.catalogue(191)
def test_a_killed_bot_is_known_to_be_dead_by_its_successor_at_once(
    desk: Desk, redis_server: RedisServer
) -> None:
    live = desk(INSTANCE_KEY_URL=redis_server.url.reveal(), DMS_ENABLED="false")
    for _ in range(3):
        bot = live.start(buys=False)
        live.until_running()
        bot.kill()
        bot.wait()
        with redis_server.client() as client:
            assert client.persist(KEY)  # it is in the way for ever, however long the next start takes
    bot = live.start(buys=False)
    live.until_running()
    live.finish(bot)
    assert "waiting whether the instance" not in live.log(None)
    assert live.log(None).count("which is dead, is ours") == 3
    with redis_server.client() as client:
        assert client.get(KEY) is None


@pytest.mark.catalogue(192)
def test_a_start_waits_for_redis(desk: Desk, redis_server: RedisServer) -> None:
    redis_server.kill()
    live = desk(INSTANCE_KEY_URL=redis_server.url.reveal(), DMS_ENABLED="false")
    bot = live.start(buys=False)
    live.until(lambda: "waiting for Redis" in live.log(None))
    redis_server.start()
    live.until_running()
    live.finish(bot)


def test_two_accounts_share_a_redis(desk: Desk, redis_server: RedisServer) -> None:
    url = redis_server.url.reveal()
    lives = [desk(INSTANCE_KEY_URL=url, EVENT_BUS_URL=url, ACCOUNT=name) for name in ("main", "sub")]
    bots = [live.start(buys=False) for live in lives]
    for live in lives:
        live.until_running()
    with redis_server.client() as client:
        keys = set(client.keys("*"))
    assert keys == {
        f"crypto-bot:{name}:{kind}" for name in ("main", "sub") for kind in ("instance:lock", "events")
    }
    for live, bot in zip(lives, bots, strict=True):
        live.finish(bot)


def test_a_recorded_market_publishes_its_events_too(tmp_path: Path, redis_server: RedisServer) -> None:
    bot = desk_of(tmp_path, days=2)
    process = bot.start(EVENT_BUS_URL=redis_server.url.reveal(), ACCOUNT="replayed")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    with redis_server.client() as client:
        events = [fields for _, fields in client.xrange(stream_of("replayed"))]
    decided = [json.loads(each["payload"]) for each in events if each["topic"] == "cycle.completed"]
    assert decided[-1]["candle_ts_ms"] == max(row["candle_ts_ms"] for row in decided)
    assert (
        len(decided) > 0.5 * json.loads(out)["cycles"]
    )  # what no reader could follow is dropped, told by a gap
