"""Our own style sheet, scripts and icon."""

from __future__ import annotations

from functools import cache

from litestar import Response, get
from litestar.exceptions import NotFoundException

from cab_core.api.web.render import STATIC

_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

#: The build stands in the path, so a file never changes under its address.
_KEEP = {"cache-control": "public, max-age=31536000, immutable"}


@cache
def _file(name: str) -> tuple[bytes, str] | None:
    known = {path.name: path for path in STATIC.iterdir()}
    return (known[name].read_bytes(), _KINDS[known[name].suffix]) if name in known else None


@get("/static/{build:str}/{name:str}", include_in_schema=False)
async def static(build: str, name: str) -> Response[bytes]:  # noqa: ARG001 - part of the address only
    """Return a file."""
    found = _file(name)
    if found is None:
        raise NotFoundException(f"no file {name}")
    return Response(found[0], media_type=f"{found[1]}; charset=utf-8", headers=_KEEP)
