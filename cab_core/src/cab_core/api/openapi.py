"""The OpenAPI document: what Litestar finds in the routes, completed where it says too little."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme, Tag
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from cab_core import __version__
from cab_core.api.examples import EXAMPLES
from cab_core.api.routes.shared import LONGEST_WORD
from cab_core.api.stream import RING

_ABOUT = f"""\
Everything an operator sees and does. Money is an exact text, never a float; times are epoch milliseconds in
UTC. Lists come in pages, newest first: `next` is the `after` of the following page. Reads have an `ETag`. An
error is `application/problem+json` with a `code` and the `trace_id` of the request, which is also in the
header `X-Trace-Id`. Within v1 fields may be added, never renamed or removed; the paths without `/api/v1` are
stable, too. The live stream keeps its last {RING:,} events for those who come back.
"""

_TAGS = {
    "Operation": "Health, metrics and control.",
    "Trading": "Money: positions, orders, fills, profit.",
    "Deciding": "Why it trades, or does not.",
    "Bot": "The bot itself.",
    "Research": "Recorded backtests.",
    "Commands": "Changing what the bot does.",
    "Stream": "What happens, as it happens.",
    "Login": "Browsers.",
}

_SCHEMES = {
    "token": SecurityScheme(
        type="http",
        scheme="bearer",
        bearer_format="cab_<id>_<secret>",
        description="A token of `cab token new`, or API_TOKEN, which is an admin's.",
    ),
    "session": SecurityScheme(
        type="apiKey",
        name="cab_session",
        security_scheme_in="cookie",
        description="A browser that has logged in; changing requests repeat `csrf` in X-CSRF-Token.",
    ),
}

_TRACE = {
    "description": "Finds the request in the log.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
}
_ETAG = {"description": "Send it as `If-None-Match`.", "schema": {"type": "string"}}
_RETRY = {
    "description": "Seconds to wait, where that is known.",
    "schema": {"type": "integer", "minimum": 1},
}

#: Answers of more than one kind.
_SPECIAL: Mapping[str, Mapping[str, Any]] = {
    "/ready": {
        "503": {
            "description": "Not ready, and what is missing; or it cannot be told.",
            "headers": {"X-Trace-Id": _TRACE},
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Ready"}},
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
            },
        }
    },
    "/metrics": {
        "200": {
            "description": "The metrics.",
            "headers": {"X-Trace-Id": _TRACE},
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        }
    },
    "/api/v1/stream": {
        "200": {
            "description": "Server-sent events: `id`, `event` and `data` (JSON).",
            "headers": {"X-Trace-Id": _TRACE},
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
}

#: Names that Litestar gives to the pages of lists.
_PAGE = re.compile(r"Page_cab_core\.app\.desk\.views\.(\w+)_")

#: How a Decimal is written.
EXACT = r"^-?[0-9]+(\.[0-9]+)?$"


class ExactNumbers(OpenAPISchemaPlugin):
    """Decimals are texts."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Say whether it is a Decimal."""
        return value is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG002 - as Litestar calls it
        """Return the schema of a Decimal."""
        return Schema(type=OpenAPIType.STRING, pattern=EXACT)


def components() -> Components:
    """Return the security schemes."""
    return Components(security_schemes=dict(_SCHEMES))


def openapi_config(router: Router, plugins: list[Any]) -> OpenAPIConfig:
    """Return the configuration of an application that serves nothing but this API."""
    return OpenAPIConfig(
        title="cab",
        version=__version__,
        description=_ABOUT,
        components=components(),
        tags=[Tag(name=name, description=about) for name, about in _TAGS.items()],
        openapi_router=router,
        render_plugins=plugins,
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, *_: handler.handler_name,
    )


def completed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with what Litestar leaves out: headers, answers without a body, examples."""
    text = json.dumps(document).replace("``", "`")
    done: dict[str, Any] = json.loads(_PAGE.sub(r"\1Page", text))
    for name, schema in done["components"]["schemas"].items():
        if name in EXAMPLES:
            schema["examples"] = [EXAMPLES[name]]
    for path, item in done["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter)
            _complete(operation["responses"], conditional=method == "get")
            operation["responses"].update(_SPECIAL.get(path, {}))
    return done


def _without_null(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a text that may be left out: a query has no null, but it has a bound."""
    schema: dict[str, Any] = parameter["schema"]
    kinds = [each for each in schema.get("oneOf", ()) if each != {"type": "null"}]
    return {**kinds[0], "maxLength": LONGEST_WORD} if len(kinds) == 1 else schema


def _complete(responses: dict[str, Any], *, conditional: bool) -> None:
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Trace-Id"] = _TRACE
        if status in ("429", "503"):
            headers["Retry-After"] = _RETRY
    found = responses.get("200", {})
    if conditional and "application/json" in found.get("content", {}):
        found["headers"]["ETag"] = _ETAG
        responses["304"] = {
            "description": "Nothing has changed since the answer whose `ETag` came as `If-None-Match`.",
            "headers": {"X-Trace-Id": _TRACE, "ETag": _ETAG},
        }
