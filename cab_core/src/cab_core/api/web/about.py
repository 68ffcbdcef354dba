"""Pages about the bot itself: plugins, settings, health, versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, metadata

from litestar import Response, get

from cab_core.api.web.access import AnyRequest, desk_of
from cab_core.api.web.render import show

#: The libraries the bot stands on.
_LIBRARIES = (
    "cab-core",
    "litestar",
    "uvicorn",
    "jinja2",
    "sqlalchemy",
    "numpy",
    "TA-Lib",
    "plotly",
    "pluggy",
    "attrs",
    "cattrs",
    "structlog",
)


@get("/plugins", include_in_schema=False)
async def plugins(request: AnyRequest) -> Response[str]:
    """Show what is installed."""
    rows = await desk_of(request).plugins()
    kinds: dict[str, list[object]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    return await show(request, "plugins", kinds=kinds)


@get("/config", include_in_schema=False)
async def config(request: AnyRequest, q: str = "") -> Response[str]:
    """Show the settings in force, secrets masked."""
    rows = await desk_of(request).config()
    wanted = [row for row in rows if q.lower() in f"{row.name} {row.help}".lower()]
    return await show(request, "config", rows=wanted, q=q, changed=sum(r.value != r.default for r in wanted))


@get("/status", include_in_schema=False)
async def health(request: AnyRequest) -> Response[str]:
    """Show whether the bot and its parts work."""
    desk = desk_of(request)
    return await show(request, "status", health=await desk.health(), ready=await desk.ready())


@get("/about", include_in_schema=False)
async def about(request: AnyRequest) -> Response[str]:
    """Show versions and licenses."""
    return await show(request, "about", libraries=_libraries(), python=platform.python_version())


def _libraries() -> list[tuple[str, str, str]]:
    found = []
    for name in _LIBRARIES:
        try:
            told = metadata(name)
        except PackageNotFoundError:
            continue
        terms = next((told[key] for key in ("License-Expression", "License") if key in told), "–")
        found.append((told["Name"], told["Version"], terms.partition("\n")[0][:40]))
    return found


HANDLERS = (plugins, config, health, about)
