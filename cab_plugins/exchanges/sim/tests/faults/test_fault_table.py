"""Every kind of fault, seen from both sides: what the client makes of it, and what the exchange has taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import attrs
import pytest

from cab_exchange_sim.faults import KINDS, FaultMiddleware, Faults, Rule
from cab_exchange_sim.keys import signature
from cab_exchange_sim.testing import RunningExchange, running_exchange

GIVEN_UP = "TimeoutError"
CUT = "ServerDisconnectedError"
TORN = "ClientPayloadError"


@attrs.frozen
class Seen:
    """What a client made of one request: an answer, or the error it ended in."""

    error: str = ""
    status: int = 0
    body: str = ""


@attrs.frozen
class Row:
    stage: str
    kind: str
    error: str = ""
    status: int = 0
    has: str = ""
    seconds: float = 0
    fields: dict[str, Any] = attrs.field(factory=dict)

    @property
    def taken(self) -> bool:
        return self.stage == "after_accept" or self.kind in {"delay", "late"}


BEFORE = [
    Row("before_accept", "page_403", status=403, has="<html>"),
    Row("before_accept", "page_500", status=500, has="<html>"),
    Row("before_accept", "page_502", status=502, has="<html>"),
    Row("before_accept", "page_503", status=503, has="<html>"),
    Row("before_accept", "silent_504", status=504),
    Row("before_accept", "internal", status=500, has='"INTERNAL"'),
    Row("before_accept", "too_busy", status=503, has='"TOO_BUSY"'),
    Row("before_accept", "server_error", status=500, has='"SERVER_ERROR"'),
    Row("before_accept", "repeated_creation", status=400, has='"REPEATED_CREATION"'),
    Row("before_accept", "unlisted_400", status=400, has='"ORDER_STATUS_PENDING"'),
    Row("before_accept", "too_many_requests", status=429, has='"TOO_MANY_REQUESTS"'),
    Row("before_accept", "invalid_key", status=401, has='"INVALID_KEY"'),
    Row("before_accept", "read_only", status=403, has='"READ_ONLY"'),
    Row("before_accept", "ip_forbidden", status=403, has='"IP_FORBIDDEN"'),
    Row("before_accept", "too_small", status=400, has="is too small"),
    Row("before_accept", "price_band", status=400, has="price band"),
    Row("before_accept", "request_expired", status=403, has='"REQUEST_EXPIRED"'),
    Row("before_accept", "delay", status=201, has='"t-hit', seconds=0.1),
    Row("before_accept", "delay", error=GIVEN_UP, seconds=1.3),
    Row("before_accept", "hang", error=GIVEN_UP),
    Row("before_accept", "late", error=GIVEN_UP, seconds=0),
    Row("before_accept", "cut", error=CUT),
]
AFTER = [
    Row("after_accept", "page_403", status=403, has="<html>"),
    Row("after_accept", "page_500", status=500, has="<html>"),
    Row("after_accept", "page_502", status=502, has="<html>"),
    Row("after_accept", "page_503", status=503, has="<html>"),
    Row("after_accept", "silent_504", status=504),
    Row("after_accept", "internal", status=500, has='"INTERNAL"'),
    Row("after_accept", "too_busy", status=503, has='"TOO_BUSY"'),
    Row("after_accept", "server_error", status=500, has='"SERVER_ERROR"'),
    Row("after_accept", "repeated_creation", status=400, has='"REPEATED_CREATION"'),
    Row("after_accept", "unlisted_400", status=400, has='"ORDER_STATUS_PENDING"'),
    Row("after_accept", "empty_201", status=201),
    Row("after_accept", "html_200", status=200, has="<html>"),
    Row("after_accept", "null", status=201, has="null"),
    Row("after_accept", "accepted_202", status=202),
    Row("after_accept", "wrong_text", status=201, has='"text": "t-not-this-one"'),
    Row("after_accept", "wrong_id", status=201, has='"id": "1"'),
    Row("after_accept", "no_id", status=201, has='"t-hit'),
    Row("after_accept", "edit", status=201, has='"left": "9"', fields={"left": "9"}),
    Row("after_accept", "truncated", error=TORN),
    Row("after_accept", "delay", status=201, has='"t-hit', seconds=0.1),
    Row("after_accept", "delay", error=GIVEN_UP, seconds=1.3),
    Row("after_accept", "hang", error=GIVEN_UP),
    Row("after_accept", "cut", error=CUT),
]


def test_the_table_has_every_kind() -> None:
    assert {row.kind for row in BEFORE} == KINDS["before_accept"]
    assert {row.kind for row in AFTER} == KINDS["after_accept"]


@pytest.fixture
async def venue(desk: Any, serve: Any) -> AsyncIterator[tuple[Faults, int]]:
    faults = Faults(desk.time)
    async with serve(FaultMiddleware(desk, faults)) as port:
        yield faults, port
        faults.stop()


@pytest.fixture(scope="module")
def running() -> Iterator[RunningExchange]:
    with running_exchange() as exchange:
        yield exchange


async def _ordered(session: aiohttp.ClientSession, running: RunningExchange, text: str, **more: str) -> Seen:
    """Buy for 50 USDT, signed by hand."""
    body = json.dumps(
        {"currency_pair": "BTC_USDT", "side": "buy", "type": "market", "account": "spot"}
        | {"amount": "50", "time_in_force": "ioc", "text": text}
    ).encode()
    path, stamp = "/api/v4/spot/orders", str(running.exchange.now_ms / 1000)
    signed = signature(running.secret, "POST", path, "", body, stamp)
    headers = {"KEY": running.key, "Timestamp": stamp, "SIGN": signed, "Content-Type": "application/json"}
    headers |= more
    try:
        async with session.post(running.origin + path, data=body, headers=headers) as answer:
            return Seen("", answer.status, await answer.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        return Seen(type(error).__name__)


@pytest.mark.parametrize(
    ("number", "row"),
    list(enumerate(BEFORE + AFTER)),
    ids=lambda value: f"{value.stage}-{value.kind}-{value.seconds:g}" if isinstance(value, Row) else None,
)
async def test_client_and_ledger_see_what_the_fault_says(
    number: int, row: Row, running: RunningExchange
) -> None:
    faults, hit = running.faults, f"t-hit-{number}"
    rule = Rule(stage=row.stage, kind=row.kind, nth=2, seconds=row.seconds, fields=row.fields)
    running.advance(60_000)
    running.call(faults.clear)
    running.call(lambda: faults.add(rule))
    done = len(faults.history)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
        assert (await _ordered(session, running, f"t-before-{number}")).status == 201
        seen = await _ordered(session, running, hit)
        assert (seen.error, seen.status) == (row.error, row.status)
        assert row.has in seen.body
        assert bool(seen.body) is bool(row.has)
        if row.kind == "no_id":
            assert "id" not in json.loads(seen.body)
        if row.taken:
            await _settled(faults)
        assert (await _ordered(session, running, f"t-after-{number}")).status == 201
    [fault] = faults.history[done:]
    assert (fault.stage, fault.kind, fault.request.text) == (row.stage, row.kind, hit)
    assert fault.status == (201 if row.taken else None)
    assert len(running.exchange.ledger.accepted(hit)) == row.taken


@pytest.mark.parametrize(("expires_in_ms", "accepted"), [(5_000, 0), (60_000, 1)])
async def test_the_exchange_refuses_a_late_order_past_its_expiry_only(
    expires_in_ms: int, accepted: int, running: RunningExchange
) -> None:
    running.advance(60_000)
    running.call(running.faults.clear)
    running.call(lambda: running.faults.add(Rule(stage="before_accept", kind="late", seconds=30)))
    text, expiry = f"t-late-{expires_in_ms}", str(running.exchange.now_ms + expires_in_ms)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.6)) as session:
        assert (await _ordered(session, running, text, **{"X-Gate-Exptime": expiry})).error == GIVEN_UP
    await _given_up(running.faults)
    running.advance(31_000)
    await _settled(running.faults)
    assert len(running.exchange.ledger.accepted(text)) == accepted


async def _given_up(faults: Faults) -> None:
    async with asyncio.timeout(10):
        while faults.history[-1].gave_up_ms is None:
            await asyncio.sleep(0.02)


async def _settled(faults: Faults) -> None:
    """Wait for what the exchange does after the client has gone."""
    async with asyncio.timeout(10):
        while faults.history[-1].status is None:
            await asyncio.sleep(0.02)


async def test_a_refusal_for_too_many_requests_says_until_when(desk: Any, venue: tuple[Faults, int]) -> None:
    faults, port = venue
    faults.add(Rule(stage="before_accept", kind="too_many_requests"))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/api/v4/spot/time") as answer,
    ):
        assert answer.headers["X-Gate-RateLimit-Requests-Remain"] == "0"
        assert answer.headers["X-Gate-RateLimit-Limit"] == "10"
        assert int(answer.headers["X-Gate-RateLimit-Reset-Timestamp"]) > desk.now_ms // 1000


async def test_late_means_exchange_seconds_and_is_refused_after_the_expiry(
    desk: Any, order: Any, venue: tuple[Faults, int]
) -> None:
    faults, port = venue
    faults.add(Rule(stage="before_accept", kind="late", seconds=120))
    seen = await order(port, "t-late", **{"X-Gate-Exptime": str(desk.now_ms + 5000)})
    assert seen.error == GIVEN_UP
    await _given_up(faults)
    desk.now_ms += 119_000
    await asyncio.sleep(0.1)
    assert faults.history[0].status is None
    desk.now_ms += 2_000
    await _settled(faults)
    assert faults.history[0].status == 400
    assert desk.taken == []


async def test_without_an_expiry_the_late_request_is_accepted(
    desk: Any, order: Any, venue: tuple[Faults, int]
) -> None:
    faults, port = venue
    faults.add(Rule(stage="before_accept", kind="late", seconds=120))
    await order(port, "t-late")
    await _given_up(faults)
    desk.now_ms += 130_000
    await _settled(faults)
    assert desk.taken == ["t-late"]


async def test_paths_outside_the_api_are_never_hit(desk: Any, serve: Any) -> None:
    faults = Faults(desk.time, rules=[Rule(stage="before_accept", kind="page_502")])
    async with serve(FaultMiddleware(desk, faults)) as port, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/__sim/clock") as answer:
            assert answer.status == 200
        async with session.get(f"http://127.0.0.1:{port}/api/v4/spot/time") as answer:
            assert answer.status == 502
    assert len(faults.history) == 1


async def test_a_server_with_hanging_requests_can_stop(desk: Any, serve: Any) -> None:
    faults = Faults(desk.time, rules=[Rule(stage="before_accept", kind="hang")])
    async with (
        aiohttp.ClientSession() as session,
        asyncio.timeout(10),
        serve(FaultMiddleware(desk, faults)) as port,
    ):
        waiting = asyncio.ensure_future(_get(session, port))
        while not faults.history:
            await asyncio.sleep(0.02)
        faults.stop()
        with pytest.raises(aiohttp.ClientError):
            await waiting


async def _get(session: aiohttp.ClientSession, port: int) -> int:
    async with session.get(f"http://127.0.0.1:{port}/api/v4/spot/time") as answer:
        return answer.status
