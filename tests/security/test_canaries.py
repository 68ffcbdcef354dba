"""A word planted in every secret setting is looked for in everything a run leaves or answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import attrs
import pytest

from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.settings import SETTINGS

PROGRAM = "from cab_core.cli import main; main()"


def word(name: str) -> str:
    return f"canary-{name.lower().replace('_', '-')}-7f3a9c51"


SECRETS = [row.name for row in SETTINGS if row.secret]
WORDS = {name: word(name) for name in SECRETS}

#: Addresses of servers, which a run in this test does not have.
SERVERS = ("DATABASE_URL", "EVENT_BUS_URL", "INSTANCE_KEY_URL")

#: Secrets that are parts of addresses.
ADDRESSES = {
    "DATABASE_URL": f"postgresql+asyncpg://cab:{word('DATABASE_URL')}@127.0.0.1:1/cab",
    "EVENT_BUS_URL": f"redis://:{word('EVENT_BUS_URL')}@127.0.0.1:1/0",
    "INSTANCE_KEY_URL": f"redis://:{word('INSTANCE_KEY_URL')}@127.0.0.1:1/0",
    "WEBHOOK_URL": f"https://hooks.example.com/{word('WEBHOOK_URL')}",
}
TELEGRAM = f"123456789:{word('TELEGRAM_BOT_TOKEN')}"


def planted(*without: str) -> dict[str, str]:
    """Return an environment with a word in every secret."""
    texts = WORDS | ADDRESSES | {"TELEGRAM_BOT_TOKEN": TELEGRAM, "TELEGRAM_CHAT_ID": "42"}
    return {name: text for name, text in texts.items() if name not in without}


def leaks(text: bytes | str) -> list[str]:
    """Return the settings whose words are in a text."""
    content = text.encode() if isinstance(text, str) else text
    return [name for name, planted_word in WORDS.items() if planted_word.encode() in content]


@attrs.frozen
class Desk:
    folder: Path
    environment: Mapping[str, str]

    def cab(self, *args: str, **more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *args],
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    @property
    def port(self) -> str:
        return self.environment["PORT"]

    def get(self, path: str, token: str = "") -> tuple[int, bytes]:
        request = Request(f"http://127.0.0.1:{self.port}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            response: HTTPResponse
            with urlopen(request, timeout=20) as response:
                return response.status, response.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    write_candles(folder / "BTC-USDT_15m.csv.gz", generate("BTC/USDT", 10, 3))
    known = {row.name for row in SETTINGS}
    clean = {name: value for name, value in os.environ.items() if name not in known}
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    run = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT", "STRATEGY_SET": "ema_cross"}
    places = {"PORT": port, "INSTANCE_LOCK_PATH": str(folder / "lock"), "DB_PATH": str(folder / "t.sqlite3")}
    loud = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}
    return Desk(folder, {**clean, **planted(*SERVERS), **run, **places, **loud})


@pytest.fixture(scope="module")
def lived(desk: Desk) -> dict[str, bytes]:
    """Let a bot trade and be asked for everything; return all it said, by the place it said it in."""
    log = desk.folder / "bot.log"
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "run",
        "--market",
        f"file:{desk.folder / 'BTC-USDT_15m.csv.gz'}",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--speed", "9000", "--json"],
            cwd=desk.folder,
            env=dict(desk.environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        end = time.monotonic() + 60
        while desk.get("/ready")[0] != 200:
            assert process.poll() is None, log.read_bytes()[-3000:]
            assert time.monotonic() < end
            time.sleep(0.1)
        told = dict(asked(desk))
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log.read_bytes()[-3000:]
    return told


def asked(desk: Desk) -> Iterator[tuple[str, bytes]]:
    """Ask every route that can be asked without a parameter, as a stranger and as an admin."""
    token = WORDS["API_TOKEN"]
    status, document = desk.get("/schema/openapi.json", token)
    assert status == 200
    assert desk.get("/api/v1/config", token)[0] == 200  # the planted token is the one that counts
    yield "openapi", document
    routes = json.loads(document)["paths"]
    plain = [path for path, verbs in routes.items() if "get" in verbs and "{" not in path]
    assert len(plain) > 15
    for path in plain:
        if "stream" in path or "events" in path:
            continue
        yield f"{path} (stranger)", desk.get(path)[1]
        yield path, desk.get(path, token)[1]
    for page in ("/", "/config", "/status", "/plugins", "/audit", "/logs", "/signals", "/risk"):
        status, body = desk.get(page, token)
        assert status == 200, page
        yield f"page {page}", body
    yield "metrics", desk.get("/metrics", token)[1]
    yield "wrong token", desk.get("/api/v1/config", "wrong")[1]


def test_every_secret_is_planted() -> None:
    assert set(SECRETS) <= set(planted())
    assert all(leaks(text) == [name] for name, text in planted().items() if name in WORDS)


def test_no_answer_tells_a_secret(lived: dict[str, bytes]) -> None:
    assert len([body for body in lived.values() if body]) > 15
    assert {place: found for place, body in lived.items() if (found := leaks(body))} == {}


@pytest.mark.usefixtures("lived")
def test_nothing_that_a_run_leaves_holds_a_secret(desk: Desk) -> None:
    """Database, its log, backups, journal and traces in it, and the bot's own log."""
    assert desk.cab("maintenance", "backup").returncode == 0
    files = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert {"t.sqlite3", "bot.log"} <= {path.name for path in files}
    assert any(path.suffix == ".backup" for path in files)
    assert {str(path): found for path in files if (found := leaks(path.read_bytes()))} == {}


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(
    "command",
    [
        ["config", "show"],
        ["config", "show", "--json"],
        ["config", "check"],
        ["doctor", "--json"],
        ["status", "--json"],
        ["verify", "--json"],
        ["plugins", "list", "--json"],
        ["run", "--market", "nonsense:x"],
        ["maintenance", "integrity", "--json"],
    ],
    ids=" ".join,
)
def test_no_command_prints_a_secret(desk: Desk, command: list[str]) -> None:
    done = desk.cab(*command)
    assert done.stdout + done.stderr
    assert leaks(done.stdout + done.stderr) == []


@pytest.mark.parametrize("name", SERVERS)
def test_an_address_that_fails_is_named_without_its_password(desk: Desk, name: str) -> None:
    given = {name: ADDRESSES[name]}
    for command in (["config", "show"], ["verify"]):
        done = desk.cab(*command, CAB_DEBUG="1", **given)
        assert leaks(done.stdout + done.stderr) == []


@pytest.mark.parametrize("form", ["  {} x", "nonsense://u:{}@h/%", '"{}', "{}\n?"])
def test_a_secret_that_is_refused_is_not_quoted(desk: Desk, form: str) -> None:
    """Wrong in every way a text can be wrong: blanks, a scheme nobody knows, quotes, a line break."""
    wrong = {name: form.format(planted_word) for name, planted_word in WORDS.items()}
    done = desk.cab("config", "check", **wrong)
    assert done.stdout + done.stderr
    assert leaks(done.stdout + done.stderr) == []


def test_what_a_traceback_keeps_has_no_secret(desk: Desk, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom cab_core.cli import base\n"
        "def broken(*a, **k): raise ZeroDivisionError('planted')\n"
        "import cab_core.app.maintenance as m\nm.take_backup = broken\n"
        "sys.argv = ['cab', 'maintenance', 'backup']\nfrom cab_core.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=desk.folder,
        env={**desk.environment, "TMPDIR": str(tmp_path), "CAB_DEBUG": "1"},
        capture_output=True,
        check=False,
    )
    kept = [path.read_bytes() for path in tmp_path.glob("cab-error-*")]
    assert kept
    assert b"planted" in kept[0]
    assert leaks(b"".join([done.stdout, done.stderr, *kept])) == []
