from decimal import Decimal

import pytest

from cab_core.testing import RiskRuleConformance, book, entry, quote
from cab_risk_spread_cap import SpreadCap

pytestmark = pytest.mark.risk


def check(bid, ask, spreads=(), **options):
    return SpreadCap(**options).check(entry(quote=quote(bid, ask)), book(spreads=spreads))


class TestSpreadCap(RiskRuleConformance):
    plugin = SpreadCap
    needs = ("quote",)

    @staticmethod
    def monotone(badness):
        half = Decimal(str(round(0.5 * badness, 4)))
        prices = quote(str(100 - half), str(100 + half))
        return entry(quote=prices), book(spreads=(0.3,) * 30)


@pytest.mark.parametrize(("bid", "ask", "kind"), [("99.75", "100.25", "allow"), ("99.74", "100.25", "delay")])
def test_the_cap_itself_is_still_allowed(bid, ask, kind):
    assert check(bid, ask).kind == kind


def test_a_cap_is_exact_even_where_a_float_is_not():
    assert check("99.85", "100.15", max_pct=Decimal("0.3")).kind == "allow"


@pytest.mark.catalogue(54)
@pytest.mark.parametrize(("bid", "ask"), [(None, "100"), ("100", None), (None, None)])
def test_without_a_quote_nobody_buys(bid, ask):
    verdict = check(bid, ask)
    assert (verdict.kind, verdict.reason) == ("delay", "no_quote")


@pytest.mark.parametrize(
    ("spreads", "factor"),
    [
        ((), 1.0),
        ((0.1,) * 19, 1.0),
        ((0.1,) * 20, 0.5),
        ((0.2,) * 20, 1.0),
        ((0.1,) * 50 + (0.4,) * 100, 1.0),
        ((0.4,) * 50 + (0.1,) * 100, 0.5),
    ],
)
def test_an_unusual_spread_halves_the_entry(spreads, factor):
    verdict = check("99.9", "100.1", spreads)  # 0.2 % now
    assert verdict.factor == factor


def test_a_spread_of_exactly_one_and_a_half_times_the_usual_one_is_usual():
    assert check("99.75", "100.25", (0.25,) * 10 + (0.416666666666666666,) * 10).factor == 1.0
