"""The six risk rules as installed, asked together and summed up as the kernel does it."""

from decimal import Decimal
from importlib.metadata import entry_points

import pytest

from cab_core.domain.market import Instrument
from cab_core.domain.regime import Regime
from cab_core.domain.risk import Halts, VerdictKind, assess, check_order
from cab_core.domain.sizing import size_entry
from cab_core.testing import book, entry, position, quote, round_trip

pytestmark = pytest.mark.risk

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = entry().now_ms
MIDNIGHT = (NOW // DAY + 1) * DAY
BUILT_IN = ("daily_loss", "loss_streak", "max_drawdown", "cooldown", "correlation", "spread_cap")


@pytest.fixture(scope="module")
def rules():
    points = {point.name: point for point in entry_points(group="cab.risk_rules")}
    found = {name: points[name].load()() for name in BUILT_IN}
    return {name: found[name] for name in check_order({name: rule.critical for name, rule in found.items()})}


class Desk:
    """An account that asks all rules before each entry and keeps the halts."""

    def __init__(self, rules):
        self.rules = rules
        self.halts = Halts()
        self.account = {}

    def ask(self, symbol="BTC/USDT", now_ms=NOW, prices=None):
        candidate = entry(symbol=symbol, now_ms=now_ms, quote=prices or quote(ts_ms=now_ms))
        account = book(released_ms=self.halts.released_ms(now_ms), **self.account)
        verdicts = [(name, rule.check(candidate, account)) for name, rule in self.rules.items()]
        found = assess(verdicts, self.halts, now_ms)
        for halt in found.trips:
            self.halts = self.halts.trip(halt)
        return found


@pytest.fixture
def desk(rules):
    return Desk(rules)


def test_critical_rules_are_asked_first(rules):
    assert tuple(rules) == BUILT_IN


def test_a_quiet_account_trades_at_full_size(desk):
    found = desk.ask()
    assert (found.blocked, found.factor) == (None, Decimal(1))
    assert [name for name, _ in found.verdicts] == list(BUILT_IN)


def test_loss_streak_blocks_all(desk):
    losses = tuple(round_trip("-1", symbol=name) for name in ("A/USDT", "B/USDT", "C/USDT"))
    desk.account = {"round_trips": losses}
    for symbol in ("A/USDT", "BTC/USDT"):
        found = desk.ask(symbol)
        assert (found.blocked, found.kind) == ("risk_loss_streak", VerdictKind.HALT)
    # A gain of a position that was still open does not lift the halt before midnight ...
    desk.account = {"round_trips": (*losses, round_trip("9", closed_ms=NOW))}
    assert desk.ask(now_ms=MIDNIGHT - 1).blocked == "risk_loss_streak"
    # ... and after it, the old losses are forgotten.
    desk.account = {"round_trips": losses}
    assert desk.ask(now_ms=MIDNIGHT).blocked is None


def test_loss_streak_can_be_reset_by_hand(desk):
    desk.account = {"round_trips": (round_trip("-1"),) * 3}
    assert desk.ask().blocked == "risk_loss_streak"
    desk.halts = desk.halts.release("loss_streak", NOW + 1)
    assert desk.ask(now_ms=NOW + 2).blocked is None


def test_daily_limit_stops_trading(desk):
    desk.account = {"realized_today": Decimal(-70), "unrealized": Decimal(-30)}
    assert desk.ask().blocked == "risk_daily_loss"
    desk.account = {"realized_today": Decimal(-70), "unrealized": Decimal(50)}
    assert desk.ask(now_ms=NOW + HOUR).blocked == "risk_daily_loss"  # latched although prices recovered
    desk.account = {"realized_today": Decimal(0), "unrealized": Decimal(50)}
    assert desk.ask(now_ms=MIDNIGHT - 1).blocked == "risk_daily_loss"
    assert desk.ask(now_ms=MIDNIGHT).blocked is None


def test_max_drawdown_emergency_stop(desk):
    desk.account = {"equity": Decimal(9000), "peak": Decimal(10_000)}
    found = desk.ask()
    assert (found.blocked, found.kind) == ("risk_max_drawdown", VerdictKind.HALT)
    assert [(halt.rule, halt.until_ms) for halt in found.trips] == [("max_drawdown", None)]
    desk.account = {"equity": Decimal(10_000), "peak": Decimal(10_000)}
    assert desk.ask(now_ms=NOW + 30 * DAY).blocked == "risk_max_drawdown"
    desk.halts = desk.halts.release("max_drawdown", NOW + 31 * DAY)
    desk.account = {"equity": Decimal(9000), "peak": Decimal(9000)}  # a reset starts a new peak
    assert desk.ask(now_ms=NOW + 31 * DAY).blocked is None


def test_cooldown_delays_next_trade(desk):
    desk.account = {"last_fill_ms": {"BTC/USDT": NOW}}
    found = desk.ask(now_ms=NOW + 59_999)
    assert (found.blocked, found.kind, found.trips) == ("risk_cooldown", VerdictKind.DELAY, ())
    assert desk.ask("ETH/USDT", now_ms=NOW).blocked is None
    assert desk.ask(now_ms=NOW + 60_000).blocked is None


@pytest.mark.catalogue(54)
def test_spread_blocks_entry_not_exit(desk):
    """The entry waits for a narrower spread; nothing latches that could stand in the way of an exit."""
    found = desk.ask(prices=quote("99.7", "100.3"))
    assert (found.blocked, found.kind, found.trips) == ("risk_spread_cap", VerdictKind.DELAY, ())
    assert desk.halts.active(NOW) == ()
    assert desk.ask(prices=quote("99.8", "100.2")).blocked is None


def test_a_halt_outranks_a_delay_and_all_verdicts_are_kept(desk):
    desk.account = {"equity": Decimal(1), "last_fill_ms": {"BTC/USDT": NOW}}
    found = desk.ask(prices=quote(None, None))
    assert found.blocked == "risk_max_drawdown"
    kinds = {name: str(verdict.kind) for name, verdict in found.verdicts}
    assert kinds == {
        "daily_loss": "allow",
        "loss_streak": "allow",
        "max_drawdown": "halt",
        "cooldown": "delay",
        "correlation": "allow",
        "spread_cap": "delay",
    }


def test_the_least_factor_and_the_regime_make_the_size(desk):
    desk.account = {"positions": {"BTC/USDC": position("BTC/USDC")}, "spreads": (0.01,) * 30}
    found = desk.ask()  # correlation 0.25 (same base), spread 0.5
    assert found.factor == pytest.approx(Decimal("0.25"))
    half, instrument = Regime.RISK_SMALL.multiplier, Instrument("BTC/USDT")
    sized = size_entry(Decimal(50), half, found.factor, instrument, Decimal(100), Decimal("0.002"))
    assert (sized.amount, sized.reason) == (Decimal("6.25"), None)
