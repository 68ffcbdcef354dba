from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.app.alerting.classes import Notice
from cab_core.app.alerting.messages import LONGEST, compose
from cab_core.app.alerting.queue import Queue
from cab_core.domain.alerts import Alert, Severity
from cab_core.storage.outbox import OutboxRow

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = 1_714_996_800_000  # 2024-05-06 12:00 UTC


def _notice(
    severity: str = "important", kind: str = "risk.warning", text: str = "text", **rest: Any
) -> Notice:
    amount, distinct = rest.pop("amount", None), rest.pop("distinct", False)
    trace_id = rest.pop("trace_id", "0" * 16)
    return Notice(Alert(Severity(severity), kind, text, trace_id, **rest), amount, distinct)


def _sent(queue: Queue, now_ms: int) -> Alert | None:
    """Send what is due and return it."""
    message = queue.next(now_ms)
    if message is None:
        return None
    message = queue.begin(message, now_ms)
    queue.sent(message, now_ms)
    return compose(message, now_ms)


@pytest.mark.parametrize(("severity", "minutes"), [("critical", 0), ("important", 5), ("info", 60)])
def test_each_class_waits_as_long_as_it_may(severity: str, minutes: int) -> None:
    queue = Queue("notifier:a")
    assert queue.offer(_notice(severity), "x-1", NOON) == (minutes == 0)

    if minutes:
        assert queue.next(NOON + minutes * MINUTE - 1) is None
    alert = _sent(queue, NOON + minutes * MINUTE)
    assert alert is not None
    assert alert.severity == severity
    assert len(queue) == 0


def test_a_critical_alert_keeps_its_trace_id() -> None:
    queue = Queue("notifier:a")
    queue.offer(_notice("critical", "emergency.stop", "halted", trace_id="00000000000000aa"), "x-1", NOON)
    alert = _sent(queue, NOON)
    assert alert is not None
    assert (alert.kind, alert.trace_id, alert.id, alert.text) == (
        "emergency.stop",
        "00000000000000aa",
        "x-1",
        "halted",
    )


def test_important_alerts_of_five_minutes_are_one_message() -> None:
    queue = Queue("notifier:a")
    queue.offer(_notice(rule="a", text="first"), "x-1", NOON + 1 * MINUTE)
    queue.offer(_notice(rule="b", text="second", trace_id="1" * 16), "x-2", NOON + 4 * MINUTE)
    queue.offer(_notice(rule="c", text="third"), "x-3", NOON + 5 * MINUTE)

    alert = _sent(queue, NOON + 5 * MINUTE)
    assert alert is not None
    assert alert.text == f"2 alerts\n12:01 first [{'0' * 16}]\n12:04 second [{'1' * 16}]"
    assert (alert.kind, alert.id, alert.count) == ("batch", "x-1", 2)
    alert = _sent(queue, NOON + 10 * MINUTE)
    assert alert is not None
    assert alert.text == "third"


def test_an_hour_of_info_is_a_digest() -> None:
    queue = Queue("notifier:a")
    bought = {"kind": "position.opened", "symbol": "BTC/USDT", "distinct": True}
    closed = {"kind": "position.closed", "symbol": "BTC/USDT", "distinct": True}
    blocked = {"kind": "risk.blocked", "rule": "spread_cap"}
    queue.offer(_notice("info", text="BTC/USDT bought", **bought), "x-1", NOON + MINUTE)
    queue.offer(_notice("info", symbol="BTC/USDT", **blocked), "x-2", NOON + 2 * MINUTE)
    queue.offer(_notice("info", symbol="ETH/USDT", **blocked), "x-3", NOON + 3 * MINUTE)
    queue.offer(
        _notice("info", text="BTC/USDT closed", amount=Decimal("1.5"), **closed), "x-4", NOON + 9 * MINUTE
    )
    queue.offer(
        _notice("info", text="BTC/USDT closed", amount=Decimal("-1.08"), **closed), "x-5", NOON + 11 * MINUTE
    )

    alert = _sent(queue, NOON + HOUR)
    assert alert is not None
    assert alert.text.splitlines() == [
        "1 h: 3 signals, 1 entry, 2 blocked (spread_cap x2), 2 exits, PnL +0.42 USDT",
        f"12:01 BTC/USDT bought [{'0' * 16}]",
        f"12:09 BTC/USDT closed [{'0' * 16}]",
        f"12:11 BTC/USDT closed [{'0' * 16}]",
    ]
    assert alert.kind == "digest"


def test_a_critical_repeat_is_counted_and_told_after_a_quarter_of_an_hour() -> None:
    queue = Queue("notifier:a")
    assert queue.offer(_notice("critical", text="one"), "x-1", NOON)
    assert _sent(queue, NOON) is not None
    for minute in (5, 7, 9, 14):
        queue.offer(_notice("critical", text=f"at {minute}"), f"x-{minute}", NOON + minute * MINUTE)
        assert queue.next(NOON + minute * MINUTE) is None

    assert queue.next(NOON + 15 * MINUTE - 1) is None
    alert = _sent(queue, NOON + 15 * MINUTE)
    assert alert is not None
    assert alert.text == "at 14 (x4 since 12:05)"
    queue.offer(_notice("critical", text="other", rule="r"), "x-20", NOON + 16 * MINUTE)
    assert _sent(queue, NOON + 16 * MINUTE) is not None, "another rule is another alert"
    queue.offer(_notice("critical"), "x-21", NOON + 31 * MINUTE)
    assert _sent(queue, NOON + 31 * MINUTE) is not None, "after a quiet quarter it is news again"


def test_a_repeat_is_still_counted_after_a_restart() -> None:
    first = Queue("notifier:a")
    first.offer(_notice("critical"), "x-1", NOON)
    _sent(first, NOON)
    first.offer(_notice("critical"), "x-2", NOON + MINUTE)

    second = Queue("notifier:a")
    second.restore(first.changed.values())
    second.offer(_notice("critical"), "y-1", NOON + 2 * MINUTE)
    assert second.next(NOON + 14 * MINUTE) is None
    alert = _sent(second, NOON + 15 * MINUTE)
    assert alert is not None
    assert alert.text == "text (x2 since 12:01)"


def test_a_message_that_failed_is_the_same_again_also_after_a_restart() -> None:
    queue = Queue("notifier:a")
    queue.offer(_notice(rule="a"), "x-1", NOON)
    queue.offer(_notice(rule="b"), "x-2", NOON)
    late = NOON + 5 * MINUTE
    message = queue.next(late)
    assert message is not None
    queue.failed(queue.begin(message, late), "down")
    queue.offer(_notice(rule="c"), "x-3", late)

    restored = Queue("notifier:a")
    restored.restore(queue.changed.values())
    for found in (queue, restored):
        again = found.next(late + 6 * MINUTE)
        assert again is not None
        assert again.id == "x-1"
        assert [row.id for row in again.rows] == ["x-1", "x-2"]
        assert [row.attempts for row in again.rows] == [1, 1]
        assert {row.last_error for row in again.rows} == {"down"}


def test_the_oldest_info_goes_first_when_too_many_wait() -> None:
    queue = Queue("notifier:a", limit=4)
    queue.offer(_notice("info", rule="old"), "x-1", NOON)
    queue.offer(_notice("critical", rule="c"), "x-2", NOON + 1)
    queue.offer(_notice("info", rule="new"), "x-3", NOON + 2)
    queue.offer(_notice("important", rule="i"), "x-4", NOON + 3)
    for number in range(5, 8):
        queue.offer(_notice("critical", rule=str(number)), f"x-{number}", NOON + number)

    assert len(queue) == 4
    assert queue.dropped == 3
    assert [row.id for row in queue.removed] == ["x-1", "x-3", "x-4"]
    assert {row.id for row in queue.changed.values()} == {"x-2", "x-5", "x-6", "x-7"}


def test_a_text_fits_into_any_messenger() -> None:
    queue = Queue("notifier:a")
    for number in range(300):
        queue.offer(_notice(text=f"{number} " + 200 * "x", rule=str(number)), f"x-{number}", NOON)
    alert = _sent(queue, NOON + 5 * MINUTE)
    assert alert is not None
    assert len(alert.text) <= LONGEST
    assert alert.text.startswith("300 alerts\n")
    assert alert.count == 300


_OFFERS = st.lists(
    st.tuples(
        st.sampled_from(["critical", "important", "info"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 20 * MINUTE),
    ),
    max_size=40,
)


@given(offers=_OFFERS, fails=st.lists(st.booleans(), max_size=60), restart=st.integers(0, 40))
def test_every_alert_is_told_exactly_once_and_counted(
    offers: list[tuple[str, str, int]], fails: list[bool], restart: int
) -> None:
    queue, saved = Queue("notifier:a"), dict[str, OutboxRow]()
    outcomes, now_ms = iter(fails), NOON
    told: dict[str, int] = {}

    def deliver() -> None:
        while (message := queue.next(now_ms)) is not None:
            message = queue.begin(message, now_ms)
            if next(outcomes, False):
                queue.failed(message, "down")
                return
            for row in message.rows:
                assert row.id not in told, "delivered twice"
                told[row.id] = row.count
            queue.sent(message, now_ms)

    for number, (severity, rule, pause_ms) in enumerate(offers):
        now_ms += pause_ms
        queue.offer(_notice(severity, rule=rule), f"x-{number}", now_ms)
        deliver()
        saved |= queue.changed
        if number == restart:
            queue = Queue("notifier:a")
            queue.restore(saved.values())
    for _ in range(80):
        now_ms += HOUR
        deliver()
    assert sum(told.values()) == len(offers)
    assert len(queue) == 0
