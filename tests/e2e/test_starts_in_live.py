"""Stored state against today's settings, and the money of the account, with a live bot as a process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from live_bench import D
from live_desk import OTHER_KEY, SECOND_KEY, LiveDesk

from cab_core.app.flatten import flatten
from cab_core.domain.orders import Side
from cab_core.errors import ConfigError
from cab_core.settings import load_settings
from cab_core.storage import journal_rows, visit

BTC, ETH = "BTC/USDT", "ETH/USDT"

Desk = Callable[..., LiveDesk]


@pytest.fixture
def left(desk: Desk) -> LiveDesk:
    """An account that a first bot has left with a position in two symbols, each with its stop."""
    live = desk(symbols=(BTC, ETH), SYMBOLS=f"{BTC},{ETH}", RISK_DISABLED_RULES="cooldown,correlation")
    live.settings = {**live.settings, "RISK_ALLOW_DISABLED": "true", "DMS_ENABLED": "false"}
    bot = live.start()
    live.until(lambda: all(stops(live, each) for each in (BTC, ETH)))
    assert live.finish(bot)["failures"] == {}
    return live


def positions(live: LiveDesk) -> dict[str, Any]:
    return dict(live.evidence.positions)


def stops(live: LiveDesk, symbol: str) -> list[Any]:
    pair = symbol.replace("/", "_")
    return list(live.venue.call(lambda: live.venue.exchange.stops("main", pair)))


def status(live: LiveDesk, **more: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(live.cab("status", "--json", **more).stdout)
    return told


def answers(live: LiveDesk, **more: str) -> bool:
    """Whether the bot itself answers: its API is opened last, until then only the database does."""
    told = status(live, **more)
    return bool(told["running"]) and told["silent_pid"] is None


@pytest.mark.catalogue(108)
@pytest.mark.timeout(240)
def test_a_symbol_that_was_taken_out_is_looked_after_to_its_exit(left: LiveDesk) -> None:
    refused = left.cab("reconcile", "--json", SYMBOLS=BTC)
    assert refused.returncode == 0, refused.stderr
    assert [row["symbol"] for row in json.loads(refused.stdout)["symbols"]] == [BTC, ETH]

    bot = left.start(SYMBOLS=BTC)
    left.until(lambda: "is not in SYMBOLS any more" in left.log(None))
    left.until(lambda: answers(left, SYMBOLS=BTC))
    shown = {row["symbol"]: row for row in status(left, SYMBOLS=BTC)["symbols"]}
    assert shown[ETH]["blocked_by"] == "not_in_symbols"
    assert shown[ETH]["position"] is not None
    left.price("94", "ETH_USDT")  # below its stop
    left.until(lambda: ETH not in positions(left) and not stops(left, ETH))
    told = left.finish(bot)
    assert set(told["positions"]) == {BTC}
    assert told["failures"] == {}

    bot = left.start(SYMBOLS=BTC)  # it is flat now: nothing is left to look after
    left.until(lambda: left.log(None).count('"BTC/USDT idle -> running') == 3)
    assert left.finish(bot)["symbols"] == [BTC]


@pytest.mark.catalogue(108)
@pytest.mark.timeout(240)
def test_what_cannot_go_on_is_refused_alike_and_nothing_is_sent(left: LiveDesk) -> None:
    before = len(left.ledger("order"))
    for change, what in (
        ({"SYMBOLS": "BTC/USDC"}, ["counted in USDT"]),
        ({"MODE": "paper"}, ["belongs to the account 'live:gateio', not to 'paper:exchange'"]),
        (
            {"EXCHANGE": "binance"},
            ["'binance' is not installed", "belongs to the account 'live:gateio', not to 'live:binance'"],
        ),
    ):
        for command in (
            ["config", "check"],
            ["doctor"],
            ["reconcile"],
            ["run", "--yes-live"],
        ):
            told = left.cab(*command, "--json", **change)
            assert told.returncode in (1, 78), (command, told.stdout, told.stderr)
            for each in what:
                assert each in told.stdout + told.stderr, command
    assert len(left.ledger("order")) == before
    assert stops(left, BTC)
    assert stops(left, ETH)


@pytest.mark.catalogue(174)
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_cash_that_is_withdrawn_or_paid_in_is_seen_told_and_no_drawdown(desk: Desk) -> None:
    live = desk(DMS_ENABLED="false")
    bot = live.start(buys=False)
    live.until_running()
    live.venue.call(lambda: live.venue.exchange.adjust("main", "USDT", D(-6000)))
    live.until(lambda: "6,000.00 USDT left the account" in live.log(None), 120)
    shown = status(live)
    assert D(shown["account"]["quote_free"]) == D(shown["account"]["equity"]) == 4000
    assert D(shown["account"]["drawdown_pct"]) == 0
    assert shown["halts"] == []
    assert live.finish(bot)["failures"] == {}

    live.venue.call(lambda: live.venue.exchange.adjust("main", "USDT", D(1500)))  # while it is off
    assert "cash_moved" in live.cab("reconcile", "--json").stdout
    bot = live.start(buys=False)
    live.until(lambda: "1,500.00 USDT came into the account" in live.log(None), 120)
    told = live.finish(bot)
    assert D(told["equity"]) == D(told["baseline"]) == 5500
    assert live.filled(Side.BUY) == []
    live.assert_sound()


def journal(live: LiveDesk) -> int:
    return visit(live.database, lambda conn: len(list(journal_rows(conn))))


def keyed(key: tuple[str, str]) -> dict[str, str]:
    return {"API_KEY": key[0], "API_SECRET": key[1]}


@pytest.mark.catalogue(108)
@pytest.mark.timeout(300)
def test_a_new_key_goes_on_and_that_of_another_account_is_refused(desk: Desk) -> None:
    live = desk(DMS_ENABLED="false")
    bot = live.start()
    live.until(lambda: stops(live, BTC))
    live.finish(bot)
    held, rows, sent = live.held, journal(live), len(live.ledger("order", "stop", "end"))
    assert held > 0

    for command in (
        ["run", "--yes-live"],
        ["run", "--yes-live", "--same-account"],  # the exchange tells better than a person
        ["reconcile"],
        ["reconcile", "--fix", "--force-sync"],
        ["doctor", "--online", "--only", "account"],
    ):
        told = live.cab(*command, "--json", **keyed(OTHER_KEY))
        assert told.returncode == (1 if command[0] == "doctor" else 78), (command, told.stdout, told.stderr)
        shown = told.stdout + told.stderr
        assert "but the database has traded the account" in shown, (command, shown)
        assert str(live.database) in shown or command[0] == "doctor", (command, shown)
        assert OTHER_KEY[0] not in shown
    settings = load_settings(live.environment(**keyed(OTHER_KEY)), live.folder).settings
    with pytest.raises(ConfigError, match="has traded the account"):
        asyncio.run(flatten(settings))
    assert (live.held, journal(live)) == (held, rows)
    assert len(live.ledger("order", "stop", "end")) == sent

    live.finish_idle(live.start(buys=False, **keyed(SECOND_KEY)))  # of the same account
    assert live.held == held
    live.assert_sound()


@pytest.mark.catalogue(108)
@pytest.mark.timeout(300)
def test_where_the_exchange_does_not_tell_a_new_key_is_confirmed_once(desk: Desk) -> None:
    live = desk(DMS_ENABLED="false")
    unseen = {"after": True, "method": "GET", "path": "/account/detail$", "times": None}
    live.fault("edit", fields={"user_id": None}, **unseen)
    live.finish_idle(live.start(buys=False))

    told = live.cab("run", "--yes-live", "--json", **keyed(SECOND_KEY))
    assert told.returncode == 78, told.stderr
    assert "API_KEY is another one than before" in told.stderr
    assert "cab run --same-account" in told.stderr

    live.finish_idle(live.start(flags=["--same-account"], buys=False, **keyed(SECOND_KEY)))
    live.finish_idle(live.start(buys=False, **keyed(SECOND_KEY)))
