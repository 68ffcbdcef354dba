"""What the pages say of states that a test cannot bring a bot into, and what they do with texts of others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from cab_core.api.web.candles import candle_chart
from cab_core.api.web.panels import placed
from cab_core.api.web.render import banner, environment
from cab_core.api.web.ruler import BANDS
from cab_core.api.web.scale import Axis
from cab_core.api.web.text import change
from cab_core.app.desk.commands import Role
from cab_core.app.desk.views import (
    CandlesView,
    Decision,
    HaltView,
    Marker,
    PriceLine,
    RegimeView,
    Status,
    SymbolStatus,
)
from cab_core.domain.regime import raw_state
from cab_core.domain.timeframes import TF_MS
from cab_core.plugins.answers import check_panel
from cab_core.plugins.isolation import Outcome, PluginJunk
from cab_core.sdk import Panel

NOW = 1_700_000_100_000


def symbol(state: str = "running", age: int = 1) -> SymbolStatus:
    """A symbol whose newest decision is about the candle that closed ``age`` candles ago."""
    decision = Decision(
        trace_id="0" * 16,
        symbol="BTC/USDT",
        candle_ts_ms=NOW - (age + 1) * TF_MS,
        close=Decimal(1),
        action="hold",
        reason="no_votes",
        order_key=None,
    )
    return SymbolStatus(
        symbol="BTC/USDT",
        state=state,
        blocked_by=None,
        bid=None,
        last_decision=decision,
        position=None,
        loops=(),
    )


def status(**changed: Any) -> Status:
    regime = RegimeView(
        state=None,
        score=None,
        multiplier=None,
        entries_allowed=False,
        since_ms=None,
        updated_ms=None,
        source="macro",
        sources=(),
    )
    usual = Status(
        mode="paper",
        market="exchange",
        exchange="gateio",
        version="1",
        started_ms=0,
        now_ms=NOW,
        running=True,
        symbols=(symbol(),),
        account=None,
        halts=(),
        limits=(),
        regime=regime,
        unfinished_orders=0,
    )
    return attrs.evolve(usual, **changed)


@pytest.mark.parametrize(
    ("changed", "kind", "label", "states"),
    [
        ({}, "paper", "PAPER", []),
        ({"mode": "live"}, "live", "LIVE", []),
        ({"market": "sample:7"}, "paper", "PAPER", []),
        ({"mode": "live", "symbols": (symbol("paused"),)}, "live", "LIVE", ["paused"]),
        ({"symbols": (symbol(age=3),)}, "paper", "PAPER", ["stale"]),
        ({"running": False}, "paper", "PAPER", ["stopped"]),
        (
            {"halts": (HaltView(rule="daily_loss", since_ms=0, until_ms=None, reason=""),)},
            "paper",
            "PAPER",
            ["halted"],
        ),
    ],
)
def test_the_band_tells_mode_and_state(changed: Any, kind: str, label: str, states: list[str]) -> None:
    shown = banner(status(**changed))
    assert (shown.kind, shown.label) == (kind, label)
    assert [name for name, _ in shown.states] == states
    assert shown.stale == ("stale" in states)


def test_panels_keep_to_their_page_and_role_and_fail_alone() -> None:
    mine = Panel(title="mine", slot="regime")
    secret = Panel(title="secret", slot="regime", min_role="admin")
    outcomes: list[Outcome[Panel | None]] = [
        Outcome("macro:mine", mine, None, 0.0),
        Outcome("macro:secret", secret, None, 0.0),
        Outcome("macro:broken", None, ValueError("broken"), 0.0),
        Outcome("macro:silent", None, None, 0.0),
    ]
    assert [each.panel for each in placed(outcomes, "regime", Role.VIEWER)] == [mine]
    assert [each.panel for each in placed(outcomes, "regime", Role.ADMIN)] == [mine, secret]
    failed = placed(outcomes, "overview", Role.VIEWER)
    text = environment().get_template("panels.html.j2").render(panels=failed)
    assert "panel of macro:broken failed" in text


def test_a_panel_cannot_bring_markup() -> None:
    panel = Panel(title="<i>t</i>", slot="risk", head=("<b>",), rows=[("<script>alert(1)</script>",)])
    outcomes: list[Outcome[Panel | None]] = [Outcome("macro:x", check_panel(panel), None, 0.0)]
    text = environment().get_template("panels.html.j2").render(panels=placed(outcomes, "risk", Role.VIEWER))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<i>" not in text


@pytest.mark.parametrize(
    "panel",
    [
        "text",
        Panel(title="t", slot="head"),  # type: ignore[arg-type]  # what a plugin may get wrong
        Panel(title="t", slot="risk", head=("a",), rows=[("1", "2")]),
        Panel(title="t", slot="risk", head=("a",), rows=[("1",)] * 51),
        Panel(title="t", slot="risk", head=("a",), rows=[(1,)]),  # type: ignore[list-item]  # same
        Panel(title="t" * 501, slot="risk"),
    ],
)
def test_a_panel_that_is_none_is_refused(panel: Any) -> None:
    with pytest.raises(PluginJunk):
        check_panel(panel)


def test_the_gauge_has_the_bands_of_the_regime() -> None:
    for name, begin, end in BANDS:
        assert raw_state((begin + end) / 2) == name


def test_a_chart_draws_each_candle_and_keeps_marks_inside() -> None:
    stamps = [NOW + place * TF_MS for place in range(50)]
    close = [100.0 + place % 7 for place in range(50)]
    view = CandlesView(
        symbol="BTC/USDT",
        timeframe="15m",
        ts_ms=stamps,
        open=[100.0] * 50,
        high=[110.0] * 50,
        low=[90.0] * 50,
        close=close,
        volume=[1.0] * 50,
        markers=[
            Marker(ts_ms=stamps[10] + 1000, price=Decimal(100), kind="buy", text="buy 1", trace_id="a" * 16),
            Marker(
                ts_ms=stamps[12], price=Decimal(100), kind="signal:x", text="sell 0.5: r", trace_id="b" * 16
            ),
        ],
        lines=[
            PriceLine(name="stop_loss", price=Decimal(95), from_ms=stamps[10], to_ms=None),
            PriceLine(name="take_profit_2", price=Decimal(100_000), from_ms=stamps[10], to_ms=None),
        ],
    )
    drawn = candle_chart(view, ["x"])
    assert drawn is not None
    assert drawn.up_bodies.count("M") + drawn.down_bodies.count("M") == 50
    assert [level.name for level in drawn.levels] == ["stop_loss"]  # the other would flatten the candles
    assert (drawn.levels[0].x1, drawn.levels[0].x2) == (20.0, 100.0)
    assert [mark.kind for mark in (*drawn.fills, *drawn.signals)] == ["buy", "sell"]
    assert all(0 <= mark.x <= 100 and 0 <= mark.y <= 100 for mark in (*drawn.fills, *drawn.signals))
    assert candle_chart(attrs.evolve(view, ts_ms=[], markers=[]), []) is None


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-8, 3e-8], [60_000.0, 60_001.0], [-5.0, 5.0]])
def test_an_axis_has_a_few_round_labels_inside(values: list[float]) -> None:
    ticks = Axis.around(values).ticks()
    assert 2 <= len(ticks) <= 8
    assert all(0 <= tick.at <= 100 for tick in ticks)
    assert len({tick.text for tick in ticks}) == len(ticks)


def test_a_sign_is_never_a_color_alone() -> None:
    assert "▲" in change(Decimal(3), "USDT")
    assert "+3.00" in change(Decimal(3), "USDT")
    assert "▼" in change(Decimal(-3), "USDT")
    assert "-3.00" in change(Decimal(-3), "USDT")
