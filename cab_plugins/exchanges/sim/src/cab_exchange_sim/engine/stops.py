"""Price orders (stops): they wait, fire, place their child order, fail or expire."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.market import Quote
from cab_core.domain.money import ONE
from cab_core.domain.orders import Side
from cab_exchange_sim.engine.checks import checked_stop
from cab_exchange_sim.engine.core import Core
from cab_exchange_sim.engine.execution import Execution
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.values import OrderRequest, Refused, Stop, StopRequest, StopStatus

#: How the child of a stop that named nothing is marked.
_CHILD_TEXT = "api"


class Stops:
    """The stops of all accounts."""

    def __init__(self, core: Core, execution: Execution) -> None:
        self._core = core
        self._execution = execution
        self._versions: dict[str, list[Stop]] = {}
        self._open: dict[str, Stop] = {}

    def place(self, account: str, request: StopRequest) -> Stop:
        """Take a stop.

        Raises:
            Refused: it was not taken.
        """
        core = self._core
        market = core.market(request.pair)
        request = checked_stop(request, market, core)
        if core.settings.stops_lock_funds:
            currency, amount = _needed(request, market)
            core.accounts.lock(account, currency, amount, core.now_ms)
        stop = Stop(stop_id=core.next_stop_id(), account=account, request=request, created_ms=core.now_ms)
        core.note("stop", account=account, pair=stop.pair, order_id=stop.stop_id, text=request.text,
                  request_id=request.request_id, side=request.side.value, type=request.type,
                  quantity=request.amount, price=request.trigger, source="api")  # fmt: skip
        self._put(stop)
        return stop

    def fire(self, stop: Stop, quote: Quote) -> Stop:
        """Let a stop place its child order at the prices its trigger was touched at."""
        request = stop.request
        self._release(stop)
        market = self._core.market(stop.pair)
        child = OrderRequest(
            pair=stop.pair,
            side=request.side,
            type=request.type,
            amount=request.amount,
            price=request.price,
            tif=request.tif,
            text=request.text or _CHILD_TEXT,
        )
        try:
            if market.conditions.stop_fails:
                raise Refused(market.conditions.stop_fails, "the order could not be placed")
            self._core.note("fire", account=stop.account, pair=stop.pair, order_id=stop.stop_id)
            order = self._execution.place(
                stop.account, child, source="stop", parent=stop.stop_id, quote=quote
            )
        except Refused as refused:
            return self._end(stop, "failed", str(refused))
        return self._end(stop, "finish", "", order.order_id)

    def expire(self, stop: Stop) -> Stop:
        """End a stop that was not fired in time."""
        self._release(stop)
        return self._end(stop, "expired", "expired")

    def cancel(self, stop: Stop) -> Stop:
        """Cancel a waiting stop.

        Raises:
            Refused: it does not wait any more.
        """
        if stop.status != "open":
            raise Refused("ORDER_CLOSED", f"price order {stop.stop_id} is {stop.status}")
        self._release(stop)
        return self._end(stop, "canceled", "cancelled by the user")

    def get(self, account: str, stop_id: str) -> Stop:
        """Return the newest version of a stop.

        Raises:
            Refused: the account has no such stop.
        """
        versions = self._versions.get(stop_id)
        if versions is None or versions[-1].account != account:
            raise Refused("ORDER_NOT_FOUND", f"no price order {stop_id}", 404)
        return versions[-1]

    def seen(self, account: str, stop_id: str, at_ms: int) -> Stop | None:
        """Return the version of ``at_ms``, None if there was none yet."""
        for version in reversed(self._versions.get(stop_id, [])):
            changed = version.created_ms if version.ended_ms is None else version.ended_ms
            if version.account == account and changed <= at_ms:
                return version
        return None

    def ids(self, account: str, pair: str | None = None) -> list[str]:
        """Return the ids of all stops of an account, newest first."""
        return [
            stop_id
            for stop_id, versions in reversed(self._versions.items())
            if versions[0].account == account and (pair is None or versions[0].pair == pair)
        ]

    def open(self, account: str | None = None, pair: str | None = None) -> list[Stop]:
        """Return the stops that wait, oldest first."""
        return [
            stop
            for stop in self._open.values()
            if (account is None or stop.account == account) and (pair is None or stop.pair == pair)
        ]

    def _release(self, stop: Stop) -> None:
        if self._core.settings.stops_lock_funds:
            currency, amount = _needed(stop.request, self._core.market(stop.pair))
            self._core.accounts.unlock(stop.account, currency, amount, self._core.now_ms)

    def _end(self, stop: Stop, status: StopStatus, reason: str, child: str = "") -> Stop:
        core = self._core
        ended = attrs.evolve(stop, status=status, ended_ms=core.now_ms, reason=reason, fired_order_id=child)
        core.note("stop_end", account=stop.account, pair=stop.pair, order_id=stop.stop_id, type=status,
                  reason=reason)  # fmt: skip
        self._put(ended)
        return ended

    def _put(self, stop: Stop) -> None:
        self._versions.setdefault(stop.stop_id, []).append(stop)
        if stop.status == "open":
            self._open[stop.stop_id] = stop
        else:
            self._open.pop(stop.stop_id, None)


def _needed(request: StopRequest, market: Market) -> tuple[str, Decimal]:
    """Return what the child order will hold."""
    if request.side is Side.SELL:
        return market.base, request.amount
    return market.quote, request.amount * (
        request.price if request.type == "limit" and request.price else ONE
    )
