"""Which requests a rule meets, how often, and that the same requests meet the same fate again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.errors import UsageError
from cab_exchange_sim.faults import KINDS, Faults, Request, Rule

ORDER = Request("POST", "/api/v4/spot/orders", "BTC_USDT", "t-1")


def plan(*rules: Rule, now_ms: int = 1000, seed: int = 0) -> Faults:
    return Faults(lambda: now_ms, seed=seed, rules=rules)


def rule(**conditions: Any) -> Rule:
    return Rule(stage="before_accept", kind="page_502", **conditions)


def hits(faults: Faults, requests: int, request: Request = ORDER) -> list[int]:
    return [number for number in range(1, requests + 1) if faults.decide(request) is not None]


def test_without_a_count_every_matching_request_is_hit() -> None:
    assert hits(plan(rule()), 3) == [1, 2, 3]


def test_the_nth_each_nth_and_no_more_than_so_many() -> None:
    assert hits(plan(rule(nth=3)), 9) == [3]
    assert hits(plan(rule(every=3)), 9) == [3, 6, 9]
    assert hits(plan(rule(every=3, times=2)), 9) == [3, 6]
    assert hits(plan(rule(times=2)), 9) == [1, 2]


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ({"method": "POST"}, True),
        ({"method": "DELETE"}, False),
        ({"path": r"/spot/orders$"}, True),
        ({"path": r"/price_orders"}, False),
        ({"pair": "BTC_USDT"}, True),
        ({"pair": "ETH_USDT"}, False),
        ({"since_ms": 1000, "until_ms": 1001}, True),
        ({"since_ms": 1001}, False),
        ({"until_ms": 1000}, False),
    ],
)
def test_all_conditions_must_hold(conditions: dict[str, Any], met: bool) -> None:
    assert bool(hits(plan(rule(**conditions)), 1)) is met


def test_only_what_a_rule_matches_counts_for_its_nth() -> None:
    faults = plan(rule(nth=2, pair="ETH_USDT"))
    other = Request("POST", "/api/v4/spot/orders", "ETH_USDT")
    fates = [faults.decide(request) is not None for request in (other, ORDER, ORDER, other)]
    assert fates == [False, False, False, True]


def test_reads_pair_and_client_id_of_gate_requests() -> None:
    stop = b'{"trigger": {"price": "1"}, "market": "BTC_USDT"}'
    assert Request.read("POST", "/p", "", b'{"currency_pair":"BTC_USDT","text":"t-1"}').text == "t-1"
    assert Request.read("POST", "/p", "", stop).pair == "BTC_USDT"
    assert Request.read("GET", "/p", "page=2&currency_pair=ETH_USDT", b"") == Request(
        "GET", "/p?page=2&currency_pair=ETH_USDT", "ETH_USDT"
    )
    assert Request.read("POST", "/p", "", b"[1]").pair == ""
    assert Request.read("POST", "/p", "", b"\xff{").pair == ""


@given(seed=st.integers(), probability=st.floats(0, 1), requests=st.integers(1, 50))
def test_chance_depends_on_seed_and_sequence_alone(seed: int, probability: float, requests: int) -> None:
    first, again = (plan(rule(probability=probability), seed=seed) for _ in range(2))
    assert hits(first, requests) == hits(again, requests)


def test_chance_hits_its_share() -> None:
    assert 220 < len(hits(plan(rule(probability=0.25)), 1000)) < 280
    assert hits(plan(rule(probability=0)), 50) == []
    assert len(hits(plan(rule(probability=1)), 50)) == 50


def test_what_one_rule_does_leaves_the_draws_of_another_alone() -> None:
    later = rule(probability=0.5)
    alone = plan(rule(nth=1000), later)
    crowded = plan(rule(nth=2), later)
    assert set(hits(alone, 40)) | {2} == set(hits(crowded, 40)) | {2}


def test_counts_and_lists_what_happened() -> None:
    faults = plan(rule(nth=1), Rule(stage="after_accept", kind="null", nth=2))
    hits(faults, 5)
    report = faults.report()
    assert report["counts"] == {"before_accept:page_502": 1, "after_accept:null": 1}
    assert [fault["kind"] for fault in report["history"]] == ["page_502", "null"]
    assert report["history"][0]["request"]["text"] == "t-1"
    assert report["history"][0]["at_ms"] == 1000


def test_clearing_ends_the_rules_and_keeps_the_history() -> None:
    faults = plan(rule())
    hits(faults, 2)
    faults.clear()
    assert hits(faults, 2) == []
    assert faults.counts() == {"before_accept:page_502": 2}


def test_removing_one_rule_leaves_the_others() -> None:
    faults = plan(rule(method="GET"), rule())
    assert faults.remove(2)
    assert not faults.remove(2)
    assert list(faults.rules()) == [1]


def test_a_rule_survives_its_way_through_json() -> None:
    given_rule = Rule(stage="after_accept", kind="edit", nth=2, fields={"last": "0"}, seconds=1.5)
    assert Rule.parse(given_rule.as_json()) == given_rule


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"stage": "before_accept", "kind": "truncated"}, "truncated"),
        ({"stage": "after_accept", "kind": "too_many_requests"}, "too_many_requests"),
        ({"stage": "between", "kind": "cut"}, "between"),
        ({"stage": "before_accept", "kind": "cut", "probability": 1.5}, "1.5"),
        ({"stage": "before_accept", "kind": "cut", "nth": 0}, "nth"),
        ({"stage": "before_accept", "kind": "cut", "path": "("}, "regular expression"),
        ({"stage": "before_accept", "kind": "cut", "colour": "red"}, "colour"),
        ({"stage": "before_accept", "kind": "cut", "nth": "many"}, "nth"),
        ({"kind": "cut"}, "stage"),
        ([], "fault rule"),
    ],
)
def test_a_wrong_rule_is_refused_naming_what_is_wrong(data: object, named: str) -> None:
    with pytest.raises(UsageError) as refused:
        Rule.parse(data)
    assert named in f"{refused.value} {refused.value.fix}"


def test_no_refusal_is_sent_for_what_was_accepted() -> None:
    certain = {
        "too_many_requests",
        "invalid_key",
        "read_only",
        "ip_forbidden",
        "too_small",
        "price_band",
        "request_expired",
    }
    assert certain <= KINDS["before_accept"]
    assert not certain & KINDS["after_accept"]
