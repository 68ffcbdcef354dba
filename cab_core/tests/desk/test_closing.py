"""Closing by hand: of whatever is held, in every state, once, and told of wherever it is asked about."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from operators_office import BTC, ETH, Office, order, until

from cab_core.app.desk.commands import Action, Done, TransitionError
from cab_core.app.desk.desk import Filter
from cab_core.app.desk.live import LiveDesk
from cab_core.app.running import Running
from cab_core.cli import invoke
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.records import Executed
from cab_core.cycle.trader import Planned
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.domain.booking import AppliedTo
from cab_core.domain.orders import Purpose
from cab_core.storage import Halt, save_halt

pytestmark = pytest.mark.catalogue(195)

Offices = Callable[..., Office]

#: Levels that no price of these markets reaches: what is held stays held.
FAR = ("STOP_LOSS_PCT=40", "TAKE_PROFIT_1_PCT=40", "TAKE_PROFIT_2_PCT=80")


async def held(desk: LiveDesk, running: Running, *symbols: str) -> None:
    """Wait until these are bought, then let no signal sell them."""
    await until(lambda: running.session.trader.book.positions.keys() >= set(symbols))
    await desk.do(order(Action.STOP))


async def test_who_closed_and_why_is_told_of_the_close_and_beside_the_exit(
    office: Offices, capsys: pytest.CaptureFixture[str]
) -> None:
    bot, done = office(*FAR, symbols=(BTC, ETH)), list[Done]()

    async def closing(desk: LiveDesk, running: Running) -> None:
        await held(desk, running, BTC, ETH)
        entry = running.session.trader.book.positions[BTC].trace_id
        done.append(await desk.do(order(Action.CLOSE, symbol=BTC, reason="on leave")))
        for trace_id in (done[0].trace_id, entry):
            told = await desk.trace(trace_id)
            assert [sale["by_hand"] for sale in told["position"]["exits"]] == [
                "closed by hand by anna: on leave"
            ]
        done.append(await desk.do(order(Action.CLOSE)))

    await bot.run(closing)
    asked = ("--set", f"DB_PATH={bot.settings.db_path}")
    capsys.readouterr()
    assert invoke(["why", done[0].trace_id, *asked]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{BTC}  ")
    assert said[-1] == "=> closed by hand by anna: on leave"
    (order_line,) = [line for line in said if done[0].closings[0].order in line]
    assert "sell of" in order_line
    assert any(line.strip().startswith("later") and said[-1][3:] in line for line in said)
    assert invoke(["why", done[1].trace_id, "--symbol", ETH, *asked]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "=> closed by hand by anna, without a reason"


async def test_a_close_of_several_symbols_is_told_symbol_by_symbol(
    office: Offices, capsys: pytest.CaptureFixture[str]
) -> None:
    bot, done = office(*FAR, symbols=(BTC, ETH)), list[Done]()

    async def closing(desk: LiveDesk, running: Running) -> None:
        await held(desk, running, BTC, ETH)
        done.append(await desk.do(order(Action.CLOSE, reason="moving")))

    await bot.run(closing)
    asked = ("why", done[0].trace_id, "--set", f"DB_PATH={bot.settings.db_path}")
    capsys.readouterr()
    assert invoke([*asked]) == 4
    assert f"name one of them: {BTC}, {ETH}" in capsys.readouterr().err
    for symbol in (BTC, ETH):
        assert invoke([*asked, "--symbol", symbol]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"{symbol}  ")
        assert "=> closed by hand by anna: moving" in said


async def test_while_halted_and_paused_it_is_sold_and_both_go_on(office: Offices) -> None:
    async def closing(desk: LiveDesk, running: Running) -> None:
        trader = running.session.trader
        await until(lambda: BTC in trader.book.positions)
        await desk.do(order(Action.PAUSE))
        halt = Halt("max_drawdown", desk.now_ms(), None, "max_drawdown")
        await desk.store.transact(lambda conn: save_halt(conn, halt))
        trader.halts, _ = await running.session.orchestrator.records.storage.halts(desk.now_ms())
        assert BTC in trader.book.positions
        done = await desk.do(order(Action.CLOSE, symbol=BTC))
        assert [each.state for each in done.closings] == ["sold"]
        assert done.states == {BTC: "paused"}
        assert (await desk.risk()).entries_allowed is False
        assert BTC not in trader.book.positions

    await office(*FAR).run(closing)


async def test_a_symbol_that_was_taken_out_of_the_settings_is_closed(office: Offices) -> None:
    bot = office(*FAR, symbols=(BTC, ETH))

    async def buying(desk: LiveDesk, running: Running) -> None:
        await held(desk, running, BTC, ETH)

    async def closing(desk: LiveDesk, running: Running) -> None:
        assert ETH in running.session.trader.book.positions
        (told,) = (await desk.do(order(Action.CLOSE, symbol=ETH, reason="no longer wanted"))).closings
        assert (told.symbol, told.state) == (ETH, "sold")
        assert running.session.trader.book.positions.keys() == {BTC}

    await bot.run(buying)
    await Office.opened(bot.folder, BTC, overrides=FAR).run(closing)


async def test_what_is_too_small_is_refused_by_name_and_left_beside_what_is_sold(office: Offices) -> None:
    bot = office(*FAR, "FIXED_AMOUNT=50", symbols=(BTC,))

    async def buying(desk: LiveDesk, running: Running) -> None:
        await held(desk, running, BTC)

    async def closing(desk: LiveDesk, running: Running) -> None:
        book = running.session.trader.book
        small = book.positions[BTC].quantity
        with pytest.raises(
            TransitionError, match=rf"of {BTC} is too small to sell.*at least 1000"
        ) as refused:
            await desk.do(order(Action.CLOSE, symbol=BTC))
        assert refused.value.fix == "cab maintenance dust"
        await desk.do(order(Action.START, symbol=ETH))  # a signal of BTC would leave it as dust meanwhile
        await until(lambda: ETH in book.positions)
        sold, left = sorted((await desk.do(order(Action.CLOSE))).closings, key=lambda each: each.state)
        assert (sold.symbol, sold.state) == (ETH, "sold")
        assert (left.symbol, left.state, left.order, left.left) == (BTC, "too_small", None, small)
        assert book.positions[BTC].quantity == small

    await bot.run(buying)
    write_candles(bot.folder / "market" / "ETH-USDT.csv", generate(ETH, 30, 11))
    steep = ("PAPER_MIN_NOTIONAL=1000", "FIXED_AMOUNT=2000", *FAR)
    await Office.opened(bot.folder, BTC, ETH, overrides=steep).run(closing)


async def test_an_exit_under_way_is_named_and_not_doubled(office: Offices) -> None:
    async def closing(desk: LiveDesk, running: Running) -> None:
        await held(desk, running, BTC)
        trader, execution = running.session.trader, running.session.orchestrator.execution
        position, now_ms = trader.book.positions[BTC], desk.now_ms()
        intent = trader.exit_of(
            position, Purpose.STOP_LOSS, position.quantity, "stop_loss", "ab" * 8, now_ms, None
        )
        exit_ = Planned(intent, AppliedTo(Purpose.STOP_LOSS, "stop_loss", "ab" * 8))
        # Not due before the market ends: else the next look at it might send it first.
        assert await execution.attempts.later(exit_, pause_ms=10**10)
        done = await desk.do(order(Action.CLOSE, symbol=BTC))
        (told,) = done.closings
        assert (told.state, told.order, told.earlier) == ("under_way", intent.client_id, True)
        assert "an exit by stop_loss is planned" in told.detail
        assert not done.changed
        orders, _ = await desk.orders(Filter(symbol=BTC, limit=10))
        assert [each.client_id for each in orders if each.side == "sell"] == [intent.client_id]

    await office(*FAR).run(closing)


async def test_what_its_own_exit_sells_while_another_is_closed_is_told(
    office: Offices, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell = Execution.execute_trade

    async def the_other_first(self: Execution, planned: Planned) -> Executed:
        if planned.intent.symbol == BTC and planned.intent.purpose is Purpose.MANUAL:
            stop = self.trader.stop_out(ETH, "ab" * 8, self.clock.now_ms())
            assert stop is not None
            await self.sell([stop])
        return await sell(self, planned)

    async def closing(desk: LiveDesk, running: Running) -> None:
        await held(desk, running, BTC, ETH)
        monkeypatch.setattr(Execution, "execute_trade", the_other_first)
        done = await desk.do(order(Action.CLOSE))
        assert [(each.symbol, each.state, each.earlier) for each in done.closings] == [
            (BTC, "sold", False),
            (ETH, "sold", True),
        ]
        assert running.session.trader.book.positions == {}

    await office(*FAR, symbols=(BTC, ETH)).run(closing)
