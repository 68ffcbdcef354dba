"""Views out of JSON: the way back of `cab_core.app.desk.plain`."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from cattrs import Converter

T = TypeVar("T")


def structured(document: Any, kind: type[T]) -> T:
    """Return the view that was written down as JSON.

    Raises:
        ExceptionGroup, ValueError, TypeError, KeyError, ArithmeticError: it is none of this kind.
    """
    return _converter().structure(document, kind)


@cache
def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook(Decimal, lambda text, _: Decimal(text))
    return converter
