"""Questions to a broker: whatever it raises in a reading verb is a venue that does not answer."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from cab_core.errors import CabError

T = TypeVar("T")


async def asked(answer: Awaitable[T], verb: str) -> T:
    """Await the answer of a reading verb.

    A broker is a plugin that reads what a venue sends: an odd row must end one question, never the loop that
    looks after positions.

    Raises:
        CabError: there is no answer now.
    """
    try:
        return await answer
    except CabError:
        raise
    except Exception as error:
        raise CabError(f"the broker failed in {verb}: {type(error).__name__}: {error}") from error
