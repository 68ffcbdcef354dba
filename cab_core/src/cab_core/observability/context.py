"""The trace id and the symbol of the running cycle, carried by context variables into every log line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Trace id outside a cycle.
NO_TRACE = "-"

_trace_id: ContextVar[str] = ContextVar("cab_trace_id", default=NO_TRACE)
_symbol: ContextVar[str] = ContextVar("cab_symbol", default="")


@contextmanager
def log_scope(*, trace_id: str | None = None, symbol: str | None = None) -> Iterator[None]:
    """Give every log line inside the block, also of tasks started there, this trace id and symbol."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((_trace_id, trace_id), (_symbol, symbol))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def current_trace_id() -> str:
    """Return the trace id of the running cycle, ``-`` outside."""
    return _trace_id.get()


def current_symbol() -> str:
    """Return the symbol of the running cycle, empty outside."""
    return _symbol.get()
