"""What every request must pass, tried with real connections and with odd ones."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx
import pytest
from served import ADMIN, ServedBot

from cab_core.api.auth import Authenticator, NoTokens
from cab_core.api.gate import Gate
from cab_core.api.limits import RateLimiter
from cab_core.api.plugin import make_app
from cab_core.api.sessions import CODE_S, SESSION_S, Sessions
from cab_core.app.desk.commands import Role
from cab_core.secret import Secret

BEARER = {"Authorization": f"Bearer {ADMIN}"}


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def raw(bot: ServedBot, request: bytes) -> bytes:
    parts = urlsplit(bot.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(65536), b""))


HOSTS = {
    "127.0.0.1:80": 200, "localhost": 200, "LOCALHOST:1": 200, "[::1]:8000": 200, "evil.example": 400,
    "localhost.evil.example": 400, "127.0.0.1.evil.example:8000": 400, "": 400, "[localhost]evil.com": 400,
    "[::1].evil.example": 400, "localhost:80@evil.example": 400, "localhost:": 400, "localhost:x": 400,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_only_the_allowed_hosts_are_served(bot: ServedBot, host: str) -> None:
    answer = raw(bot, f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {HOSTS[host]} ".encode())
    assert (b"host_not_allowed" in answer) == (HOSTS[host] == 400)


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/login", "/api/v1/positions", "/schema"])
def test_every_answer_has_the_security_headers(bot: ServedBot, path: str) -> None:
    with bot.client("viewer") as client:
        headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in policy.get("script-src", "")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"]
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_another_site_is_told_nothing(bot: ServedBot) -> None:
    with bot.client() as client:
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        preflight = client.options("/orchestrator/stop", headers=asked)
    assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_is_refused(bot: ServedBot, declared: bool) -> None:
    body = b'{"reason": "' + b"x" * 70_000 + b'"}'
    with bot.client("admin") as client:
        content: Any = body if declared else (body[at : at + 8192] for at in range(0, len(body), 8192))
        answer = client.post(
            "/api/v1/commands/pause", content=content, headers={"Content-Type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


BAD_TOKENS = (
    "Bearer",
    "Bearer wrong",
    f"Basic {ADMIN}",
    f"Bearer {ADMIN}x",
    f"Bearer {ADMIN[:-1]}",
    "Bearer cab_00000000_" + "A" * 43,
    "Bearer cab__",
    "Bearer \u00e4\u00f6\u00fc",
)


@pytest.mark.parametrize("given", BAD_TOKENS)
def test_a_wrong_token_is_none(bot: ServedBot, given: str) -> None:
    with bot.client() as client:
        answer = client.get("/api/v1/positions", headers={"Authorization": given.encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_in_the_address_is_none(bot: ServedBot) -> None:
    with bot.client() as client:
        assert client.get("/api/v1/positions", params={"token": ADMIN}).status_code == 401


@contextmanager
def login(bot: ServedBot, **form: str) -> Iterator[httpx.Client]:
    with bot.client() as client:
        answer = client.post("/login", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        yield client


def test_a_browser_logs_in_with_a_token_and_out_again(bot: ServedBot) -> None:
    with login(bot, token=bot.tokens["operator"]) as browser:
        told = browser.get("/api/v1/session").json()
        assert (told["name"], told["role"]) == ("token:test-operator", "operator")
        csrf = {"X-CSRF-Token": told["csrf"]}
        kept = dict(browser.cookies)
        assert browser.post("/logout", headers=csrf).status_code == 303
        browser.cookies.update(kept)
        assert browser.get("/api/v1/session").status_code == 401


def test_a_login_code_works_once(bot: ServedBot) -> None:
    code = bot.service.auth.sessions.new_code(Role.ADMIN)
    with bot.client() as browser:
        assert browser.get("/login", params={"code": code}).status_code == 303
        assert browser.get("/api/v1/session").json()["role"] == "admin"
    with bot.client() as second:
        assert second.get("/login", params={"code": code}).status_code == 401
        assert second.get("/api/v1/session").status_code == 401


FORGED = {
    "without the token": {},
    "with a wrong token": {"X-CSRF-Token": "wrong"},
    "from another site": {"Sec-Fetch-Site": "cross-site"},
    "from another origin of the site": {"Sec-Fetch-Site": "same-site"},
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_request_of_a_browser_changes_nothing(bot: ServedBot, case: str) -> None:
    with login(bot, token=ADMIN) as browser:
        csrf = {"X-CSRF-Token": browser.get("/api/v1/session").json()["csrf"]}
        headers = {**(csrf if "site" in case else {}), **FORGED[case]}
        forged = browser.post("/orchestrator/pause", headers=headers)
        assert (forged.status_code, forged.json()["code"]) == (403, "csrf_failed")
        states = {row["state"] for row in browser.get("/api/v1/status").json()["symbols"]}
        assert states == {"running"}
        fine = browser.post("/orchestrator/resume", headers={**csrf, "Sec-Fetch-Site": "same-origin"})
        assert fine.status_code == 200
        newest = browser.get("/api/v1/audit?limit=1").json()["items"][0]
    assert (newest["surface"], newest["role"]) == ("web", "admin")


def test_a_session_ends_and_so_does_a_code() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    secret, _ = sessions.begin("anna", Role.VIEWER)
    code = sessions.new_code(Role.ADMIN)
    clock.now_s += CODE_S + 1
    assert sessions.redeem(code) is None
    clock.now_s += SESSION_S - CODE_S - 2
    assert sessions.find(secret) is not None
    clock.now_s += 2
    assert sessions.find(secret) is None


def limited(bot: ServedBot, **changes: Any) -> tuple[Gate, Clock]:
    """Return the bot's application with other limits, and their clock."""
    clock = Clock()
    auth = Authenticator(tokens=NoTokens(), setting=Secret(ADMIN), local=Secret("local-token"))
    given = {
        "requests": RateLimiter(3, clock),
        "failures": RateLimiter(2, clock),
        "auth": auth,
        **changes,
    }
    return make_app(attrs.evolve(bot.service, **given)), clock


def inside(app: Gate, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1))  # type: ignore[arg-type]  # ASGI under other names
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_a_client_that_asks_too_often_waits(bot: ServedBot) -> None:
    app, clock = limited(bot)
    async with inside(app) as client, inside(app, "10.0.0.9") as other:
        answers = [await client.get("/api/v1/session", headers=BEARER) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[3].json()["code"] == "rate_limited"
        wait_s = int(answers[3].headers["retry-after"])
        assert (await other.get("/api/v1/session")).status_code == 401  # somebody else's bucket
        clock.now_s += wait_s
        assert (await client.get("/api/v1/session", headers=BEARER)).status_code == 200
        assert (await client.get("/api/v1/session", headers=BEARER)).status_code == 429


async def test_guesses_are_limited_before_they_are_compared(
    bot: ServedBot,
) -> None:
    stored = {"Authorization": f"Bearer {bot.tokens['viewer']}"}
    app, clock = limited(bot, requests=RateLimiter(1000, Clock()), auth=bot.service.auth)
    async with inside(app) as client, inside(app, "10.0.0.9") as other:
        guess = {"Authorization": "Bearer guess"}
        answers = [(await client.get("/api/v1/session", headers=guess)).status_code for _ in range(3)]
        assert answers == [401, 401, 429]
        assert (await client.post("/login", data={"token": "guess"})).status_code == 429
        assert (await client.get("/login", params={"code": "guess"})).status_code == 429
        assert (await client.get("/api/v1/session", headers=BEARER)).status_code == 429  # right, too
        assert (await client.get("/api/v1/session", headers=stored)).status_code == 200  # nobody can guess it
        assert (await other.get("/api/v1/session", headers=BEARER)).status_code == 200
        clock.now_s += 60
        assert (await client.get("/api/v1/session", headers=BEARER)).status_code == 200
        assert (await client.get("/api/v1/session", headers=guess)).status_code == 401


async def test_many_addresses_together_guess_no_more_than_six(bot: ServedBot) -> None:
    app, _ = limited(bot, requests=RateLimiter(1000, Clock()), auth=bot.service.auth)
    answers = []
    for number in range(10):
        async with inside(app, f"10.0.0.{number}") as client:
            for _ in range(2):
                told = await client.get("/api/v1/session", headers={"Authorization": "Bearer guess"})
                answers.append(told.status_code)
    assert answers == [401] * 12 + [429] * 8


def test_who_comes_in_and_who_fails_to_is_in_the_audit(bot: ServedBot) -> None:
    with bot.client() as client:
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
        assert client.post("/login", data={"token": bot.tokens["operator"]}).status_code == 303
    with bot.client("admin") as client:
        newest = client.get("/api/v1/audit?limit=2").json()["items"]
    assert [(row["action"], row["actor"], row["outcome"]) for row in newest] == [
        ("login", "token:test-operator", "ok"),
        ("login", "nobody", "refused: wrong token"),
    ]
    assert "wrong" not in str({**newest[1], "outcome": ""})


@pytest.mark.parametrize("said", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_a_form_of_another_site_logs_nobody_in(bot: ServedBot, said: dict[str, str]) -> None:
    with bot.client() as client:
        refused = client.post("/login", data={"token": bot.tokens["viewer"]}, headers=said)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
        assert "set-cookie" not in refused.headers


async def test_nobody_who_is_not_known_can_starve_a_probe_or_a_login(bot: ServedBot) -> None:
    app, _ = limited(bot, auth=bot.service.auth)
    async with inside(app) as client:
        asked = [(await client.get("/nowhere")).status_code for _ in range(4)]
        assert asked == [404, 404, 404, 429]
        for path in ("/health", "/metrics", "/login"):
            asked = [(await client.get(path)).status_code for _ in range(4)]
            assert asked == [200, 200, 200, 429], path


def test_who_logs_in_without_end_throws_out_himself_alone(bot: ServedBot) -> None:
    with login(bot, token=ADMIN) as admin:
        sessions = bot.service.auth.sessions
        for _ in range(300):
            sessions.begin("token:test-viewer", Role.VIEWER)
        assert admin.get("/api/v1/session").status_code == 200


ODD_BODIES = {
    "deep": b'{"reason": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "surrogate bytes": b'{"reason": "\xed\xa0\x80"}',
    "half a character": b'{"reason": "\\ud800"}',
    "endless number": b'{"reason": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("case", ODD_BODIES)
def test_a_body_that_would_break_a_decoder_is_the_clients_mistake(bot: ServedBot, case: str) -> None:
    with bot.client("operator") as client:
        kind = {"Content-Type": "application/json"}
        answer = client.post("/api/v1/commands/pause", content=ODD_BODIES[case], headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_without_any_token_nobody_is_let_in_but_this_machine(bot: ServedBot) -> None:
    bare = Authenticator(tokens=NoTokens(), setting=Secret(""), local=Secret("local-token"))
    app, _ = limited(bot, auth=bare)
    async with inside(app) as client:
        refused = await client.post("/orchestrator/pause")
        assert (refused.status_code, refused.json()["code"]) == (403, "api_token_not_configured")
        local = await client.get("/api/v1/session", headers={"Authorization": "Bearer local-token"})
    assert local.json()["role"] == "admin"


async def test_only_so_many_requests_at_once_and_none_for_long(bot: ServedBot) -> None:
    free = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await free.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app, _ = limited(bot, requests=RateLimiter(1000, Clock()))
    gate = Gate(slow, app.service, at_once=2)
    async with inside(gate) as client:
        waiting = [asyncio.create_task(client.get("/x")) for _ in range(2)]
        while gate._under_way < 2:
            await asyncio.sleep(0)
        busy = await client.get("/x")
        assert (busy.status_code, busy.json()["code"]) == (503, "busy")
        free.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [204, 204]
        assert gate._under_way == 0
        free.clear()
        late = await _answer_within(Gate(slow, app.service, answer_s=0.01))
    assert (late.status_code, late.json()["code"]) == (503, "timeout")


async def _answer_within(gate: Gate) -> httpx.Response:
    async with inside(gate) as client:
        return await client.get("/x")


def test_many_connections_are_answered(bot: ServedBot) -> None:
    """Readers at the same time get whole answers; trading's database is read, never written, by them."""
    statuses: list[int] = []

    def read() -> None:
        parts = urlsplit(bot.url)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        for _ in range(5):
            line.request("GET", "/api/v1/trades", headers={"Authorization": f"Bearer {bot.tokens['viewer']}"})
            answer = line.getresponse()
            answer.read()
            statuses.append(answer.status)
        line.close()

    readers = [threading.Thread(target=read) for _ in range(8)]
    for each in readers:
        each.start()
    for each in readers:
        each.join(60)
    assert statuses == [200] * 40
