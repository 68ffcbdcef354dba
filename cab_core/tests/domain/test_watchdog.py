from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.watchdog import BAD_ROUNDS, GOOD_ROUNDS, Check, Level, Transition, Watch

GOOD, BAD = {"db": Check(ok=True)}, {"db": Check(ok=False, detail="read-only")}


def levels(rounds: str) -> list[Level]:
    """Return the level after each round; ``x`` is a failing one."""
    watch = Watch()
    return [watch.level for each in rounds if watch.take(BAD if each == "x" else GOOD) or True]


def test_one_failing_round_warns_and_two_degrade():
    assert levels("x.x.xx") == ["warned", "ok", "warned", "ok", "warned", "degraded"]


def test_only_three_good_rounds_in_a_row_resume():
    assert levels("xx..x..x...")[2:] == ["degraded"] * 8 + ["ok"]


def test_two_different_parts_failing_in_turn_degrade_too():
    watch = Watch()
    watch.take({"db": Check(ok=False), "broker": Check(ok=True)})
    changed = watch.take({"db": Check(ok=True), "broker": Check(ok=False, detail="down")})
    assert changed == Transition(Level.WARNED, Level.DEGRADED, {"broker": "down"})


@given(st.text(alphabet=".x", max_size=60))
def test_degraded_follows_from_the_last_rounds_alone(rounds):
    watch = Watch()
    degraded = False
    for n in range(len(rounds)):
        changed = watch.take(BAD if rounds[n] == "x" else GOOD)
        if rounds[: n + 1].endswith("x" * BAD_ROUNDS):
            degraded = True
        elif rounds[: n + 1].endswith("." * GOOD_ROUNDS):
            degraded = False
        assert (watch.level is Level.DEGRADED) == degraded
        assert changed is None or changed.old is not changed.new
