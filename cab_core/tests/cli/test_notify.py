from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke


@pytest.fixture(autouse=True)
def settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MODE": "paper", "EXCHANGE": "gateio", "LOG_LEVEL": "WARNING"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def received() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The port of a server, and what it was sent."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, got
    server.shutdown()
    server.server_close()
    thread.join()


def _webhook(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("WEBHOOK_URL", f"http://127.0.0.1:{port}/hook?key=hidden")
    monkeypatch.setenv("WEBHOOK_SECRET", "a-secret-of-enough-length")
    monkeypatch.setenv("NOTIFY_ALLOW_HOSTS", "127.0.0.1")


def test_every_notifier_is_tried_and_a_test_alert_arrives(
    received: tuple[int, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _webhook(monkeypatch, received[0])
    assert invoke(["notify", "test", "--severity", "critical", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(row["notifier"], row["taken"]) for row in told["notifiers"]] == [
        ("notifier:log", True),
        ("notifier:webhook", True),
    ]
    (alert,) = received[1]
    assert (alert["id"], alert["severity"], alert["kind"]) == (told["id"], "critical", "notify.test")


def test_one_that_does_not_take_it_is_named_and_the_others_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        _webhook(monkeypatch, taken.getsockname()[1])
        assert invoke(["notify", "test"]) == 1
    out = capsys.readouterr().out
    log, webhook = (
        next(line for line in out.splitlines() if f":{name}" in line) for name in ("log", "webhook")
    )
    assert "taken" in log
    assert "no connection" in webhook
    assert "hidden" not in out
