"""What the metrics of a run say, held against the run itself."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from metered_bot import SYMBOL, settings_of, trade
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from cab_core.cycle.standing import Standing
from cab_core.cycle.trader import Planned
from cab_core.domain.booking import AppliedTo
from cab_core.domain.orders import Intent, OrderState, Purpose, Side
from cab_core.events import TOPICS
from cab_core.observability.metric_list import MISMATCHES
from cab_core.safety.latch import Latch, acknowledge, write_latch

#: Decisions after which a test has seen enough: a buy comes with every eighth, a sell four after it.
ENOUGH = 21


class Scraped(dict):
    """Values of series by name and labels: ``found["crypto_equity_quote"]``, ``found[name, "BTC/USDT"]``."""

    def __missing__(self, key):
        if isinstance(key, str):
            return self[(key,)]
        raise KeyError(key)


def scraped(meter) -> Scraped:
    body, _ = meter.scrape()
    found = Scraped()
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            found[(sample.name, *(sample.labels[name] for name in sorted(sample.labels)))] = sample.value
    return found


async def until(reached):
    async with asyncio.timeout(30):
        while not reached():
            await asyncio.sleep(0.001)


async def seen_enough(running, _):
    await until(lambda: running.tally.cycles >= ENOUGH)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run that is over: the session and its meter."""
    return asyncio.run(trade(settings_of(tmp_path_factory.mktemp("bot")), 0, seen_enough))


def test_the_figures_are_those_of_the_book(ran):
    running, meter = ran
    found, book = scraped(meter), running.session.trader.book
    assert found["crypto_equity_quote"] == pytest.approx(float(book.equity()))
    assert found["crypto_pnl_realized_total", SYMBOL] == pytest.approx(float(book.realized))
    assert book.realized != 0
    held = book.positions.get(SYMBOL)
    assert found["crypto_position_size", SYMBOL] == (0 if held is None else float(held.quantity))
    assert found["crypto_protection", "bot", SYMBOL] == (held is not None)
    assert found["crypto_drawdown_current_pct"] >= 0
    assert ("crypto_protection", "exchange", SYMBOL) not in found


def test_trades_and_decisions_are_counted(ran):
    running, meter = ran
    found, tally = scraped(meter), running.tally
    assert found["crypto_trades_total", "completed", SYMBOL] == tally.orders > 1
    assert found["crypto_slippage_pct_count"] == tally.orders
    answers = [
        found["crypto_strategy_decisions_total", each, "clockwork"] for each in ("buy", "sell", "hold")
    ]
    assert sum(answers) == tally.cycles >= ENOUGH
    assert min(answers) >= 2
    assert found["crypto_cycle_duration_seconds_count"] == tally.cycles
    assert found["crypto_strategy_errors_total", "clockwork"] == 0


def test_phases_and_times_are_known(ran):
    _, meter = ran
    found, now_s = scraped(meter), meter.clock.now_ms() / 1000
    for phase in ("signals", "risk", "execute"):
        assert found["crypto_cycle_duration_ms", phase] > 0
    for name in ("crypto_last_cycle_timestamp_seconds", "crypto_supervision_last_success_timestamp_seconds"):
        assert now_s - 300 < found[name, SYMBOL] <= now_s


def test_the_newest_trace_is_named_and_only_that(ran):
    running, meter = ran
    latest = running.tally.latest[-1]
    names = [key for key in scraped(meter) if key[0] == "crypto_last_cycle_info"]
    assert names == [("crypto_last_cycle_info", SYMBOL, latest.trace_id)]
    assert f'trace_id="{latest.trace_id}"'.encode() in meter.scrape("*/*")[0]


def test_states_of_the_run(ran):
    _, meter = ran
    found = scraped(meter)
    assert found["crypto_orchestrator_state", "running", SYMBOL] == 1
    assert found["crypto_orchestrator_state", "stopped", SYMBOL] == 0
    assert sum(value for key, value in found.items() if key[0] == "crypto_regime_state") == 1
    assert found["crypto_regime_state", "risk_on"] == 1
    assert {value for key, value in found.items() if key[0] == "crypto_health_status"} == {1}
    assert found["crypto_build_info", "paper", "0.1.0"] == 1
    plugins = [key[1] for key in found if key[0] == "crypto_plugin_info"]
    assert {"strategy:clockwork", "risk:cooldown", "broker:paper"} <= set(plugins)


def test_no_call_failed_and_the_number_of_series_is_bounded(ran):
    _, meter = ran
    found = scraped(meter)
    assert found["crypto_metric_errors_total"] == 0
    ours = [key for key in found if key[0].startswith("crypto_")]
    plugins = sum(key[0] == "crypto_plugin_info" for key in ours)
    assert len(ours) <= 60 + 25 + 5 * plugins


async def test_a_halt_and_what_it_holds_back_are_counted(tmp_path):
    """Every entry after the first loss is held back, and the rule is named."""

    async def halted(running, _):
        await until(lambda: len(running.session.trader.book.trades) >= 1)
        await until(lambda: running.tally.cycles >= ENOUGH + 8)

    settings = settings_of(tmp_path, "RISK_LOSS_STREAK_COUNT=1", "PAPER_FEE_PCT=5")
    running, meter = await trade(settings, 0, halted)
    found = scraped(meter)
    assert running.halted_by() == ["loss_streak"]
    assert found["crypto_risk_halted", "loss_streak"] == 1
    assert found["crypto_risk_halted", "cooldown"] == 0
    assert found["crypto_loss_streak"] == 1
    assert found["crypto_daily_loss_quote"] > 0
    blocked = found["crypto_risk_blocked_total", "loss_streak"]
    assert blocked == found["crypto_trades_total", "blocked", SYMBOL] >= 1


async def test_broken_metrics_change_nothing_of_the_trading(ran, tmp_path):
    """Whatever raises inside of a metric call, the same orders are made."""

    def sabotage(meter):
        def fail(*_, **__):
            raise RuntimeError("no metrics today")

        for key, series in meter.metrics._series.items():
            for method in ("inc", "set", "observe"):
                if hasattr(series, method) and key != ("crypto_metric_errors_total",):
                    setattr(series, method, fail)

    running, meter = await trade(settings_of(tmp_path), 0, seen_enough, sabotage)
    book, reference = running.session.trader.book, ran[0].session.trader.book
    assert len(reference.trades) >= 2
    assert [each.pnl for each in book.trades[:2]] == [each.pnl for each in reference.trades[:2]]
    found = scraped(meter)
    assert found["crypto_trades_total", "completed", SYMBOL] == 0
    assert found["crypto_metric_errors_total"] > ENOUGH


async def test_calls_and_requests_are_counted(tmp_path):
    async def look(running, meter):
        await seen_enough(running, meter)
        for verb, seconds in (("quote", 0.2), ("submit", 1.5), ("balances", 0.3), ("something_new", 0.1)):
            meter.observe_call(verb, seconds)
        for status in (200, 302, 404, 500, 503):
            meter.observe_request(status)

    _, meter = await trade(settings_of(tmp_path), 0, look)
    found = scraped(meter)
    assert found["crypto_api_latency_ms", "ticker"] == 200
    assert found["crypto_api_latency_ms", "order"] == 1500
    assert found["crypto_api_latency_ms", "account"] == 100
    assert found["crypto_api_latency_seconds_count"] == 4
    assert found["crypto_api_latency_seconds_bucket", "1.0"] == 3
    assert [found["crypto_http_requests_total", kind] for kind in ("ok", "client_error", "server_error")] == [
        2,
        1,
        2,
    ]
    assert found["crypto_metric_errors_total"] == 0


async def test_what_the_watchers_say_is_shown(tmp_path):
    """Mismatches count up while they last; what the watchdog names is not healthy until it recovers."""

    def compared(*kinds):
        findings = [{"kind": kind} for kind in kinds]
        return {"symbol": SYMBOL, "mismatches": findings, "duration_ms": 250}

    async def look(running, meter):
        bus = running.session.orchestrator.announcer.bus

        async def told(topic, payload):
            TOPICS[topic].check(payload)
            bus.publish(topic, payload, "0" * 16)
            await bus.drain()
            return scraped(meter)

        found = await told("reconciliation.completed", compared("position_short", "stop_missing"))
        found = await told("reconciliation.completed", compared("position_short"))
        assert found["crypto_mismatch_consecutive", "position_short", SYMBOL] == 2
        assert found["crypto_mismatch_consecutive", "stop_missing", SYMBOL] == 0
        assert found["crypto_reconciliation_duration_ms", SYMBOL] == 250
        assert found["crypto_reconciliation_duration_seconds", SYMBOL] == 0.25
        assert meter.clock.now_ms() / 1000 - found["crypto_reconcile_last_success_timestamp_seconds"] < 60
        found = await told("reconciliation.completed", compared(*MISMATCHES))
        assert found["crypto_mismatch_consecutive", "position_short", SYMBOL] == 3
        failing = {"old": "ok", "new": "degraded", "failing": {"disk": "full", "api_latency": "slow"}}
        found = await told("watchdog.changed", failing)
        assert [found["crypto_health_status", part] for part in ("db", "broker", "eventbus")] == [0, 0, 1]
        found = await told("watchdog.changed", {"old": "degraded", "new": "ok", "failing": {}})
        assert found["crypto_health_status", "db"] == 1
        meter.health = lambda: {"db": False, "no such part": False}
        found = await told("clock.changed", {"old": "ok", "new": "off", "offset_ms": -2500})
        assert found["crypto_health_status", "db"] == 0
        assert found["crypto_clock_skew_seconds"] == -2.5
        rejected = {"symbol": SYMBOL, "key": "k", "client_id": "c", "state": "rejected", "message": ""}
        found = await told("order.changed", rejected)
        assert found["crypto_trades_total", "failed", SYMBOL] == 1
        assert found["crypto_metric_errors_total"] == 0

    await trade(settings_of(tmp_path), 1, look)


async def test_the_dead_mans_switch_is_shown_until_it_is_acknowledged_and_counted_after(tmp_path):
    settings = settings_of(tmp_path)
    seen = []

    async def look(_, meter):
        seen.append(scraped(meter))
        write_latch(meter.database, Latch(since_ms=1, reason="frozen"))
        seen.append(scraped(meter))
        acknowledge(meter.database, reason="seen", by="a test", now_ms=2)
        seen.append(scraped(meter))

    await trade(settings, 1, look)

    async def once_more(_, meter):
        seen.append(scraped(meter))

    await trade(settings, 1, once_more)
    assert [found["crypto_dms_latched"] for found in seen] == [0, 1, 0, 0]
    assert [found["crypto_health_status", "dms"] for found in seen] == [1, 0, 1, 1]
    assert [found["crypto_dms_triggered_total"] for found in seen] == [0, 0, 0, 1]


async def test_an_order_of_unknown_outcome_is_shown_with_its_age(tmp_path):
    async def look(running, meter):
        session = running.session
        now_ms, standings = session.venue.clock.now_ms(), session.orchestrator.execution.standings
        assert scraped(meter)["crypto_intents_unknown"] == 0
        for number, age_ms in enumerate((4_000, 90_000)):
            intent = Intent(f"k{number}", SYMBOL, Side.BUY, Purpose.ENTRY, "", "t", now_ms, cost=Decimal(50))
            planned = Planned(intent, AppliedTo(Purpose.ENTRY, "", "t"))
            standings.add(Standing(planned, OrderState.UNKNOWN, now_ms - age_ms))
        found = scraped(meter)
        for standing in standings:
            standings.end(standing)
        assert found["crypto_intents_unknown"] == 2
        oldest_s = found["crypto_oldest_unknown_intent_timestamp_seconds"]
        assert 89 < meter.clock.now_ms() / 1000 - oldest_s < 100
        assert scraped(meter)["crypto_oldest_unknown_intent_timestamp_seconds"] == 0

    await trade(settings_of(tmp_path), 1, look)


async def test_profit_of_earlier_runs_is_added(tmp_path):
    async def look(_, meter):
        meter.realized_before = {SYMBOL: Decimal("12.5")}

    _, meter = await trade(settings_of(tmp_path), 1, look)
    assert scraped(meter)["crypto_pnl_realized_total", SYMBOL] == 12.5
