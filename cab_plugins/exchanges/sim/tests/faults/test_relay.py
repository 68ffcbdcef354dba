"""What a client sees through the relay, and whether its order reached the desk behind it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from cab_exchange_sim.relay import Net, NetFault, Relay

RESET = {"ClientOSError", "ServerDisconnectedError", "ClientConnectionResetError"}


async def test_passes_requests_of_one_connection(desk: Any, serve: Any, order: Any) -> None:
    async with serve(desk) as port, Relay(port) as relay:
        for text in ("t-1", "t-2", "t-3"):
            seen = await order(relay.port, text)
            assert (seen.status, json.loads(seen.body)["text"]) == (201, text)
    assert desk.taken == ["t-1", "t-2", "t-3"]
    assert relay.counts() == {"pass": 3}


@pytest.mark.parametrize(
    ("fault", "errors", "taken"),
    [
        (NetFault(Net.RESET_BEFORE), RESET, False),
        (NetFault(Net.RESET_AFTER), RESET, True),
        (NetFault(Net.CUT, 0), {"ServerDisconnectedError"}, True),
        (NetFault(Net.CUT, 60), {"ServerDisconnectedError", "ClientPayloadError"}, True),
        (NetFault(Net.BLACK_HOLE), {"TimeoutError", "ServerTimeoutError"}, False),
        (NetFault(Net.THROTTLE, 40), {"TimeoutError", "ServerTimeoutError"}, False),
    ],
    ids=lambda value: value.action.value + f"-{value.amount}" if isinstance(value, NetFault) else None,
)
async def test_each_fault_hits_the_second_request_of_a_kept_connection(
    desk: Any, serve: Any, order: Any, fault: NetFault, errors: set[str], taken: bool
) -> None:
    async with serve(desk) as port, Relay(port) as relay:
        assert (await order(relay.port, "t-before")).status == 201
        relay.next(fault)
        seen = await order(relay.port, "t-hit")
        assert seen.error in errors
        assert (await order(relay.port, "t-after")).status == 201
    assert ("t-hit" in desk.taken) is taken
    assert desk.taken[-1] == "t-after"
    assert relay.counts() == {"pass": 2, fault.action: 1}


async def test_a_late_request_arrives_after_its_client_gave_up(desk: Any, serve: Any, order: Any) -> None:
    async with serve(desk) as port, Relay(port) as relay:
        relay.next(NetFault(Net.LATE, 0.8))
        seen = await order(relay.port, "t-late")
        assert seen.error in {"TimeoutError", "ServerTimeoutError"}
        assert desk.taken == []
        async with asyncio.timeout(10):
            while not desk.taken:
                await asyncio.sleep(0.05)
    assert desk.taken == ["t-late"]


async def test_a_late_request_is_not_taken_after_its_expiry(desk: Any, serve: Any, order: Any) -> None:
    async with serve(desk) as port, Relay(port) as relay:
        relay.next(NetFault(Net.LATE, 0.2))
        waiting = asyncio.create_task(order(relay.port, "t-late", **{"X-Gate-Exptime": str(desk.now_ms + 5)}))
        await asyncio.sleep(0.05)
        desk.now_ms += 100
        assert (await waiting).status == 400
    assert desk.taken == []


async def test_a_closed_port_refuses_and_opens_again(desk: Any, serve: Any, order: Any) -> None:
    async with serve(desk) as port, Relay(port) as relay:
        assert (await order(relay.port, "t-1")).status == 201
        await relay.refuse()
        assert (await order(relay.port, "t-dropped")).error in RESET | {"ClientConnectorError"}
        assert (await order(relay.port, "t-2")).error == "ClientConnectorError"
        await relay.open()
        assert (await order(relay.port, "t-3")).status == 201
    assert desk.taken == ["t-1", "t-3"]


async def test_a_planned_fault_waits_for_the_request_it_is_meant_for(
    desk: Any, serve: Any, order: Any
) -> None:
    async with serve(desk) as port, Relay(port) as relay:
        relay.next(NetFault(Net.RESET_BEFORE, match="^GET "))
        relay.always(NetFault(Net.RESET_AFTER, match="^POST .*orders"))
        assert (await order(relay.port, "t-1")).error in RESET
        relay.always(None)
        assert (await order(relay.port, "t-2")).status == 201
    assert desk.taken == ["t-1", "t-2"]


def test_a_schedule_is_the_same_for_the_same_seed() -> None:
    shares = {NetFault(Net.CUT, 20): 0.25, NetFault(Net.RESET_AFTER): 0.25}

    def drawn(seed: int) -> list[Net]:
        relay = Relay(1)
        relay.schedule(seed, shares)
        return [relay.choose("GET / HTTP/1.1").action for _ in range(400)]

    assert drawn(1) == drawn(1) != drawn(2)
    for action in (Net.CUT, Net.RESET_AFTER):
        assert 60 < drawn(1).count(action) < 140


async def test_obeys_in_its_own_process(desk: Any, serve: Any, order: Any) -> None:
    async with serve(desk) as port:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cab_exchange_sim.relay_process", "--to", str(port)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        relay_port = json.loads(await process.stdout.readline())["port"]

        async def told(**words: Any) -> Any:
            process.stdin.write(json.dumps(words).encode() + b"\n")
            return json.loads(await process.stdout.readline())

        await told(do="next", faults=[{"action": "reset_after", "match": "^POST"}])
        assert (await order(relay_port, "t-1")).error in RESET
        assert await told(do="counts") == {"counts": {"reset_after": 1}}
        await told(do="refuse")
        await order(relay_port, "t-dropped")
        assert (await order(relay_port, "t-2")).error == "ClientConnectorError"
        await told(do="open")
        assert (await order(relay_port, "t-3")).status == 201
        assert "unknown order" in (await told(do="dance"))["error"]
        assert "burn" in (await told(do="always", fault={"action": "burn"}))["error"]
        process.stdin.close()
        assert await process.wait() == 0
    assert desk.taken == ["t-1", "t-3"]
