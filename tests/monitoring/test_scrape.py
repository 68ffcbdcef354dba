"""A real Prometheus asks a real bot, an alert of the shipped rules fires, and Alertmanager hands it on."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import pytest
import yaml
from metered_bot import LOSING, overrides_of
from programs import need

from cab_core.app.desk.endpoint import Endpoint, local_endpoint
from cab_core.settings import SETTINGS, load_settings

OPS = Path(__file__).parents[2] / "ops"
TOKEN = "an-operator's-token"
PATIENCE_S = 20
_PROGRAM = "import sys; from cab_core.cli import main; sys.argv[0] = 'cab'; sys.exit(main())"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until(reached: Callable[[], Any]) -> Any:
    """Return the first answer that is true; connections that are refused count as not yet."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if answer := reached():
                return answer
        except OSError:
            pass
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


@contextmanager
def started(*command: str | Path, log: Path, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the length of the block."""
    foreign = {row.name for row in SETTINGS}
    clean = {name: value for name, value in os.environ.items() if name.upper() not in foreign}
    with (
        log.open("w") as said,
        subprocess.Popen([*map(str, command)], stdout=said, stderr=said, cwd=cwd, env=clean) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def receiver(taken: list[dict[str, Any]]) -> Iterator[str]:
    """Stand where the bot takes what Alertmanager says; only with the right token."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            welcome = self.headers["Authorization"] == f"Bearer {TOKEN}"
            if welcome:
                taken.extend(body["alerts"])
            self.send_response(202 if welcome else 401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api/v1/alertmanager"
        server.shutdown()


@attrs.frozen
class Monitored:
    """A bot under the eyes of Prometheus and Alertmanager."""

    bot: subprocess.Popen[bytes]
    port: int
    prometheus: str
    alertmanager: str
    taken: list[dict[str, Any]]

    def ask(self, query: str) -> list[dict[str, Any]]:
        found = get(f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    def told(self, alert: str) -> bool:
        return any(each["labels"]["alertname"] == alert and each["status"] == "firing" for each in self.taken)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def post(url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=5).close()


def impatient(folder: Path, bot: int, alertmanager: int) -> Path:
    """Write the shipped configuration for this bot, with seconds instead of minutes; return its path."""
    config = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s")
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{bot}"]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
    rules = (OPS / "prometheus" / "cab.rules.yml").read_text()
    (folder / "cab.rules.yml").write_text(re.sub(r"(?m)^( +for: ).*$", r"\g<1>1s", rules))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def delivering(folder: Path, url: str) -> Path:
    """Write the shipped configuration of Alertmanager for this receiver; return its path."""
    token = folder / "token"
    token.write_text(TOKEN)
    config = yaml.safe_load((OPS / "alertmanager" / "alertmanager.yml").read_text())
    for receiver in config["receivers"]:
        for webhook in receiver["webhook_configs"]:
            webhook["url"] = url
            webhook["http_config"]["authorization"]["credentials_file"] = str(token)
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def trading(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Endpoint]]:
    """Run ``cab run`` in a folder, losing money fast, and find its API."""
    overrides = overrides_of(folder, *LOSING, "PORT=0")
    settings = load_settings({}, folder, overrides).settings
    chosen = [word for each in overrides for word in ("--set", each)]
    command = ("run", "--market", "sample", "--speed", "20000", "--api", *chosen)
    log = folder / "bot.log"
    with started(sys.executable, "-c", _PROGRAM, *command, log=log, cwd=folder) as bot:
        yield bot, until(lambda: _alive(bot, log) or local_endpoint(settings))


def _alive(bot: subprocess.Popen[bytes], log: Path) -> None:
    assert bot.poll() is None, log.read_text()


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """Start everything."""
    prometheus, alertmanager = need("prometheus"), need("prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("monitored")
    (folder / "bot").mkdir()
    taken: list[dict[str, Any]] = []
    with ExitStack() as stack:
        bot, endpoint = stack.enter_context(trading(folder / "bot"))
        port = urllib.parse.urlsplit(endpoint.url).port
        assert port is not None
        ports = {"alerts": free_port(), "prometheus": free_port()}
        stack.enter_context(
            started(
                alertmanager,
                f"--config.file={delivering(folder, stack.enter_context(receiver(taken)))}",
                f"--storage.path={folder / 'alerts'}",
                f"--web.listen-address=127.0.0.1:{ports['alerts']}",
                "--cluster.listen-address=",
                log=folder / "alertmanager.log",
            )
        )
        stack.enter_context(
            started(
                prometheus,
                f"--config.file={impatient(folder, port, ports['alerts'])}",
                f"--storage.tsdb.path={folder / 'series'}",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
                "--enable-feature=exemplar-storage",
                log=folder / "prometheus.log",
            )
        )
        addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        yield Monitored(bot, port, addresses["prometheus"], addresses["alerts"], taken)


def test_prometheus_reads_the_bot_with_its_traces(monitored: Monitored) -> None:
    until(lambda: monitored.ask('up{job="cab"} == 1'))
    until(lambda: monitored.ask('crypto_trades_total{status="completed"} > 0'))
    assert monitored.ask("crypto_build_info")[0]["metric"]["mode"] == "paper"
    assert float(monitored.ask("crypto_metric_errors_total")[0]["value"][1]) == 0
    now = time.time()
    window = urllib.parse.urlencode({"query": "crypto_trades_total", "start": now - 300, "end": now + 300})
    found = until(lambda: get(f"{monitored.prometheus}/api/v1/query_exemplars?{window}")["data"])
    traces = {each["labels"]["trace_id"] for series in found for each in series["exemplars"]}
    assert all(re.fullmatch(r"[0-9a-f]{16}", trace) for trace in traces)


def test_a_real_drawdown_reaches_the_operator(monitored: Monitored) -> None:
    until(lambda: monitored.told("MaxDrawdownExceeded"))
    alert = next(each for each in monitored.taken if each["labels"]["alertname"] == "MaxDrawdownExceeded")
    assert alert["labels"]["severity"] == "critical"
    shown = float(re.search(r"[\d.]+", alert["annotations"]["summary"])[0])
    assert shown > 10
    assert alert["annotations"]["runbook_url"].endswith("#maxdrawdownexceeded")


def test_a_dead_bot_is_told_of_and_everything_else_of_it_is_muted(monitored: Monitored) -> None:
    monitored.bot.kill()
    until(lambda: monitored.told("BotDown"))
    instance = f"127.0.0.1:{monitored.port}"
    late = {"alertname": "CabPositionUnprotected", "job": "cab", "severity": "critical", "symbol": "X/Y"}
    other = {"alertname": "CabPositionUnprotected", "job": "cab", "severity": "critical", "symbol": "O/K"}
    labels = [{**late, "instance": instance}, {**other, "instance": "another:8000"}]
    post(f"{monitored.alertmanager}/api/v2/alerts", [{"labels": each} for each in labels])

    def states() -> dict[str, str]:
        found = get(f"{monitored.alertmanager}/api/v2/alerts")
        return {each["labels"].get("symbol", ""): each["status"]["state"] for each in found}

    until(lambda: states().get("O/K") == "active")
    assert states()["X/Y"] == "suppressed"
