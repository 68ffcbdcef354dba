"""Stored state against today's settings: each cell is a real start of a bot over what another one left.

It ends in one of two ways: the bot runs and what it holds keeps its exits, or every command that says
whether a start would do refuses alike, before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from live_bench import install_strategy
from paper_desk import DIES_AT, PROGRAM, PaperDesk

BTC, ETH, SOL = "BTC/USDT", "ETH/USDT", "SOL/USDT"

#: Candles of the first bot, and of both. After the first one the price of ETH falls below any stop.
FIRST, BOTH = 20, 30
STEADY = [100.0] * BOTH
FALLING = [100.0] * (FIRST + 3) + [80.0] * (BOTH - FIRST - 3)

pytestmark = [pytest.mark.catalogue(108), pytest.mark.timeout(240)]

STATES = ("flat", "open", "dust", "intent")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], PaperDesk]:
    """Return what the first bot left behind, in one of four states; each is made once."""
    root = tmp_path_factory.mktemp("starts")
    install_strategy(root / "site")
    made: dict[str, PaperDesk] = {}

    def make(state: str) -> PaperDesk:
        desk = PaperDesk(root / state, root / "site")
        desk.folder.mkdir()
        desk.lay_out(BTC=STEADY[:FIRST], ETH=FALLING[:FIRST])
        desk.tell(buys=[5], sells=[10] if state in ("flat", "dust") else [])
        if state == "intent":
            assert desk.run(program=DIES_AT.format(symbol=ETH)).returncode == -9
            assert desk.under_way == [ETH]
        else:
            desk.ran(**({"PAPER_AMOUNT_STEP": "0.01"} if state == "dust" else {}))
            assert (ETH in desk.opened) == (state == "open")
        desk.lay_out(BTC=STEADY, ETH=FALLING, SOL=STEADY)
        desk.tell(buys=range(BOTH))  # whoever may buy, does
        return desk

    def state_of(state: str) -> PaperDesk:
        if state not in made:
            made[state] = make(state)
        return made[state]

    return state_of


@pytest.fixture
def start(left: Callable[[str], PaperDesk], tmp_path: Path) -> Callable[[str], PaperDesk]:
    """Return a copy of what the first bot left behind in a state, to start another bot over."""
    return lambda state: left(state).copied(tmp_path / "desk")


Start = Callable[[str], PaperDesk]

#: Settings that go on: what the second bot is told, and whether it still trades ETH.
GOES_ON = {
    "out": ({"SYMBOLS": BTC}, False),
    "renamed": ({"SYMBOLS": f"{BTC},{SOL}"}, False),
    "in": ({"SYMBOLS": f"{BTC},{ETH},{SOL}"}, True),
    "strategies": ({"STRATEGY_SET": "donchian_breakout"}, True),
    "fee": ({"PAPER_FEE_PCT": "1"}, True),
    "exits": ({"STOP_LOSS_PCT": "50", "TRAILING_STOP_PCT": "50"}, True),
    "balance": ({"PAPER_INITIAL_QUOTE": "77"}, True),
}
DIFFER = [
    *[("out", state) for state in STATES],
    *[("renamed", state) for state in ("open", "intent")],
    *[("in", state) for state in ("flat", "open")],
    *[(change, "open") for change in ("strategies", "fee", "exits", "balance")],
]


@pytest.mark.parametrize(("change", "state"), DIFFER)
def test_it_goes_on_and_what_is_held_keeps_its_exits(start: Start, change: str, state: str) -> None:
    desk, (settings, traded) = start(state), GOES_ON[change]
    before = desk.opened.get(ETH)

    told = desk.ran(**settings)

    assert before is None or desk.opened.get(ETH) != before, "it was sold at its stop"
    supervised = state in ("open", "intent") and not traded
    assert (f"{ETH} is not in SYMBOLS any more" in told["log"]) == supervised
    assert (ETH in told["symbols"]) == (traded or supervised)
    if not traded:
        reasons = desk.decided(ETH)[FIRST:]
        assert ("not_in_symbols" in reasons) == supervised
        assert ("already_long" in reasons) == (state == "open")
        assert ETH not in desk.opened
        assert desk.under_way == []
    desk.assert_sound()


def test_a_symbol_that_was_taken_out_is_told_by_every_command(start: Start) -> None:
    desk = start("open")
    for name, (code, text) in desk.asked(SYMBOLS=BTC).items():
        assert code == 0, (name, text)
        assert ETH in text, name


def test_dust_of_a_symbol_that_was_taken_out_is_kept_and_counts_when_it_comes_back(start: Start) -> None:
    desk = start("dust")
    dust = desk.dust(ETH)
    assert dust
    assert desk.ran(SYMBOLS=BTC)["symbols"] == [BTC]
    assert desk.dust(ETH) == dust
    desk.lay_out(BTC=[*STEADY, *STEADY[:5]], ETH=[*FALLING, *FALLING[-5:]])
    desk.tell(buys=range(BOTH, BOTH + 5))
    assert ETH in desk.ran()["positions"]
    assert desk.dust(ETH) == []  # it is part of the position now
    desk.assert_sound()


#: Settings that cannot go on: what they are, the sentence, and where the fault is said to be.
REFUSED = {
    "quote": ({"SYMBOLS": "BTC/USDC"}, "counted in USDT", "SYMBOLS=BTC/USDC"),
    "mode": (
        {
            "MODE": "live",
            "RISK_ALLOW_DISABLED": "true",
            "API_KEY": "k83hf93hf03k",
            "API_SECRET": "s93hf93hf93hf0",
            "API_TOKEN": "t" * 20,
        },
        "belongs to the account 'paper:file', not to 'live:gateio'",
        "DB_PATH=",
    ),
}


@pytest.mark.parametrize("state", ["flat", "open"])
@pytest.mark.parametrize("change", REFUSED)
def test_what_cannot_go_on_is_refused_alike_before_anything_is_written(
    start: Start, change: str, state: str
) -> None:
    desk, (settings, what, where) = start(state), REFUSED[change]
    before = desk.rows()
    for name, (code, text) in desk.asked(**settings).items():
        assert code == (1 if name == "doctor" else 78), (name, text)
        assert what in text, name
        assert where in text, name
        assert '"fix": "set ' in text, name
    started = (
        desk.python(PROGRAM, "run", "--yes-live", "--json", **settings)
        if change == "mode"
        else desk.run(**settings)
    )
    assert started.returncode == 78, started.stderr
    assert what in started.stderr
    assert desk.rows() == before


def test_another_market_is_another_account(start: Start) -> None:
    desk = start("open")
    before = desk.rows()
    started = desk.run(market="sample")
    assert started.returncode == 78
    assert "belongs to the account 'paper:file', not to 'paper:sample:7'" in started.stderr
    assert desk.rows() == before


def test_a_recording_without_what_is_held_is_refused(start: Start) -> None:
    desk = start("open")
    (desk.folder / "candles" / "ETH-USDT_15m.csv.gz").unlink()
    before = desk.rows()
    started = desk.run(SYMBOLS=BTC)
    assert started.returncode == 4
    assert f"no candles of {ETH}, of which a position or an order is open" in started.stderr
    assert desk.rows() == before


def test_another_start_balance_does_not_change_the_account_that_exists(start: Start) -> None:
    desk = start("flat")
    before = desk.ran()
    told = desk.asked(PAPER_INITIAL_QUOTE="77")
    for name in ("config", "doctor"):
        assert "PAPER_INITIAL_QUOTE = 77 has no effect" in told[name][1]
        assert "started with 10000" in told[name][1]
    assert before["baseline"] == "10000"
