"""What is asked once more right before a buy is sent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cycle" / "orders"))
from odd_venue import account

from cab_core.app.entry_gates import gate_of
from cab_core.domain.orders import Purpose, Rejected
from cab_core.domain.regime import Regime, RegimeState


def regime(state: Regime) -> RegimeState:
    return RegimeState(state, 0.0, {}, "unconfigured", 0, 0)


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (regime(Regime.RISK_OFF), "regime_risk_off"),
        (regime(Regime.NEUTRAL), "regime_neutral"),
        (None, "regime_stale"),
        (regime(Regime.RISK_SMALL), None),
    ],
)
@pytest.mark.parametrize("resent", [False, True], ids=["send", "resend"])
async def test_the_regime_is_asked_right_before_each_send(
    tmp_path: Path, later: RegimeState | None, reason: str | None, resent: bool
) -> None:
    """It was fine when the entry was decided, and changes before the order leaves, or leaves again."""
    async with account(tmp_path) as bot:
        decided_ms = bot.clock.now_ms()
        fine = regime(Regime.RISK_ON)

        def regime_at(now_ms: int) -> RegimeState | None:
            return later if now_ms > decided_ms or not resent else fine

        bot.execution.gate = gate_of(regime_at, bot.trader, bot.clock)
        if resent:
            bot.venue.plan.append(lambda _: Rejected("rate_limited", transient=True))
        done = await bot.buy()
        assert done.refused == reason
        assert len(bot.venue.sent) == resent + (reason is None)
        last = "done" if reason is None else "abandoned"
        assert (await bot.states(Purpose.ENTRY))[-1] == last
