from __future__ import annotations

from decimal import Decimal

import pytest

from cab_exchange_sim.web.rendering import user_id

PAIR = "BTC_USDT"


def test_an_order_is_told_alike_by_all_endpoints(api, buy):
    placed = buy(X_Client_Request_Id="r-1")
    order = placed.json()
    assert placed.status_code == 201
    assert placed.headers["X-Client-Request-Id"] == "r-1"
    assert (order["text"], order["status"], order["finish_as"]) == ("t-a", "closed", "filled")
    assert Decimal(order["filled_total"]) + Decimal(order["left"]) == 50
    assert api("GET", "/spot/orders", f"currency_pair={PAIR}&status=finished").json() == [order]
    assert api("GET", f"/spot/orders/{order['id']}", f"currency_pair={PAIR}").json() == order
    [trade] = api("GET", "/spot/my_trades", f"currency_pair={PAIR}").json()
    assert (trade["text"], trade["order_id"], trade["amount"]) == ("t-a", order["id"], order["filled_amount"])
    assert api("GET", "/spot/my_trades", f"order_id={order['id']}&currency_pair={PAIR}").json() == [trade]
    held = {row["currency"]: Decimal(row["available"]) for row in api("GET", "/spot/accounts").json()}
    assert held["BTC"] == Decimal(order["filled_amount"]) - Decimal(order["fee"])
    assert held["USDT"] == 10_000 - Decimal(order["filled_total"])
    booked = api("GET", "/spot/account_book", "currency=USDT").json()
    assert [Decimal(row["change"]) for row in booked] == [-Decimal(order["filled_total"])]


def test_the_ledger_keeps_request_id_and_arrival(buy, venue):
    buy(text="t-b", X_Client_Request_Id="r-2")
    [entry] = venue.exchange.ledger.accepted("t-b")
    assert (entry.request_id, entry.ms) == ("r-2", venue.exchange.now_ms)


def test_a_stop_from_placing_to_its_child(api, buy, venue):
    buy("1000")
    last = Decimal(api("GET", "/spot/tickers", f"currency_pair={PAIR}").json()[0]["last"])
    body = {
        "market": PAIR,
        "trigger": {"price": str(round(last * Decimal("0.999"), 2)), "rule": "<=", "expiration": 86400 * 20},
        "put": {
            "type": "limit",
            "side": "sell",
            "price": str(round(last * Decimal("0.9"), 2)),
            "amount": "0.01",
            "account": "normal",
            "time_in_force": "gtc",
        },
    }
    placed = api("POST", "/spot/price_orders", body=body)
    assert placed.status_code == 201
    path = f"/spot/price_orders/{placed.json()['id']}"
    assert list(placed.json()) == ["id"]
    assert api("GET", path).json()["status"] == "open"
    venue.advance(20 * 86_400_000 - 1)
    ended = api("GET", path).json()
    assert ended["status"] == "finish"
    child = api("GET", f"/spot/orders/{ended['fired_order_id']}", f"currency_pair={PAIR}").json()
    assert (child["status"], child["side"], child["filled_amount"]) == ("closed", "sell", "0.01")
    assert api("GET", "/spot/price_orders", "status=open").json() == []
    assert api("GET", "/spot/price_orders", f"status=finished&market={PAIR}").json() == [ended]
    assert api("DELETE", path).json()["label"] == "ORDER_CLOSED"


def test_batches_answer_for_each_order(api):
    rows = [
        {"currency_pair": PAIR, "side": "buy", "amount": "1", "price": "100", "text": f"t-{n}"}
        for n in range(2)
    ] + [{"currency_pair": PAIR, "side": "buy", "amount": "1", "price": "100", "text": "bad"}]
    answers = api("POST", "/spot/batch_orders", body=rows).json()
    assert [row["succeeded"] for row in answers] == [True, True, False]
    assert answers[2]["label"] == "INVALID_PARAM_VALUE"
    ids = [{"currency_pair": PAIR, "id": answers[0]["id"]}, {"currency_pair": PAIR, "id": "5"}]
    ended = api("POST", "/spot/cancel_batch_orders", body=ids).json()
    assert [(row["succeeded"], row["label"]) for row in ended] == [(True, ""), (False, "ORDER_NOT_FOUND")]
    [group] = api("GET", "/spot/open_orders").json()
    assert (group["currency_pair"], group["total"], group["orders"][0]["text"]) == (PAIR, 1, "t-1")


def test_amend_cancel_and_countdown(api, venue):
    body = {"currency_pair": PAIR, "side": "buy", "amount": "1", "price": "100", "text": "t-r"}
    order = api("POST", "/spot/orders", body=body).json()
    path, query = f"/spot/orders/{order['id']}", f"currency_pair={PAIR}"
    assert api("PATCH", path, query, {"price": "200"}).json()["price"] == "200"
    assert api("DELETE", "/spot/orders/t-r", query).json()["status"] == "cancelled"
    assert api("DELETE", path, query).json()["label"] == "ORDER_CANCELLED"
    api("POST", "/spot/orders", body=body)
    armed = api("POST", "/spot/countdown_cancel_all", body={"timeout": 5}).json()
    assert armed == {"triggerTime": venue.exchange.now_ms + 5_000}
    venue.advance(5_000)
    assert api("GET", "/spot/open_orders").json() == []


def test_rules_of_a_pair_and_changes_of_them(api, venue):
    told = api("GET", f"/spot/currency_pairs/{PAIR}").json()
    assert (told["amount_precision"], told["precision"], told["min_quote_amount"]) == (6, 8, "3")
    assert (told["fee"], told["trade_status"], told["delisting_time"]) == ("0.2", "tradable", 0)
    conditions = venue.exchange.pair_conditions(PAIR)
    conditions.trade_status, conditions.delisting_ms = "sellable", 1_800_000_000_000
    told = api("GET", f"/spot/currency_pairs/{PAIR}").json()
    assert (told["trade_status"], told["delisting_time"]) == ("sellable", 1_800_000_000)


def test_candles_have_eight_fields_and_the_running_one_is_not_closed(api, venue):
    venue.advance(60_000)
    rows = api("GET", "/spot/candlesticks", f"currency_pair={PAIR}&interval=15m&limit=3").json()
    assert [len(row) for row in rows] == [8, 8, 8]
    assert [row[7] for row in rows] == ["true", "true", "false"]
    assert int(rows[-1][0]) * 1000 == venue.exchange.now_ms // 900_000 * 900_000
    too_many = api("GET", "/spot/candlesticks", f"currency_pair={PAIR}&interval=15m&limit=1001")
    assert too_many.json()["label"] == "INVALID_PARAM_VALUE"


@pytest.mark.parametrize(
    "path",
    [
        "/spot/currencies",
        "/spot/currency_pairs",
        f"/spot/trades?currency_pair={PAIR}",
        f"/spot/order_book?currency_pair={PAIR}&limit=5&with_id=true",
        "/margin/currency_pairs",
        "/futures/usdt/contracts",
        "/delivery/usdt/contracts",
        "/options/underlyings",
        "/account/detail",
        "/wallet/fee",
        "/spot/fee",
    ],
)
def test_everything_a_client_asks_for_at_its_start_is_there(api, path):
    path, _, query = path.partition("?")
    assert api("GET", path, query).status_code == 200


def test_an_account_has_one_user_id(api, buy):
    told = api("GET", "/account/detail").json()["user_id"]
    assert told == api("GET", "/spot/fee").json()["user_id"]
    assert told != user_id("another")
