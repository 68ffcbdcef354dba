"""Macro sources over a real HTTP server that lives in this process."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cab_core.cycle.regime_watch import RegimeWatch
from cab_core.domain.regime import Regime, RegimeSettings
from cab_core.errors import CabError, RefusedError
from cab_core.safety.http import SafeHttp
from cab_core.testing import VirtualClock
from cab_macro_btc_dominance import BtcDominance
from cab_macro_dxy import Dxy
from cab_macro_fomc import Fomc

pytestmark = pytest.mark.regime

JSON = {"Content-Type": "application/json"}
HOUR = 3_600_000


class Macro:
    """What the server answers: per path a list of (status, headers, body); the last one repeats."""

    def __init__(self, url):
        self.url = url
        self.answers = {}
        self.seen = []

    def on(self, path, *answers):
        self.answers[path] = [
            answer if isinstance(answer, tuple) else (200, JSON, json.dumps(answer).encode())
            for answer in answers
        ]
        return self.url + path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        macro = self.server.macro
        macro.seen.append((self.path, dict(self.headers)))
        answers = macro.answers[self.path]
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client hangs up on bodies it does not want
            for chunk in [body] if isinstance(body, bytes) else body:
                self.wfile.write(chunk)
                self.wfile.flush()

    def log_message(self, *args):
        """Keep the test's output free of access logs."""


@contextlib.contextmanager
def serving(tls=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    server.macro = Macro(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.macro
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def macro():
    with serving() as found:
        yield found


def client(url, **options):
    return SafeHttp(
        url, **{"allow_hosts": ["127.0.0.1"], "where": "REGIME_DXY_URL", "timeout_s": 2.0, **options}
    )


def fetch(url, **options):
    return asyncio.run(client(url, **options).get_json())


def refusal(url, **options):
    with pytest.raises(CabError) as caught:
        fetch(url, **options)
    assert caught.value.where == "REGIME_DXY_URL"
    assert caught.value.fix
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "document", "expected"),
    [
        (Dxy(), {"change_pct": 0.37}, 0.37),
        (Dxy(), {"changePercent": 0.37}, 0.37),
        (Dxy(), {"change_percent": 0.37}, 0.37),
        (Dxy(), {"value": 101, "previous": 100}, 1.0),
        (Dxy(), {"data": {"value": 101, "previous_close": 100}}, 1.0),
        (Dxy(), [{"date": "2025-01-09", "close": 100}, {"date": "2025-01-10", "close": 101}], 1.0),
        (Dxy(), [{"change_pct": 0.1}, {"change_pct": 0.37}], 0.37),
        (Dxy(), {"value": 104.2}, 104.2),
        (Dxy(), 104.2, 104.2),
        (Dxy(json_pointer="/a/0/b", kind="change"), {"a": [{"b": "0.37"}]}, 0.37),
        (BtcDominance(), {"data": {"market_cap_percentage": {"btc": 56.1}}}, 56.1),
        (Fomc(), {"events": [{"start": "2025-01-29T19:00:00Z"}]}, (1_738_177_200_000,)),
        (Fomc(), ["2025-01-29"], (1_738_177_200_000,)),
        (Fomc(), {"next_event": "2025-01-29T19:00:00", "last_event": None}, (1_738_177_200_000,)),
        (Fomc(), {"event_today": False}, ()),
    ],
)
def test_every_payload_form(macro, source, document, expected):
    reading = asyncio.run(source.read(client(macro.on("/x", document))))
    assert (reading.events_ms if isinstance(expected, tuple) else pytest.approx(reading.value)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"nothing",
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b"[" * 100_000,
        b"9" * 10_000,
        b"<html>busy</html>",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_json_is_refused(macro, body):
    assert "does not hold JSON" in refusal(macro.on("/x", (200, JSON, body)))
    assert len(macro.seen) == 1  # asking again would give the same


def test_a_web_page_is_refused(macro):
    assert "web page" in refusal(macro.on("/x", (200, {"Content-Type": "text/html; charset=utf-8"}, b"{}")))


def test_a_byte_order_mark_does_not_matter(macro):
    assert fetch(macro.on("/x", (200, JSON, b"\xef\xbb\xbf1.5"))) == 1.5


def test_a_huge_body_is_refused_by_its_announced_length(macro):
    url = macro.on("/x", (200, {**JSON, "Content-Length": str(50 << 20)}, b""))
    assert "more than 1048576 bytes" in refusal(url)


def test_a_huge_body_is_cut_off_while_it_comes(macro):
    sent = []

    def endless():
        while len(sent) < 3000:
            sent.append(1)
            yield b" " * 65_536

    assert "more than 1048576 bytes" in refusal(macro.on("/x", (200, JSON, endless())))
    assert len(sent) < 1500


def test_compression_is_neither_asked_for_nor_accepted(macro):
    url = macro.on("/x", (200, {**JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b"))
    assert "compressed" in refusal(url)
    assert macro.seen[0][1]["Accept-Encoding"] == "identity"


def test_a_slow_body_ends_in_time(macro):
    def drip():
        for _ in range(100):
            time.sleep(0.05)
            yield b" "

    url = macro.on("/x", *[(200, JSON, drip()) for _ in range(4)])
    started = time.monotonic()
    assert "not within 0.3 s" in refusal(url, timeout_s=0.3)
    assert time.monotonic() - started < 2.0
    assert 2 <= len(macro.seen) <= 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(macro, status):
    macro.on("/secret", {"value": 1})
    url = macro.on("/x", (status, {"Location": macro.url + "/secret"}, b""))
    assert "redirects" in refusal(url)
    assert [path for path, _ in macro.seen] == ["/x"]


def test_a_server_that_recovers_is_asked_again(macro):
    url = macro.on("/x", (500, {}, b""), (503, {}, b""), {"value": 104.2})
    assert fetch(url) == {"value": 104.2}
    assert len(macro.seen) == 3


def test_a_server_that_does_not_recover_is_asked_three_times(macro):
    assert "HTTP 500" in refusal(macro.on("/x", (500, {}, b"")))
    assert len(macro.seen) == 3


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404])
def test_other_answers_are_final(macro, status):
    assert f"HTTP {status}" in refusal(macro.on("/x", (status, {}, b"")))
    assert len(macro.seen) == 1


def test_nobody_there():
    with serving() as gone:
        url = gone.on("/x", 1)
    assert "no connection" in refusal(url)


def test_errors_and_logs_show_no_keys(macro, caplog):
    caplog.set_level("DEBUG")
    url = macro.on("/v1/s3cr3t/x?apikey=s3cr3t", (500, {}, b""))
    assert "s3cr3t" not in refusal(url)
    macro.on("/v1/s3cr3t/x?apikey=s3cr3t", {"value": 1})
    assert fetch(url) == {"value": 1}
    assert "s3cr3t" not in caplog.text


def test_a_proxy_from_the_environment_is_not_used(macro, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert fetch(macro.on("/x", 1)) == 1


def resolver(*answers):
    calls = []

    async def resolve(host, port):
        calls.append((host, port))
        return answers[min(len(calls), len(answers)) - 1]

    resolve.calls = calls
    return resolve


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]]
)
def test_a_name_that_leads_inside_is_refused(macro, addresses):
    macro.on("/x", 1)
    port = macro.url.rpartition(":")[2]
    with pytest.raises(RefusedError, match="public internet"):
        fetch(f"http://rebind.example:{port}/x", resolver=resolver(addresses))
    assert macro.seen == []


def test_the_name_is_resolved_once_and_the_vetted_address_is_used(macro):
    """A name that answers differently the second time (rebinding) finds nobody asking twice."""
    macro.on("/x", {"value": 1})
    port = macro.url.rpartition(":")[2]
    resolve = resolver(["127.0.0.1"], ["203.0.113.1"])
    url = f"http://index.lan:{port}/x"
    assert fetch(url, allow_hosts=["index.lan"], resolver=resolve) == {"value": 1}
    assert resolve.calls == [("index.lan", int(port))]
    assert macro.seen[0][1]["Host"] == f"index.lan:{port}"


def test_the_next_address_is_tried_if_one_is_dead(macro):
    macro.on("/x", 1)
    port = macro.url.rpartition(":")[2]
    url = f"http://index.lan:{port}/x"
    assert fetch(url, allow_hosts=["index.lan"], resolver=resolver(["::1", "127.0.0.1"])) == 1


def test_tls_checks_the_name_although_the_address_is_dialled(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=index.lan"
    command += " -addext subjectAltName=DNS:index.lan"
    try:
        subprocess.run(
            [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed, so there is no certificate to check")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serving(tls) as macro:
        macro.on("/x", 1)
        port = macro.url.rpartition(":")[2]
        hosts = ["index.lan", "other.lan"]
        address = resolver(["127.0.0.1"])
        assert fetch(f"https://index.lan:{port}/x", allow_hosts=hosts, resolver=address) == 1
        assert "no connection" in refusal(f"https://other.lan:{port}/x", allow_hosts=hosts, resolver=address)


def test_files_are_read_up_to_the_limit(tmp_path):
    file = tmp_path / "dxy file.json"
    file.write_text('{"value": 104.2}')
    assert fetch(file.as_uri()) == {"value": 104.2}
    file.write_bytes(b" " * (1 << 20) + b"1")
    assert "more than" in refusal(file.as_uri())


def test_only_regular_files_are_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        assert "regular file" in refusal(path.as_uri()) or "cannot be read" in refusal(path.as_uri())
    assert "regular file" in refusal("file:///dev/zero")
    assert "cannot be read" in refusal((tmp_path / "absent.json").as_uri())


def watch(macro, clock, **urls):
    plugins = {"dxy": Dxy(), "btc_dominance": BtcDominance(), "fomc": Fomc()}

    def reader(plugin, http):
        return lambda: plugin.read(http)

    sources = {
        name: reader(plugins[name], client(macro.url + path, retries=0)) for name, path in urls.items()
    }
    return RegimeWatch(sources, RegimeSettings(), clock)


async def test_a_stale_figure_is_stale_however_fresh_its_http_date(macro):
    clock = VirtualClock(1_736_467_200_000)
    macro.on("/dxy", (200, {**JSON, "Last-Modified": "now"}, b'{"value": 104.2, "date": "2025-01-10"}'))
    found = watch(macro, clock, dxy="/dxy")
    assert (await found.poll()).stale == ()
    clock.advance(ms=96 * HOUR)
    assert (await found.poll()).stale == ()
    clock.advance(ms=1)
    state = await found.poll()
    assert (state.stale, state.score) == (("dxy",), 0.75)


async def test_one_broken_server_never_hides_another(macro):
    clock = VirtualClock(1_738_177_200_000)  # an FOMC statement
    macro.on("/dxy", (200, JSON, b"<html>"))
    macro.on(
        "/btc",
        {"data": {"market_cap_percentage": {"btc": 56.0}}},
        {"data": {"market_cap_percentage": {"btc": 56.336}}},
    )
    macro.on("/fomc", ["2025-01-29"])
    found = watch(macro, clock, dxy="/dxy", btc_dominance="/btc", fomc="/fomc")
    failures = []
    found.on_failure = lambda source, error: failures.append((source, type(error).__mro__[1]))
    state = await found.poll()
    assert (state.state, state.score) == (Regime.NEUTRAL, -0.25)
    assert (state.stale, state.warming) == (("dxy",), ("btc_dominance",))
    assert failures == [("dxy", CabError)]
    clock.advance(ms=24 * HOUR)
    state = await found.poll()
    assert (state.state, state.score) == (Regime.RISK_SMALL, 0.15)
    assert state.parts == {"dxy": 0.25, "btc_dominance": pytest.approx(0.6), "fomc": 0.0}
