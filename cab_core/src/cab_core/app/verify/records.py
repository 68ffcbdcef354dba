"""I15, I16, I17, I21, I22, I24: the records themselves."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cab_core.app.verify.evidence import Evidence, Trade
from cab_core.app.verify.results import Found
from cab_core.app.verify.values import parsed

_DECIMAL = re.compile(r"-?\d+(\.\d+)?(E[+-]?\d{1,2})?")

#: Columns that hold money, by table; those of ``_AMOUNTS`` must be positive where they are set.
_MONEY = {
    "fills": ("quantity", "price", "fee", "reference"),
    "order_intents": ("cost", "quantity", "reference", "trigger_price", "limit_price"),
    "account": ("baseline", "peak", "quote_free"),
    "risk_counters": ("value",),
}
_AMOUNTS = {"fills": ("quantity", "price"), "order_intents": _MONEY["order_intents"]}
_JSON = {"order_intents": "payload", "positions": "state", "account": "book"}


def fills_applied_once(evidence: Evidence) -> Found:
    """I15: each trade was booked once, and the table holds exactly the booked ones."""
    booked = [Trade.of(event.facts) for event in evidence.of_kind("fill")]
    counts = Counter(trade.identity for trade in booked)
    problems = [
        f"trade {identity[2]} of {identity[1]} was booked {n} times"
        for identity, n in counts.items()
        if n > 1
    ]
    stored = {trade.identity: trade for trade in evidence.trades}
    journalled = {trade.identity: trade for trade in booked}
    problems += [
        f"trade {identity[2]} of {identity[1]} is not what the journal booked"
        for identity in stored.keys() | journalled.keys()
        if stored.get(identity) != journalled.get(identity)
    ]
    return Found(sorted(problems), f"{len(stored)} trades")


def journal_is_whole(evidence: Evidence) -> Found:
    """I16: the journal has no gap and no changed row, and its rows are of known kinds."""
    scan = evidence.scan
    return Found([*evidence.journal_problems, *scan.kinds], f"{scan.rows} rows")


def epochs_rise(evidence: Evidence) -> Found:
    """I17: each start writes under a higher epoch, and no row of an older start follows."""
    problems, newest = [*evidence.scan.epochs], evidence.scan.newest_epoch
    if newest > evidence.epoch:
        problems.append(f"the journal knows epoch {newest}, the database only {evidence.epoch}")
    return Found(problems, f"{evidence.epoch} starts")


def candles_once(evidence: Evidence) -> Found:
    """I21: each closed candle of a symbol was decided once, in order, and never before its close."""
    decided = sum(map(len, evidence.scan.candles.values()))
    return Found([*evidence.scan.cycles, *evidence.unjournalled], f"{decided} candles")


def numbers_are_exact(evidence: Evidence) -> Found:
    """I22: money is finite decimal text, amounts are positive, and no float is among them."""
    problems: list[str] = []
    count = 0
    for table, columns in _MONEY.items():
        for row in evidence.tables[table]:
            for column in columns:
                text = row[column]
                count += text is not None
                if text is not None and not _good(text, positive=column in _AMOUNTS.get(table, ())):
                    problems.append(f"{column} of {table} {_name(row)} is {text!r}")
    problems += [
        f"further_fees of fills {_name(row)} is {row['further_fees']!r}"
        for row in evidence.tables["fills"]
        if not all(_good(paid, positive=False) for paid in _further(row["further_fees"]))
    ]
    for table, column in _JSON.items():
        for row in evidence.tables[table]:
            count += 1
            content = parsed(row[column])
            if not content and row[column] != "{}":
                problems.append(f"{column} of {table} {_name(row)} is no JSON object")
            problems += [
                f"{path} of {table} {_name(row)} is {value!r}" for path, value in _inexact(content, column)
            ]
    return Found(problems, f"{count} numbers and states")


def _good(text: object, *, positive: bool) -> bool:
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        return False
    return not positive or Decimal(text) > 0


def _further(text: str | None) -> list[object]:
    """Return the amounts of further fees as stored; what is no list of pairs is one bad amount."""
    try:
        return [amount for _, amount in json.loads(text or "[]")]
    except (TypeError, ValueError):
        return [text]


def _name(row: Mapping[str, Any]) -> str:
    return str(next((row[key] for key in ("trade_id", "client_id", "symbol", "rule") if key in row), ""))


def _inexact(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Yield the floats and the texts that stand for no number inside of a state."""
    if isinstance(value, float) or (
        isinstance(value, str) and value.lower().lstrip("+-") in {"nan", "snan", "infinity"}
    ):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _inexact(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _inexact(inner, f"{path}[{index}]")


def stamps_are_utc(evidence: Evidence) -> Found:
    """I24: stamps are epoch milliseconds, and days are days of UTC."""
    problems = [*evidence.scan.stamps]
    for row in evidence.tables["risk_counters"]:
        date = datetime.fromtimestamp(row["updated_at_ms"] / 1000, UTC).date().isoformat()
        if row["date"] != date:
            problems.append(f"counter {row['rule']} of {row['date']} was written on {date} (UTC)")
    return Found(problems, f"{evidence.scan.rows} stamps")
