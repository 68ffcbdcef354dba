"""Findings of reconciliation as a table: what the bot has, what the venue shows, what is said about it."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any

import attrs
import pytest

from cab_core.domain.alerts import Severity
from cab_core.domain.comparison import LocalView, VenueView, undecided
from cab_core.domain.corrections import REMINDER_MS, Allowed, Streak, corrections, follow
from cab_core.domain.market import Instrument
from cab_core.domain.orders import (
    Fill,
    Intent,
    OrderType,
    Purpose,
    Side,
    VenueOrder,
    client_order_id,
    intent_key,
)
from cab_core.domain.reconcile import Finding, Kind, findings
from cab_core.domain.resting import DesiredStop

pytestmark = pytest.mark.reconciliation

SYMBOL = "BTC/USDT"
BTC = Instrument(SYMBOL, amount_step=Decimal("0.0001"), price_tick=Decimal("0.1"))
STRAY = client_order_id("another bot", 1)

STOP = DesiredStop(Decimal("1.0"), Decimal(95), Decimal(94), "stop_loss")
NOW_MS = 1_000_000


def test_a_client_order_id_is_a_digest_of_its_key_that_every_start_finds_again() -> None:
    for key in ("BTC/USDT|buy|entry|1700000000000", "another bot"):
        digest = base64.b32encode(hashlib.sha256(key.encode()).digest()[:10]).decode().lower()
        assert client_order_id(key, 3) == f"t-c{digest}-3"


def intent(ref: str = "1", **changes: Any) -> Intent:
    key = intent_key(SYMBOL, Side.BUY, Purpose.ENTRY, ref)
    made = Intent(key, SYMBOL, Side.BUY, Purpose.ENTRY, "vote", "-", 1, cost=Decimal(50), sent_ms=2)
    return attrs.evolve(made, **changes)


def stop_intent(**changes: Any) -> Intent:
    made = Intent(
        intent_key(SYMBOL, Side.SELL, Purpose.STOP_LOSS, "p"),
        SYMBOL,
        Side.SELL,
        Purpose.STOP_LOSS,
        "stop_loss",
        "-",
        1,
        type=OrderType.STOP_LIMIT,
        quantity=STOP.quantity,
        trigger=STOP.trigger,
        limit=STOP.limit,
        sent_ms=2,
        order_id="s1",
    )
    return attrs.evolve(made, **changes)


def order(client_id: str, **changes: Any) -> VenueOrder:
    values: dict[str, Any] = {
        "order_id": "o1",
        "client_id": client_id,
        "symbol": SYMBOL,
        "side": Side.SELL,
        "stop": False,
        "open": True,
        "quantity": Decimal("0.5"),
        "filled": Decimal(0),
        "created_ms": 10,
    }
    return VenueOrder(**(values | changes))


def resting(**changes: Any) -> VenueOrder:
    values = {"order_id": "s1", "stop": True, "quantity": STOP.quantity, "trigger": STOP.trigger}
    return order("", **(values | changes))


def fill(client_id: str, trade_id: str = "1", **changes: Any) -> Fill:
    made = Fill(
        trade_id, client_id, SYMBOL, Side.BUY, Decimal("0.5"), Decimal(100), Decimal("0.001"), "BTC", 20
    )
    return attrs.evolve(made, **changes)


def local(**changes: Any) -> LocalView:
    return attrs.evolve(LocalView(symbol=SYMBOL, managed=Decimal("1.0"), ref="p:0", flat=False), **changes)


def venue(**changes: Any) -> VenueView:
    made = VenueView(base_total=Decimal("1.0"), quote_free=Decimal(100), bid=Decimal(100))
    return attrs.evolve(made, **changes)


def said(book: LocalView, there: VenueView) -> list[tuple[str, str, str]]:
    return [(f.kind, f.expected, f.actual) for f in findings(book, there, BTC)]


TABLE = {
    "nothing differs": (local(), venue(), []),
    "within the tolerance of 0.1 %": (local(), venue(base_total=Decimal("0.9991")), []),
    "sold by hand": (
        local(),
        venue(base_total=Decimal("0.4")),
        [(Kind.POSITION_SHORT, "1.0", "0.4")],
    ),
    "deposited": (local(), venue(base_total=Decimal(3)), [(Kind.UNMANAGED, "1.0", "3")]),
    "another symbol of the same base holds the rest": (
        local(elsewhere=Decimal(2)),
        venue(base_total=Decimal(3)),
        [],
    ),
    "an accepted order is gone": (
        local(intents=[intent(order_id="x")]),
        venue(),
        [(Kind.ORDER_NOT_OPEN, "open", "not open")],
    ),
    "an unknown outcome": (
        local(intents=[intent()]),
        venue(),
        [(Kind.ORDER_UNRESOLVED, "open", "not open")],
    ),
    "an order that was not sent yet": (local(intents=[intent(sent_ms=None)]), venue(), []),
    "a foreign order": (
        local(),
        venue(orders=[order("mine-by-hand")]),
        [(Kind.FOREIGN_ORDER, "none", "sell 0.5")],
    ),
    "an ended foreign order": (local(), venue(orders=[order("hand", open=False, filled=Decimal("0.5"))]), []),
    "an open order of ours that nobody waits for": (
        local(),
        venue(orders=[order(STRAY)]),
        [(Kind.STRAY_ORDER, "none", "sell 0.5")],
    ),
    "a stop without a client id that the journal knows as ended": (
        local(known=frozenset({"o1"})),
        venue(orders=[order("", stop=True)]),
        [(Kind.STRAY_ORDER, "none", "sell 0.5 stop")],
    ),
    "an unknown order of ours that filled": (
        local(),
        venue(
            base_total=Decimal("1.499"),
            orders=[order(STRAY, side=Side.BUY, open=False, filled=Decimal("0.5"))],
            trades=[fill(STRAY)],
        ),
        [(Kind.STRAY_FILLS, "none", "0.5 filled")],
    ),
    "an unknown order of ours whose trades are not visible yet": (
        local(),
        venue(orders=[order(STRAY, open=False, filled=Decimal("0.5"))], base_total=Decimal("0.5")),
        [(Kind.STRAY_FILLS, "none", "0.5 filled")],
    ),
    "an order of ours that is on record as refused and filled": (
        local(known=frozenset({STRAY}), refused=frozenset({STRAY})),
        venue(base_total=Decimal("1.499"), trades=[fill(STRAY)]),
        [(Kind.REFUSED_BUT_FILLED, "refused", "0.5 filled")],
    ),
    "a refused order of ours whose trades are not visible yet": (
        local(known=frozenset({STRAY}), refused=frozenset({STRAY})),
        venue(orders=[order(STRAY, open=False, filled=Decimal("0.5"))], base_total=Decimal("0.5")),
        [(Kind.REFUSED_BUT_FILLED, "refused", "0.5 filled")],
    ),
    "an ended order that is known by its client id alone": (
        local(known=frozenset({STRAY})),
        venue(orders=[order(STRAY, open=False, filled=Decimal("0.5"))]),
        [],
    ),
    "an ended order that is known by the venue's id alone": (
        local(known=frozenset({"o1"})),
        venue(orders=[order(STRAY, open=False, filled=Decimal("0.5"))]),
        [],
    ),
    "an ended order of the journal": (
        local(known=frozenset({STRAY}), booked=frozenset({"1"})),
        venue(orders=[order(STRAY, open=False, filled=Decimal("0.5"))], trades=[fill(STRAY)]),
        [],
    ),
    "too little quote for what is open": (
        local(quote_needed=Decimal(150)),
        venue(),
        [(Kind.QUOTE_SHORT, "150", "100")],
    ),
    "the stop rests": (local(stop=STOP, intents=[stop_intent()]), venue(orders=[resting()]), []),
    "the stop was never placed": (local(stop=STOP), venue(), [(Kind.STOP_MISSING, "1.0 at 95", "none")]),
    "the stop was canceled by hand": (
        local(stop=STOP, intents=[stop_intent()]),
        venue(),
        [
            (Kind.ORDER_NOT_OPEN, "open", "not open"),
            (Kind.STOP_MISSING, "1.0 at 95", "none"),
        ],
    ),
    "the stop sells too little": (
        local(stop=STOP, intents=[stop_intent()]),
        venue(orders=[resting(quantity=Decimal("0.5"))]),
        [(Kind.STOP_QUANTITY, "1.0", "0.5")],
    ),
    "the stop lies too low": (
        local(stop=STOP, intents=[stop_intent()]),
        venue(orders=[resting(trigger=Decimal(90))]),
        [(Kind.STOP_PRICE, "95", "90")],
    ),
    "the stop has fired and rests as a limit order": (
        local(stop=STOP, intents=[stop_intent()]),
        venue(orders=[resting(stop=False)]),
        [],
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_findings(case: str) -> None:
    book, there, expected = TABLE[case]
    assert said(book, there) == expected


@pytest.mark.catalogue(38, 47)
@pytest.mark.parametrize("case", ["a foreign order", "deposited"])
def test_what_belongs_to_others_is_reported_and_left_alone(case: str) -> None:
    book, there, _ = TABLE[case]
    found = findings(book, there, BTC)

    assert [finding.severity for finding in found] == [Severity.INFO]
    assert not found[0].mismatch
    todo = corrections(found, book, there, BTC, Allowed(shrink=True), NOW_MS)
    assert todo == corrections([], book, venue(), BTC, Allowed(), NOW_MS)


@pytest.mark.catalogue(41)
@pytest.mark.parametrize(
    "there",
    [
        # Accepted and gone: its trades are not visible yet.
        venue(base_total=Decimal("0.2")),
        # A stop that is being filled.
        venue(base_total=Decimal("0.2"), orders=[resting(filled=Decimal("0.8"))]),
        # A trade of it that is not booked.
        venue(
            base_total=Decimal("0.2"),
            orders=[resting()],
            trades=[fill(stop_intent().client_id, side=Side.SELL)],
        ),
    ],
)
def test_a_balance_proves_nothing_while_trades_are_to_come(there: VenueView) -> None:
    book = local(intents=[stop_intent()])
    assert undecided(book, there)
    found = findings(book, there, BTC)
    assert Kind.POSITION_SHORT not in {finding.kind for finding in found}
    assert corrections(found, book, there, BTC, Allowed(shrink=True), NOW_MS).shrunk is None


def test_a_shortfall_is_sold_at_the_bid_once_it_is_confirmed() -> None:
    there = venue(base_total=Decimal("0.4"))
    found = findings(local(), there, BTC)

    assert corrections(found, local(), there, BTC, Allowed(), NOW_MS).shrunk is None

    sold = corrections(found, local(), there, BTC, Allowed(shrink=True), NOW_MS).shrunk
    assert sold == Fill(
        "estimated:p:0",
        "external",
        SYMBOL,
        Side.SELL,
        Decimal("0.6"),
        Decimal(100),
        Decimal(0),
        "USDT",
        NOW_MS,
    )
    unpriced = attrs.evolve(there, bid=None)
    assert corrections(found, local(), unpriced, BTC, Allowed(shrink=True), NOW_MS).shrunk is None


def test_a_foreign_balance_is_taken_over_on_request_only_and_only_while_flat() -> None:
    book, there = local(managed=Decimal(0), flat=True), venue(base_total=Decimal("2.00005"))
    found = findings(book, there, BTC)

    assert corrections(found, book, there, BTC, Allowed(), NOW_MS).taken_over is None
    taken = corrections(found, book, there, BTC, Allowed(take_over=True), NOW_MS).taken_over
    assert taken is not None
    assert (taken.trade_id, taken.quantity, taken.price) == ("adopted:p:0", Decimal("2.0000"), Decimal(100))

    long = attrs.evolve(book, flat=False)
    assert corrections(found, long, there, BTC, Allowed(take_over=True), NOW_MS).taken_over is None


def test_stray_trades_are_booked_oldest_first_and_each_once() -> None:
    late, early = fill(STRAY, "b", ts_ms=30), fill(STRAY, "a", ts_ms=20)
    there = venue(trades=[late, early, late], base_total=Decimal("1.998"))
    found = findings(local(), there, BTC)
    assert corrections(found, local(), there, BTC, Allowed(), NOW_MS).adopted == (early, late)


def _followed(cycles: list[set[Kind]], undecided_kinds: set[Kind], step_ms: int = 60_000) -> list[int]:
    """Return the numbers of the cycles at which a person is told."""
    streaks: dict[Kind, Streak] = {}
    told = []
    for number, kinds in enumerate(cycles, 1):
        streaks, due = follow(streaks, kinds, undecided_kinds, number * step_ms)
        if due:
            told.append(number)
    return told


def test_a_person_is_told_at_the_fourth_cycle_in_a_row_and_every_quarter_of_an_hour() -> None:
    mismatch = {Kind.STOP_MISSING}
    assert _followed([mismatch] * 3, set()) == []
    every = REMINDER_MS // 60_000
    assert _followed([mismatch] * 40, set()) == [4, 4 + every, 4 + 2 * every]


def test_a_clean_cycle_starts_the_count_again() -> None:
    mismatch = {Kind.STOP_MISSING}
    assert _followed([mismatch, mismatch, mismatch, set(), *[mismatch] * 4], set()) == [8]


def test_a_cycle_without_a_verdict_neither_counts_nor_resets() -> None:
    streaks, _ = follow({Kind.POSITION_SHORT: Streak(2)}, set(), {Kind.POSITION_SHORT}, 0)
    assert streaks == {Kind.POSITION_SHORT: Streak(2)}


def test_findings_name_the_cure() -> None:
    book, there, _ = TABLE["sold by hand"]
    assert findings(book, there, BTC) == (
        Finding(
            Kind.POSITION_SHORT,
            SYMBOL,
            "",
            "1.0",
            "0.4",
            "book the difference as an external sell at the present bid",
            Severity.IMPORTANT,
        ),
    )
