"""The desk of a bot that is asked over HTTP: the same answers as in the bot itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar, cast
from urllib.parse import quote

import attrs

from cab_core.app.desk import views
from cab_core.app.desk.commands import Command, Done
from cab_core.app.desk.desk import Filter
from cab_core.app.desk.remote_http import Answer, ask
from cab_core.app.perf import Period

T = TypeVar("T")

_API = "/api/v1"

#: Numbers that a report holds as exact texts.
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@attrs.frozen(eq=False)
class RemoteDesk:
    """`cab_core.app.desk.desk.Desk` over the HTTP API of a bot.

    Attributes:
        url: of the API, e.g. ``https://bot.example``.
        token: a bearer token.

    Raises (all methods):
        NotRunningError: nobody answers there.
        CabError: what the bot refused, with the code, text and fix it gave.
    """

    url: str
    token: str = attrs.field(repr=False)

    async def health(self) -> views.Health:
        """Return whether the bot and its parts work."""
        return await self._view("/health", views.Health)

    async def ready(self) -> views.Ready:
        """Return whether the start is complete."""
        answer = await ask(self.url, self.token, "/ready", accept=(200, 503))
        return answer.structured(views.Ready)

    async def status(self, symbol: str | None = None) -> views.Status:
        """Return everything at a glance, of one symbol or all."""
        return await self._view(f"{_API}/status", views.Status, symbol=symbol)

    async def pnl(self, period: Period, symbol: str | None = None) -> dict[str, Any]:
        """Return the report of a period, of one symbol or all."""
        answer = await self._get(f"{_API}/pnl", period=period, symbol=symbol)
        return cast("dict[str, Any]", _numbers(answer.document()))

    async def positions(self) -> list[views.PositionView]:
        """Return the open positions."""
        return await self._view(f"{_API}/positions", list[views.PositionView])

    async def orders(self, wanted: Filter) -> tuple[list[views.OrderView], str | None]:
        """Return attempts of order intents."""
        return await self._page("orders", wanted, views.OrderView)

    async def fills(self, wanted: Filter) -> tuple[list[views.FillView], str | None]:
        """Return own trades."""
        return await self._page("fills", wanted, views.FillView)

    async def trades(self, wanted: Filter) -> tuple[list[views.TradeView], str | None]:
        """Return finished round trips."""
        return await self._page("trades", wanted, views.TradeView)

    async def decisions(self, wanted: Filter) -> tuple[list[views.Decision], str | None]:
        """Return evaluated candles."""
        return await self._page("decisions", wanted, views.Decision)

    async def trace(self, trace_id: str) -> dict[str, Any]:
        """Return the whole chain of one cycle."""
        answer = await self._get(f"{_API}/traces/{quote(trace_id, safe='')}")
        return cast("dict[str, Any]", answer.document())

    async def latest_trace(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the chain of the newest cycle."""
        answer = await self._get(f"{_API}/traces/latest", symbol=symbol)
        return cast("dict[str, Any]", answer.document())

    async def signals(self) -> views.SignalsView:
        """Return what each strategy said last."""
        return await self._view(f"{_API}/signals", views.SignalsView)

    async def candles(self, symbol: str, limit: int = 300) -> views.CandlesView:
        """Return the newest closed candles with what belongs on their chart."""
        return await self._view(f"{_API}/candles", views.CandlesView, symbol=symbol, limit=limit)

    async def equity(self, since_ms: int | None = None, points: int = 1000) -> list[views.EquityPointView]:
        """Return the equity curve, thinned to at most ``points``."""
        kind = list[views.EquityPointView]
        return await self._view(f"{_API}/equity", kind, since_ms=since_ms, points=points)

    async def risk(self) -> views.RiskView:
        """Return limits, halts and blocks."""
        return await self._view(f"{_API}/risk", views.RiskView)

    async def regime(self) -> views.RegimeView:
        """Return the market regime and its sources."""
        return await self._view(f"{_API}/regime", views.RegimeView)

    async def plugins(self) -> list[views.PluginView]:
        """Return every installed plugin."""
        return await self._view(f"{_API}/plugins", list[views.PluginView])

    async def config(self) -> list[views.ConfigRow]:
        """Return the settings in force, secrets masked."""
        return await self._view(f"{_API}/config", list[views.ConfigRow])

    async def logs(self, wanted: Filter) -> tuple[list[views.LogLine], str | None]:
        """Return log lines."""
        return await self._page("logs", wanted, views.LogLine)

    async def runs(self, wanted: Filter) -> tuple[list[views.RunView], str | None]:
        """Return recorded backtests."""
        return await self._page("runs", wanted, views.RunView)

    async def run_report(self, run_id: str) -> str:
        """Return the HTML report of a recorded backtest."""
        return (await self._get(f"{_API}/runs/{quote(run_id, safe='')}/report")).text()

    async def audit(self, wanted: Filter) -> tuple[list[views.AuditView], str | None]:
        """Return mutations."""
        return await self._page("audit", wanted, views.AuditView)

    async def do(self, command: Command) -> Done:
        """Carry out a command with the role of the token; who commands is who the token was made for."""
        body: dict[str, object] = {
            "symbol": command.symbol,
            "rule": command.rule,
            "reason": command.reason,
            "confirm": command.confirm,
        }
        if (verdict := command.verdict) is not None:
            amounts = {"quantity": verdict.quantity, "price": verdict.price}
            told = {name: None if amount is None else f"{amount:f}" for name, amount in amounts.items()}
            body |= {"order": verdict.order, "outcome": verdict.fate, **told}
        path = f"{_API}/commands/{command.action}"
        answer = await ask(self.url, self.token, path, body=body, key=command.key)
        return answer.structured(Done)

    async def _get(self, path: str, **query: object) -> Answer:
        return await ask(self.url, self.token, path, query=query)

    async def _view(self, path: str, kind: type[T], **query: object) -> T:
        return (await self._get(path, **query)).structured(kind)

    async def _page(self, path: str, wanted: Filter, kind: type[T]) -> tuple[list[T], str | None]:
        given: Mapping[str, object] = attrs.asdict(wanted)
        answer = await self._get(f"{_API}/{path}", **{k: v for k, v in given.items() if v not in (None, "")})
        document = answer.document()
        return answer.structured(list[kind], document["items"]), document["next"]  # type: ignore[valid-type]  # a type that is only known at run time


def _numbers(value: Any) -> Any:
    """Turn exact texts of numbers back into Decimals, wherever they are in a report."""
    if isinstance(value, dict):
        return {key: each if key == "trace_id" else _numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
