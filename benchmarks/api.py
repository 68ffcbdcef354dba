"""The API and the pages of a bot that trades: requests, a stream, memory, and what they cost the cycle."""

from __future__ import annotations

import asyncio
import http.client
import http.cookiejar
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import attrs

from benchmarks.measure import Figure, percentile
from benchmarks.processes import CAB, paper, rss_mib, running
from cab_core.app.desk.endpoint import Endpoint, local_endpoint
from cab_core.settings import Settings, load_settings

#: A candle of every symbol each quarter of a second.
SPEED = "3600"
#: How long each load lasts, in seconds.
SECONDS = 10.0
LISTENERS = 50
PAGES = ("/", "/chart/BTC/USDT", "/signals", "/risk", "/trades", "/audit")
_PATIENCE_S = 60.0


def api(folder: Path) -> list[Figure]:
    """Take all figures of the API and the pages."""
    with trading(folder / "bare", "--no-api") as (bare, _):
        time.sleep(SECONDS)
        without = rss_mib(bare.pid)
    with trading(folder / "served", "--api") as (bot, endpoint):
        client = Client(endpoint)
        quiet = client.cycle_ms(lambda: time.sleep(SECONDS))
        idle = rss_mib(bot.pid)
        figures = [
            *_asked(client, "/api/v1/positions", 1),
            *_asked(client, "/api/v1/positions", 4),
            *_asked(client, "/metrics", 1),
            *_asked(client, "/metrics", 4),
            *_streamed(client),
        ]
        loaded = rss_mib(bot.pid)
    return [
        Figure("a candle's evaluation, nobody asking", [quiet], "ms"),
        *figures,
        Figure("cab run, trading: memory without the API", [without], "MiB"),
        Figure("  with the API", [idle], "MiB"),
        Figure("  after all that was asked", [loaded], "MiB"),
        *_demo(folder),
    ]


@attrs.frozen
class Client:
    """Asks one bot."""

    endpoint: Endpoint

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.endpoint.url)
        return parts.hostname or "", parts.port or 80

    @property
    def head(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.endpoint.token}"}

    def ask(self, path: str, until_s: float) -> list[float]:
        """Ask again and again over one connection; return the seconds of each answer."""
        taken: list[float] = []
        connection = http.client.HTTPConnection(*self.place)
        while (began := time.perf_counter()) < until_s:
            connection.request("GET", path, headers=self.head)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status}")
            taken.append(time.perf_counter() - began)
        connection.close()
        return taken

    def cycle_ms(self, work: Callable[[], object]) -> float:
        """Return the mean duration of a candle's evaluation while something goes on."""
        (seconds, count), _, (later, total) = self._cycles(), work(), self._cycles()
        return 1000 * (later - seconds) / (total - count)

    def _cycles(self) -> tuple[float, float]:
        connection = http.client.HTTPConnection(*self.place)
        connection.request("GET", "/metrics", headers=self.head)
        text = connection.getresponse().read().decode()
        connection.close()
        name = "crypto_cycle_duration_seconds"
        found = [re.search(rf"^{name}_{each} (\S+)", text, re.MULTILINE) for each in ("sum", "count")]
        return float(found[0][1] if found[0] else 0), float(found[1][1] if found[1] else 0)


def _asked(client: Client, path: str, connections: int) -> list[Figure]:
    taken: list[list[float]] = []

    def ask() -> None:
        until_s = time.perf_counter() + SECONDS
        with ThreadPoolExecutor(connections) as threads:
            asking = [threads.submit(client.ask, path, until_s) for _ in range(connections)]
            taken.extend(each.result() for each in asking)

    cycle = client.cycle_ms(ask)
    each = [1000 * seconds for one in taken for seconds in one]
    name = f"{path}, {connections} connection{'s' if connections > 1 else ''}"
    return [
        Figure(name, [len(each) / SECONDS], "per s"),
        Figure("  p99", [percentile(each, 0.99)], "ms"),
        Figure("  a candle's evaluation meanwhile", [cycle], "ms"),
    ]


def _streamed(client: Client) -> list[Figure]:
    counts: list[int] = []
    cycle = client.cycle_ms(lambda: counts.extend(asyncio.run(_listen(client))))
    note = f"each of {LISTENERS} listeners, {len(set(counts))} different counts"
    return [
        Figure(f"/api/v1/stream, {LISTENERS} listeners: events", counts, "each", note=note),
        Figure("  a candle's evaluation meanwhile", [cycle], "ms"),
    ]


async def _listen(client: Client) -> Sequence[int]:
    """Listen for a while with many connections; return how many events each heard."""
    ready = asyncio.Barrier(LISTENERS)
    return await asyncio.gather(*(_hear(client, ready) for _ in range(LISTENERS)))


async def _hear(client: Client, ready: asyncio.Barrier) -> int:
    host, port = client.place
    reader, writer = await asyncio.open_connection(host, port)
    head = "".join(f"{name}: {value}\r\n" for name, value in client.head.items())
    writer.write(f"GET /api/v1/stream HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await ready.wait()
    heard = 0
    try:
        async with asyncio.timeout(SECONDS):
            while line := await reader.readline():
                heard += line.startswith(b"id:")
    except TimeoutError:
        pass
    writer.close()
    return heard


def _demo(folder: Path) -> list[Figure]:
    """Time the demo from its start to a page with candles, and weigh its pages."""
    folder = folder / "demo"
    folder.mkdir()
    began = time.perf_counter()
    command = [CAB, "demo", "--no-browser", "--linger", "0"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as demo:
        try:
            line = demo.stderr.readline() if demo.stderr else ""
            found = re.search(r"dashboard (http\S+)/login\?code=(\S+)", line)
            if found is None:
                raise RuntimeError(f"no dashboard: {line}")
            link = time.perf_counter() - began
            jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
            opener = urllib.request.build_opener(jar)
            opener.open(f"{found[1]}/login?code={found[2]}").close()
            while b"data-candles" not in opener.open(f"{found[1]}/chart/BTC/USDT").read():
                time.sleep(0.02)
            candle = time.perf_counter() - began
            weights = [_weight(opener, found[1] + page) / 1024 for page in PAGES]
        finally:
            demo.kill()
    return [
        Figure("cab demo, start to link", [link], "s"),
        Figure("  to the first candle on the page", [candle], "s"),
        Figure("a page with its scripts and styles", weights, "kB", note=", ".join(PAGES)),
    ]


def _weight(opener: urllib.request.OpenerDirector, url: str) -> int:
    """Return the bytes of a page and of all that it loads."""
    page = opener.open(url).read()
    parts = set(re.findall(rb'(?:src|href)="([^"]+\.(?:js|css|svg|png|woff2)[^"]*)"', page))
    return len(page) + sum(len(opener.open(urljoin(url, part.decode())).read()) for part in parts)


@contextmanager
def trading(folder: Path, flag: str, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], Endpoint]]:
    """Trade on paper, a candle every quarter of a second, until the block ends; ``more`` are settings."""
    chosen = {**paper(folder), "PORT": "0", "API_RATE_PER_MIN": "1000000", **more}
    settings = load_settings(chosen, folder).settings
    with running(folder, chosen, "--speed", SPEED, flag) as bot:
        yield bot, _found(bot, settings) if flag == "--api" else Endpoint("", "", bot.pid)


def _found(bot: subprocess.Popen[bytes], settings: Settings) -> Endpoint:
    ends = time.monotonic() + _PATIENCE_S
    while (endpoint := local_endpoint(settings)) is None:
        if bot.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("the bot does not serve")
        time.sleep(0.05)
    return endpoint
