"""An attempt on record as refused that has traded after all: adopted, protected, told."""

from __future__ import annotations

from pathlib import Path

import pytest
from odd_venue import SYMBOL, D, account

from cab_core.app.verify import check_database, violated
from cab_core.domain.orders import Intent, Purpose, Rejected, Side
from cab_core.domain.reconcile import Kind
from cab_core.ports import Changes

pytestmark = pytest.mark.idempotency


async def test_a_refused_entry_that_filled_becomes_a_guarded_position(tmp_path: Path) -> None:
    def lie(intent: Intent) -> Rejected:
        bot.venue.fill(intent, "0.5")
        return Rejected("internal", "execution status unknown")

    async with account(tmp_path, stop_offset="0.005") as bot:
        bot.venue.plan.append(lie)
        bot.venue.held["USDT"] = D(1000)
        await bot.buy()
        assert await bot.states(Purpose.ENTRY) == ["rejected"]
        await bot.clock.sleep_until(bot.clock.now_ms() + 60_000)
        result = await bot.reconciler.run_once(SYMBOL, fix=True)
        assert [finding.kind for finding in result.findings] == [Kind.REFUSED_BUT_FILLED]
        assert bot.held() == D("0.5")
        (told,) = await bot.alerts()
        assert "refused order" in told
        await bot.look()
        (stop,) = bot.venue.sells(stops=True)
        assert (stop.side, stop.quantity, stop.trigger) == (Side.SELL, D("0.5"), D("95.00"))
        assert (await bot.reconciler.run_once(SYMBOL, fix=True)).clean
        results = await bot.store.read(check_database)
        assert not violated(results), [(r.name, r.problems) for r in violated(results)]


async def test_a_refused_order_with_a_trade_that_nobody_adopted_is_a_violation(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        bot.venue.plan.append(lambda _: Rejected("internal", "execution status unknown"))
        await bot.buy()
        ((_, intent),) = bot.venue.sent
        bot.venue.fill(intent, "0.5")
        (trade,) = bot.venue.trades[intent.client_id]
        await bot.execution.storage.commit(
            Changes(ts_ms=bot.clock.now_ms(), trace_id="0" * 16, fills=(trade,))
        )
        (found,) = [each for each in await bot.store.read(check_database) if each.name == "I7"]
        assert found.problems == (f"order {intent.client_id} is rejected but has trades",)
