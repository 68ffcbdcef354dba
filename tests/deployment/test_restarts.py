"""Under the shipped unit no exit of a bot that something passing stopped leaves it down."""

from __future__ import annotations

import configparser
from collections.abc import Sequence

import attrs
import pytest
from deployed import ROOT, unit

from cab_core.errors import AwayError, CabError, ConfigError, ExitCode, LockedError, RefusedError
from cab_core.safety.instance_key import PATIENCE_S

SERVICE = ROOT / "ops/systemd/cab.service"


@attrs.frozen
class Manager:
    """The rules by which systemd starts a service again.

    Attributes:
        never: exit codes after which it does not.
        burst: most starts within ``interval_s``.
        pause_s: between an exit and the next start.
    """

    never: frozenset[int]
    burst: int
    interval_s: float
    pause_s: float

    @classmethod
    def shipped(cls) -> Manager:
        service = unit(SERVICE)
        head = configparser.RawConfigParser(strict=False)
        head.read(SERVICE)
        assert service["Restart"] == ["on-failure"]
        return cls(
            frozenset(int(code) for code in service["RestartPreventExitStatus"][0].split()),
            head.getint("Unit", "StartLimitBurst"),
            head.getfloat("Unit", "StartLimitIntervalSec"),
            float(service["RestartSec"][0]),
        )

    def starts(self, runs: Sequence[tuple[float, int]]) -> int:
        """Return how often it starts a service whose runs take so many seconds and end with these codes."""
        now_s, begun = 0.0, [0.0]
        for seconds, code in runs:
            now_s += seconds
            if code in {0, *self.never}:
                break
            now_s += self.pause_s
            if sum(1 for at in begun if at > now_s - self.interval_s) >= self.burst:
                break
            begun.append(now_s)
        return len(begun)


@pytest.fixture(scope="module")
def manager() -> Manager:
    return Manager.shipped()


def test_an_hour_without_redis_does_not_keep_the_bot_down(manager: Manager) -> None:
    """A start that waits in vain takes its time, so the limit of starts is never met."""
    runs = 3_600 / (PATIENCE_S + manager.pause_s)
    assert manager.starts([(PATIENCE_S, AwayError.exit_code)] * round(runs)) == round(runs) + 1


def test_a_key_taken_by_another_host_is_asked_for_again(manager: Manager) -> None:
    assert manager.starts([(3_600, LockedError.exit_code)]) == 2


def test_a_crash_is_followed_by_a_start(manager: Manager) -> None:
    assert manager.starts([(60, ExitCode.PROBLEMS), (60, 137)]) == 3


@pytest.mark.parametrize("error", [ConfigError, RefusedError])
def test_what_people_must_look_at_stays_down(manager: Manager, error: type[CabError]) -> None:
    assert manager.starts([(1, error.exit_code)]) == 1


def test_a_bot_that_dies_at_once_is_not_started_for_ever(manager: Manager) -> None:
    assert manager.starts([(1, ExitCode.PROBLEMS)] * 100) == manager.burst


def test_a_start_that_waits_asks_for_more_time_than_it_takes_to_ask_again() -> None:
    from cab_core.app.guards import START_S
    from cab_core.app.starting import PAUSES_S

    assert unit(SERVICE)["Type"] == ["notify"]
    assert max(PAUSES_S) < START_S / 4
