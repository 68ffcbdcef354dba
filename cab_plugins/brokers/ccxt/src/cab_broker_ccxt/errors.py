"""Errors of a venue as users see them."""

from __future__ import annotations

from cab_core.sdk import AwayError, CabError


class VenueError(CabError):
    """The venue did not answer a question, or refused it.

    Args:
        what: what was asked and what came back.
        label: the venue's own name of the error, empty if there was no parsed answer.
        where: the broker, e.g. ``broker:gateio``.
        fix: what the user can do.
    """

    def __init__(self, what: str, *, label: str = "", where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.label = label


class VenueAwayError(VenueError, AwayError):
    """The venue cannot be reached, is in trouble or in maintenance, or wants fewer requests: that passes."""


def no_keys(where: str) -> CabError:
    """Return the error of a private verb without credentials."""
    return CabError(
        "this needs the keys of an exchange account, and there are none",
        where=where,
        fix="set API_KEY and API_SECRET; prices and candles need none",
    )
