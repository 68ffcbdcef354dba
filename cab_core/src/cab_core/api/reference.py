"""The OpenAPI document and the page of the API, without a bot: for the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from litestar import Litestar, Router

from cab_core.api.openapi import completed, openapi_config
from cab_core.api.plugin import CabPlugin
from cab_core.api.problems import CODES

_HEAD = """\
# HTTP API

Every route, with who may use it, its parameters and its answers. A running bot serves the same at `/schema`,
and for programs at `/schema/openapi.json`; this repository keeps that as [openapi.json](openapi.json). How to
use it: [how-to/api.md](../how-to/api.md). Made from the routes by `python tools/reference.py`.
"""


def openapi_document() -> dict[str, Any]:
    """Return the document."""
    app = Litestar(
        plugins=[CabPlugin(None, gated=False)],  # type: ignore[arg-type]  # nothing is served, only described
        openapi_config=openapi_config(Router("/schema", route_handlers=[], include_in_schema=False), []),
        logging_config=None,
    )
    return completed(app.openapi_schema.to_schema())


def openapi_json() -> str:
    """Return the document as it is committed."""
    return json.dumps(openapi_document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def api_markdown() -> str:
    """Return the page."""
    document = openapi_document()
    parts = [_HEAD, document["info"]["description"]]
    for tag in document["tags"]:
        parts += [f"## {tag['name']}", tag["description"]]
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if tag["name"] in operation["tags"]:
                    parts += _operation(f"{method.upper()} {path}", operation)
    parts += ["## Views"]
    for name, schema in sorted(document["components"]["schemas"].items()):
        fields = [f"| `{field}` | {_type(each)} |" for field, each in schema.get("properties", {}).items()]
        if fields:
            parts += [f"### {name}", "\n".join(["| field | type |", "|---|---|", *fields])]
    rows = [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    parts += [
        "## Error codes",
        "Errors of the bot keep the code they have everywhere ([errors.md](errors.md)).",
    ]
    parts += ["\n".join(["| code | meaning |", "|---|---|", *rows])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _operation(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{title}`"
    roles = [role for each in operation["security"] for role in each.get("token", ())]
    who = f"the role {roles[0]} and above" if roles else "anybody"
    about = operation["description"].strip()
    yield f"{operation['summary']}. {about}\n\nFor {who}. Answers: {', '.join(_answers(operation))}."
    rows = [
        f"| `{each['name']}` | {each['in']} | {_type(each['schema'])} | {each.get('description', '')} |"
        for each in operation.get("parameters", ())
    ]
    if rows:
        yield "\n".join(["| parameter | in | type | |", "|---|---|---|---|", *rows])


def _answers(operation: Mapping[str, Any]) -> Iterator[str]:
    for status, response in operation["responses"].items():
        kinds = [_type(kind["schema"]) for kind in response.get("content", {}).values()]
        yield f"{status} {' or '.join(kinds)}".strip()


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(_type(each) for each in schema[several])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
