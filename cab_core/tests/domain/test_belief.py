"""Which prices are believed."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from cab_core.domain.belief import BLIND_MS, QUOTE_MAX_MS, Belief, Price, Source
from cab_core.domain.market import Candle, Quote
from cab_core.domain.timeframes import TF_MS

D = Decimal
START_MS = 1_700_000_100_000 // TF_MS * TF_MS
LOOK_MS = 5_000


@attrs.define
class Watched:
    """A position that began at a price, looked at every five seconds."""

    began: str = "100"
    stop: str | None = "95"
    now_ms: int = START_MS
    belief: Belief = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.belief = Belief(Price(D(self.began), self.now_ms))
        self.guard(self.stop)

    def guard(self, stop: str | None) -> None:
        self.belief.guarded_by(None if stop is None else D(stop), self.now_ms)

    def look(
        self,
        bid: str | None,
        *,
        age_ms: int = 0,
        last: str | None = None,
        candle: Candle | None = None,
        after_ms: int = LOOK_MS,
    ) -> D | None:
        self.now_ms += after_ms
        price, traded = (None if text is None else D(text) for text in (bid, last))
        found = self.belief.look(Quote(price, price, self.now_ms - age_ms, last=traded), candle, self.now_ms)
        return None if found is None else found.value

    def looks(self, *bids: str | None) -> list[D | None]:
        return [self.look(bid) for bid in bids]


def candle(low: str, close: str, opened_ms: int) -> Candle:
    return Candle(opened_ms, D(100), D(100), D(low), D(close))


@pytest.mark.catalogue(53)
@pytest.mark.parametrize("price", [None, "0", "-1", "NaN", "Infinity"])
def test_what_is_no_price_is_not_believed(price: str | None):
    assert Watched().look(price) is None


@pytest.mark.parametrize("price", ["0.5", "0.00002", "1", "64000"])
def test_a_price_of_any_size_is_one(price: str):
    """A coin of which a dollar buys thousands has a bid like any other."""
    assert Watched(price, stop=None).look(price) == D(price)


def test_it_is_the_bid_that_counts():
    """With a spread as wide as the way to the stop, the middle of both lies far above it."""
    belief = Belief(Price(D(100), START_MS))
    belief.guarded_by(D(95), START_MS)
    price = belief.look(Quote(D(94), D(106), START_MS + LOOK_MS), None, START_MS + LOOK_MS)
    assert price == Price(D(94), START_MS + LOOK_MS, Source.BID)


@pytest.mark.catalogue(53)
def test_a_stale_price_is_not_believed():
    assert Watched().look("100", age_ms=QUOTE_MAX_MS) == 100
    assert Watched().look("100", age_ms=QUOTE_MAX_MS + 1) is None


@pytest.mark.catalogue(53)
@pytest.mark.parametrize("spike", ["0.1", "100000", "89", "112"])
def test_a_spike_is_not_believed(spike: str):
    """Not even the first look after a start or an entry, which is held against the price before it."""
    watched = Watched()
    assert watched.looks(spike, "100", spike, "100.5") == [None, 100, None, D("100.5")]


@pytest.mark.catalogue(53)
@pytest.mark.parametrize("bids", [("88", "86", "84"), ("88", "70", "40"), ("70", None, "70.2"), ("10", "89")])
def test_a_fall_is_believed_at_the_second_look_below_the_stop(bids: tuple[str | None, ...]):
    """However far the looks are apart, and whatever could not be seen between them."""
    seen = [price for price in Watched().looks("100", *bids) if price is not None]
    assert len(seen) >= 2
    assert all(price <= 95 for price in seen[1:])
    assert seen[1] == max(D(bid) for bid in bids[:3] if bid and D(bid) >= 70)


def test_a_rise_is_believed_at_the_second_look_and_only_as_far_as_both_say():
    watched = Watched()
    assert watched.looks("100", "120", "100000") == [100, None, 120]
    assert watched.looks("121", "100000", "122") == [121, None, 122]


def test_two_spikes_that_lie_apart_are_not_believed():
    assert Watched().looks("10", "1000", "10", "99") == [None, None, None, 99]


def test_without_a_stop_the_side_of_the_believed_price_counts():
    assert Watched(stop=None).looks("80", "120", "121") == [None, None, 120]


@pytest.mark.catalogue(53)
def test_a_fall_is_believed_at_once_where_the_last_closed_candle_fell_as_well():
    fallen = candle("85", "99", START_MS)
    for bid, believed in (("80", 85), ("120", None)):
        watched = Watched()
        watched.look("100", after_ms=TF_MS - 1)
        assert watched.look(bid, candle=fallen) == believed


def test_a_low_from_before_the_stop_stood_there_proves_nothing():
    """The price was lower before the entry, or before the stop was raised: that is no fall through it."""
    watched = Watched(now_ms=START_MS + 1)
    watched.look("100", after_ms=TF_MS - 2)
    assert watched.look("0.1", candle=candle("85", "99", START_MS)) is None
    assert watched.look("100", candle=candle("85", "99", START_MS)) == 100


def blinded(**more: str) -> Watched:
    watched = Watched(**more)
    while not watched.belief.blind(watched.now_ms + LOOK_MS):
        assert watched.look(None, last="90") is None
    return watched


def test_after_a_minute_without_a_bid_the_last_traded_price_stands_in():
    watched = blinded()
    assert watched.now_ms - START_MS == BLIND_MS - LOOK_MS
    assert watched.look(None, last="94") == 94
    assert watched.belief.price.source is Source.LAST
    assert watched.look(None, last="0.1") is None  # as absurd as a bid can be
    assert watched.look(None, last="93") == 93
    assert watched.look("94") == 94
    assert watched.belief.price.source is Source.BID
    assert watched.look(None, last="90") is None


def test_after_a_minute_without_a_bid_the_last_closed_candle_stands_in_where_nothing_else_is_told():
    watched = blinded()
    assert watched.look(None, candle=candle("94", "99", START_MS - TF_MS)) is None  # older than the last bid
    assert watched.look(None, candle=candle("94", "99", START_MS), after_ms=TF_MS) == 94
    assert watched.belief.price.source is Source.CANDLE
    watched.guard("96")
    assert watched.look(None, candle=candle("94", "99", START_MS)) == 99
