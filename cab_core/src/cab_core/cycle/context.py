"""What an order's fills belong to, as JSON beside the intent, so that a restart books them the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cab_core.domain.booking import AppliedTo
from cab_core.domain.codec import money_converter


def to_json(context: AppliedTo) -> dict[str, Any]:
    """Return the context as JSON-safe data."""
    return dict(money_converter().unstructure(context))


def from_json(data: Mapping[str, Any]) -> AppliedTo:
    """Return the context that `to_json` wrote."""
    return money_converter().structure(dict(data), AppliedTo)
