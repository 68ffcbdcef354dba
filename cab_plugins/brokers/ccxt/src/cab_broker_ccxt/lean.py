"""What this broker needs of ccxt, without ccxt's hundred exchanges. Imported when a broker opens.

To import one exchange of ccxt runs the ``__init__`` of two packages, and these import every exchange: seconds
and 50 MB before the first request. So both are stood in for by packages that run nothing, only for as long as
these imports take: whoever imports ccxt afterwards gets all of it, with the same classes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import ModuleType


@contextmanager
def _hollow(name: str) -> Iterator[ModuleType]:
    """Let modules of a package be imported without running the package itself, unless that was done before.

    Raises:
        ModuleNotFoundError: there is no such package.
    """
    known = sys.modules.get(name)
    if known is not None:
        yield known
        return
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = sys.modules[name] = module_from_spec(spec)
    try:
        yield package
    finally:
        del sys.modules[name]


try:
    with _hollow("ccxt") as _ccxt:
        # The async client asks the package for its errors and its base class.
        from ccxt.base import errors as _errors  # type: ignore[import-untyped]  # ccxt ships no types
        from ccxt.base.errors import BaseError  # type: ignore[import-untyped]  # likewise
        from ccxt.base.exchange import Exchange as _Sync  # type: ignore[import-untyped]  # likewise

        vars(_ccxt).update({name: vars(_errors)[name] for name in vars(_errors)["__all__"]}, Exchange=_Sync)
        with _hollow("ccxt.async_support"):
            from ccxt.async_support.base.exchange import (  # type: ignore[import-untyped]  # likewise
                Exchange,
            )
            from ccxt.async_support.gate import gate  # type: ignore[import-untyped]  # likewise
except ImportError:  # another version asks its packages for more: then all of it is needed
    from ccxt.async_support.base.exchange import Exchange
    from ccxt.async_support.gate import gate
    from ccxt.base.errors import BaseError

__all__ = ["BaseError", "Exchange", "gate"]
