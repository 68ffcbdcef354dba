"""The FIFO ledger: reference vectors, and an oracle with another data structure (I13)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from account_stories import SYMBOL, D
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.ledger import Fee, Ledger, Lot, Sale, split_fees

pytestmark = pytest.mark.settlement

CURRENCIES = {"base": "BTC", "quote": "USDT", "other": "GT"}


def close(ours: Decimal, theirs: Decimal | Fraction) -> bool:
    size = max(Fraction(1), abs(Fraction(theirs)))
    return abs(Fraction(ours) - Fraction(theirs)) <= Fraction(1, 10**20) * size


def fee_of(trade: dict[str, str]) -> Fee:
    rates = {"GT": D(trade["fee_rate"])} if "fee_rate" in trade else {}
    return split_fees([(CURRENCIES[trade["fee_ccy"]], D(trade["fee"]))], "BTC", "USDT", rates)


def test_reference_vectors_hold(cases: dict[str, Any]) -> None:
    assert len(cases["fifo"]) == 13
    for case in cases["fifo"]:
        ledger, sales = Ledger(), []
        for trade in case["trades"]:
            amounts = D(trade["qty"]), D(trade["price"]), fee_of(trade)
            if trade["side"] == "buy":
                ledger.buy(SYMBOL, *amounts)
            else:
                sales.append(ledger.sell(SYMBOL, *amounts))
        expected = case["expected"]
        for sale, wanted in zip(sales, expected["sells"], strict=True):
            for name, value in wanted.items():
                assert close(getattr(sale, name), D(value)), (case["name"], name)
        assert close(sum((sale.realized for sale in sales), D(0)), D(expected["realized_total"]))
        assert close(ledger.held(SYMBOL).quantity, D(expected["remaining_qty"]))
        assert close(ledger.held(SYMBOL).cost, D(expected["remaining_cost"]))


def test_a_fee_in_an_unknown_currency_is_flagged_and_counted_as_nothing() -> None:
    assert split_fees([("GT", D("0.5"))], "BTC", "USDT", {}) == Fee(D(0), D(0), unpriced=True)
    assert split_fees([("GT", D(0))], "BTC", "USDT", {}) == Fee(D(0), D(0), unpriced=False)


def test_each_of_several_fees_does_what_its_currency_does() -> None:
    fees = [("BTC", D("0.001")), ("GT", D(2)), ("BTC", D("0.002")), ("USDT", D("0.1")), ("GT", D(1))]
    assert split_fees(fees, "BTC", "USDT", {"GT": D(5)}) == Fee(D("0.003"), D("15.1"), unpriced=False)
    assert split_fees([*fees, ("POINT", D(1))], "BTC", "USDT", {"GT": D(5)}).unpriced


def test_a_sell_of_nothing_held_realizes_nothing() -> None:
    sale = Ledger().sell(SYMBOL, D(1), D(100), Fee(D(0), D("0.1")))
    assert sale == Sale(D(0), D(0), D(0), D(1))


def test_symbols_do_not_touch_each_other() -> None:
    ledger = Ledger()
    ledger.buy("BTC/USDT", D(1), D(100), Fee())
    ledger.buy("ETH/USDT", D(2), D(10), Fee())
    ledger.sell("BTC/USDT", D(1), D(100), Fee())
    assert ledger.symbols() == ["ETH/USDT"]
    assert ledger.write_off("ETH/USDT") == Lot(D(2), D(20))
    assert ledger.held("ETH/USDT") == Lot(D(0), D(0))


class Oracle:
    """FIFO without lots: cost as a piecewise linear function of all base ever bought, exact in fractions.

    Base sold is one growing interval on the axis of base bought, so a sell's basis is a difference of two
    values of that function.
    """

    def __init__(self) -> None:
        self.corners = [(Fraction(0), Fraction(0))]
        self.consumed = Fraction(0)

    def buy(self, quantity: Fraction, cost: Fraction) -> None:
        base, total = self.corners[-1]
        self.corners.append((base + quantity, total + cost))

    def sell(self, quantity: Fraction, proceeds: Fraction) -> tuple[Fraction, Fraction]:
        """Return (realized, unmatched)."""
        end = min(self.consumed + quantity, self.corners[-1][0])
        matched = end - self.consumed
        basis = self.cost_until(end) - self.cost_until(self.consumed)
        self.consumed = end
        return proceeds * matched / quantity - basis, quantity - matched

    def cost_until(self, base: Fraction) -> Fraction:
        for (b0, c0), (b1, c1) in zip(self.corners, self.corners[1:], strict=False):
            if base <= b1:
                return c0 + (c1 - c0) * (base - b0) / (b1 - b0)
        return self.corners[-1][1]


@st.composite
def trades(draw: st.DrawFn) -> list[tuple[str, Decimal, Decimal, Fee]]:
    made = []
    for _ in range(draw(st.integers(1, 14))):
        quantity = D(draw(st.integers(1, 30_000))) / 10_000
        price = D(draw(st.integers(5_000, 20_000))) / 100
        rate = D(draw(st.integers(0, 30))) / 10_000
        in_base = draw(st.booleans())
        fee = Fee(quantity * rate, D(0)) if in_base else Fee(D(0), quantity * price * rate)
        made.append((draw(st.sampled_from(["buy", "buy", "sell"])), quantity, price, fee))
    return made


@given(trades())
def test_an_oracle_with_another_structure_agrees(made: list[tuple[str, Decimal, Decimal, Fee]]) -> None:
    ledger, oracle = Ledger(), Oracle()
    for side, quantity, price, fee in made:
        value = Fraction(quantity) * Fraction(price)
        if side == "buy":
            ledger.buy(SYMBOL, quantity, price, fee)
            oracle.buy(Fraction(quantity) - Fraction(fee.base), value + Fraction(fee.quote))
            continue
        sale = ledger.sell(SYMBOL, quantity, price, fee)
        realized, unmatched = oracle.sell(
            Fraction(quantity) + Fraction(fee.base), value - Fraction(fee.quote)
        )
        assert close(sale.realized, realized)
        assert Fraction(sale.unmatched) == unmatched
        assert close(sale.proceeds - sale.basis, realized)
    held = ledger.held(SYMBOL)
    assert Fraction(held.quantity) == oracle.corners[-1][0] - oracle.consumed
    assert held.quantity >= 0
    assert close(held.cost, oracle.corners[-1][1] - oracle.cost_until(oracle.consumed))
