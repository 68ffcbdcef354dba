"""Who may ask what, and what comes back."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from served import ServedBot

from cab_core.app.desk.desk import Filter
from cab_core.app.desk.plain import plain

VIEWER = {
    "/orchestrator/status", "/pnl/today", "/api/v1/status", "/api/v1/pnl", "/api/v1/positions",
    "/api/v1/orders", "/api/v1/fills", "/api/v1/trades", "/api/v1/decisions", "/api/v1/traces/latest",
    "/api/v1/signals", "/api/v1/candles?symbol=BTC/USDT", "/api/v1/equity", "/api/v1/risk", "/api/v1/regime",
    "/api/v1/plugins", "/api/v1/runs", "/api/v1/audit", "/api/v1/session", "/schema", "/schema/openapi.json",
}  # fmt: skip
OPERATOR = {"/api/v1/config", "/api/v1/logs"}
OPEN = {"/health", "/ready", "/metrics", "/login"}
RANK = {"": 0, "viewer": 1, "operator": 2, "admin": 3, "setting": 3, "local": 3}


@pytest.mark.parametrize("role", RANK)
def test_each_role_reads_what_it_may(bot: ServedBot, role: str) -> None:
    with bot.client(role) as client:
        found = {path: client.get(path).status_code for path in (*OPEN, *VIEWER, *OPERATOR)}
    expected = dict.fromkeys(OPEN, 200)
    for paths, least in ((VIEWER, 1), (OPERATOR, 2)):
        refused = 403 if role else 401
        expected |= dict.fromkeys(paths, 200 if RANK[role] >= least else refused)
    assert found == expected


COMMANDS = {"start": 2, "pause": 2, "resume": 2, "release": 3}


@pytest.mark.parametrize("role", RANK)
def test_each_role_commands_what_it_may(bot: ServedBot, role: str) -> None:
    with bot.client(role) as client:
        answers = {
            action: client.post(f"/api/v1/commands/{action}", json={"reason": "matrix"})
            for action in COMMANDS
        }
        client.post("/api/v1/commands/resume", json={})
    for action, least in COMMANDS.items():
        allowed = RANK[role] >= least
        assert (answers[action].status_code in (200, 409)) == allowed, (action, answers[action].text)
        if not allowed:
            assert answers[action].status_code == (403 if role else 401)


@pytest.mark.parametrize("role", RANK)
def test_only_an_admin_settles_an_order(bot: ServedBot, role: str) -> None:
    wish = {"order": "t-cabcdefghijklmnop-1", "outcome": "filled", "quantity": "0.5", "price": "100"}
    with bot.client(role) as client:
        answer = client.post("/api/v1/commands/settle", json=wish)
        if RANK[role] < 3:
            assert answer.status_code == (403 if role else 401)
            return
        assert (answer.status_code, answer.json()["code"]) == (404, "CAB-E201")
        assert answer.json()["fix"]
        row = client.get("/api/v1/audit?limit=1").json()["items"][0]
    assert (row["action"], row["target"]) == ("desk.settle", wish["order"])
    assert row["outcome"].startswith("refused")


BAD_VERDICTS = {
    "no order": ({"outcome": "absent"}, "order"),
    "no such outcome": ({"order": "t-c", "outcome": "lost"}, "outcome"),
    "half an amount": ({"order": "t-c", "outcome": "filled", "quantity": "1"}, "quantity"),
    "no amount": ({"order": "t-c", "outcome": "filled", "quantity": "nan", "price": "1"}, "quantity"),
    "nothing of something": (
        {"order": "t-c", "outcome": "absent", "quantity": "1", "price": "1"},
        "quantity",
    ),
}


@pytest.mark.parametrize("case", BAD_VERDICTS)
def test_a_verdict_that_is_none_is_refused_by_name(bot: ServedBot, case: str) -> None:
    wish, where = BAD_VERDICTS[case]
    with bot.client("admin") as client:
        answer = client.post("/api/v1/commands/settle", json=wish)
    assert (answer.status_code, answer.json()["where"]) == (400, where)
    with bot.client("operator") as client:
        assert client.post("/api/v1/commands/settle", json=wish).status_code == 403


def test_stop_needs_an_admin(bot: ServedBot) -> None:
    with bot.client("operator") as client:
        refused = client.post("/orchestrator/stop")
        assert (refused.status_code, refused.json()["code"]) == (403, "CAB-E610")
        newest = client.get("/api/v1/audit?limit=1").json()["items"][0]
    assert newest["actor"] == "token:test-operator"
    assert newest["outcome"].startswith("refused")
    assert newest["trace_id"]


def test_the_control_routes_of_the_seed(bot: ServedBot) -> None:
    with bot.client("setting") as client:
        paused = client.post("/orchestrator/pause?symbol=BTC/USDT").json()
        assert paused["states"]["BTC/USDT"] == "paused"
        assert client.post("/orchestrator/pause?symbol=BTC/USDT").json()["changed"] is False
        status = client.get("/orchestrator/status?symbol=BTC/USDT").json()
        assert [row["state"] for row in status["symbols"]] == ["paused"]
        resumed = client.post("/orchestrator/resume").json()
        assert set(resumed["states"].values()) == {"running"}
        assert client.post("/orchestrator/pause?symbol=XRP/USDT").status_code == 404
        audited = client.get("/api/v1/audit?limit=500").json()["items"]
    row = next(row for row in audited if row["seq"] == paused["audit_seq"])
    assert (row["actor"], row["role"], row["surface"]) == ("API_TOKEN", "admin", "api")
    assert (row["before"]["BTC/USDT"], row["after"]["BTC/USDT"]) == ("running", "paused")
    assert row["trace_id"] == paused["trace_id"]


def test_a_transition_that_does_not_fit_is_a_conflict(bot: ServedBot) -> None:
    with bot.client("admin") as client:
        client.post("/orchestrator/pause")
        unfit = client.post("/orchestrator/start")
        client.post("/orchestrator/resume")
    assert (unfit.status_code, unfit.json()["code"]) == (409, "CAB-E611")


def test_a_key_has_one_effect(bot: ServedBot) -> None:
    key = {"Idempotency-Key": "once-and-only-once"}
    with bot.client("admin") as client:
        first = client.post("/orchestrator/pause?symbol=ETH/USDT", headers=key).json()
        client.post("/orchestrator/resume")
        again = client.post("/orchestrator/pause?symbol=ETH/USDT", headers=key).json()
        states = client.get("/api/v1/status").json()["symbols"]
        other = client.post("/orchestrator/pause?symbol=BTC/USDT", headers=key)
        newest = client.get("/api/v1/audit?limit=1").json()["items"][0]
    assert again == first
    assert {row["state"] for row in states} == {"running"}
    assert other.status_code == 409
    assert newest["outcome"] == "refused: the idempotency key was used for another command"


def test_nobody_can_use_up_the_key_of_somebody_elses_command(bot: ServedBot) -> None:
    key = {"Idempotency-Key": "tg:5001"}
    with bot.client("operator") as other, bot.client("admin") as admin:
        assert other.post("/orchestrator/pause", headers=key).status_code == 200
        told = admin.post("/orchestrator/resume", headers=key)
        assert (told.status_code, told.json()["changed"]) == (200, True)


def test_health_and_readiness_need_no_token(bot: ServedBot) -> None:
    with bot.client() as client:
        health, ready, metrics = (client.get(path) for path in ("/health", "/ready", "/metrics"))
    assert health.json()["status"] in {"healthy", "degraded"}
    assert {"db", "broker", "eventbus", "market_data"} <= health.json()["components"].keys()
    assert ready.json() == {"ready": True, "waiting_for": []}
    assert metrics.text == "cab_up 1\n"
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")


PROBLEMS = {
    "no such path": ("GET", "/api/v1/nowhere", 404, "not_found"),
    "not with this method": ("DELETE", "/api/v1/positions", 405, "method_not_allowed"),
    "no such symbol": ("GET", "/api/v1/status?symbol=BTC/USD", 404, "CAB-E201"),
    "no such cycle": ("GET", "/api/v1/traces/0000", 404, "CAB-E201"),
    "a page too large": ("GET", "/api/v1/orders?limit=501", 400, "validation_failed"),
    "no number": ("GET", "/api/v1/orders?limit=many", 400, "validation_failed"),
    "no cursor": ("GET", "/api/v1/orders?after=nonsense", 400, "CAB-E200"),
    "no such topic": ("GET", "/api/v1/stream?topics=gossip", 400, "validation_failed"),
    "a parameter is missing": ("GET", "/api/v1/candles", 400, "validation_failed"),
    "no such command": ("POST", "/api/v1/commands/dance", 400, "validation_failed"),
    "no body": ("POST", "/api/v1/commands/pause", 400, "validation_failed"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_every_error_is_a_problem(bot: ServedBot, case: str) -> None:
    method, path, status, code = PROBLEMS[case]
    with bot.client("admin") as client:
        answer = client.request(method, path)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.keys() == {
        "type", "title", "status", "detail", "code", "trace_id", "where", "fix", "errors", "docs"
    }  # fmt: skip
    assert problem["status"] == status
    assert problem["trace_id"] == answer.headers["x-trace-id"]
    assert re.fullmatch("[0-9a-f]{16}", problem["trace_id"])
    assert problem["docs"] == f"/schema#{code}"
    if code == "validation_failed":
        assert problem["errors"]
        assert all(fault["name"] for fault in problem["errors"]) or case == "no body"


def test_the_numbers_are_those_of_the_desk(bot: ServedBot) -> None:
    with bot.client("viewer") as client:
        positions, orders = client.get("/api/v1/positions").json(), client.get("/api/v1/orders").json()
        trades = client.get("/api/v1/trades").json()
    desk = bot.service.desk
    assert positions == plain(bot.ask(desk.positions))
    assert (orders["items"], orders["next"]) == tuple(map(plain, bot.ask(lambda: desk.orders(Filter()))))
    assert trades["items"] == plain(bot.ask(lambda: desk.trades(Filter()))[0])
    assert trades["items"]
    assert all(isinstance(trade["pnl"], str) for trade in trades["items"])


def all_pages(client: httpx.Client, path: str, limit: int) -> list[dict[str, Any]]:
    items, after, pages = [], "", 0
    while after is not None:
        page = client.get(path, params={"limit": limit, "after": after}).json()
        assert len(page["items"]) <= limit
        items, after, pages = [*items, *page["items"]], page["next"], pages + 1
        assert pages < 500
    return items


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/fills", "/api/v1/trades", "/api/v1/decisions"])
def test_pages_joined_are_the_list(bot: ServedBot, path: str) -> None:
    with bot.client("viewer") as client:
        whole = all_pages(client, path, 500)
        assert all_pages(client, path, max(1, len(whole) // 3)) == whole
        only = client.get(path, params={"symbol": "ETH/USDT", "limit": 500}).json()["items"]
    assert [row for row in whole if row["symbol"] == "ETH/USDT"][: len(only)] == only
    assert len(whole) > 3


def test_an_answer_that_is_known_is_not_sent_again(bot: ServedBot) -> None:
    with bot.client("viewer") as client:
        first = client.get("/api/v1/trades")
        known = client.get("/api/v1/trades", headers={"If-None-Match": first.headers["etag"]})
        other = client.get("/api/v1/trades", headers={"If-None-Match": '"something-else"'})
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == first.headers["etag"]
    assert (other.status_code, other.content) == (200, first.content)


def test_a_cycle_can_be_asked_why(bot: ServedBot) -> None:
    with bot.client("viewer") as client:
        decision = client.get("/api/v1/decisions?limit=1").json()["items"][0]
        trace = client.get(f"/api/v1/traces/{decision['trace_id']}").json()
        latest = client.get("/api/v1/traces/latest").json()
    assert trace["trace_id"] == decision["trace_id"]
    assert latest["trace_id"]


def test_no_secret_is_told(bot: ServedBot) -> None:
    with bot.client("admin") as client:
        told = [client.get(path).text for path in (*VIEWER, *OPERATOR, *OPEN)]
    for secret in (*bot.tokens.values(),):
        assert not any(secret in text for text in told)


def test_alertmanager_reaches_the_bots_alerts(bot: ServedBot) -> None:
    heard: list[dict[str, Any]] = []

    async def hear(topic: str, payload: Any, trace_id: str) -> None:
        heard.append({**payload, "trace_id": trace_id})

    bus = bot.orchestrator.announcer.bus
    bus.subscribe("alert", hear)
    alert = {
        "status": "firing",
        "labels": {"alertname": "CabDown", "severity": "critical"},
        "annotations": {},
    }
    body = {"version": "4", "receiver": "cab", "alerts": [alert, {**alert, "status": "resolved"}]}
    with bot.client("operator") as client:
        answer = client.post("/api/v1/alertmanager", json=body)
        assert client.post("/api/v1/alertmanager", json={"alerts": [alert] * 101}).status_code == 400
    with bot.client("viewer") as client:
        assert client.post("/api/v1/alertmanager", json=body).status_code == 403
    assert (answer.status_code, answer.json()) == (202, {"taken": 2})
    bot.ask(bus.drain)  # type: ignore[attr-defined]  # the bus of this bot is in memory
    assert [each["severity"] for each in heard] == ["critical", "info"]
    assert heard[0]["trace_id"] == answer.headers["x-trace-id"]
    assert json.dumps(heard)
