"""Fields of queries and bodies, read as what they must be."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs

from cab_core.domain.orders import Side
from cab_exchange_sim.engine import Refused


@attrs.frozen(slots=True)
class Fields:
    """Named values. Each method raises `Refused` if a value is not what it must be."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any) -> Fields:
        """Return the fields of a JSON object."""
        if not isinstance(value, dict):
            raise Refused("INVALID_PARAM_VALUE", "a JSON object is expected")
        return cls(value)

    def part(self, name: str) -> Fields:
        """Return an object within."""
        return Fields.of(self.values.get(name))

    def text(self, name: str, default: str | None = "") -> str:
        """Return a text; required if ``default`` is None."""
        value = self.values.get(name)
        if value is None or value == "":
            if default is None:
                raise Refused("MISSING_REQUIRED_PARAM", f"Missing required parameter: {name}")
            return default
        return str(value)

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Return one of some texts."""
        value = self.text(name, default)
        if value not in choices:
            raise Refused("INVALID_PARAM_VALUE", f"invalid {name} {value!r}: {', '.join(choices)}")
        return value

    def side(self) -> Side:
        """Return buy or sell."""
        return Side(self.choice("side", ("buy", "sell")))

    def whole(self, name: str) -> int | None:
        """Return a whole number, None if there is none."""
        text = self.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise Refused("INVALID_PARAM_VALUE", f"invalid {name} {text!r}: a whole number") from None

    def number(self, name: str) -> Decimal | None:
        """Return a number, None if there is none."""
        text = self.text(name)
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise Refused("INVALID_PARAM_VALUE", f"invalid {name} {text!r}: a number") from None
        if not value.is_finite():
            raise Refused("INVALID_PARAM_VALUE", f"invalid {name} {text!r}: a number")
        return value

    def required_number(self, name: str) -> Decimal:
        """Return a number that must be there."""
        value = self.number(name)
        if value is None:
            raise Refused("MISSING_REQUIRED_PARAM", f"Missing required parameter: {name}")
        return value

    def seconds(self, name: str) -> int | None:
        """Return a time given in seconds as milliseconds."""
        value = self.whole(name)
        return None if value is None else value * 1000

    def page(self, default: int, most: int) -> slice:
        """Return the rows asked for by ``page`` (from 1) and ``limit``."""
        limit = self.whole("limit")
        limit = default if limit is None else limit
        page = self.whole("page") or 1
        if not 1 <= limit <= most or page < 1:
            raise Refused("INVALID_PARAM_VALUE", f"invalid page {page} or limit {limit}: limit 1 to {most}")
        if limit * (page - 1) > 100_000:
            raise Refused("INVALID_PARAM_VALUE", "limit*(page-1) is more than 100000")
        return slice((page - 1) * limit, page * limit)
