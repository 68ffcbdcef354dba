"""The run of one seed: lives and deaths of a bot in a hostile world, checked all along."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import attrs
from tests.sim import loop
from tests.sim.bot import EndError, Life, Log
from tests.sim.broker import SimBroker
from tests.sim.checks import after_a_crash, at_rest
from tests.sim.crashes import MOST_KILLS, KilledError, Reaper
from tests.sim.draws import chosen, stream
from tests.sim.memory import InlineWriter
from tests.sim.plan import Plan, downtime_s, drawn
from tests.sim.wire import Wire
from tests.sim.world import World, start_ms

from cab_core.app import session as session_module
from cab_core.app.session import Session
from cab_core.domain.timeframes import DAY_MS, MINUTE_MS
from cab_core.errors import CabError
from cab_core.storage import journal_rows

#: How long everything may take to come to rest once nothing goes wrong any more: rules are read hourly.
REST_MS = 75 * MINUTE_MS

#: A start that the exchange refused is repeated after this long, as a service manager does.
RESTART_MS = 30_000

#: Rows of the journal that go with a violation.
TAIL = 50


@attrs.define
class Result:
    """What a seed came to.

    Attributes:
        violations: what was found broken, with when; empty if nothing.
        struck: how often each fault struck. ``hits``, ``kills``: by checkpoint.
        journal: hash of the whole journal. ``tail``: its last rows, if something is broken.
    """

    seed: int
    days: int
    violations: list[str] = attrs.field(factory=list)
    struck: Counter[str] = attrs.field(factory=Counter)
    hits: Counter[str] = attrs.field(factory=Counter)
    kills: Counter[str] = attrs.field(factory=Counter)
    intents: int = 0
    fills: int = 0
    journal: str = ""
    tail: list[str] = attrs.field(factory=list)
    plan: Plan | None = None


@attrs.frozen(kw_only=True)
class Sabotage:
    """A planted bug.

    Attributes:
        broker: makes the broker. ``prepare``: changes the session before it takes up its work.
        patched: what is replaced for the length of the run.
    """

    broker: Callable[[Wire], SimBroker] = SimBroker
    prepare: Callable[[Session], None] = lambda _: None
    patched: tuple[tuple[object, str, object], ...] = ()


HONEST = Sabotage()


def symbols_of(seed: int) -> tuple[str, ...]:
    """Return what a seed trades."""
    return chosen((("BTC/USDT",), ("BTC/USDT",), ("BTC/USDT", "ETH/USDT")), seed, "symbols")


def simulate(seed: int, days: int = 1, sabotage: Sabotage = HONEST, plan: Plan | None = None) -> Result:
    """Run a seed and return what it came to."""
    plan = plan or drawn(seed, symbols_of(seed), start_ms(), days)
    with undisturbed(seed, sabotage):
        return _Run(plan, days, sabotage).result()


class _Run:
    def __init__(self, plan: Plan, days: int, sabotage: Sabotage) -> None:
        self.world, self.writer, self.log = World(plan, days), InlineWriter(), Log()
        self.reaper = Reaper(plan.seed, plan.kill_scale, MOST_KILLS * days)
        self.found = Result(plan.seed, days, plan=plan)
        self._sabotage, self._days = sabotage, days
        self._downtimes = stream("downtime", plan.seed)
        self._session: Session | None = None

    def result(self) -> Result:
        try:
            for _ in range(self._days):
                self._live_until(self.world.now_ms + DAY_MS)
                self._note("at the end of the day", after_a_crash(self.world, self.writer))
            self.world.settle_down()
            self.reaper.scale = 0.0
            self._live_until(self.world.now_ms + REST_MS)
            self._note("at rest", [*at_rest(self.world, self.writer), *self._blocked()])
            self._summarize()
        finally:
            self.writer.discard()
        return self.found

    def _live_until(self, until_ms: int) -> None:
        while not self.found.violations:
            until_ms, over = self._one_life(until_ms)
            if over:
                return

    def _one_life(self, until_ms: int) -> tuple[int, bool]:
        """Let the bot live once; return until when it has to go on, and whether that is over."""
        self.reaper.rise()
        life = Life(
            world=self.world,
            writer=self.writer,
            reaper=self.reaper,
            log=self.log,
            until_ms=until_ms,
            broker=self._sabotage.broker,
            prepare=self._prepare,
        )
        try:
            loop.run(life.live())
        except EndError:
            return until_ms, True
        except KilledError as death:
            self._note(f"after the crash at {death}", after_a_crash(self.world, self.writer))
            return self._lie_down(until_ms)
        except CabError as error:
            self.found.struck[f"start refused: {type(error).__name__}"] += 1
            self.world.advance(self.world.now_ms + RESTART_MS)
        except Exception as error:  # noqa: BLE001 - a bot that dies of anything else is a finding
            self._note("the bot died", ["".join(traceback.format_exception(error))])
        finally:
            self._blame_loops()
        return until_ms, self.world.now_ms >= until_ms

    def _prepare(self, session: Session) -> None:
        self._session = session
        self._sabotage.prepare(session)

    def _blocked(self) -> Iterator[str]:
        """I8: nothing of the past keeps a symbol from entering for ever."""
        if self._session is None:
            return
        orchestrator = self._session.orchestrator
        for symbol in self.world.plan.symbols:
            reason = orchestrator.execution.no_entry(symbol) or orchestrator.decider.no_entry(symbol)
            if reason is not None:
                yield f"I8: {symbol} is blocked at rest: {reason}"

    def _lie_down(self, until_ms: int) -> tuple[int, bool]:
        down_ms = 1000 * downtime_s(self._downtimes)
        self.found.struck[f"down for {down_ms // 1000} s"] += 1
        self.world.advance(self.world.now_ms + down_ms)
        if down_ms >= DAY_MS:
            until_ms += down_ms
        return until_ms, self.world.now_ms >= until_ms

    def _blame_loops(self) -> None:
        """A loop that failed because the exchange did not answer goes on; any other failure is a bug."""
        for error in self.log.failures:
            if not isinstance(error, CabError):
                self._note("a loop failed", ["".join(traceback.format_exception(error))])
        self.log.failures.clear()

    def _note(self, when: str, problems: list[str]) -> None:
        self.found.violations += [f"{problem} [{when}, {self.world.now_ms}]" for problem in problems]

    def _summarize(self) -> None:
        found, world = self.found, self.world
        found.struck += world.struck
        found.hits, found.kills = self.reaper.hits, self.reaper.kills
        found.fills = len(world.exchange.ledger.of_kind("fill"))
        rows = self.writer.read(lambda conn: list(journal_rows(conn)))
        found.intents = sum(row.kind == "order.planned" for row in rows)
        found.journal = hashlib.sha256("".join(row.hash for row in rows).encode()).hexdigest()
        if found.violations:
            found.tail = [f"{row.seq} {row.ts_ms} {row.kind} {row.ref} {row.payload}" for row in rows[-TAIL:]]


@contextmanager
def undisturbed(seed: int, sabotage: Sabotage = HONEST) -> Iterator[None]:
    """Give the session trace ids of the seed, and keep it from telling thousands of warnings."""
    ids = stream("ids", seed)
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)

    def trace_id(_: object) -> str:
        return f"{ids.getrandbits(64):016x}"

    patches = [
        mock.patch.object(session_module.SystemIds, "trace_id", trace_id),
        *(mock.patch.object(target, name, new) for target, name, new in sabotage.patched),
    ]
    try:
        for patch in patches:
            patch.start()
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()
        logging.disable(disabled)
