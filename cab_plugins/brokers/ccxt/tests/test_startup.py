"""The start-up checklist, line by line."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest
from ccxt_world import SYMBOL, World

from cab_broker_ccxt import offline_checks, startup
from cab_broker_ccxt.config import ccxt_id
from cab_broker_ccxt.gate import GateBroker
from cab_core.sdk import AwayError, CabError, Checked, ConfigError, Identified, Rejected, Secret
from cab_exchange_sim.faults import Rule

D = Decimal


def findings(check: Any, broker: GateBroker) -> list[str]:
    return [finding.what for finding in check(broker._api.client, broker._config)]


async def test_a_healthy_account_passes_and_is_warned_of_the_open_key(world: World) -> None:
    async with world.opened(world.account(fixed_amount=D(50))) as broker:
        assert isinstance(broker, Checked)
        warnings = await broker.check()
        assert all("whitelist" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["gateio", "gate", "gate.io"])
async def test_every_spelling_opens_gate(world: World, name: str) -> None:
    assert ccxt_id(name) == "gate"
    async with world.opened(exchange_id=name) as broker:
        assert findings(offline_checks.check_alias, broker) == []
        broker._api.client.id = "gateeu"  # type: ignore[attr-defined]  # of ccxt
        assert findings(offline_checks.check_alias, broker) != []


async def test_an_untested_ccxt_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.opened() as broker:
        assert findings(offline_checks.check_ccxt_version, broker) == []
        for version in ("4.5.89", "4.6.0", "5.0"):
            monkeypatch.setattr(offline_checks, "version", lambda _, v=version: v)
            assert version in findings(offline_checks.check_ccxt_version, broker)[0]


#: What would be wrong with ccxt, by the check that must see it.
SPOILED: dict[str, Any] = {
    "check_numbers": lambda client: setattr(client, "number", float),
    "check_currencies": lambda client: client.has.update(fetchCurrencies=True),
    "check_spot_only": lambda client: client.options["fetchMarkets"].update(types=["spot", "swap"]),
    "check_unified": lambda client: client.options.pop("unifiedAccount"),
    "check_timeouts": lambda client: setattr(client, "timeout", 10),
    "check_pacing": lambda client: setattr(client, "enableRateLimit", True),
    "check_hosts": lambda client: client.urls["api"]["private"].update(spot="https://elsewhere.test/api/v4"),
    "check_loggers": lambda client: setattr(client, "verbose", True),
}


@pytest.mark.parametrize("name", SPOILED)
async def test_a_ccxt_that_is_set_up_otherwise_is_seen(world: World, name: str) -> None:
    check = getattr(offline_checks, name)
    assert check in offline_checks.OFFLINE
    async with world.opened() as broker:
        assert findings(check, broker) == []
        SPOILED[name](broker._api.client)
        assert len(findings(check, broker)) == 1
        with pytest.raises(ConfigError):
            await broker.check()


@pytest.mark.catalogue(35)
@pytest.mark.parametrize("path", ["", "orders", "price_orders"])
async def test_retries_of_ccxt_are_seen_globally_and_per_path(world: World, path: str) -> None:
    async with world.opened() as broker:
        client: Any = broker._api.client
        assert findings(offline_checks.check_retries, broker) == []
        options = client.options.setdefault(path, {}) if path else client.options
        options["maxRetriesOnFailure"] = 3
        assert "send orders again" in findings(offline_checks.check_retries, broker)[0]
        with pytest.raises(ConfigError, match="send orders again"):
            await broker.check()


@pytest.mark.parametrize(
    ("url", "what"),
    [("http://api.gateio.ws/api/v4", "not encrypted"), ("https://api.gateio.ws", "does not end")],
)
async def test_an_address_that_cannot_be_right_is_refused_at_once(world: World, url: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        async with world.opened(base_url=url):
            pass


async def test_the_host_guard_stops_what_would_leave(world: World) -> None:
    async with world.opened() as broker:
        client: Any = broker._api.client
        with pytest.raises(CabError, match="stopped"):
            await client.fetch("https://api.gateio.ws/api/v4/spot/time")
        client.urls["api"]["private"]["spot"] = "https://api.gateio.ws/api/v4"
        outcome = await broker.submit(world.buy())
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "not_sent"
        with pytest.raises(CabError, match="stopped"):
            await client.fetch(world.venue.base_url.replace("/api/v4", "/api/v41"))


@pytest.mark.catalogue(70)
@pytest.mark.parametrize(
    ("skew_ms", "fatal", "said"),
    [(2_000, False, False), (6_000, False, True), (-20_000, False, True), (31_000, True, True)],
)
async def test_a_clock_that_is_off_is_warned_of_and_then_waited_for(
    world: World, skew_ms: int, fatal: bool, said: bool
) -> None:
    world.clock.skew_ms = skew_ms
    async with world.opened() as broker:
        if fatal:
            with pytest.raises(AwayError, match="the clock is"):
                await broker.check()
        else:
            assert any("the clock is" in warning for warning in await broker.check()) is said


@pytest.mark.catalogue(30, 62)
async def test_a_key_that_is_refused_is_named(world: World) -> None:
    async with world.opened(world.account(api_key=Secret("another"))) as broker:
        with pytest.raises(ConfigError, match="INVALID_KEY"):
            await broker.check()
    async with world.opened(world.account(api_secret=Secret(""))) as broker:
        with pytest.raises(ConfigError, match="needs the keys"):
            await broker.check()


@pytest.mark.catalogue(62)
async def test_an_account_of_another_kind_is_refused(world: World) -> None:
    detail = {"user_id": 1, "ip_whitelist": ["127.0.0.1"], "key": {"mode": 2}}
    world.fault("edit", method="GET", path="account/detail", times=None, fields=detail)
    async with world.opened() as broker:
        with pytest.raises(ConfigError, match="the account is unified"):
            await broker.check()
        world.change(world.venue.faults.clear)
        world.fault("edit", method="GET", path="account/detail", fields={**detail, "key": {"mode": 1}})
        assert list(await broker.check()) == []


async def test_the_account_is_named_unless_the_key_may_not_see_it(world: World) -> None:
    async with world.opened() as broker:
        assert isinstance(broker, Identified)
        told = await broker.account_id()
        assert told is not None
        assert told.isdigit()
        world.fault("edit", method="GET", path="account/detail", fields={"user_id": None})
        assert await broker.account_id() is None


async def test_a_symbol_that_does_not_exist_is_refused(world: World) -> None:
    async with world.opened(world.account(symbols=(SYMBOL, "BTCC/USDT"))) as broker:
        with pytest.raises(ConfigError, match="BTCC/USDT is not traded here"):
            await broker.check()


@pytest.mark.catalogue(50, 51)
async def test_a_symbol_that_cannot_be_traded_or_leaves_soon_is_warned_of(world: World) -> None:
    world.change(lambda: setattr(world.pair, "trade_status", "sellable"))
    world.change(lambda: setattr(world.pair, "delisting_ms", world.clock.now_ms() + 3 * 86_400_000))
    async with world.opened() as broker:
        warnings = "; ".join(await broker.check())
    assert f"{SYMBOL} can only be sold now" in warnings
    assert f"{SYMBOL} is to be delisted" in warnings


async def test_an_amount_below_the_minimum_is_refused_and_half_of_one_warned_of(world: World) -> None:
    for amount, fatal in (("3.1", True), ("6", False)):
        async with world.opened(world.account(fixed_amount=D(amount))) as broker:
            if fatal:
                with pytest.raises(ConfigError, match=r"FIXED_AMOUNT 3.1 is below the minimum of 3 USDT"):
                    await broker.check()
            else:
                assert any("half of FIXED_AMOUNT 6" in warning for warning in await broker.check())


async def test_all_problems_are_told_together(world: World) -> None:
    world.clock.skew_ms = 40_000
    account = world.account(symbols=("NOPE/USDT", SYMBOL), api_key=Secret("x"), fixed_amount=D(1))
    async with world.opened(account) as broker:
        broker._api.client.number = float  # type: ignore[attr-defined]  # of ccxt
        with pytest.raises(ConfigError) as caught:
            await broker.check()
    text = str(caught.value)
    for part in ("the clock is", "INVALID_KEY", "NOPE/USDT", "FIXED_AMOUNT 1", "turn numbers into float"):
        assert part in text
    assert len(caught.value.problems) >= 5


PASSING = ("page_403", "page_502", "silent_504", "too_busy", "too_many_requests", "request_expired", "cut")


@pytest.mark.parametrize("kind", PASSING)
async def test_what_passes_is_no_problem_of_the_settings(world: World, kind: str) -> None:
    rule = Rule(stage="before_accept", kind=kind, path="/spot/accounts")
    world.change(lambda: world.venue.faults.add(rule))
    async with world.opened() as broker:
        with pytest.raises(AwayError, match=r"privateSpotGetAccounts|cannot be reached"):
            await broker.check()


@pytest.mark.parametrize("kind", ["invalid_key", "ip_forbidden", "read_only"])
async def test_what_people_must_mend_is_one(world: World, kind: str) -> None:
    rule = Rule(stage="before_accept", kind=kind, path="/spot/accounts")
    world.change(lambda: world.venue.faults.add(rule))
    async with world.opened() as broker:
        with pytest.raises(ConfigError, match="the key is refused"):
            await broker.check()


async def test_an_exchange_in_maintenance_is_away(world: World) -> None:
    def maintain() -> None:
        world.venue.exchange.conditions.maintenance = True

    world.change(maintain)
    async with world.opened() as broker:
        with pytest.raises(AwayError):
            await broker.check()


def test_every_line_of_the_list_is_tested() -> None:
    tested = {*SPOILED, "check_alias", "check_ccxt_version", "check_retries"}
    assert {check.__name__ for check in offline_checks.OFFLINE} == tested
    assert [check.__name__ for check in startup.ONLINE] == [
        "check_clock",
        "check_keys",
        "check_account_type",
        "check_instruments",
        "check_delisting",
        "check_minimums",
    ]


async def test_ccxt_never_logs_below_info(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("ccxt.base.exchange").setLevel(logging.DEBUG)  # somebody tries
    async with world.opened() as broker:
        logging.getLogger("ccxt.base.exchange").setLevel(logging.DEBUG)
        await broker.submit(world.buy())
        await broker.balances()
    assert [record for record in caplog.records if record.name.startswith("ccxt")] == []
