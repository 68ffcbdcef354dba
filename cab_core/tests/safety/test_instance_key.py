from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from cab_core.bus.connection import FAILURES, connect
from cab_core.errors import ExitCode, LockedError, RefusedError
from cab_core.safety.instance_key import KEY, InstanceKey, boot_time, held

pytestmark = pytest.mark.redis


@attrs.define
class Host:
    """One instance with its key; times are short so that the test is."""

    key: InstanceKey
    losses: list[str]


@asynccontextmanager
async def host(server: Any, owner: str = "host-a:1:x", **how: Any) -> AsyncIterator[Host]:
    losses: list[str] = []
    timing = {"life_s": 1.5, "renew_s": 0.3, "margin_s": 0.2} | how
    async with connect(server.url) as client:
        key = InstanceKey(client=client, failures=FAILURES, owner=owner, on_lost=losses.append, **timing)
        yield Host(key, losses)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


def holder(server: Any) -> str | None:
    with server.client() as client:
        return client.get(KEY)


async def test_a_second_host_is_refused_while_the_first_lives(redis_server):
    async with host(redis_server) as first, host(redis_server, "host-b:2:y") as second:
        async with held(first.key):
            with pytest.raises(LockedError, match="Instance already running: host-a:1:x") as refused:
                await second.key.take()
            assert refused.value.exit_code == ExitCode.LOCKED == 75
            await asyncio.sleep(2)  # longer than the key would live by itself
            assert holder(redis_server) == "host-a:1:x"
            assert first.key.entries_allowed() is None
        assert holder(redis_server) is None
        async with held(second.key):
            assert holder(redis_server) == "host-b:2:y"
        assert first.losses == second.losses == []


async def test_by_default_it_lives_30_s_and_is_renewed_every_10(redis_server):
    async with connect(redis_server.url) as client:
        key = InstanceKey(client=client, failures=FAILURES, owner="a")
        async with held(key):
            assert 29_000 < await client.pttl(KEY) <= 30_000
        assert key.renew_s == 10.0


async def test_the_key_of_a_dead_instance_is_waited_for(redis_server):
    with redis_server.client() as client:
        client.set(KEY, "dead", px=700)
    async with host(redis_server) as next_one, held(next_one.key):
        assert holder(redis_server) == "host-a:1:x"


async def test_a_key_that_never_expires_is_respected(redis_server):
    with redis_server.client() as client:
        client.set(KEY, "by hand")
    async with host(redis_server) as late:
        with pytest.raises(LockedError, match="by hand"):
            await late.key.take()


async def test_losing_the_key_to_another_is_told_once_and_leaves_theirs_alone(redis_server):
    async with host(redis_server) as loser:
        async with held(loser.key):
            with redis_server.client() as client:
                client.set(KEY, "other", px=60_000)
            await until(lambda: loser.losses)
            assert loser.key.entries_allowed() == "instance_lost"
        assert loser.losses == ["another instance has taken the key"]
        assert holder(redis_server) == "other"


async def test_a_server_that_comes_back_in_time_changes_nothing(redis_server):
    async with host(redis_server, life_s=20.0) as kept, held(kept.key):
        redis_server.kill()
        await asyncio.sleep(0.5)
        redis_server.start()  # it has forgotten everything
        await until(lambda: holder(redis_server) == "host-a:1:x")
        assert kept.losses == []
        assert kept.key.entries_allowed() is None


async def test_a_server_away_for_longer_than_the_key_lives_counts_as_lost(redis_server):
    async with host(redis_server) as loser, held(loser.key):
        redis_server.kill()
        began = boot_time()
        await until(lambda: loser.losses)
        assert boot_time() - began < 1.5  # before Redis would have let it expire
        assert loser.key.entries_allowed() == "instance_lost"
        redis_server.start()
        await asyncio.sleep(0.7)
        assert holder(redis_server) is None  # it is not taken again: another may have traded meanwhile
    assert len(loser.losses) == 1


@pytest.mark.catalogue(74)
async def test_after_a_suspend_nothing_is_entered_on_an_old_key(redis_server):
    slept = 0.0
    async with host(redis_server, clock=lambda: boot_time() + slept) as sleeper, held(sleeper.key):
        assert sleeper.key.entries_allowed() is None
        slept = 3600.0
        assert sleeper.key.entries_allowed() == "instance_lost"  # at once, not with the next renewal
        await until(lambda: sleeper.losses)


async def test_without_redis_it_does_not_start(redis_server):
    redis_server.kill()
    async with host(redis_server) as nobody:
        with pytest.raises(RefusedError, match="Redis does not answer") as refused:
            await nobody.key.take()
        assert "pass-word" not in str(refused.value)
        assert "EVENT_BUS_URL" in refused.value.fix
