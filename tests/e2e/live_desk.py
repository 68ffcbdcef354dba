"""``cab run --yes-live`` as a process, against an exchange of this process at the present time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
from live_bench import FLAT, PAIR, RULES, SYMBOL, WARMUP_BARS, D, market

from cab_core.app.desk.endpoint import Endpoint, local_endpoint
from cab_core.app.desk.remote import RemoteDesk
from cab_core.app.verify import check_evidence, check_ledger, gather, violated
from cab_core.domain.money import floor_step
from cab_core.domain.orders import Side
from cab_core.domain.timeframes import TF_MS, floor_ms
from cab_core.settings import SETTINGS, load_settings
from cab_core.storage import visit
from cab_core.storage.location import SqliteFile, parse
from cab_exchange_sim.engine import Exchange
from cab_exchange_sim.engine.values import Book
from cab_exchange_sim.faults import Rule
from cab_exchange_sim.testing import RunningExchange

#: Long enough that a candle never comes.
FOR_EVER_MS = 10**9
#: Another key of the same account, with its secret: as on another host, no lock of this one sees two bots.
SECOND_KEY = ("k27bq16bq52z", "s27bq16bq52zq1")
#: A key of another account at the same exchange.
OTHER_KEY = ("k64cw95cw31x", "s64cw95cw31xw7")
PROGRAM = "from cab_core.cli import main; main()"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def exchange_of_now(symbols: Sequence[str] = (SYMBOL,)) -> Exchange:
    """Return an exchange whose time is the present; its prices rest at 100."""
    first_ms = floor_ms(now_ms(), TF_MS) - WARMUP_BARS * TF_MS
    exchange = Exchange(
        {symbol: market([FLAT], first_ms=first_ms) for symbol in symbols},
        instruments={symbol: attrs.evolve(RULES, symbol=symbol) for symbol in symbols},
        balances={"main": {"USDT": D(10_000)}, "other": {"USDT": D(10_000)}},
    )
    exchange.advance(now_ms())
    return exchange


@attrs.define
class LiveDesk:
    """One account, its database, and the processes that trade on it.

    Attributes:
        url: of a database on a server, empty for a SQLite file of the folder.
    """

    folder: Path
    site: Path
    venue: RunningExchange
    settings: Mapping[str, str] = attrs.field(factory=dict)
    base_url: str = ""
    url: str = ""
    started: list[subprocess.Popen[str]] = attrs.field(factory=list)

    @property
    def database(self) -> Path:
        """The SQLite file, or whose neighbors the files of a database on a server are."""
        place = parse(self.url or self.folder / "trader.sqlite3")
        return place.path if isinstance(place, SqliteFile) else self.folder / "data" / place.file_name

    def environment(self, **more: str) -> dict[str, str]:
        known = {row.name for row in SETTINGS}
        clean = {name: value for name, value in os.environ.items() if name.upper() not in known}
        return {
            **clean,
            "PYTHONPATH": str(self.site),
            "MODE": "live",
            "EXCHANGE": "gateio",
            "SYMBOLS": SYMBOL,
            "API_KEY": self.venue.key,
            "API_SECRET": self.venue.secret,
            "API_TOKEN": "a-token-that-is-long-enough-1",
            "API_RATE_PER_MIN": "100000",  # `until` asks fifty times a second
            **({"DATABASE_URL": self.url} if self.url else {"DB_PATH": str(self.database)}),
            "INSTANCE_LOCK_PATH": str(self.folder / "lock"),
            "LOG_FORMAT": "json",
            "PORT": "0",
            "PLUGINS_ALLOWED": "strategy:scripted",
            "STRATEGY_SET": "scripted",
            "STRATEGY_MODE": "first",
            "TREND_UNKNOWN_POLICY": "allow",
            "VOLUME_FILTER_ENABLED": "false",
            "SIGNAL_TTL_SEC": "900",
            "EXITS_INTERVAL_SEC": "1",
            "RECONCILE_INTERVAL_SEC": "5",
            "WATCHDOG_INTERVAL_SEC": "1",
            **self.settings,
            **more,
        }

    def write_options(self, *, buys: bool = True, sells: bool = False) -> None:
        """Let the strategy buy or sell on the newest closed candles, whichever those are."""
        newest = floor_ms(now_ms(), TF_MS) - TF_MS
        stamps = " ".join(str(newest + n * TF_MS) for n in range(2))
        text = (
            f'[strategies.scripted]\nbuys = "{stamps if buys else ""}"\nsells = "{stamps if sells else ""}"\n'
            f'[brokers.gateio]\nbase_url = "{self.base_url or self.venue.base_url}"\n'
            "timeout_s = 5\nabsence_margin_s = 10\n"
        )
        (self.folder / "cab.toml").write_text(text)

    def start(
        self,
        *wrapper: str,
        program: str = PROGRAM,
        flags: Sequence[str] = (),
        buys: bool = True,
        sells: bool = False,
        **more: str,
    ) -> subprocess.Popen[str]:
        """Start the bot; ``wrapper`` is put before its command line, ``flags`` after it."""
        self.write_options(buys=buys, sells=sells)
        command = [*wrapper, sys.executable, "-c", program, "run", "--yes-live", "--json", *flags]
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(**more),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def cab(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run another command on the same account."""
        if not (self.folder / "cab.toml").exists():
            self.write_options()
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *args],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def finish(self, process: subprocess.Popen[str], number: int = signal.SIGTERM) -> dict[str, Any]:
        """Stop the bot by a signal and return what it says of itself."""
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, self.log()
        told: dict[str, Any] = json.loads(out)
        return told

    def finish_idle(self, process: subprocess.Popen[str]) -> None:
        """Wait until the bot has taken up its work, and stop it."""
        self.until_running()
        assert self.finish(process)["failures"] == {}

    def bot(self) -> RemoteDesk:
        """Return the desk of the bot that runs, over its API."""
        self.until(self.endpoint)  # it is written once the API listens, which may be after the first candle
        endpoint = self.endpoint()
        assert endpoint is not None
        return RemoteDesk(endpoint.url, endpoint.token)

    def endpoint(self) -> Endpoint | None:
        """Return where the bot that runs answers, None before it does."""
        return local_endpoint(load_settings(self.environment(), self.folder).settings)

    def blocked_by(self) -> str | None:
        """Return what the next entry would meet."""
        return asyncio.run(self.bot().status()).symbols[0].blocked_by

    def log(self, last: int | None = 6_000) -> str:
        text = (self.folder / "log").read_text()
        return text if last is None else text[-last:]

    def until_running(self) -> None:
        """Wait until the bot that was started last has taken up its work."""
        self.until(lambda: self.log(None).count('"BTC/USDT idle -> running') == len(self.started))

    def until(self, holds: Callable[[], object], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill the bot and whatever wraps it: what a tracer traces goes on without it."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def clean_up(self) -> None:
        for process in self.started:
            self.kill(process)
            if process.stdout is not None:
                process.stdout.close()
        for pid in self.watched():  # a watcher outlives its bot on purpose
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def watched(self) -> list[int]:
        """Return the dead man's switches of this account that run."""
        found = []
        for proc in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"--database\0{self.database}\0".encode() in (proc / "cmdline").read_bytes():
                    found.append(int(proc.name))
        return found

    # The exchange.

    def fault(self, kind: str, *, after: bool, **more: Any) -> None:
        """Let a request go wrong, by default one order."""
        stage = "after_accept" if after else "before_accept"
        how = {"method": "POST", "path": "/spot/orders$", "times": 1} | more
        self.venue.call(lambda: self.venue.faults.add(Rule(stage=stage, kind=kind, **how)))

    def price(self, price: str, pair: str = PAIR) -> None:
        """Put the market at a price, at once."""
        step, at = D("0.01"), D(price)
        book = Book(((at - step, D(1_000)),), ((at + step, D(1_000)),), now_ms())
        self.venue.call(lambda: setattr(self.venue.exchange.pair_conditions(pair), "book", book))

    def hold_candles(self, late_ms: int = FOR_EVER_MS) -> None:
        """Keep closed candles back that long."""
        candles = self.venue.call(lambda: self.venue.exchange.pair_conditions(PAIR).candles)
        self.venue.call(lambda: setattr(candles, "late_ms", late_ms))

    def injected(self) -> int:
        """Return how many faults have happened."""
        return sum(self.venue.faults.counts().values())

    def ledger(self, *kinds: Any) -> list[Any]:
        return list(self.venue.call(lambda: self.venue.exchange.ledger.of_kind(*kinds)))

    def filled(self, side: Side) -> list[Any]:
        return [entry for entry in self.ledger("fill") if entry.side == side]

    def stops(self) -> list[Any]:
        return list(self.venue.call(lambda: self.venue.exchange.stops("main", PAIR)))

    @property
    def bought(self) -> Decimal:
        return sum((fill.quantity - fill.fee for fill in self.filled(Side.BUY)), D(0))

    @property
    def sold(self) -> Decimal:
        return sum((fill.quantity for fill in self.filled(Side.SELL)), D(0))

    # The database.

    @property
    def evidence(self) -> Any:
        return visit(self.url or self.database, gather)

    @property
    def held(self) -> Decimal:
        state = self.evidence.positions.get(SYMBOL)
        return D(0) if state is None else D(state["quantity"])

    def assert_sound(self) -> None:
        """Hold the database of a bot at rest against the exchange's ledger."""
        entries = [entry.as_json() for entry in self.ledger(*KINDS)]
        evidence = self.evidence
        broken = violated([*check_evidence(evidence), *check_ledger(evidence, entries)])
        assert not broken, [(result.name, result.problems) for result in broken]
        taken = Counter(entry.text for entry in self.ledger("order") if entry.source == "api")
        assert set(taken.values()) <= {1}
        assert self.sold <= self.bought
        assert self.held in (self.bought - self.sold, D(0))

    def assert_closed_or_guarded(self) -> None:
        """Check that nothing but dust is left, or that one stop rests for all of it."""
        left = floor_step(self.held, RULES.amount_step)
        assert [stop.request.amount for stop in self.stops()] == ([left] if left else [])
        if not left:
            assert self.bought - self.sold < RULES.amount_step


KINDS = (
    "order",
    "amend",
    "fill",
    "end",
    "stop",
    "fire",
    "stop_end",
    "refused",
    "adjust",
    "condition",
)
