"""The API in processes of its own: beside ``cab run``, under a server, and in somebody else's application."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.openapi.config import OpenAPIConfig
from served import ADMIN, ServedBot, overrides

from cab_core.api.plugin import CabPlugin
from cab_core.app.desk.endpoint import Endpoint, endpoint_path, local_endpoint
from cab_core.app.desk.remote import RemoteDesk
from cab_core.settings import SETTINGS, Settings, load_settings
from cab_core.storage import load_audit, visit
from cab_core.storage.tokens import load_tokens

_PROGRAM = "import sys; from cab_core.cli import main; sys.argv[0] = 'cab'; sys.exit(main())"
_PATIENCE_S = 60.0


class Folder:
    """A folder with a bot of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started: list[subprocess.Popen[str]] = []

    def settings(self, **more: str) -> Settings:
        return load_settings({}, self.path, overrides(self.path, **more)).settings

    def environment(self, **more: str) -> dict[str, str]:
        known = {row.name for row in SETTINGS}
        clean = {name: value for name, value in os.environ.items() if name.upper() not in known}
        return {**clean, **dict(each.split("=", 1) for each in overrides(self.path, **more))}

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.path,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.started.append(process)
        return process

    def cab(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        process = self.start("-c", _PROGRAM, *args, **more)
        out, err = process.communicate(timeout=_PATIENCE_S)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def found(self, process: subprocess.Popen[str]) -> Endpoint:
        ends = time.monotonic() + _PATIENCE_S
        while (endpoint := local_endpoint(self.settings())) is None:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < ends
            time.sleep(0.05)
        return endpoint


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


RUN = ("-c", _PROGRAM, "run", "--market", "sample", "--speed", "60", "--json")


def test_a_run_serves_itself_and_leaves_nothing_behind(folder: Folder) -> None:
    process = folder.start(*RUN)
    endpoint = folder.found(process)
    assert endpoint.pid == process.pid
    assert endpoint_path(folder.settings()).stat().st_mode & 0o777 == 0o600
    desk = RemoteDesk(endpoint.url, endpoint.token)
    assert asyncio.run(desk.ready()).ready
    assert asyncio.run(desk.health()).mode == "paper"

    token = json.loads(folder.cab("token", "new", "anna", "--role", "operator", "--json").stdout)
    bearer = {"Authorization": f"Bearer {token['token']}"}
    with httpx.Client(base_url=endpoint.url, headers=bearer, trust_env=False) as client:
        assert client.get("/api/v1/session").json()["role"] == "operator"
        listed = folder.cab("token", "list", "--json").stdout
        assert token["token"].rpartition("_")[2] not in listed
        assert [row["name"] for row in json.loads(listed)] == ["anna"]
        assert folder.cab("token", "revoke", token["id"]).returncode == 0
        gone = client.get("/api/v1/session")
        assert gone.status_code == 401, gone.text

    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, err
    assert not endpoint_path(folder.settings()).exists()
    for secret in (endpoint.token, token["token"], ADMIN):
        assert secret not in err
    assert "login?code=" not in err, "a log gets no code"
    rows = visit(folder.settings().db_path, load_audit)
    assert [(row.entry.action, row.entry.target) for row in rows] == [
        ("token.new", token["id"]),
        ("token.revoke", token["id"]),
        ("login", "127.0.0.1"),  # with the token that was revoked
    ]


def test_a_taken_port_is_named_before_anything_is_traded(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = folder.cab("run", "--market", "sample", "--speed", "60", "--json", PORT=port)
        assert refused.returncode == 75
        error = json.loads(refused.stderr.splitlines()[-1])["error"]
        assert (error["code"], port in error["what"]) == ("CAB-E613", True)
        assert "--no-api" in error["fix"]
        assert not (folder.path / "trader.sqlite3").exists()
        running = folder.start(*RUN, "--no-api", PORT=port)
        ends = time.monotonic() + _PATIENCE_S
        while not (folder.path / "lock.json").exists():
            assert running.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)
    assert local_endpoint(folder.settings()) is None


def test_tokens_can_be_made_before_the_first_run(folder: Folder) -> None:
    assert "no tokens" in folder.cab("token", "list").stdout
    made = folder.cab("token", "new", "early")
    assert made.returncode == 0
    assert made.stdout.strip().startswith("cab_")
    (stored,) = visit(folder.settings().db_path, load_tokens)
    assert stored.role == "viewer"
    assert stored.hash not in made.stdout
    assert folder.cab("token", "revoke", "nobody").returncode == 4


def test_a_server_starts_and_stops_the_bot(folder: Folder) -> None:
    (folder.path / "served_sample.py").write_text(
        "from cab_core.api.app import BotApp\napp = BotApp(['sample'], 60.0)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    more = {"PORT": port, "PYTHONPATH": str(folder.path)}
    process = folder.start("-m", "uvicorn", "served_sample:app", "--port", port, **more)
    endpoint = folder.found(process)
    until(lambda: httpx.get(f"{endpoint.url}/ready", trust_env=False).status_code == 200)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode in (0, -signal.SIGTERM), err
    assert "Application shutdown complete" in err
    assert not endpoint_path(folder.settings()).exists()


def test_a_bot_that_cannot_start_ends_the_server(folder: Folder) -> None:
    process = folder.start("-m", "uvicorn", "cab_core.api.app:app", "--port", "0", SYMBOLS="nonsense")
    _, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 3
    assert "SYMBOLS" in err
    assert "Application startup failed" in err


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        assert time.monotonic() < ends
        time.sleep(0.05)


@get("/mine", sync_to_thread=False)
def mine() -> dict[str, str]:
    return {"of": "somebody else"}


async def test_the_api_in_an_application_of_ones_own(bot: ServedBot) -> None:
    """The routes below a prefix, with their own gate; the application's other routes stay as they are."""
    app = Litestar(
        [mine],
        plugins=[CabPlugin(bot.service, "/bot")],
        openapi_config=OpenAPIConfig(title="mine", version="1"),
        logging_config=None,
    )
    transport: Any = httpx.ASGITransport(app)  # type: ignore[arg-type]  # ASGI under other names
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/mine")).json() == {"of": "somebody else"}
        refused = await client.get("/bot/api/v1/session")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        bearer = {"Authorization": f"Bearer {ADMIN}"}
        assert (await client.get("/bot/api/v1/session", headers=bearer)).json()["role"] == "admin"
        foreign = {**bearer, "Host": "evil.example"}
        assert (await client.get("/bot/api/v1/session", headers=foreign)).status_code == 400
    document = app.openapi_schema.to_schema()
    assert {"/mine", "/bot/health", "/bot/api/v1/positions"} <= document["paths"].keys()
    assert "token" in document["components"]["securitySchemes"]
