"""One answer of a venue, and what it proves about an order (pure)."""

from __future__ import annotations

from typing import Any

import attrs

from cab_broker_ccxt.labels import refusal_of
from cab_core.sdk import Rejected, Unknown

REQUEST_EXPIRED = "REQUEST_EXPIRED"


@attrs.frozen(slots=True, kw_only=True)
class Reply:
    """What came of one request.

    Attributes:
        data: the parsed answer, None if there is none.
        status: HTTP status, None if no answer arrived.
        label: the venue's name of an error, from a parsed answer only. ``message``: its words.
        reset_ms: when the venue takes requests again, on its clock; None if it did not say.
        parsed: the answer was a JSON object.
        sent: False only where it is proven that the request never left for the venue.
        error: what the transport complained about, empty if nothing.
    """

    data: Any = None
    status: int | None = None
    label: str = ""
    message: str = ""
    reset_ms: int | None = None
    parsed: bool = False
    sent: bool = True
    error: str = ""

    @property
    def answered(self) -> bool:
        """Whether a good answer arrived."""
        return not self.error and not self.label and self.status is not None and self.status < 300

    @property
    def refused(self) -> bool:
        """Whether the venue says no by itself: a parsed label, and not with a status of a server's fault."""
        return bool(self.label) and self.status is not None and self.status < 500

    def text(self) -> str:
        """Say in one line what happened."""
        status = "no answer" if self.status is None else f"HTTP {self.status}"
        error = f"({self.error})" if self.error else ""
        return " ".join(part for part in (status, self.label, self.message, error) if part)


def failed_send(reply: Reply) -> Rejected | Unknown:
    """Classify a send that brought no acceptance. `Rejected` needs a label that proves it.

    ccxt's class of the error does not matter: a dropped connection and a refused one look alike there.
    """
    if not reply.sent:
        return Rejected("not_sent", reply.text(), transient=True)
    refusal = refusal_of(reply.label, reply.message) if reply.refused else None
    if refusal is None:
        return Unknown(reply.text())
    reason, transient = refusal
    return Rejected(reason, reply.text(), transient=transient)
