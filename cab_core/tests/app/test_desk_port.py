from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from cab_core.app.attending import attend_all
from cab_core.app.desk import views
from cab_core.app.desk.commands import Command, Done, Role
from cab_core.app.desk.desk import Filter
from cab_core.app.desk.plain import plain
from cab_core.app.desk.port import DeskPort
from cab_core.errors import UsageError
from cab_core.storage import Store
from cab_core.testing.desk_documents import answers

POINT = views.EquityPointView(
    ts_ms=5, equity=Decimal("1E+4"), peak=Decimal("10000.10"), drawdown_pct=Decimal(0)
)


class FewAnswers:
    """A desk that knows some answers and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def equity(self, since_ms: int | None = None, points: int = 1000) -> list[views.EquityPointView]:
        self.asked.append((since_ms, points))
        return [POINT]

    async def pnl(self, period: str, symbol: str | None = None) -> dict[str, Any]:
        return {"period": period, "realized": Decimal("0.10")}

    async def orders(self, wanted: Filter) -> tuple[list[views.OrderView], str | None]:
        self.asked.append(wanted)
        return [], "more"

    async def do(self, command: Command) -> Done:
        self.asked.append(command)
        return Done(action=command.action, states={"A/B": "paused"}, changed=True, trace_id="t", audit_seq=1)


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "db.sqlite3")
    yield store
    await store.close()


async def test_answers_are_json_with_exact_decimals(store):
    port = DeskPort(desk := FewAnswers(), store, "notifier:x")
    assert await port.ask("equity", points=3) == [
        {"ts_ms": 5, "equity": "10000", "peak": "10000.10", "drawdown_pct": "0"}
    ]
    assert await port.ask("pnl") == {"period": "today", "realized": "0.10"}
    assert json.loads(json.dumps(await port.ask("orders", limit=9999, symbol="A/B"))) == {
        "items": [],
        "next": "more",
    }
    assert desk.asked == [(None, 3), Filter(limit=500, symbol="A/B")]


@pytest.mark.parametrize(
    ("question", "filters", "hint"),
    [("statu", {}, "status"), ("config", {}, "there are"), ("equity", {"pionts": 3}, "points")],
)
async def test_what_is_no_question_or_filter_is_refused_with_the_nearest(store, question, filters, hint):
    with pytest.raises(UsageError) as refused:
        await DeskPort(FewAnswers(), store, "notifier:x").ask(question, **filters)
    assert hint in refused.value.fix


async def test_a_command_carries_actor_role_and_surface(store):
    port = DeskPort(desk := FewAnswers(), store, "notifier:x")
    done = await port.do(
        "pause", actor="telegram:7", role="operator", symbol="A/B", reason="lunch", key="tg:1"
    )
    assert done["states"] == {"A/B": "paused"}
    (command,) = desk.asked
    assert (command.actor.name, command.actor.role, command.actor.surface) == (
        "telegram:7",
        Role.OPERATOR,
        "telegram",
    )
    assert (command.action, command.symbol, command.reason, command.key) == ("pause", "A/B", "lunch", "tg:1")
    for wrong in ({"action": "explode"}, {"role": "king"}):
        with pytest.raises(UsageError):
            await port.do(**{"action": "pause", "actor": "telegram:7", "role": "admin", **wrong})


async def test_what_is_kept_belongs_to_one_plugin_and_outlives_the_process(tmp_path):
    for kept in ({}, {"a": "1"}):
        store = await Store.open(tmp_path / "kept.sqlite3")
        mine, other = (DeskPort(FewAnswers(), store, f"notifier:{name}") for name in "xy")
        assert await mine.recall() == kept
        await mine.keep({"a": "1", "b": "2"})
        await mine.keep({"b": None})
        assert await other.recall() == {}
        await store.close()


VIEWS = {
    "health": views.Health,
    "ready": views.Ready,
    "status": views.Status,
    "signals": views.SignalsView,
    "candles": views.CandlesView,
    "risk": views.RiskView,
    "regime": views.RegimeView,
}


def test_the_canned_answers_of_the_kit_have_the_shapes_of_the_desk():
    canned = answers()
    for question, view in VIEWS.items():
        assert set(canned[question]) == set(attrs.fields_dict(view)), question
    rows = {
        views.PositionView: canned["positions"][0],
        views.Decision: canned["decisions"]["items"][0],
        views.SymbolStatus: canned["status"]["symbols"][0],
        views.AccountView: canned["status"]["account"],
        views.LimitView: canned["risk"]["limits"][0],
        views.SourceView: canned["regime"]["sources"][0],
        views.StrategyVote: canned["signals"]["rows"][0],
        views.Marker: canned["candles"]["markers"][0],
        views.PriceLine: canned["candles"]["lines"][0],
        views.EquityPointView: canned["equity"][0],
    }
    for view, row in rows.items():
        assert set(row) == set(attrs.fields_dict(view)), view
    assert plain(POINT).keys() == canned["equity"][0].keys()
    json.dumps(canned)


class Impatient:
    """Real time without the waiting."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.now = 0

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        self.pauses.append((ts_ms - self.now) / 1000)
        self.now = ts_ms
        await asyncio.sleep(0)


def listeners(**hooks: Any) -> Any:
    bound = [SimpleNamespace(id=f"notifier:{name}", hooks={"attend": hook}) for name, hook in hooks.items()]
    return SimpleNamespace(notifiers=(SimpleNamespace(id="notifier:log", hooks={}), *bound))


async def test_a_listener_that_fails_is_called_again_after_growing_pauses(store):
    calls: list[Mapping[str, str]] = []
    attended = asyncio.Event()
    failures = [ValueError("x"), SystemExit(3), asyncio.CancelledError()]

    async def attend(desk):
        calls.append(await desk.recall())
        if failures:
            raise failures.pop(0)
        attended.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(attend_all(listeners(x=attend), FewAnswers(), store, clock := Impatient()))
    await asyncio.wait_for(attended.wait(), 5)
    assert clock.pauses == [1, 2, 4]
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_listeners_end_with_the_run_and_get_time_to_say_goodbye(store):
    said = asyncio.Event()

    async def attend(_):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            said.set()

    async def needs_nothing(_):
        return

    running = asyncio.create_task(
        attend_all(listeners(x=attend, y=needs_nothing), FewAnswers(), store, Impatient())
    )
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert said.is_set()
    await attend_all(listeners(), FewAnswers(), store)
