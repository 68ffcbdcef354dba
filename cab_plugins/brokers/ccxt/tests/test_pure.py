"""What the pure parts make of Gate's texts, and of our numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_broker_ccxt.amounts import maybe, millis, number, plain
from cab_broker_ccxt.bodies import CLIENT_ID, order_body
from cab_broker_ccxt.book import read_quote
from cab_broker_ccxt.candle_rows import closed_rows
from cab_broker_ccxt.labels import refusal_of
from cab_broker_ccxt.order_rows import ack_of, fill_of, filled_of, text_of, trade_order
from cab_broker_ccxt.reply import Reply, failed_send
from cab_broker_ccxt.rules import instrument_of
from cab_broker_ccxt.server_clock import ServerClock
from cab_core.sdk import Ack, Instrument, Intent, OrderType, Purpose, Rejected, Side, Unknown
from cab_core.testing import VirtualClock

D = Decimal
RULES = Instrument(
    "BTC/USDT",
    amount_step=D("0.00001"),
    price_tick=D("0.1"),
    cost_step=D("0.1"),
    min_notional=D(3),
    min_amount=D("0.0001"),
)
BUY = Intent("k", "BTC/USDT", Side.BUY, Purpose.ENTRY, "r", "t", 0, cost=D(50), sent_ms=1)
SELL = Intent("k", "BTC/USDT", Side.SELL, Purpose.STOP_LOSS, "r", "t", 0, quantity=D("0.5"), sent_ms=1)
STOP = attrs.evolve(SELL, type=OrderType.STOP_LIMIT, trigger=D("45000.19"), limit=D("44550.09"))


@pytest.mark.parametrize(
    ("label", "message", "reason", "transient"),
    [
        ("BALANCE_NOT_ENOUGH", "", "insufficient_funds", False),
        ("TOO_MANY_REQUESTS", "", "rate_limited", True),
        ("TOO_FAST", "", "rate_limited", True),
        ("REQUEST_EXPIRED", "", "clock_skew", True),
        ("INVALID_KEY", "", "credentials", False),
        ("READ_ONLY", "", "credentials", False),
        ("IP_FORBIDDEN", "", "credentials", False),
        ("ACCOUNT_LOCKED", "", "credentials", False),
        ("INVALID_PRECISION", "", "bad_precision", False),
        ("INVALID_CURRENCY_PAIR", "", "not_tradable", False),
        ("AUTO_TRIGGER_PRICE_LESS_LAST", "", "trigger_reached", False),
        ("INVALID_PARAM_VALUE", "Trigger.Price must < last_price", "trigger_reached", False),
        (
            "INVALID_PARAM_VALUE",
            "Your order size 1 is too small. The minimum is 3 USDT",
            "below_min_notional",
            False,
        ),
        ("INVALID_PARAM_VALUE", "invalid argument: side", "invalid_param_value", False),
        (
            "INVALID_PARAM_VALUE",
            "order price is below the minimum of the price band",
            "invalid_param_value",
            False,
        ),
    ],
)
def test_labels_have_our_reasons(label: str, message: str, reason: str, transient: bool) -> None:
    assert refusal_of(label, message) == (reason, transient)


#: What Gate's interface calls an error that may come of an order which was taken, or of another order.
NO_PROOF = (
    "INTERNAL",
    "SERVER_ERROR",
    "TOO_BUSY",
    "REPEATED_CREATION",
    "ORDER_EXISTS",
    "ORDER_FINISHED",
    "ORDER_CLOSED",
    "ORDER_CANCELLED",
    "ORDER_NOT_FOUND",
    "CLIENT_ID_NOT_FOUND",
    "CANCEL_FAIL",
    "NOT_FOUND",
)


@pytest.mark.catalogue(21, 23, 25, 26)
@given(
    label=st.sampled_from(["", "BALANCE_NOT_ENOUGH", "REQUEST_EXPIRED", *NO_PROOF]) | st.text(max_size=20),
    message=st.sampled_from(["", "the minimum is 3 USDT", "too small"]),
    status=st.sampled_from([None, 200, 201, 202, 400, 404, 408, 429, 500, 502, 503, 504]),
    sent=st.booleans(),
    error=st.sampled_from(["", "ExchangeError", "RequestTimeout", "ExchangeNotAvailable", "OrderNotFound"]),
)
def test_only_proof_rejects(label: str, message: str, status: int | None, sent: bool, error: str) -> None:
    outcome = failed_send(Reply(label=label, message=message, status=status, sent=sent, error=error))
    known = label in ("BALANCE_NOT_ENOUGH", "REQUEST_EXPIRED")
    proven = not sent or (known and status is not None and status < 500)
    assert isinstance(outcome, Rejected if proven else Unknown)
    if isinstance(outcome, Rejected) and not sent:
        assert (outcome.reason, outcome.transient) == ("not_sent", True)


amounts = st.decimals("0.0000000001", "99999999", allow_nan=False, places=12)


@given(amounts)
def test_plain_is_exact_and_never_scientific(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert not set(text) - set("0123456789.")


@pytest.mark.catalogue(60)
@given(amounts)
def test_a_buy_is_quote_and_a_sell_is_base_and_neither_grows(value: Decimal) -> None:
    for intent, step in (
        (attrs.evolve(BUY, cost=value), RULES.cost_step),
        (attrs.evolve(SELL, quantity=value), RULES.amount_step),
    ):
        body = order_body(intent, RULES, "spot", 3600)
        if isinstance(body, Rejected):
            assert body.reason == "below_min_notional"
            continue
        amount = Decimal(body["amount"])
        assert value - step < amount <= value
        assert amount % step == 0
        assert body["side"] == intent.side.value


@pytest.mark.catalogue(60)
@pytest.mark.parametrize(
    "intent",
    [attrs.evolve(BUY, cost=None, quantity=D(10)), attrs.evolve(SELL, quantity=None, cost=D(10))],
    ids=["a buy in base", "a sell in quote"],
)
def test_an_amount_in_the_wrong_currency_is_not_sent(intent: Intent) -> None:
    body = order_body(intent, RULES, "spot", 3600)
    assert isinstance(body, Rejected)
    assert body.reason == "bad_order"


@pytest.mark.parametrize(
    "intent", [attrs.evolve(BUY, cost=D("2.99")), attrs.evolve(SELL, quantity=D("0.00009"))]
)
def test_less_than_the_minimum_is_not_sent(intent: Intent) -> None:
    body = order_body(intent, RULES, "spot", 3600)
    assert isinstance(body, Rejected)
    assert body.reason == "below_min_notional"


@pytest.mark.catalogue(51)
def test_buying_and_selling_are_gated_apart() -> None:
    only_sold = attrs.evolve(RULES, buyable=False)
    refused = order_body(BUY, only_sold, "spot", 3600)
    assert isinstance(refused, Rejected)
    assert refused.reason == "not_tradable"
    assert not isinstance(order_body(SELL, only_sold, "spot", 3600), Rejected)


@pytest.mark.catalogue(59)
@given(st.text(min_size=1, max_size=60), st.integers(1, 10**9))
def test_client_ids_are_legal_or_not_sent(key: str, attempt: int) -> None:
    intent = attrs.evolve(BUY, key=key, attempt=attempt)
    body = order_body(intent, RULES, "spot", 3600)
    if isinstance(body, Rejected):
        assert body.reason == "bad_client_id"
        assert len(intent.client_id) > 28
    else:
        text = body["text"]
        assert CLIENT_ID.fullmatch(text)
        assert text.startswith("t-")
        assert len(text) <= 28


def test_a_stop_says_its_expiry_and_is_rounded_down() -> None:
    body = order_body(STOP, RULES, "spot", 604_800)
    assert body == {
        "market": "BTC_USDT",
        "trigger": {"price": "45000.1", "rule": "<=", "expiration": 604_800},
        "put": {
            "type": "limit",
            "side": "sell",
            "price": "44550",
            "amount": "0.5",
            "account": "normal",
            "time_in_force": "gtc",
        },
    }


def book(**changes: Any) -> dict[str, Any]:
    return {"current": 10_000, "asks": [["101", "2"], ["102", "1"]], "bids": [["99", "1"]], **changes}


def test_a_book_has_its_best_prices_and_its_depth() -> None:
    quote = read_quote(book(), 10_500, 300)
    assert (quote.bid, quote.ask, quote.ts_ms) == (D(99), D(101), 9_700)
    assert quote.asks == ((D(101), D(2)), (D(102), D(1)))


@pytest.mark.catalogue(54)
@pytest.mark.parametrize(
    ("changes", "server_ms"),
    [
        ({"bids": [["101", "1"]]}, 10_500),  # crossed
        ({"asks": [], "bids": []}, 10_500),
        ({}, 20_001),  # an old answer
        ({"current": 70_000, "update": 9_999}, 70_000),  # a book that stands still
        ({"current": None}, 10_500),
        ({"asks": [["NaN", "1"]], "bids": [["0", "1"]]}, 10_500),
        ({"asks": None, "bids": "x"}, 10_500),
    ],
)
def test_a_book_that_is_none_gives_no_price(changes: dict[str, Any], server_ms: int) -> None:
    quote = read_quote(book(**changes), server_ms, 0)
    assert quote.bid is None
    assert quote.ask is None


def test_an_empty_side_is_unknown_and_the_other_stays() -> None:
    assert read_quote(book(asks=[]), 10_500, 0).bid == D(99)


def candle(n: int, flag: str = "true", **changes: str) -> list[str]:
    fields = {"close": "2", "high": "3", "low": "1", "open": "1.5", "volume": "7", **changes}
    return [str(900 * n), "100", *(fields[f] for f in ("close", "high", "low", "open", "volume")), flag]


@pytest.mark.catalogue(66, 67)
def test_candles_are_closed_ordered_and_each_once() -> None:
    rows = [candle(3), candle(1), candle(2), candle(2, close="2.5"), candle(4, "false"), candle(5)]
    found = closed_rows(rows, 900_000, now_ms=5_400_000 - 1)
    assert [row[0] for row in found] == [900_000, 1_800_000, 2_700_000]
    assert found[1] == (1_800_000, 1.5, 3.0, 1.0, 2.5, 7.0)


@pytest.mark.parametrize(
    "row",
    [
        candle(1, close="nan"),
        candle(1, high="1"),
        candle(1, low="0"),
        candle(1, volume="-1"),
        ["901", *candle(1)[1:]],
        ["900"],
        "nonsense",
        candle(1, close="x"),
    ],
)
def test_what_is_no_candle_is_an_error(row: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        closed_rows([row], 900_000, 10**12)


# Amounts and prices of recorded traffic: a market buy of 5 USDT against two levels, with a remainder.
PARTIAL = {
    "id": "95282841887",
    "text": "t-c1",
    "status": "closed",
    "finish_as": "filled",
    "type": "market",
    "side": "buy",
    "amount": "5",
    "left": "0.001015",
    "filled_amount": "0.0735",
    "filled_total": "4.998985",
}


def test_what_is_filled_is_what_the_venue_says() -> None:
    assert ack_of(PARTIAL) == Ack("95282841887", filled=D("0.0735"), ended="filled")


@pytest.mark.catalogue(36)
@pytest.mark.parametrize("reason", ["ioc", "small", "depth_not_enough", "price_protect_cancelled"])
def test_a_canceled_rest_does_not_hide_what_was_filled(reason: str) -> None:
    row = {**PARTIAL, "status": "cancelled", "finish_as": reason, "filled_amount": "0.03"}
    assert ack_of(row) == Ack("95282841887", filled=D("0.03"), ended=reason)


def test_left_of_a_market_buy_is_quote_and_tells_no_base() -> None:
    row = {name: value for name, value in PARTIAL.items() if name != "filled_amount"}
    assert filled_of(row) is None
    assert filled_of({**row, "side": "sell"}) == D("4.998985")


def test_an_order_without_a_status_is_not_final() -> None:
    assert not ack_of({"id": 1}).final


@pytest.mark.parametrize(("text", "ours"), [("t-c1", "t-c1"), ("apiv4", ""), ("3", ""), (None, "")])
def test_reserved_texts_are_nobodys(text: str | None, ours: str) -> None:
    assert text_of({"text": text}) == ours


TRADE = {
    "id": "5736713",
    "create_time_ms": "1664882195123.456000",
    "side": "buy",
    "amount": "0.025",
    "price": "68.02",
    "fee": "0.00005",
    "fee_currency": "LTC",
    "gt_fee": "0",
    "point_fee": "0.0",
}


@pytest.mark.catalogue(44, 45)
@pytest.mark.parametrize(
    ("fees", "amount", "currency"),
    [
        ({}, "0.00005", "LTC"),
        ({"fee": "0", "gt_fee": "0.0002"}, "0.0002", "GT"),
        ({"fee": "0", "point_fee": "0.0034"}, "0.0034", "POINT"),
        ({"fee": "0"}, "0", "LTC"),
    ],
)
def test_a_fee_keeps_its_currency(fees: dict[str, str], amount: str, currency: str) -> None:
    fill = fill_of({**TRADE, **fees}, "LTC/USDT", "t-c1", 123)
    assert (fill.fee, fill.fee_currency) == (D(amount), currency)
    assert (fill.quantity, fill.price, fill.ts_ms) == (D("0.025"), D("68.02"), 1664882195000)


@pytest.mark.catalogue(45)
def test_what_gt_or_points_pay_beside_the_ordinary_fee_is_kept() -> None:
    fill = fill_of({**TRADE, "gt_fee": "0.0002", "point_fee": "0.0034"}, "LTC/USDT", "t-c1", 123)
    assert fill.fees == (("LTC", D("0.00005")), ("GT", D("0.0002")), ("POINT", D("0.0034")))
    only_coins = fill_of({**TRADE, "fee": "0", "gt_fee": "0.0002", "point_fee": "1"}, "LTC/USDT", "t-c1", 123)
    assert only_coins.fees == (("GT", D("0.0002")), ("POINT", D(1)))


@pytest.mark.catalogue(43)
def test_trades_are_ordered_by_time_and_number() -> None:
    rows = [
        {"create_time_ms": "2", "id": "9"},
        {"create_time_ms": "2", "id": "10"},
        {"create_time_ms": "1.5", "id": "99"},
    ]
    assert [row["id"] for row in sorted(rows, key=trade_order)] == ["99", "9", "10"]


def test_an_instrument_is_read_from_decimal_places() -> None:
    row = {
        "amount_precision": 4,
        "precision": 1,
        "min_base_amount": "0.001",
        "min_quote_amount": "3",
        "trade_status": "sellable",
        "delisting_time": 1_700_000_000,
    }
    rules = instrument_of("BTC/USDT", row)
    assert (rules.amount_step, rules.price_tick, rules.cost_step) == (D("0.0001"), D("0.1"), D("0.1"))
    assert (rules.min_amount, rules.min_notional) == (D("0.001"), D(3))
    assert (rules.buyable, rules.sellable, rules.delisting_ms) == (False, True, 1_700_000_000_000)
    cheap = instrument_of("PEPE/USDT", {"amount_precision": 0, "precision": 10, "min_quote_amount": None})
    assert (cheap.amount_step, cheap.cost_step, cheap.min_notional) == (D(1), D("0.01"), D(0))


def test_odd_numbers_are_none_or_zero() -> None:
    assert [maybe(text) for text in (None, "", "x", "inf", "1.50")] == [None, None, None, None, D("1.50")]
    assert number("x") == 0
    assert millis({"create_time": "12.5"}, "create_time") == 12_500


def test_the_offset_is_measured_at_the_middle_and_grows_old() -> None:
    clock = VirtualClock(1_000_000)
    server = ServerClock(clock)
    assert server.stale()
    asked = clock.now_ms()
    clock.advance(ms=400)
    server.measured(1_090_200, asked)
    assert (server.offset_ms, server.now_ms(), server.to_bot(1_090_200)) == (90_000, 1_090_400, 1_000_200)
    clock.advance(seconds=59)
    assert not server.stale()
    clock.advance(seconds=1)
    assert server.stale()


class Settable(VirtualClock):
    """A wall clock that can be set while the monotonic one runs on."""

    set_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.set_ms


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_was_set_is_measured_again(step_ms: int) -> None:
    clock = Settable(1_000_000)
    server = ServerClock(clock)
    server.measured(1_000_000, 1_000_000)
    assert not server.stale()
    clock.set_ms = step_ms
    assert server.stale()
