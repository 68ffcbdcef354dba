"""Every version of every order, and the own trades, as they are looked up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

from cab_exchange_sim.engine.values import Order, Trade


class Orders:
    """The orders and own trades of all accounts."""

    def __init__(self) -> None:
        self._versions: dict[str, list[Order]] = {}
        self._open: dict[str, Order] = {}
        self._finished: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        self._texts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._trades: defaultdict[tuple[str, str], list[Trade]] = defaultdict(list)
        self._sequence = 0

    def put(self, order: Order) -> None:
        """Keep the newest version of an order."""
        versions = self._versions.get(order.order_id)
        if versions is None:
            self._versions[order.order_id] = [order]
            if order.text:
                self._texts[order.account, order.text].append(order.order_id)
        else:
            versions.append(order)
        if order.status == "open":
            self._open[order.order_id] = order
        else:
            self._open.pop(order.order_id, None)
            self._finished[order.account, order.pair].append((order.updated_ms, order.order_id))

    def add(self, trade: Trade) -> None:
        """Keep an own trade."""
        self._trades[trade.account, trade.pair].append(trade)

    def next_sequence(self) -> int:
        """Return the next number of the trades' own sequence."""
        self._sequence += 1
        return self._sequence

    def get(self, order_id: str) -> Order | None:
        """Return the newest version, None if there is no such order."""
        versions = self._versions.get(order_id)
        return versions[-1] if versions else None

    def seen(self, order_id: str, at_ms: int) -> Order | None:
        """Return the version of ``at_ms``, None if there was none yet."""
        for version in reversed(self._versions.get(order_id, [])):
            if version.updated_ms <= at_ms:
                return version
        return None

    def with_text(self, account: str, text: str) -> Sequence[str]:
        """Return the ids of the orders that carry a client's id, oldest first."""
        return self._texts.get((account, text), ())

    def open(self, account: str | None = None, pair: str | None = None) -> list[Order]:
        """Return open orders, oldest first."""
        return [
            order
            for order in self._open.values()
            if (account is None or order.account == account) and (pair is None or order.pair == pair)
        ]

    def open_seen(self, account: str, pair: str, at_ms: int) -> list[Order]:
        """Return what was open at ``at_ms``, oldest first: open orders, and those that have ended since."""
        recent = self._finished[account, pair]
        first = bisect_right(recent, at_ms, key=lambda end: end[0])
        ids = [order.order_id for order in self.open(account, pair)] + [key for _, key in recent[first:]]
        versions = [self.seen(key, at_ms) for key in ids]
        found = [version for version in versions if version is not None and version.status == "open"]
        return sorted(found, key=lambda order: int(order.order_id))

    def finished(self, account: str, pair: str, from_ms: int, to_ms: int) -> list[Order]:
        """Return the orders that ended between two times, newest first."""
        ends = self._finished[account, pair]
        first = bisect_left(ends, from_ms, key=lambda end: end[0])
        last = bisect_right(ends, to_ms, key=lambda end: end[0])
        return [self._versions[key][-1] for _, key in reversed(ends[first:last])]

    def trades(self, account: str, pair: str, from_ms: int, to_ms: int) -> list[Trade]:
        """Return own trades between two times, newest first."""
        trades = self._trades[account, pair]
        first = bisect_left(trades, from_ms, key=lambda trade: trade.ts_ms)
        last = bisect_right(trades, to_ms, key=lambda trade: trade.ts_ms)
        return trades[first:last][::-1]

    def trades_of(self, account: str, pair: str, order_id: str) -> list[Trade]:
        """Return the own trades of an order, newest first."""
        return [trade for trade in reversed(self._trades[account, pair]) if trade.order_id == order_id]

    def every(self) -> list[Order]:
        """Return the newest version of every order, oldest first."""
        return [versions[-1] for versions in self._versions.values()]
