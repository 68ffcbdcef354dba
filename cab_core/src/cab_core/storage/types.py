"""Column types: money as decimal text, mappings as canonical JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import sqlalchemy as sa


def canonical(value: Any) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, Decimals as strings.

    Raises:
        TypeError: something in it is not JSON and not a Decimal.
        ValueError: a NaN or an infinity.
    """
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=_decimal_text,
    )


def _decimal_text(value: object) -> str:
    if isinstance(value, Decimal):
        return decimal_text(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON: {value!r}")


def decimal_text(value: Decimal) -> str:
    """Return the text that reads back as exactly ``value``.

    Raises:
        TypeError: not a Decimal; floats would carry their binary error into the books.
        ValueError: NaN or infinite.
    """
    if not isinstance(value, Decimal):
        raise TypeError(f"money must be Decimal, not {type(value).__name__}: {value!r}")
    if not value.is_finite():
        raise ValueError(f"money must be finite: {value}")
    return str(value)


class Money(sa.types.TypeDecorator[Decimal]):
    """Decimal as TEXT, every digit kept; floats, NaN and infinities are refused."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the text to store."""
        return None if value is None else decimal_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Decimal | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the stored Decimal."""
        return None if value is None else Decimal(value)


class Json(sa.types.TypeDecorator[Any]):
    """A mapping or list as canonical JSON text, the same bytes on every engine."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the text to store."""
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the parsed value."""
        return None if value is None else json.loads(value)
