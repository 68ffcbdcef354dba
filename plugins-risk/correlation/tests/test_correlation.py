import csv
import json
from pathlib import Path

import numpy as np
import pytest

from cab_core.sdk import HourlyReturns
from cab_core.testing import RiskRuleConformance, book, entry, position
from cab_risk_correlation import Correlation

pytestmark = pytest.mark.risk

HOUR = 3_600_000
REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference"


def series(values, first_hour=0):
    values = np.asarray(values, dtype=np.float64)
    return HourlyReturns(HOUR * np.arange(first_hour, first_hour + len(values), dtype=np.int64), values)


def check(symbol, held, returns, **options):
    account = book(positions={name: position(name) for name in held}, hourly_returns=returns.get)
    return Correlation(**options).check(entry(symbol=symbol), account)


def noise(seed, n=200):
    return np.random.default_rng(seed).normal(0, 0.01, n)


class TestCorrelation(RiskRuleConformance):
    plugin = Correlation

    @staticmethod
    def monotone(badness):
        ours, other = noise(1), noise(2)
        other -= ours * (other @ ours) / (ours @ ours)
        mixed = badness * ours + (1 - badness) * other
        found = {"BTC/USDT": series(ours), "ETH/USDT": series(mixed)}
        return entry(), book(positions={"ETH/USDT": position("ETH/USDT")}, hourly_returns=found.get)


@pytest.mark.parametrize("pair", ["AB", "AC", "AD", "BC"])
def test_reference_correlations(pair):
    if not REFERENCE.exists():
        pytest.skip(f"the reference vectors are not beside the checkout: {REFERENCE}")
    with (REFERENCE / "corr_synth_a.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = {
        f"{name}/USDT": series(np.diff(np.log([float(row[f"close_{name}"]) for row in rows])))
        for name in pair
    }
    expected = json.loads((REFERENCE / "corr_synth_a.json").read_text())[pair]
    verdict = check(f"{pair[0]}/USDT", [f"{pair[1]}/USDT"], found)
    assert verdict.factor == pytest.approx(expected["size_factor"], abs=1e-9)
    assert verdict.value == pytest.approx(expected["rho"], abs=1e-9)


def test_the_largest_correlation_decides_and_the_own_symbol_is_skipped():
    ours = noise(1)
    found = {"A/USDT": series(ours), "B/USDT": series(noise(2)), "C/USDT": series(ours * 3)}
    verdict = check("A/USDT", ["A/USDT", "B/USDT", "C/USDT"], found)
    assert (verdict.kind, verdict.reason) == ("reduce", "correlated")
    assert verdict.factor == pytest.approx(0.25)
    assert check("A/USDT", ["A/USDT"], found).factor == 1.0


def test_moving_apart_keeps_the_size():
    ours = noise(1)
    verdict = check("A/USDT", ["B/USDT"], {"A/USDT": series(ours), "B/USDT": series(-ours)})
    assert (verdict.kind, verdict.factor) == ("allow", 1.0)


@pytest.mark.parametrize(("common", "kind"), [(47, "note"), (48, "reduce")])
def test_only_common_hours_count_and_48_are_needed(common, kind):
    ours = noise(1)
    found = {"A/USDT": series(ours), "B/USDT": series(ours[200 - common :], first_hour=200 - common)}
    verdict = check("A/USDT", ["B/USDT"], found)
    assert (verdict.kind, verdict.reason) == (kind, "corr_unknown" if kind == "note" else "correlated")


def test_only_the_latest_168_common_returns_count():
    ours, other = noise(1), noise(1)
    other[:32] = noise(2)[:32] * 50
    verdict = check("A/USDT", ["B/USDT"], {"A/USDT": series(ours), "B/USDT": series(other)})
    assert verdict.factor == pytest.approx(0.25)


@pytest.mark.parametrize("flat", [np.zeros(200), np.full(200, np.nan)])
def test_a_series_without_movement_is_unknown(flat):
    verdict = check("A/USDT", ["B/USDT"], {"A/USDT": series(noise(1)), "B/USDT": series(flat)})
    assert verdict.reason == "corr_unknown"


def test_the_same_base_and_fixed_groups_move_as_one():
    assert check("BTC/USDT", ["BTC/USDC"], {}).factor == pytest.approx(0.25)
    groups = "BTC/USDT | eth/usdt; SOL/USDT|AVAX/USDT;"
    assert check("BTC/USDT", ["ETH/USDT"], {}, groups=groups).factor == pytest.approx(0.25)
    assert check("BTC/USDT", ["SOL/USDT"], {}, groups=groups).reason == "corr_unknown"


@pytest.mark.parametrize("groups", ["BTC", "BTC/USDT|", "/USDT", "BTC/USDT|ETH"])
def test_groups_that_are_no_symbols_are_refused(groups):
    with pytest.raises(ValueError, match="is not a symbol"):
        Correlation(groups=groups)
