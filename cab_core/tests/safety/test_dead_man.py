"""The dead man's switch as a state machine, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cab_core.safety.dead_man import Action, DeadMan, FlattenReport, State, Timing
from cab_core.safety.heartbeat import Beat

TIMING = Timing(restart_after=30, flatten_after=120, recheck=3)


@attrs.define
class Night:
    """A watcher and a clock; a tick every second, as the process has them."""

    machine: DeadMan
    now: float = 0.0
    did: list[tuple[float, Action]] = attrs.field(factory=list)

    def note(self, actions: Sequence[Action]) -> None:
        self.did += [(self.now, action) for action in actions]

    def beat(self, positions: int = 1, open_intents: int = 0) -> None:
        self.machine.beat(Beat(self.now, 1, open_intents, positions), self.now)

    def quiet(self, seconds: float, *, successor: bool = False, step: float = 1.0) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step
            self.note(self.machine.tick(self.now, successor=successor))

    def die(self) -> None:
        self.note(self.machine.exited())

    @property
    def actions(self) -> list[Action]:
        return [action for _, action in self.did]


def night(*, restarts: bool = False) -> Night:
    return Night(DeadMan(timing=TIMING, now=0.0, restarts=restarts))


def watched(*, positions: int = 1, open_intents: int = 0, restarts: bool = False) -> Night:
    """Return a night in which the kernel has beaten once."""
    made = night(restarts=restarts)
    made.beat(positions, open_intents)
    return made


@pytest.mark.catalogue(161)
def test_a_silent_kernel_is_killed_after_t1_and_two_rechecks() -> None:
    it = watched()
    it.quiet(35)
    assert it.did == []
    assert it.machine.state is State.SUSPICIOUS
    it.quiet(1)
    assert it.did == [(36.0, Action.KILL)]
    it.die()
    it.quiet(200)
    assert it.did[1:] == [(120.0, Action.FLATTEN)]
    it.machine.flattened()
    it.quiet(1000)
    assert it.machine.state is State.LATCHED
    assert len(it.did) == 2


@pytest.mark.catalogue(162)
def test_a_beat_of_a_condemned_kernel_saves_nobody() -> None:
    it = watched()
    it.quiet(36)
    it.beat()
    assert it.machine.state is State.FENCING
    it.die()
    it.beat()
    it.quiet(100)
    assert it.actions == [Action.KILL, Action.FLATTEN]


@pytest.mark.catalogue(167)
@pytest.mark.parametrize("silence", [3, 15, 29, 33, 35])
def test_a_pause_that_ends_before_the_second_recheck_is_forgotten(silence: int) -> None:
    it = watched()
    for _ in range(5):
        it.quiet(silence)
        it.beat()
    it.quiet(29)
    assert it.did == []
    assert it.machine.state is State.WATCHING


@pytest.mark.catalogue(167)
def test_a_restart_that_takes_over_ends_the_incident_without_a_sale() -> None:
    it = watched()
    it.quiet(36)
    it.die()
    it.quiet(10)
    it.quiet(31, successor=True)
    assert it.machine.state is State.ENDED
    assert it.actions == [Action.KILL]


def test_a_restart_that_fails_again_does_not_count_as_a_successor() -> None:
    it = watched()
    it.quiet(36)
    it.die()
    it.quiet(10)
    it.quiet(20, successor=True)  # started, and crashed before it had a watcher of its own
    it.quiet(50)
    assert it.actions == [Action.KILL]
    it.quiet(5)
    assert it.actions == [Action.KILL, Action.FLATTEN]


def test_a_successor_that_is_there_at_t2_is_given_its_time() -> None:
    it = watched()
    it.quiet(36)
    it.die()
    it.quiet(79)
    it.quiet(25, successor=True)
    assert it.actions == [Action.KILL]
    it.quiet(1)
    assert it.actions == [Action.KILL, Action.FLATTEN]


@pytest.mark.parametrize(("positions", "open_intents"), [(1, 0), (0, 1), (2, 3)])
def test_a_kernel_that_dies_with_something_open_is_waited_for_until_t2(
    positions: int, open_intents: int
) -> None:
    it = watched(positions=positions, open_intents=open_intents)
    it.quiet(10)
    it.die()
    it.quiet(109)
    assert it.did == []
    it.quiet(1)
    assert it.did == [(120.0, Action.FLATTEN)]


def test_a_kernel_that_dies_with_nothing_open_is_let_go() -> None:
    it = watched(positions=0)
    it.die()
    assert it.machine.state is State.ENDED
    assert it.did == []


def test_a_kernel_that_hangs_with_nothing_open_is_killed_but_nothing_is_sold() -> None:
    it = watched(positions=0)
    it.quiet(36)
    it.die()
    assert it.machine.state is State.ENDED
    assert it.actions == [Action.KILL]


@pytest.mark.parametrize("positions", [0, 1])
def test_it_restarts_the_kernel_once_if_it_may(positions: int) -> None:
    it = watched(positions=positions, restarts=True)
    it.quiet(36)
    it.die()
    it.quiet(200)
    expected = [Action.KILL, Action.RESTART] + [Action.FLATTEN] * positions
    assert it.actions == expected


def test_a_start_has_until_t2_for_its_first_cycle() -> None:
    it = night()
    it.quiet(125)
    assert it.did == []
    it.quiet(1)
    assert it.did == [(126.0, Action.KILL)]
    it.die()
    assert it.actions == [Action.KILL, Action.FLATTEN]


def test_a_start_that_fails_is_not_a_dead_bot() -> None:
    it = night()
    it.quiet(5)
    it.die()
    assert it.machine.state is State.ENDED
    assert it.did == []


@pytest.mark.parametrize("silence", [1, 31, 34, 36])
def test_a_goodbye_ends_the_watch_even_if_it_comes_late(silence: int) -> None:
    it = watched()
    it.quiet(silence)
    it.machine.goodbye()
    it.die()
    it.quiet(500)
    assert it.machine.state is State.ENDED
    assert Action.FLATTEN not in it.actions


def test_the_pipe_of_a_running_kernel_may_close() -> None:
    it = watched()
    it.quiet(20)
    it.machine.eof(it.now)
    it.quiet(500)
    assert it.machine.state is State.ENDED
    assert it.did == []


def test_the_pipe_of_a_dying_kernel_closes_first() -> None:
    it = watched()
    it.machine.eof(it.now)
    it.quiet(2)
    it.die()
    it.quiet(120)
    assert it.actions == [Action.FLATTEN]


def test_the_kill_is_repeated_until_the_process_is_gone_and_nothing_is_sold_before() -> None:
    it = watched()
    it.quiet(36)
    it.quiet(300)
    assert it.actions == [Action.KILL] * 101
    it.beat()  # it may still run for a moment: too late
    it.die()
    it.quiet(1)
    assert it.actions[101:] == [Action.FLATTEN]


def test_a_lock_that_is_taken_meanwhile_puts_the_sale_off() -> None:
    it = watched()
    it.die()
    it.quiet(120)
    it.machine.refused(it.now)
    it.quiet(29, successor=True)
    assert it.actions == [Action.FLATTEN]
    it.quiet(2, successor=True)
    assert it.machine.state is State.ENDED


@pytest.mark.catalogue(167)
def test_a_machine_that_slept_as_a_whole_is_no_dead_kernel() -> None:
    it = watched()
    it.quiet(25)
    it.now += 3600  # neither process ran, so the watcher had no tick either
    it.quiet(29)
    assert it.did == []
    it.beat()
    it.quiet(10)
    assert it.machine.state is State.WATCHING


def test_a_beat_read_late_is_as_old_as_it_says() -> None:
    it = watched()
    it.quiet(36)
    assert it.actions == [Action.KILL]
    other = watched()
    other.quiet(32)
    other.machine.beat(Beat(1.0, 1, 0, 1), other.now)  # was in the pipe all the time
    assert other.machine.state is State.SUSPICIOUS
    other.machine.beat(Beat(1e9, 1, 0, 1), other.now)  # from the future: counts as now
    other.quiet(29)
    assert other.machine.state is State.WATCHING


@pytest.mark.catalogue(161)
def test_beside_a_healthy_kernel_it_never_acts() -> None:
    it = watched()
    for second in range(3600):
        it.quiet(1)
        if second % 3 == 0:
            it.beat(positions=second % 4, open_intents=second % 2)
    assert it.did == []
    assert it.machine.state is State.WATCHING


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 29.9), st.integers(0, 9), st.integers(0, 9)), max_size=60))
def test_it_never_acts_while_beats_come(beats: list[tuple[float, int, int]]) -> None:
    it = watched()
    for silence, positions, open_intents in beats:
        it.quiet(silence, step=min(silence, 0.75))
        it.beat(positions, open_intents)
        assert it.machine.state is State.WATCHING
    assert it.did == []


class Incidents(RuleBasedStateMachine):
    """Whatever happens in whatever order: kill before sale, at most one sale, none without an exit."""

    @initialize(restarts=st.booleans())
    def start(self, restarts: bool) -> None:
        self.it = night(restarts=restarts)
        self.gone = False
        self.sold = 0

    @rule(seconds=st.integers(1, 90), successor=st.booleans())
    def wait(self, seconds: int, successor: bool) -> None:
        self.it.quiet(seconds, successor=successor and self.gone)

    @precondition(lambda self: not self.gone)
    @rule(positions=st.integers(0, 2), open_intents=st.integers(0, 2))
    def beat(self, positions: int, open_intents: int) -> None:
        self.it.beat(positions, open_intents)

    @precondition(lambda self: not self.gone)
    @rule()
    def goodbye(self) -> None:
        self.it.machine.goodbye()

    @rule()
    def eof(self) -> None:
        self.it.machine.eof(self.it.now)

    @precondition(lambda self: not self.gone)
    @rule()
    def die(self) -> None:
        self.gone = True
        self.it.die()

    @precondition(lambda self: self.it.machine.state is State.FLATTENING)
    @rule(free=st.booleans())
    def sell(self, free: bool) -> None:
        if free:
            self.sold += 1
            self.it.machine.flattened()
        else:
            self.it.machine.refused(self.it.now)

    @invariant()
    def nothing_is_sold_before_the_kernel_is_gone(self) -> None:
        if Action.FLATTEN in self.it.actions:
            assert self.gone

    @invariant()
    def at_most_one_sale(self) -> None:
        assert self.sold <= 1
        assert self.it.actions.count(Action.RESTART) <= 1

    @invariant()
    def what_is_over_stays_over(self) -> None:
        if self.it.machine.over:
            count = len(self.it.did)
            self.it.note(self.it.machine.tick(self.it.now))
            assert len(self.it.did) == count


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_a_report_is_done_when_nothing_is_to_be_tried_again() -> None:
    assert FlattenReport(left={"BTC/USDT": Decimal("0.00000001")}).done
    assert not FlattenReport(errors=("BTC/USDT: refused",)).done
