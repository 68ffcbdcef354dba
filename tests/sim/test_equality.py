"""Killed without a pause and without faults, a bot ends where one ends that was never killed (I14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
from tests.sim import loop
from tests.sim.bot import EndError, Life, Log
from tests.sim.checks import at_rest
from tests.sim.crashes import KilledError, Reaper
from tests.sim.memory import InlineWriter
from tests.sim.plan import quiet
from tests.sim.simulation import undisturbed
from tests.sim.world import ACCOUNT, World

from cab_core.app.session import Session
from cab_core.app.verify import gather
from cab_core.cycle.feed import QuotedFeed
from cab_core.domain.timeframes import HOUR_MS

SEED = 8
HOURS = 3

#: Here the runs part ways on purpose. An entry that was planned and not sent is given up, because its price
#: is gone; an order that may have left is looked for first, and an exit is sent again only once it is proven
#: that it never arrived, minutes later at another price. A stop comes back at its level: nothing changes.
PART_WAYS = {
    "commit_plan_entry:after",
    "commit_sent_entry:before",
    "commit_sent_entry:inside",
    "commit_sent_entry:after",
    "submit_entry:before",
    "commit_sent_exit:after",
    "submit_exit:before",
}


class OnTheMinute(QuotedFeed):
    """Looks at full minutes, and at once where a life begins on one: a restart keeps the beat."""

    async def looks(self, symbol: str, order: int) -> AsyncIterator[None]:
        del symbol
        if self.clock.now_ms() % self.exits_ms == 0:
            yield None
        while True:
            now_ms = self.clock.now_ms()
            await self.clock.sleep_until(now_ms - now_ms % self.exits_ms + self.exits_ms, order)
            yield None


def on_the_minute(session: Session) -> None:
    feed: Any = session.orchestrator.feed
    session.orchestrator.feed = OnTheMinute(
        feed.market, feed.clock, feed.grace_ms, feed.exits_ms, feed.poll_ms, evaluated_ms=feed.evaluated_ms
    )


@attrs.frozen
class End:
    """Where a run ended: what was traded, what is held, what rests. No ids and no times of the bot."""

    fills: tuple[Any, ...]
    position: Any
    cash: str
    stops: tuple[Any, ...]


def run(only: tuple[str, int] | None) -> tuple[End, Reaper]:
    world, writer = World(quiet(SEED, ("BTC/USDT",)), 1), InlineWriter()
    reaper, until_ms = Reaper(SEED, only=only), world.now_ms + HOURS * HOUR_MS
    try:
        with undisturbed(SEED):
            while True:
                reaper.rise()
                life = Life(
                    world=world,
                    writer=writer,
                    reaper=reaper,
                    log=Log(),
                    until_ms=until_ms,
                    prepare=on_the_minute,
                )
                try:
                    loop.run(life.live())
                except KilledError:
                    continue
                except EndError:
                    break
        assert at_rest(world, writer) == []
        return end_of(world, writer), reaper
    finally:
        writer.discard()


def end_of(world: World, writer: InlineWriter) -> End:
    evidence = writer.read(gather)
    fills = tuple((t.symbol, t.side, t.quantity, t.price, t.fee) for t in evidence.trades)
    position = {
        symbol: {key: state[key] for key in ("bought", "quantity", "cost", "protection")}
        for symbol, state in evidence.positions.items()
    }
    stops = tuple((s.request.trigger, s.request.amount) for s in world.exchange.waiting_stops(ACCOUNT))
    return End(fills, position, str((evidence.book or {})["quote_free"]), stops)


@pytest.fixture(scope="module")
def undying() -> tuple[End, Reaper]:
    return run(None)


def checkpoints(reaper: Reaper) -> list[tuple[str, int]]:
    """Return the first and the last hit of each checkpoint."""
    return [(name, n) for name, hits in sorted(reaper.hits.items()) for n in sorted({1, hits})]


def test_the_run_is_worth_comparing(undying: tuple[End, Reaper]) -> None:
    end, reaper = undying
    assert len(end.fills) >= 6
    assert {fill[1] for fill in end.fills} == {"buy", "sell"}
    assert reaper.hits["submit_stop:after"] >= 3
    assert reaper.hits.keys() >= PART_WAYS


@pytest.mark.catalogue(1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 18)
def test_a_kill_without_a_pause_changes_nothing_in_the_end(undying: tuple[End, Reaper]) -> None:
    expected, reaper = undying
    apart: list[tuple[str, int]] = []
    for only in checkpoints(reaper):
        end, killed = run(only)  # which holds the end against every invariant, where ways part as well
        assert killed.kills.total() == 1
        apart += [only] * (end != expected and only[0] not in PART_WAYS)
    assert not apart
