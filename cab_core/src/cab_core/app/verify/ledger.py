"""I1, I2, I3, I5, I7, I13 against the ledger of a local exchange: what really happened there, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from cab_core.app.verify.evidence import PREFIX, Evidence, Trade
from cab_core.app.verify.holdings import TOLERANCE
from cab_core.app.verify.invariants import BY_NAME
from cab_core.app.verify.oracle import Oracle
from cab_core.app.verify.results import Found, Result
from cab_core.app.verify.values import amount
from cab_core.domain.orders import OrderState, OrderType

Entry = Mapping[str, Any]

_REFUSED = frozenset({OrderState.REJECTED, OrderState.ABANDONED})
_TAKEN = frozenset({OrderState.ACKED, OrderState.DONE})


@attrs.frozen
class Truth:
    """The part of a ledger that concerns the bot.

    Attributes:
        accepted: orders and stops the exchange took, by kind and client id.
        trades: executions of the bot's orders, oldest first; a stop's order counts for the stop.
    """

    accepted: Counter[tuple[str, str]]
    trades: Sequence[Trade]

    @property
    def client_ids(self) -> set[str]:
        """Client ids of everything that was accepted."""
        return {client_id for _, client_id in self.accepted}


def check_ledger(evidence: Evidence, entries: Sequence[Entry]) -> list[Result]:
    """Compare the database of a bot at rest with the ledger of the exchange it traded on.

    Args:
        evidence: what the database says.
        entries: the ledger's events as ``/__sim/ledger`` tells them, oldest first.
    """
    truth = truth_of(entries, _stops(evidence))
    found = {
        "I1": _one_each(truth),
        "I2": _journalled(evidence, truth),
        "I3": _same_trades(evidence, truth),
        "I5": _never_oversold(truth),
        "I7": _true_ends(evidence, truth),
        "I13": _same_money(evidence, truth),
    }
    return [
        Result.of(name, BY_NAME[name].text, Found([*problems], "the ledger agrees"))
        for name, problems in found.items()
    ]


def _stops(evidence: Evidence) -> dict[str, str]:
    """Return the client id of each stop by its order id: some venues keep no client id of a stop."""
    return {
        row["order_id"]: row["client_id"] for row in evidence.intents if row["type"] == OrderType.STOP_LIMIT
    }


def truth_of(entries: Sequence[Entry], stops: Mapping[str, str]) -> Truth:
    """Pick out what the bot's own orders and stops did; ``stops`` names those by their order id."""
    accepted: Counter[tuple[str, str]] = Counter()
    names: dict[str, str] = {}
    trades: list[Trade] = []
    for entry in entries:
        kind, order_id = entry["kind"], entry.get("order_id", "")
        if kind in {"order", "stop"}:
            client_id = names.get(entry.get("parent", "")) or entry.get("text") or stops.get(order_id, "")
            if entry.get("source") == "phantom" or not client_id.startswith(PREFIX):
                continue
            names[order_id] = client_id
            accepted["child" if entry.get("parent") else kind, client_id] += 1
        elif kind == "fill" and order_id in names:
            trades.append(_trade(entry, names[order_id]))
    return Truth(accepted, trades)


def _trade(entry: Entry, client_id: str) -> Trade:
    return Trade(
        exchange="",
        symbol=entry["pair"].replace("_", "/"),
        trade_id=entry["trade_id"],
        client_id=client_id,
        side=entry["side"],
        quantity=amount(entry["quantity"]),
        price=amount(entry["price"]),
        fee=amount(entry.get("fee", 0)),
        fee_currency=entry.get("fee_currency", ""),
        ts_ms=int(entry["ms"]),
    )


def _one_each(truth: Truth) -> Iterator[str]:
    for (kind, client_id), count in truth.accepted.items():
        if count > 1:
            yield f"the exchange took {client_id} {count} times ({kind})"


def _journalled(evidence: Evidence, truth: Truth) -> Iterator[str]:
    sent = {row["client_id"] for row in evidence.intents if row["sent_ms"] is not None}
    for client_id in sorted(truth.client_ids - sent):
        yield f"the exchange took {client_id}, which was never journalled as sent"


def _same_trades(evidence: Evidence, truth: Truth) -> Iterator[str]:
    ours = {_facts(trade): trade for trade in evidence.trades if trade.ours}
    theirs = {_facts(trade): trade for trade in truth.trades}
    for facts in sorted(theirs.keys() - ours.keys()):
        yield f"the exchange filled {theirs[facts].client_id} ({_said(theirs[facts])}), the database did not"
    for facts in sorted(ours.keys() - theirs.keys()):
        yield f"the database filled {ours[facts].client_id} ({_said(ours[facts])}), the exchange did not"


def _facts(trade: Trade) -> tuple[str, ...]:
    numbers = (trade.quantity, trade.price, trade.fee)
    return (trade.symbol, trade.trade_id, trade.client_id, trade.side, *(str(n.normalize()) for n in numbers))


def _said(trade: Trade) -> str:
    return f"{trade.side} {trade.quantity} {trade.symbol} at {trade.price}, trade {trade.trade_id}"


def _never_oversold(truth: Truth) -> Iterator[str]:
    oracle = Oracle()
    for trade in truth.trades:
        oracle.take(trade)
    yield from oracle.oversold


def _true_ends(evidence: Evidence, truth: Truth) -> Iterator[str]:
    accepted = truth.client_ids
    for row in evidence.intents:
        if row["state"] in _REFUSED and row["client_id"] in accepted:
            yield f"order {row['client_id']} is {row['state']}, but the exchange took it"
        elif row["state"] in _TAKEN and row["client_id"] not in accepted:
            yield f"order {row['client_id']} is {row['state']}, but the exchange never took it"


def _same_money(evidence: Evidence, truth: Truth) -> Iterator[str]:
    """Compare cash; recorded adjustments (trades of nobody's order) moved it here only."""
    book = evidence.book
    if book is None:
        return
    oracle = Oracle()
    for trade in [*truth.trades, *(trade for trade in evidence.trades if not trade.ours)]:
        oracle.take(trade)
    expected = amount(book["baseline"]) + oracle.cash
    if abs(amount(book["quote_free"]) - expected) > TOLERANCE:
        yield f"free quote is {book['quote_free']}, the exchange's fills make {expected}"
