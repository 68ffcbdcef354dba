"""The live stream."""

from __future__ import annotations

import time
from typing import Annotated

from litestar import get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from cab_core.api.gate import whoever
from cab_core.api.lease import Lease
from cab_core.api.problems import ApiError, Fault
from cab_core.api.routes.shared import AnyRequest, Given, may
from cab_core.api.stream import KINDS
from cab_core.app.desk.commands import Role

_MEDIA_TYPE = "text/event-stream"


@get("/stream", summary="Live events", tags=["Stream"], media_type=_MEDIA_TYPE, **may(Role.VIEWER))
async def stream(
    service: Given,
    request: AnyRequest,
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

    The stream ends when its token is revoked or its session is over, within 15 s or at once after a logout.

    ``hello`` comes first. After ``resync`` load everything anew: events were lost, because you were away for
    too long or read too slowly. Of ``candle`` and ``equity`` only the newest is sent, of others every one.
    """
    kinds = frozenset(topics.split(",")) if topics else frozenset(KINDS)
    if unknown := kinds - set(KINDS):
        fault = Fault(name="topics", reason=f"{', '.join(sorted(unknown))} is none of {', '.join(KINDS)}")
        raise ApiError(400, "no such topic", code="validation_failed", errors=[fault])
    given = service.auth.credentials(request.headers)

    async def still() -> bool:
        return await service.auth.identify(given) is not None

    lease = Lease(whoever(request.scope).actor.name, still, time.monotonic)
    return Stream(service.hub.listen(kinds, lease, last_event_id), media_type=_MEDIA_TYPE)


HANDLERS = (stream,)
