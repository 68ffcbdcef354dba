"""Which bids are believed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cab_core.domain.market import Quote
from cab_core.domain.sanity import BidFilter

D = Decimal


def take(bids: BidFilter, price: str | None, age_ms: int = 0) -> D | None:
    bid = None if price is None else D(price)
    return bids.take(Quote(bid, bid, 1_000_000 - age_ms), 1_000_000)


@pytest.mark.catalogue(53)
@pytest.mark.parametrize("price", [None, "0", "-1", "NaN", "Infinity"])
def test_what_is_no_price_is_not_believed(price: str | None):
    assert take(BidFilter(), price) is None


@pytest.mark.catalogue(53)
def test_a_stale_price_is_not_believed():
    assert take(BidFilter(), "100", age_ms=60_000) == 100
    assert take(BidFilter(), "100", age_ms=60_001) is None


@pytest.mark.catalogue(53)
@pytest.mark.parametrize("spike", ["0.1", "100000", "89", "112"])
def test_a_spike_is_not_believed(spike: str):
    bids = BidFilter()
    assert take(bids, "100") == 100
    assert take(bids, spike) is None
    assert take(bids, "100.5") == D("100.5")


def test_a_crash_is_believed_at_the_second_look():
    bids = BidFilter()
    take(bids, "100")
    assert take(bids, "70") is None
    assert take(bids, "70.2") == D("70.2")
    assert take(bids, "65") == 65


def test_two_spikes_that_disagree_are_not_believed():
    bids = BidFilter()
    take(bids, "100")
    assert [take(bids, "10"), take(bids, "1000"), take(bids, "10")] == [None, None, None]
    assert take(bids, "99") == 99
