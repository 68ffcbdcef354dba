"""A live bot and an exchange in lock-step: real ccxt over real HTTP, on a market that a test lays out."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import numpy as np

from cab_broker_ccxt.api import Api
from cab_core.app.run_quoted import run_quoted
from cab_core.app.running import Running
from cab_core.app.session import Session
from cab_core.app.verify import Evidence, check_evidence, check_ledger, gather, violated
from cab_core.clock import VirtualClock
from cab_core.domain.bars import Bars
from cab_core.domain.market import Instrument
from cab_core.domain.money import floor_step
from cab_core.domain.orders import Purpose, Side
from cab_core.domain.timeframes import TF_MS
from cab_core.settings import Settings, load_settings
from cab_core.storage import TraceRow, load_traces, open_sync
from cab_exchange_sim.engine.values import OrderRequest
from cab_exchange_sim.faults import Rule
from cab_exchange_sim.testing import RunningExchange

SYMBOL, PAIR = "BTC/USDT", "BTC_USDT"
D = Decimal
RULES = Instrument(
    SYMBOL,
    amount_step=D("0.0001"),
    price_tick=D("0.01"),
    cost_step=D("0.01"),
    min_notional=D(3),
    min_amount=D("0.0001"),
)
MINUTE = 60_000
WARMUP_BARS = 600
FIRST_MS = 1_704_067_200_000
#: When the bot starts: the open of the first candle that a test lays out.
START_MS = FIRST_MS + WARMUP_BARS * TF_MS
FLAT = (100.0, 100.0, 100.0, 100.0)

#: What every event carries, whatever caused it.
TRACE_ID = re.compile("[0-9a-f]{16}")

STRATEGY = '''
"""Trades on the candles it is told to."""

import numpy as np

from cab_core.sdk import Signals, Strategy, hookimpl, option, plugin


@plugin
class Scripted(Strategy):
    """Buys and sells on chosen candles."""

    buys: str = option("", help="Open times of candles to buy on.")
    sells: str = option("", help="Open times of candles to sell on.")

    def warmup_bars(self):
        return 1

    @hookimpl
    def signals(self, bars):
        buys, sells = ([int(ms) for ms in text.split()] for text in (self.buys, self.sells))
        action = np.where(np.isin(bars.ts_ms, buys), 1, np.where(np.isin(bars.ts_ms, sells), -1, 0))
        action = action.astype(np.int8)
        return Signals(action, (action != 0) * 1.0, np.zeros(len(bars), np.int32), ("told",))
'''


def install_strategy(site: Path) -> None:
    """Make a package of the scripted strategy: live trading takes installed plugins only."""
    site.mkdir()
    (site / "cab_strategy_scripted.py").write_text(STRATEGY)
    info = site / "cab_strategy_scripted-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: cab-strategy-scripted\nVersion: 0.1\n"
        "Requires-Dist: cab-core>=0.1,<0.2\n"
    )
    (info / "entry_points.txt").write_text("[cab.strategies]\nscripted = cab_strategy_scripted:Scripted\n")


def market(
    candles: Sequence[tuple[float, float, float, float]], after: int = 400, first_ms: int = FIRST_MS
) -> Bars:
    """Return a market that rests at 100, plays the candles, and rests at the last price."""
    rows = [FLAT] * WARMUP_BARS + [*candles]
    rows += [(rows[-1][3],) * 4] * after
    columns = np.array(rows).T
    stamps = first_ms + TF_MS * np.arange(len(rows))
    return Bars.of(stamps, *columns, np.full(len(rows), 10.0))


@attrs.define
class Stopper:
    """Ends a run between two decisions once its time has come."""

    end_ms: int
    task: asyncio.Task[None] | None = None

    def look(self, now_ms: int, running: Running | None) -> None:
        if running is not None and self.task is None and now_ms >= self.end_ms:
            self.task = asyncio.create_task(running.session.orchestrator.end())


@attrs.define
class LiveBench:
    """One account at one exchange; `run` starts the bot and plays the market beside it.

    Attributes:
        settings, options: of the bot, and of its broker.
        alerts: those of all runs. ``traced``: each event's topic, an alert's kind, and its trace id.
        planned: what happens at the exchange, and when.
        away: the exchange is out of reach for a while.
        hurried: an answer to an order is awaited for one real second instead of five.
    """

    folder: Path
    venue: RunningExchange
    base_url: str
    settings: dict[str, str] = attrs.field(factory=dict)
    options: Mapping[str, str] = attrs.field(factory=dict)
    planned: list[tuple[int, Callable[[], object], bool]] = attrs.field(factory=list)
    alerts: list[Mapping[str, Any]] = attrs.field(factory=list)
    traced: list[tuple[str, str]] = attrs.field(factory=list)
    away: bool = False
    hurried: bool = False
    running: Running | None = None
    summary: Mapping[str, Any] = attrs.field(factory=dict)

    # What happens meanwhile.

    def at(self, minutes: float, what: Callable[[], object], *, in_bot: bool = False) -> None:
        """Do something at the exchange, or in the bot, that long after the first start of the bot."""
        self.planned.append((START_MS + round(minutes * MINUTE), what, in_bot))
        self.planned.sort(key=lambda each: each[0])

    def fault(self, kind: str, *, after: bool = False, path: str = "/spot/orders$", **more: Any) -> None:
        """Let requests go wrong, by default the first order; ``since``: minutes after the start."""
        method = more.pop("method", "POST")
        since = more.pop("since", 0)
        more |= {"since_ms": START_MS + round(since * MINUTE)}
        stage = "after_accept" if after else "before_accept"
        rule = Rule(stage=stage, kind=kind, method=method, path=path, **({"times": 1} | more))
        self.venue.call(lambda: self.venue.faults.add(rule))

    def do(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something that takes a while on the exchange's event loop."""
        asyncio.run_coroutine_threadsafe(what(), self.venue.loop).result()

    @property
    def pair(self) -> Any:
        """What is wrong with the pair; to be changed."""
        return self.venue.exchange.pair_conditions(PAIR)

    def by_hand(self, side: Side, amount: str, text: str = "web") -> None:
        """Trade on the account as a person would."""
        tif: Any = "ioc"
        request = OrderRequest(pair=PAIR, side=side, type="market", amount=D(amount), tif=tif, text=text)
        self.venue.exchange.place("main", request)

    def use_rules(self, **changes: Any) -> None:
        """Change the rules of the pair."""
        pair = self.venue.exchange.market(PAIR)
        pair.instrument = attrs.evolve(pair.instrument, **changes)

    # The bot.

    @property
    def session(self) -> Session:
        """The session of the bot that runs."""
        if self.running is None:
            raise ValueError("it does not run")
        return self.running.session

    @property
    def database(self) -> Path:
        return self.folder / "trader.sqlite3"

    def load(self, mode: str = "live", *, buys: Sequence[int] = (), sells: Sequence[int] = ()) -> Settings:
        """Return the settings of a run; candles are counted from the first that the test lays out."""
        told = {"buys": buys, "sells": sells}
        stamps = {name: " ".join(str(START_MS + n * TF_MS) for n in rows) for name, rows in told.items()}
        options = {"timeout_s": "5", "absence_margin_s": "10"} | dict(self.options)
        rows = "\n".join(f"{name} = {value}" for name, value in options.items())
        text = f"""
            [strategies.scripted]
            buys = "{stamps["buys"]}"
            sells = "{stamps["sells"]}"
            [brokers.gateio]
            base_url = "{self.base_url}"
        """
        (self.folder / "cab.toml").write_text(textwrap.dedent(text) + rows + "\n")
        return load_settings(self.environment(mode), self.folder).settings

    def environment(self, mode: str = "live") -> dict[str, str]:
        """Return the settings of a run but for the options of its plugins."""
        return {
            "MODE": mode,
            "EXCHANGE": "gateio",
            "SYMBOLS": SYMBOL,
            "API_KEY": self.venue.key,
            "API_SECRET": self.venue.secret,
            "API_TOKEN": "a-token-that-is-long-enough-1",
            "DB_PATH": str(self.database),
            "INSTANCE_LOCK_PATH": str(self.folder / "lock"),
            "EXITS_INTERVAL_SEC": "20",
            "STRATEGY_SET": "scripted",
            "PLUGINS_ALLOWED": "strategy:scripted",
            "STRATEGY_MODE": "first",
            "TREND_REQUIRE_UP": "false",
            "TREND_UNKNOWN_POLICY": "allow",
            "VOLUME_FILTER_ENABLED": "false",
            **self.settings,
        }

    async def run(
        self, minutes: float, mode: str = "live", *, buys: Sequence[int] = (), sells: Sequence[int] = ()
    ) -> Running:
        """Start the bot, stop it cleanly that long after its first start, and keep what it said."""
        settings = self.load(mode, buys=buys, sells=sells)
        self.running = None
        stopper = Stopper(START_MS + round(minutes * MINUTE))
        failed: list[Exception] = []

        async def lead(to_ms: int) -> None:
            try:
                await self._play_plan(to_ms)
            except Exception as error:  # noqa: BLE001 - a clock that is not led on would stand still for ever
                failed.append(error)
                stopper.end_ms = 0
            stopper.look(to_ms, self.running)

        async def view(running: Running) -> None:
            self.running = running
            running.session.orchestrator.announcer.bus.subscribe("*", self._heard)
            await asyncio.Event().wait()

        clock = VirtualClock(self.venue.exchange.now_ms, lead=lead)
        with _hurried() if self.hurried else nullcontext():
            running = await run_quoted(settings, view, clock=clock)
        if failed:
            raise failed[0]
        self.summary = running.summary()
        # A candle that cannot be had is an error of its loop, which goes on; nothing else may fail.
        assert set(self.summary["failures"]) <= ({f"{SYMBOL} cycle"} if self.away else set())
        assert [event for event in self.traced if not TRACE_ID.fullmatch(event[1])] == []
        return running

    async def _heard(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        self.traced.append((payload["kind"] if topic == "alert" else topic, trace_id))
        if topic == "alert":
            self.alerts.append(payload)

    async def _play_plan(self, to_ms: int) -> None:
        while self.planned and self.planned[0][0] <= to_ms:
            at_ms, what, in_bot = self.planned.pop(0)
            self._play(at_ms)
            await (_do_here(what) if in_bot else self._do(what))
        self._play(to_ms)

    async def _do(self, what: Callable[[], object]) -> None:
        done = self.venue.call(what)
        if asyncio.iscoroutine(done):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(done, self.venue.loop))

    def _play(self, to_ms: int) -> None:
        def play() -> None:
            if to_ms > self.venue.exchange.now_ms:
                self.venue.clock.advance(to_ms)
                self.venue.exchange.advance(to_ms)

        self.venue.call(play)

    # What came of it.

    @property
    def evidence(self) -> Evidence:
        with open_sync(self.database) as conn:
            return gather(conn)

    @property
    def reasons(self) -> dict[int, str]:
        """The reason that ended each candle, by its open time."""
        return {trace.candle_ts_ms: trace.reason for trace in self.traces}

    @property
    def traces(self) -> list[TraceRow]:
        """The evaluated candles, oldest first."""
        with open_sync(self.database) as conn:
            return load_traces(conn)

    def orders(self, *purposes: Purpose, state: str = "") -> list[Mapping[str, Any]]:
        """Return the attempts on record, oldest first."""
        wanted = {str(purpose) for purpose in purposes}
        rows = sorted(self.evidence.intents, key=lambda row: (row["created_ms"], row["attempt"]))
        return [r for r in rows if r["purpose"] in wanted and (not state or r["state"] == state)]

    @property
    def fills(self) -> list[Any]:
        """What the exchange's ledger says was traded for the bot."""
        mine = {e.order_id for e in self.venue.exchange.ledger.of_kind("order") if e.source != "phantom"}
        return [e for e in self.venue.exchange.ledger.of_kind("fill") if e.order_id in mine]

    def sold(self) -> Decimal:
        """Return what the bot's orders sold, by the exchange's ledger."""
        return sum((e.quantity for e in self.fills if e.side == Side.SELL and _ours(self, e)), D(0))

    def bought(self) -> Decimal:
        """Return what the bot's entries brought in, less the fees taken in base."""
        mine = [e for e in self.fills if e.side == Side.BUY and _ours(self, e)]
        fees = sum((e.fee for e in mine if e.fee_currency == "BTC"), D(0))
        return sum((e.quantity for e in mine), D(0)) - fees

    @property
    def held(self) -> Decimal:
        """The position on record; 0 without one."""
        state = self.evidence.positions.get(SYMBOL)
        return D(0) if state is None else D(state["quantity"])

    def stops(self) -> list[Any]:
        """Return the stops that rest at the exchange."""
        return self.venue.exchange.stops("main", PAIR)

    def resting(self) -> list[Decimal]:
        """Return what those stops would sell."""
        return [stop.request.amount for stop in self.stops()]

    def assert_sound(self, *, guarded: bool = True) -> None:
        """Hold the database against what really happened, for a bot at rest."""
        entries = [entry.as_json() for entry in self.venue.exchange.ledger]
        broken = violated([*check_evidence(self.evidence), *check_ledger(self.evidence, entries)])
        assert not broken, [(result.name, result.problems) for result in broken]
        taken = Counter(e.text for e in self.venue.exchange.ledger.of_kind("order") if e.source == "api")
        assert all(count == 1 for text, count in taken.items() if text.startswith("t-c")), taken
        assert self.sold() <= self.bought()
        if guarded:
            self.assert_guarded()

    def assert_guarded(self) -> None:
        """Check that the whole position, and nothing else, rests on one stop."""
        step = self.venue.exchange.market(PAIR).instrument.amount_step
        wanted = [floor_step(self.held, step)] if self.held else []
        assert self.resting() == wanted


@contextmanager
def _hurried() -> Iterator[None]:
    send = Api.send

    async def at_once(self: Api, endpoint: str, params: Mapping[str, Any]) -> Any:
        client: Any = self.client
        client.timeout = 1_000
        return await send(self, endpoint, params)

    with mock.patch.object(Api, "send", at_once):
        yield


async def _do_here(what: Callable[[], object]) -> None:
    done = what()
    if asyncio.iscoroutine(done):
        await done


def _ours(bench: LiveBench, entry: Any) -> bool:
    order = next(e for e in bench.venue.exchange.ledger.of_kind("order") if e.order_id == entry.order_id)
    return bool(order.text.startswith("t-c") or order.source == "stop")
