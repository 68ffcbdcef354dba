from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from cab_core.bus.connection import FAILURES, connect
from cab_core.errors import AwayError, ExitCode, LockedError
from cab_core.safety.instance_key import InstanceKey, Owner, boot_time, held, key_of

pytestmark = pytest.mark.redis

KEY = key_of("live:gateio")
A = Owner("host-a", 1, "line-a", "x")
B = Owner("host-b", 2, "line-b", "y")


@attrs.define
class Host:
    """One instance with its key; times are short so that the test is."""

    key: InstanceKey
    losses: list[str]


@asynccontextmanager
async def host(server: Any, owner: Owner = A, **how: Any) -> AsyncIterator[Host]:
    losses: list[str] = []
    timing = {"life_s": 1.5, "renew_s": 0.3, "margin_s": 0.2} | how
    async with connect(server.url) as client:
        key = InstanceKey(
            client=client, failures=FAILURES, owner=owner, key=KEY, on_lost=losses.append, **timing
        )
        yield Host(key, losses)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


def holder(server: Any) -> str | None:
    with server.client() as client:
        return client.get(KEY)


async def test_a_second_host_is_refused_while_the_first_lives(redis_server):
    async with host(redis_server) as first, host(redis_server, B) as second:
        async with held(first.key):
            with pytest.raises(LockedError, match=f"Instance already running: {A}") as refused:
                await second.key.take()
            assert refused.value.exit_code == ExitCode.LOCKED == 75
            await asyncio.sleep(2)  # longer than the key would live by itself
            assert holder(redis_server) == str(A)
            assert first.key.entries_allowed() is None
        assert holder(redis_server) is None
        async with held(second.key):
            assert holder(redis_server) == str(B)
        assert first.losses == second.losses == []


async def test_by_default_it_lives_30_s_and_is_renewed_every_10(redis_server):
    async with connect(redis_server.url) as client:
        key = InstanceKey(client=client, failures=FAILURES, owner=A, key=KEY, on_lost=print)
        async with held(key):
            assert 29_000 < await client.pttl(KEY) <= 30_000
        assert key.renew_s == 10.0


async def test_the_key_of_a_dead_instance_is_waited_for(redis_server):
    with redis_server.client() as client:
        client.set(KEY, "dead", px=700)
    async with host(redis_server) as next_one, held(next_one.key):
        assert holder(redis_server) == str(A)


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
            assert loser.key.entries_allowed() == "instance_unsure"
        assert loser.losses == ["another instance has taken the instance key"]
        assert holder(redis_server) == "other"


async def test_a_server_that_comes_back_in_time_changes_nothing(redis_server):
    async with host(redis_server, life_s=20.0) as kept, held(kept.key):
        redis_server.kill()
        await asyncio.sleep(0.5)
        redis_server.start()  # it has forgotten everything
        await until(lambda: holder(redis_server) == str(A))
        assert kept.losses == []
        assert kept.key.entries_allowed() is None


async def test_a_server_away_for_longer_than_the_key_lives_stops_entries_and_nothing_else(redis_server):
    async with host(redis_server) as kept, held(kept.key):
        redis_server.kill()
        began = boot_time()
        await until(kept.key.entries_allowed)
        assert boot_time() - began < 1.5  # before Redis would have let it expire
        await asyncio.sleep(1)
        assert kept.losses == []
        redis_server.start()
        await until(lambda: kept.key.entries_allowed() is None)
        assert holder(redis_server) == str(A)


async def test_whoever_took_the_key_meanwhile_has_it(redis_server):
    async with host(redis_server) as loser, held(loser.key):
        redis_server.kill()
        await until(loser.key.entries_allowed)
        redis_server.start()
        with redis_server.client() as client:
            client.set(KEY, str(B))
        await until(lambda: loser.losses)
        assert loser.key.entries_allowed() == "instance_unsure"


async def test_a_server_that_hangs_stops_entries_until_it_goes_on(redis_server):
    async with host(redis_server) as kept, held(kept.key):
        redis_server.freeze()
        await until(kept.key.entries_allowed)
        redis_server.thaw()
        await until(lambda: kept.key.entries_allowed() is None)
        assert kept.losses == []


@pytest.mark.parametrize("left_ms", [60_000, None])
async def test_the_key_of_a_former_holder_of_our_lock_is_inherited_at_once(redis_server, left_ms):
    """Who holds the instance lock knows that its former holder is dead, wherever that ran."""
    former = attrs.evolve(A, pid=7, nonce="before")
    with redis_server.client() as client:
        client.set(KEY, str(former), px=left_ms)
    async with host(redis_server) as successor:
        began = boot_time()
        async with held(successor.key):
            assert boot_time() - began < 0.5
            assert holder(redis_server) == str(A)


async def test_without_a_lineage_nothing_is_inherited(redis_server):
    with redis_server.client() as client:
        client.set(KEY, str(attrs.evolve(A, lineage="")))
    async with host(redis_server, attrs.evolve(A, lineage="", nonce="z")) as late:
        with pytest.raises(LockedError):
            await late.key.take()


@pytest.mark.catalogue(74)
async def test_after_a_suspend_nothing_is_entered_on_an_old_key(redis_server):
    slept = 0.0
    async with host(redis_server, clock=lambda: boot_time() + slept) as sleeper, held(sleeper.key):
        assert sleeper.key.entries_allowed() is None
        slept = 3600.0
        assert sleeper.key.entries_allowed() == "instance_unsure"  # at once, not with the next renewal
        slept += 1.0
        await until(lambda: sleeper.key.entries_allowed() is None)  # renewed


async def test_a_start_waits_for_redis_and_ends_with_a_code_that_is_started_again(redis_server):
    redis_server.kill()
    async with host(redis_server, patience_s=1.5) as nobody:
        with pytest.raises(AwayError, match="Redis did not answer") as refused:
            await nobody.key.take()
        assert "pass-word" not in str(refused.value)
        assert "INSTANCE_KEY_URL" in refused.value.fix
        assert refused.value.exit_code == ExitCode.TIMEOUT
    async with host(redis_server, patience_s=30.0) as patient:
        taking = asyncio.create_task(patient.key.take())
        await asyncio.sleep(0.5)
        redis_server.start()
        await taking
        assert holder(redis_server) == str(A)
