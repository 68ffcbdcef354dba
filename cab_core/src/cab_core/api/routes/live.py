"""The live stream."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from cab_core.api.problems import ApiError, Fault
from cab_core.api.routes.shared import Given, may
from cab_core.api.stream import KINDS
from cab_core.app.desk.commands import Role

_MEDIA_TYPE = "text/event-stream"


@get("/stream", summary="Live events", tags=["Stream"], media_type=_MEDIA_TYPE, **may(Role.VIEWER))
async def stream(
    service: Given,
    topics: Annotated[
        str,
        QueryParameter(
            description=f"A comma list of {', '.join(KINDS)}; all without.",
            pattern=rf"^(({'|'.join(KINDS)})(,({'|'.join(KINDS)}))*)?$",
            max_length=200,
        ),
    ] = "",
    last_event_id: Annotated[
        str,
        HeaderParameter(
            name="Last-Event-ID",
            max_length=100,
            description="The last `id` seen: the stream goes on after it.",
        ),
    ] = "",
) -> Stream:
    """Send server-sent events as they happen, and a comment after 15 s of silence.

    ``hello`` comes first. After ``resync`` load everything anew: events were lost, because you were away for
    too long or read too slowly. Of ``candle`` and ``equity`` only the newest is sent, of others every one.
    """
    kinds = frozenset(topics.split(",")) if topics else frozenset(KINDS)
    if unknown := kinds - set(KINDS):
        fault = Fault(name="topics", reason=f"{', '.join(sorted(unknown))} is none of {', '.join(KINDS)}")
        raise ApiError(400, "no such topic", code="validation_failed", errors=[fault])
    return Stream(service.hub.listen(kinds, last_event_id), media_type=_MEDIA_TYPE)


HANDLERS = (stream,)
