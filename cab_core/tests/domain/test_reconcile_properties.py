"""Whatever the facts are: their order does not matter, and one pass of corrections settles them."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.book import Book
from cab_core.domain.booking import AppliedTo
from cab_core.domain.comparison import LocalView, VenueView, undecided
from cab_core.domain.corrections import Allowed, Corrections, corrections
from cab_core.domain.market import Instrument
from cab_core.domain.orders import Fill, Intent, Purpose, Side, VenueOrder, client_order_id
from cab_core.domain.reconcile import Kind, findings

pytestmark = pytest.mark.reconciliation

SYMBOL = "BTC/USDT"
BTC = Instrument(SYMBOL, amount_step=Decimal("0.001"), min_notional=Decimal(3))
NOW_MS = 1_000_000

amounts = st.integers(0, 5000).map(lambda number: Decimal(number) / 1000)
positive = st.integers(1, 5000).map(lambda number: Decimal(number) / 1000)
client_ids = st.one_of(
    st.integers(1, 4).map(lambda number: client_order_id(f"stray {number}", 1)),
    st.sampled_from(["", "by-hand", "web"]),
)


@st.composite
def trades(draw: st.DrawFn) -> Fill:
    in_base = draw(st.booleans())
    quantity = draw(positive)
    return Fill(
        str(draw(st.integers(1, 8))),
        draw(client_ids),
        SYMBOL,
        draw(st.sampled_from(Side)),
        quantity,
        Decimal(100),
        quantity / 500,
        "BTC" if in_base else "USDT",
        draw(st.integers(1, 50)),
    )


@st.composite
def orders(draw: st.DrawFn) -> VenueOrder:
    return VenueOrder(
        order_id=str(draw(st.integers(1, 6))),
        client_id=draw(client_ids),
        symbol=SYMBOL,
        side=draw(st.sampled_from(Side)),
        stop=draw(st.booleans()),
        open=draw(st.booleans()),
        quantity=draw(st.none() | positive),
        filled=draw(st.just(Decimal(0)) | amounts),
        created_ms=1,
    )


@st.composite
def views(draw: st.DrawFn) -> tuple[Book, LocalView, VenueView]:
    """A book that came about by fills, and a venue that may show anything."""
    book = Book(Decimal(1000), {SYMBOL: BTC})
    held = draw(amounts)
    if held:
        bought = Fill("first", "t-cown", SYMBOL, Side.BUY, held, Decimal(90), Decimal(0), "USDT", 1)
        book.apply(bought, AppliedTo(Purpose.ENTRY))
    unique = st.lists(trades(), max_size=5, unique_by=lambda trade: trade.trade_id)
    listed = st.lists(orders(), max_size=4, unique_by=lambda order: order.order_id)
    venue = VenueView(
        base_total=draw(amounts),
        quote_free=draw(amounts),
        orders=draw(listed),
        trades=draw(unique),
        bid=draw(st.none() | st.just(Decimal(100))),
    )
    known = draw(st.sets(st.sampled_from([str(number) for number in range(1, 7)])))
    pending = draw(st.booleans())
    waiting = Intent("k", SYMBOL, Side.SELL, Purpose.MANUAL, "", "-", 1, quantity=Decimal(1), sent_ms=2)
    intents = [waiting] if pending else []
    return book, _local(book, venue, frozenset(known), intents), venue


def _local(book: Book, venue: VenueView, known: frozenset[str], intents: list[Intent]) -> LocalView:
    seen = book.seen[SYMBOL]
    return LocalView(
        symbol=SYMBOL,
        managed=book.ledger.held(SYMBOL).quantity,
        ref="r",
        flat=SYMBOL not in book.positions,
        intents=intents,
        known=known,
        booked=frozenset(t.trade_id for t in venue.trades if seen.knows(t.trade_id, t.ts_ms)),
    )


def _apply(book: Book, venue: VenueView, todo: Corrections) -> VenueView:
    """Make the corrections as the shell does, and return what the venue shows afterwards."""
    for trade in (*todo.adopted, todo.shrunk, todo.taken_over):
        if trade is not None:
            book.apply(trade, AppliedTo(Purpose.MANUAL))
    canceled = {order.order_id for order in todo.canceled}
    after = [attrs.evolve(o, open=o.open and o.order_id not in canceled) for o in venue.orders]
    return attrs.evolve(venue, orders=after)


@given(views(), st.randoms(use_true_random=False))
def test_the_order_of_the_facts_does_not_matter(views: tuple[Book, LocalView, VenueView], random) -> None:  # type: ignore[no-untyped-def]  # hypothesis hands in a seeded random.Random
    _, local, venue = views
    shuffled = attrs.evolve(
        venue,
        orders=random.sample(venue.orders, len(venue.orders)),
        trades=[*random.sample(venue.trades, len(venue.trades)), *venue.trades[:2]],
    )
    found = findings(local, venue, BTC)
    assert findings(local, shuffled, BTC) == found
    allowed = Allowed(shrink=True, take_over=True)
    assert corrections(found, local, venue, BTC, allowed, NOW_MS) == corrections(
        found, local, shuffled, BTC, allowed, NOW_MS
    )


@given(views(), st.booleans())
def test_one_pass_corrects_all_that_evidence_allows(
    views: tuple[Book, LocalView, VenueView], take_over: bool
) -> None:
    book, local, venue = views
    found = findings(local, venue, BTC)
    allowed = Allowed(shrink=True, take_over=take_over)
    todo = corrections(found, local, venue, BTC, allowed, NOW_MS)

    after = _apply(book, venue, todo)
    known = local.known | {trade.client_id for trade in todo.adopted}
    again = _local(book, after, known, list(local.intents))
    left = findings(again, after, BTC)

    kinds = {finding.kind for finding in left}
    assert Kind.STRAY_ORDER not in kinds
    if not undecided(local, venue):
        assert Kind.STRAY_FILLS not in kinds
        if venue.bid is not None:
            assert Kind.POSITION_SHORT not in kinds
    second = corrections(left, again, after, BTC, Allowed(shrink=True), NOW_MS)
    assert second.adopted == () == second.canceled


@given(views())
def test_nothing_is_ever_bought_and_nothing_becomes_negative(
    views: tuple[Book, LocalView, VenueView],
) -> None:
    book, local, venue = views
    found = findings(local, venue, BTC)
    todo = corrections(found, local, venue, BTC, Allowed(shrink=True), NOW_MS)

    assert set(todo.adopted) <= set(venue.trades)
    assert todo.taken_over is None
    assert todo.shrunk is None or todo.shrunk.side is Side.SELL
    _apply(book, venue, todo)
    assert book.ledger.held(SYMBOL).quantity >= 0


@given(views())
def test_foreign_orders_and_trades_are_never_touched(views: tuple[Book, LocalView, VenueView]) -> None:
    _, local, venue = views
    todo = corrections(findings(local, venue, BTC), local, venue, BTC, Allowed(shrink=True), NOW_MS)
    for order in todo.canceled:
        assert order.client_id.startswith("t-c") or order.order_id in local.known
    assert all(trade.client_id.startswith("t-c") for trade in todo.adopted)
