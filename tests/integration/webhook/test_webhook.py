"""Alerts on their whole way, to a real HTTP server that runs the receiver of the documentation."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest

from cab_core.app.alerting.herald import Herald
from cab_core.app.alerting.notifiers import callers_of
from cab_core.app.alerting.pump import Pump
from cab_core.app.config import plugins_for
from cab_core.clock import SystemClock
from cab_core.errors import ConfigError, RefusedError
from cab_core.plugins.kinds import Kind
from cab_core.safety.post import SafePost
from cab_core.settings import Settings, load_settings
from cab_core.storage import Store
from cab_core.storage.outbox import load_outbox

SECRET = "a-secret-of-enough-length"
HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "webhook.md"


@attrs.define
class HandClock(SystemClock):
    ms: int = 1_714_996_800_000

    def now_ms(self) -> int:
        return self.ms


@attrs.define(eq=False)
class Site:
    """A server whose next answers are given; after them it is the receiver of the docs.

    Attributes:
        answers: statuses of the next posts; 0 hangs.
        posts: id and genuineness of every post.
    """

    server: ThreadingHTTPServer
    url: str
    answers: list[int] = attrs.field(factory=list)
    posts: list[tuple[str, bool]] = attrs.field(factory=list)
    gets: list[str] = attrs.field(factory=list)
    over: threading.Event = attrs.field(factory=threading.Event)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    documented: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(code, str(HOW_TO), "exec"), documented)

    class Handler(documented["Receiver"]):  # type: ignore[misc]  # the class comes out of a page
        def do_POST(self) -> None:  # noqa: N802 - the name http.server calls
            status = made.answers.pop(0) if made.answers else 204
            if status == 204:
                super().do_POST()
                return
            self.rfile.read(int(self.headers["Content-Length"]))
            made.posts.append((self.headers["X-Cab-Id"], True))
            if status == 0:
                made.over.wait(30)
                return
            self.send_response(status)
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_response(self, code: int, message: str | None = None) -> None:
            if code in (204, 401):
                made.posts.append((self.headers["X-Cab-Id"], code == 204))
            super().send_response(code, message)

        def do_GET(self) -> None:  # noqa: N802 - likewise
            made.gets.append(self.path)
            BaseHTTPRequestHandler.send_response(self, 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Site(server, f"http://127.0.0.1:{server.server_port}/hook?key=hidden")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def _settings(folder: Path, *overrides: str) -> Settings:
    given = ("MODE=paper", "EXCHANGE=gateio", "SYMBOLS=BTC/USDT", "NOTIFIER_SET=log", *overrides)
    return load_settings({}, folder, given, None).settings


def _webhook(site: Site, folder: Path, *overrides: str) -> Settings:
    given = (f"WEBHOOK_URL={site.url}", f"WEBHOOK_SECRET={SECRET}", "NOTIFY_ALLOW_HOSTS=127.0.0.1")
    return _settings(folder, *given, *overrides)


@attrs.frozen(eq=False)
class Bot:
    clock: HandClock
    pump: Pump
    store: Store

    async def tell(self, text: str, rule: str = "") -> None:
        payload = {
            "severity": "critical",
            "kind": "alert",
            "text": text,
            "symbol": "",
            "rule": rule,
            "ts_ms": 0,
        }
        await self.pump.take("alert", payload, "0123456789abcdef")

    async def look(self) -> None:
        await self.pump.look()
        await self.pump.settled()


@pytest.fixture
async def bot(site: Site, tmp_path: Path) -> AsyncIterator[Bot]:
    settings = _webhook(site, tmp_path)
    notifiers = plugins_for(settings, {Kind.STRATEGY: (), Kind.NOTIFIER: settings.notifiers}).notifiers
    assert [bound.name for bound in notifiers] == ["log", "webhook"]
    store, clock = await Store.open(tmp_path / "trader.sqlite3"), HandClock()
    yield Bot(clock, Pump.of(clock, callers_of(settings, notifiers[1:]), store, "aaaaaa"), store)
    await store.close()


async def _attempts(store: Store) -> Sequence[tuple[int, str, bool]]:
    rows = await store.read(lambda conn: load_outbox(conn, 0))
    return [(row.attempts, row.last_error, row.sent_ms is not None) for row in rows]


async def test_the_documented_receiver_takes_what_the_bot_posts(
    bot: Bot, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await bot.tell("all entries are stopped")
    await bot.look()
    assert site.posts == [("aaaaaa-1", True)]
    assert "critical all entries are stopped" in capsys.readouterr().out


async def test_what_was_not_taken_is_posted_again_with_the_same_id_and_shown_once(
    bot: Bot, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.answers = [500, 503, 429]
    await bot.tell("halted")
    for _ in range(4):
        await bot.look()
        bot.clock.ms += 60_000
    assert site.posts[:4] == [("aaaaaa-1", True)] * 4
    assert [sent for *_, sent in await _attempts(bot.store)][:1] == [True]
    assert capsys.readouterr().out.count("halted") == 1


async def test_a_redirect_is_refused(bot: Bot, site: Site) -> None:
    site.answers = [307]
    await bot.tell("halted")
    await bot.look()
    ((attempts, error, sent),) = await _attempts(bot.store)
    assert (attempts, sent) == (1, False)
    assert "redirects" in error
    assert site.gets == []
    assert len(site.posts) == 1
    assert "hidden" not in error, "the URL may hold a key"


async def test_a_server_that_hangs_costs_only_its_own_time(site: Site) -> None:
    site.answers = [0]
    http = SafePost(site.url, allow_hosts=["127.0.0.1"], where="WEBHOOK_URL", timeout_s=0.2)
    loop = asyncio.get_running_loop()
    turns, began = 0, loop.time()
    post = asyncio.create_task(http.post(b"{}", {}))
    while not post.done():
        turns += 1
        await asyncio.sleep(0.01)
    assert "not within 0.2 s" in str(post.exception())
    assert loop.time() - began < 5
    assert turns > 3


async def test_a_forged_post_is_not_believed(site: Site) -> None:
    http = SafePost(site.url, allow_hosts=["127.0.0.1"])
    headers = {"X-Cab-Id": "x", "X-Cab-Timestamp": "1", "X-Cab-Signature": "v1=00"}
    with pytest.raises(Exception, match="HTTP 401"):
        await http.post(json.dumps({"severity": "critical", "text": "sell"}).encode(), headers)
    assert site.posts == [("x", False)]


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        http = SafePost(f"http://127.0.0.1:{taken.getsockname()[1]}/", allow_hosts=["127.0.0.1"])
        with pytest.raises(Exception, match="no connection"):
            await http.post(b"{}", {})


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:8080/",
        "http://169.254.169.254/latest",
        "https://[::1]/",
        "http://0x7f.1/",
    ],
)
def test_the_own_network_is_refused_unless_listed(tmp_path: Path, url: str) -> None:
    settings = _settings(tmp_path, f"WEBHOOK_URL={url}", f"WEBHOOK_SECRET={SECRET}")
    notifiers = plugins_for(settings, {Kind.STRATEGY: (), Kind.NOTIFIER: settings.notifiers}).notifiers
    with pytest.raises(RefusedError) as caught:
        callers_of(settings, notifiers)
    assert caught.value.where == "WEBHOOK_URL"
    assert "REGIME" not in str(caught.value.fix)


async def test_a_name_that_turns_out_to_be_private_is_refused(tmp_path: Path) -> None:
    async def rebound(_: str, __: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.1"]

    http = SafePost("https://hooks.example.com/x", resolver=rebound)
    with pytest.raises(RefusedError, match="not on the public internet") as caught:
        await http.post(b"{}", {})
    assert "NOTIFY_ALLOW_HOSTS" in caught.value.fix


def test_a_webhook_without_a_secret_is_a_configuration_error(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WEBHOOK_SECRET"):
        _settings(tmp_path, f"WEBHOOK_URL={site.url}")


def test_a_watcher_tells_people_beside_its_work(site: Site, tmp_path: Path) -> None:
    herald = Herald(lambda: _webhook(site, tmp_path), "emergency.stop")
    herald.say("the bot is dead, its positions are being closed")
    herald.finish()
    (post,) = site.posts
    assert post[0].startswith("dms-")
    assert post[1]
