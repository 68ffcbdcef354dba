"""A clock that is set by hand, a notifier that can be down, and a pump between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from cab_core.app.alerting.pulse import every
from cab_core.app.alerting.pump import Pump
from cab_core.clock import SystemClock
from cab_core.domain.alerts import Alert
from cab_core.errors import CabError
from cab_core.plugins.answers import check_nothing
from cab_core.plugins.guard import HangGuard
from cab_core.plugins.isolation import Caller
from cab_core.storage import Store

NOON_MS = round(datetime(2024, 5, 6, 12, 0, tzinfo=UTC).timestamp() * 1000)


@attrs.define
class HandClock(SystemClock):
    """Shows what it was set to."""

    ms: int = NOON_MS

    def now_ms(self) -> int:
        return self.ms

    def at(self, minutes: float) -> None:
        """Set it to so many minutes after noon."""
        self.ms = NOON_MS + round(60_000 * minutes)


@attrs.define(eq=False)
class Inbox:
    """A notifier's transport: keeps what arrives, refuses or hangs while told to."""

    alerts: list[Alert] = attrs.field(factory=list)
    refuse: str = ""
    hang: bool = False
    refuse_kind: str = ""

    async def notify(self, alert: Alert) -> None:
        if self.hang:
            await asyncio.Event().wait()
        if self.refuse or alert.kind == self.refuse_kind:
            raise CabError(self.refuse or "bad text")
        self.alerts.append(alert)

    @property
    def texts(self) -> list[str]:
        return [alert.text for alert in self.alerts]


@attrs.define(eq=False)
class Bench:
    """A pump with named inboxes."""

    clock: HandClock
    inboxes: dict[str, Inbox]
    store: Store | None
    pump: Pump = attrs.field(init=False)

    def start(self, nonce: str = "aaaaaa") -> Pump:
        callers = [
            Caller(f"notifier:{name}", inbox.notify, check_nothing, 0.2, HangGuard())
            for name, inbox in self.inboxes.items()
        ]
        self.pump = Pump.of(self.clock, callers, self.store, nonce)
        return self.pump

    async def look(self) -> None:
        """Let the pump look once and end what it starts."""
        await self.pump.look()
        await self.pump.settled()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trader.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(path)
    yield opened
    await opened.close()


@pytest.fixture
def bench(clock: HandClock, store: Store) -> Bench:
    made = Bench(clock, {"a": Inbox()}, store)
    made.start()
    return made


@pytest.fixture
async def running(bench: Bench) -> AsyncIterator[Callable[[], None]]:
    """Keeps the pump looking, as a run does; call it to have it look at once."""
    task = asyncio.create_task(every(bench.pump.look, bench.pump.wake, 60))
    await asyncio.sleep(0)
    yield bench.pump.wake.set
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
