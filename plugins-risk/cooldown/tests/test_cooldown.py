import pytest

from cab_core.testing import RiskRuleConformance, book, entry
from cab_risk_cooldown import Cooldown

pytestmark = pytest.mark.risk

NOW = entry().now_ms


class TestCooldown(RiskRuleConformance):
    plugin = Cooldown

    @staticmethod
    def monotone(badness):
        return entry(), book(last_fill_ms={"BTC/USDT": NOW - round(100_000 * (1 - badness))})


@pytest.mark.parametrize(
    ("age_ms", "kind"), [(0, "delay"), (59_999, "delay"), (60_000, "allow"), (-5_000, "delay")]
)
def test_a_fresh_fill_delays_the_next_entry(age_ms, kind):
    verdict = Cooldown().check(entry(), book(last_fill_ms={"BTC/USDT": NOW - age_ms}))
    assert verdict.kind == kind


def test_fills_of_other_symbols_do_not_matter():
    assert Cooldown().check(entry(), book(last_fill_ms={"ETH/USDT": NOW})).kind == "allow"
