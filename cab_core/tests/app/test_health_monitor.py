from __future__ import annotations

import pytest

from cab_core.app.health_monitor import CONFIRM, Condition, Monitor, Seen
from cab_core.clock import VirtualClock
from cab_core.domain.alerts import Alert, Severity

NOW_MS = 1_700_000_000_000


class Watched:
    """A bot that looks as a test wants it to, and what people were told."""

    def __init__(self) -> None:
        self.seen = Seen(Condition.HEALTHY, "all parts work")
        self.told: list[Alert] = []
        self.monitor = Monitor(self.look, self.tell, VirtualClock(NOW_MS), 10_000)

    async def look(self) -> Seen:
        return self.seen

    async def tell(self, alert: Alert) -> None:
        self.told.append(alert)

    async def go(self, condition: Condition, looks: int = CONFIRM) -> list[tuple[Severity, str]]:
        self.seen, self.told = Seen(condition, "seen"), []
        for _ in range(looks):
            await self.monitor.step()
        return [(alert.severity, alert.kind) for alert in self.told]


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_a_healthy_bot_is_no_news(watched: Watched) -> None:
    assert await watched.go(Condition.HEALTHY, 10) == []


async def test_a_death_is_told_once_and_so_is_the_recovery(watched: Watched) -> None:
    await watched.go(Condition.HEALTHY)
    assert await watched.go(Condition.DEAD, 20) == [(Severity.CRITICAL, "bot_down")]
    assert await watched.go(Condition.HEALTHY, 20) == [(Severity.INFO, "bot_health")]


async def test_a_bad_look_alone_alarms_nobody(watched: Watched) -> None:
    await watched.go(Condition.HEALTHY)
    assert await watched.go(Condition.SILENT, CONFIRM - 1) == []
    assert await watched.go(Condition.HEALTHY) == []


async def test_a_bot_that_is_dead_from_the_start_is_told(watched: Watched) -> None:
    assert await watched.go(Condition.DEAD) == [(Severity.CRITICAL, "bot_down")]


@pytest.mark.parametrize("first", [Condition.STOPPED, Condition.HEALTHY])
async def test_a_daemon_that_comes_first_waits_quietly(watched: Watched, first: Condition) -> None:
    assert await watched.go(first) == []
    assert await watched.go(Condition.UNHEALTHY) == [(Severity.IMPORTANT, "bot_health")]


async def test_alerts_say_when_and_by_what(watched: Watched) -> None:
    await watched.go(Condition.DEAD)
    (alert,) = watched.told
    assert (alert.ts_ms, "dead" in alert.text, "seen" in alert.text) == (NOW_MS, True, True)
