from __future__ import annotations

import httpx
import pytest

from cab_exchange_sim.keys import signature


@pytest.mark.parametrize(
    ("method", "query", "body", "digits"),
    [
        ("GET", "contract=BTC_USD&status=finished&limit=50", b"", "55f84ea195d6fe57"),
        (
            "POST",
            "",
            b'{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}',
            "eae42da914a590dd",
        ),
    ],
)
def test_the_published_signatures(method, query, body, digits):
    made = signature("secret", method, "/api/v4/futures/orders", query, body, "1541993715")
    assert made.startswith(digits)
    assert len(made) == 128


@pytest.mark.parametrize(
    ("wrong", "status", "label"),
    [
        ({"key": "stranger"}, 401, "INVALID_KEY"),
        ({"secret": "guess"}, 401, "INVALID_SIGNATURE"),
        ({"SIGN": ""}, 401, "MISSING_REQUIRED_HEADER"),
        ({"timestamp": "1541993715"}, 403, "REQUEST_EXPIRED"),
        ({"timestamp": "nan"}, 403, "REQUEST_EXPIRED"),
    ],
)
def test_who_cannot_prove_the_key_is_refused(api, wrong, status, label):
    answer = api("GET", "/spot/accounts", **wrong)
    assert (answer.status_code, answer.json()["label"]) == (status, label)


def test_the_clock_may_be_sixty_seconds_off_and_the_stamp_a_fraction(api, venue):
    now = venue.exchange.server_ms / 1000
    assert api("GET", "/spot/accounts", timestamp=str(now - 60)).status_code == 200
    assert api("GET", "/spot/accounts", timestamp=str(now + 59.123456)).status_code == 200
    assert api("GET", "/spot/accounts", timestamp=str(now + 60.1)).json()["label"] == "REQUEST_EXPIRED"


def test_the_signature_is_over_the_query_as_it_was_sent(api):
    query = "currency_pair=BTC_USDT&status=open&account=spot"
    assert api("GET", "/spot/orders", query).json() == []


def test_a_skewed_clock_is_told_and_judged_by(api, venue):
    venue.call(lambda: setattr(venue.exchange.conditions, "clock_skew_ms", 90_000))
    told = api("GET", "/spot/time").json()["server_time"]
    assert told == venue.exchange.now_ms + 90_000
    assert api("GET", "/spot/accounts", timestamp=str(venue.exchange.now_ms / 1000)).status_code == 403


def test_a_reading_key_may_read_and_nothing_else(api):
    reader = {"key": "reader", "secret": "r"}
    assert api("GET", "/spot/accounts", **reader).status_code == 200
    answer = api("DELETE", "/spot/orders", "currency_pair=BTC_USDT", **reader)
    assert (answer.status_code, answer.json()["label"]) == (403, "READ_ONLY")


def test_ten_orders_a_second_and_market_and_the_headers_say_when_there_is_room(buy, venue):
    answers = [buy("10", f"t-{n}") for n in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert [answer.headers["X-Gate-RateLimit-Requests-Remain"] for answer in answers[:3]] == ["9", "8", "7"]
    last = answers[-1]
    assert last.json()["label"] == "TOO_MANY_REQUESTS"
    assert last.headers["X-Gate-RateLimit-Limit"] == "10"
    assert int(last.headers["X-Gate-RateLimit-Reset-Timestamp"]) == venue.exchange.now_ms // 1000 + 1
    assert buy("10", "t-eth", "ETH_USDT").status_code == 201
    venue.advance(1_000)
    assert buy("10", "t-11").status_code == 201
    assert len(venue.exchange.ledger.of_kind("order")) == 12


def test_two_hundred_reads_in_ten_seconds_per_endpoint(api, venue):
    codes = [api("GET", "/spot/time").status_code for _ in range(201)]
    assert codes == [200] * 200 + [429]
    assert api("GET", "/spot/tickers").status_code == 200
    venue.advance(10_000)
    assert api("GET", "/spot/time").status_code == 200


def test_a_request_that_came_too_late_is_not_accepted(buy, venue):
    now_ms = venue.exchange.server_ms
    late = buy(X_Gate_Exptime=str(now_ms - 1))
    assert (late.status_code, late.json()["label"]) == (400, "REQUEST_EXPIRED")
    assert venue.exchange.every_order() == []
    assert buy(X_Gate_Exptime=str(now_ms)).status_code == 201


def test_a_delete_without_an_id_cancels_nothing_and_is_counted(api, venue):
    body = {"currency_pair": "BTC_USDT", "side": "buy", "amount": "1", "price": "100", "text": "t-r"}
    assert api("POST", "/spot/orders", body=body).json()["status"] == "open"
    answer = api("DELETE", "/spot/orders/", "currency_pair=BTC_USDT&account=spot")
    assert answer.status_code == 400
    assert len(venue.exchange.open_now("main")) == 1
    control = {"Authorization": f"Bearer {venue.control_token}"}
    counted = httpx.get(f"{venue.control_url}/counters", headers=control, trust_env=False).json()
    assert counted["stray_delete"] == 1


def test_maintenance_answers_nobody(api, buy, venue):
    venue.call(lambda: setattr(venue.exchange.conditions, "maintenance", True))
    assert {api("GET", "/spot/time").status_code, buy().status_code} == {503}
    assert venue.exchange.every_order() == []


def test_unknown_paths_and_broken_bodies_are_answered_as_the_venue_does(api):
    assert api("GET", "/spot/nothing").json()["label"] == "NOT_FOUND"
    assert api("PUT", "/spot/orders").json()["label"] == "METHOD_NOT_ALLOWED"
    assert api("POST", "/spot/orders", body=[1]).json()["label"] == "INVALID_PARAM_VALUE"


def test_a_defect_of_the_exchange_is_answered_and_counted(api, venue, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(venue.exchange), "book", broken)
    answer = api("GET", "/spot/order_book", "currency_pair=BTC_USDT")
    assert (answer.status_code, answer.json()["label"]) == (500, "INTERNAL")
    control = {"Authorization": f"Bearer {venue.control_token}"}
    counted = httpx.get(f"{venue.control_url}/counters", headers=control, trust_env=False).json()
    assert counted["INTERNAL"] == 1
