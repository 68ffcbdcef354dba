"""What really happened, in order: the oracle of every test. Nothing is ever changed or removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Literal, TypeAlias

import attrs

EntryKind: TypeAlias = Literal[
    "order", "amend", "fill", "end", "stop", "fire", "stop_end", "refused", "adjust"
]


@attrs.frozen(slots=True, kw_only=True)
class Entry:
    """One event.

    Attributes:
        number: 1, 2, 3 and so on.
        ms: when, on the exchange's clock.
        kind: ``order`` and ``stop`` are what was accepted; ``refused`` names the label in ``reason``.
        order_id: of the order or stop. ``parent``: the stop that placed it.
        text: the client's id. ``request_id``: its id of the request.
        quantity: base; quote for accepted market buys. ``value``: quote of a fill.
        source: ``api``, ``stop`` or ``phantom``.
    """

    number: int
    ms: int
    kind: EntryKind
    account: str = ""
    pair: str = ""
    order_id: str = ""
    parent: str = ""
    text: str = ""
    request_id: str = ""
    side: str = ""
    type: str = ""
    quantity: Decimal | None = None
    price: Decimal | None = None
    value: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str = ""
    trade_id: str = ""
    source: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, str | int]:
        """Return what is set, with numbers of money as plain text."""
        row = {name: getattr(self, name) for name in _NAMES}
        return {
            name: f"{value:f}" if isinstance(value, Decimal) else value
            for name, value in row.items()
            if value not in ("", None)
        }


_NAMES = tuple(field.name for field in attrs.fields(Entry))


class Ledger:
    """The events of one exchange, oldest first."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._hash = hashlib.sha256()

    def add(self, entry: Entry) -> None:
        """Append the next event; its number must be the next one."""
        self._entries.append(entry)
        self._hash.update(json.dumps(entry.as_json(), separators=(",", ":")).encode() + b"\n")

    @property
    def next_number(self) -> int:
        """The number of the event to come."""
        return len(self._entries) + 1

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def since(self, number: int) -> Sequence[Entry]:
        """Return the events after the ``number``-th."""
        return tuple(self._entries[number:])

    def of_kind(self, *kinds: EntryKind) -> Sequence[Entry]:
        """Return the events of these kinds, oldest first."""
        return tuple(entry for entry in self._entries if entry.kind in kinds)

    def accepted(self, text: str) -> Sequence[Entry]:
        """Return the accepted orders that carry a client's id."""
        return tuple(entry for entry in self._entries if entry.kind == "order" and entry.text == text)

    def digest(self) -> str:
        """Return a hash of all events: equal runs have equal ones."""
        return self._hash.copy().hexdigest()
