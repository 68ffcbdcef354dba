import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.macro import Reading, ReadingKind
from cab_core.domain.macro_payload import PayloadError, events_reading, index_reading, resolve_pointer

pytestmark = pytest.mark.regime

CHANGE, VALUE = ReadingKind.CHANGE, ReadingKind.VALUE
JAN_9, JAN_10 = 1_736_380_800_000, 1_736_467_200_000

INDEX_FORMS = [
    ({"change_pct": 0.37}, CHANGE, 0.37, None),
    ({"changePercent": "0.37"}, CHANGE, 0.37, None),
    ({"change_percent": -1}, CHANGE, -1.0, None),
    ({"data": {"change_pct": 0.37, "updated_at": 1736467200}}, CHANGE, 0.37, JAN_10),
    ([{"change_pct": 9}, {"change_pct": 0.37}], CHANGE, 0.37, None),
    ({"data": [{"change_pct": 9}, {"change_pct": 0.37}]}, CHANGE, 0.37, None),
    ({"value": 101.0, "previous": 100.0, "ts": JAN_10}, CHANGE, 1.0, JAN_10),
    ({"value": 101.0, "previous_close": 100.0}, CHANGE, 1.0, None),
    ([{"date": "2025-01-09", "close": 100}, {"date": "2025-01-10", "close": 101}], CHANGE, 1.0, JAN_10),
    ([{"date": "2025-01-10", "close": 101}, {"date": "2025-01-09", "close": 100}], CHANGE, 1.0, JAN_10),
    (
        [
            {"ts": JAN_9 - 1, "value": 100},
            {"ts": JAN_9 + 1, "value": 1},
            {"ts": JAN_10, "value": 101},
            {"ts": JAN_10 + 1, "value": None},
        ],
        CHANGE,
        1.0,
        JAN_10,
    ),
    (
        [{"time": "2025-01-09T12:00:00Z", "value": 100}, {"time": "2025-01-10", "value": 101}],
        VALUE,
        101.0,
        JAN_10,
    ),
    ({"value": 104.2}, VALUE, 104.2, None),
    ({"value": "104.2", "time": "2025-01-10T02:00:00+02:00"}, VALUE, 104.2, JAN_10),
    (104.2, VALUE, 104.2, None),
    ([103.0, 104.2], VALUE, 104.2, None),
    ({"data": {"value": 104.2}}, VALUE, 104.2, None),
]


@pytest.mark.parametrize(("document", "kind", "value", "observed_ms"), INDEX_FORMS)
def test_every_form_of_an_index(document, kind, value, observed_ms):
    reading = index_reading(document)
    assert (reading.kind, reading.observed_ms) == (kind, observed_ms)
    assert reading.value == pytest.approx(value, rel=1e-12)


def test_the_market_wide_document_is_read_where_it_is_known():
    document = {"data": {"market_cap_percentage": {"btc": 56.1}, "updated_at": 1736467200}}
    reading = index_reading(document, known=("/market_cap_percentage/btc",))
    assert reading == Reading(VALUE, 56.1, observed_ms=JAN_10)
    with pytest.raises(PayloadError):
        index_reading(document)


def test_a_pointer_names_the_number_in_any_document():
    document = {"a/b": [{"~x": {"": "0.5"}}]}
    assert index_reading(document, json_pointer="/a~1b/0/~0x/", kind="change") == Reading(CHANGE, 0.5)
    assert index_reading(document, json_pointer="/a~1b/0/~0x/") == Reading(VALUE, 0.5)


@pytest.mark.parametrize("pointer", ["/b", "/a/2", "/a/-", "/a/00", "/a/-1", "/a/0/x", "/a/1e0", "/a/٠"])
def test_a_pointer_that_leads_nowhere(pointer):
    with pytest.raises(PayloadError, match="nowhere"):
        resolve_pointer({"a": [1, 2]}, pointer)


@pytest.mark.parametrize("pointer", ["a", "a/b", "/a~2", "/~"])
def test_a_malformed_pointer(pointer):
    with pytest.raises(PayloadError, match="JSON pointer"):
        resolve_pointer({"a": 1}, pointer)


GARBAGE = [
    None,
    {},
    [],
    "104.2",
    True,
    {"value": True},
    {"value": None},
    {"value": "abc"},
    {"value": math.nan},
    {"value": 0},
    {"value": -3},
    {"value": "1e999"},
    {"value": 10**400},
    {"change_pct": {}},
    {"value": 1, "previous": 0},
    {"value": 104.2, "ts": "soon"},
    {"value": 104.2, "ts": 5},
    {"error": "rate limited"},
    [{"date": "2025-13-01", "close": 1}],
]


@pytest.mark.parametrize("document", GARBAGE)
def test_garbage_is_refused(document):
    with pytest.raises(PayloadError):
        index_reading(document)


# 14:00 in New York is 19:00 UTC in winter and 18:00 in summer.
WINTER, SUMMER = 1_738_177_200_000, 1_746_640_800_000
CALENDARS = [
    {"events": [{"start": "2025-01-29T19:00:00Z"}, {"start": "2025-05-07"}]},
    ["2025-01-29", "2025-05-07T18:00:00"],
    [{"start": "2025-05-07T14:00:00-04:00"}, {"start": WINTER // 1000}],
    {"next_event": "2025-05-07", "last_event": "2025-01-29"},
    {"data": {"events": ["2025-01-29", "2025-05-07", "2025-05-07"]}},
]


@pytest.mark.parametrize("document", CALENDARS)
def test_every_form_of_a_calendar(document):
    assert events_reading(document) == Reading(ReadingKind.EVENTS, events_ms=(WINTER, SUMMER))


def test_calendars_may_be_empty_or_say_only_today():
    assert events_reading({"events": []}).events_ms == ()
    assert events_reading({"next_event": None, "last_event": "2025-01-29"}).events_ms == (WINTER,)
    assert events_reading({"event_today": True}).event_today is True
    assert events_reading({"event_today": False}) == Reading(ReadingKind.EVENTS)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        "2025-01-29",
        7,
        {"events": 5},
        ["soon"],
        [{"name": "FOMC"}],
        {"event_today": "yes"},
        ["0001-01-01"],
        ["9999-12-31"],
    ],
)
def test_an_unreadable_calendar_is_refused(document):
    with pytest.raises(PayloadError):
        events_reading(document)


keys = st.sampled_from(
    ["value", "close", "previous", "change_pct", "ts", "date", "data", "events", "start", "event_today"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["2025-01-29", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "nan", ""])
    | st.text(max_size=8)
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)
)


@given(documents)
def test_any_document_gives_a_usable_reading_or_a_payload_error(document):
    for read in (index_reading, events_reading):
        try:
            reading = read(document)
        except PayloadError:
            continue
        assert reading.kind is ReadingKind.EVENTS or math.isfinite(reading.value)
