"""The OpenAPI document and its page, rendered on this server: nothing is loaded from another host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from litestar import Request
from litestar.enums import MediaType, OpenAPIMediaType
from litestar.openapi.plugins import OpenAPIRenderPlugin

from cab_core.api.openapi import completed
from cab_core.api.problems import CODES


class Document(OpenAPIRenderPlugin):
    """``/schema/openapi.json``."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 - as Litestar calls it
        """Return the document."""
        return json.dumps(completed(openapi_schema), ensure_ascii=False).encode()


class ReferencePage(OpenAPIRenderPlugin):
    """``/schema``: the same for people."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 - as Litestar calls it
        """Return the page."""
        return reference_page(completed(openapi_schema)).encode()


PLUGINS = [Document(), ReferencePage()]

_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API · cab</title>
</head>
<body>
<main>
"""


def reference_page(document: Mapping[str, Any]) -> str:
    """Return the API as one page."""
    info = document["info"]
    parts = [
        _HEAD,
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info['description'])}</p>",
        '<p><a href="/schema/openapi.json">OpenAPI document</a></p>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if tag["name"] in operation.get("tags", ()):
                    parts.append(_operation(path, method, operation))
    parts.append("<h2>Views</h2>")
    parts += [_view(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    parts.append("<h2>Error codes</h2><dl>")
    parts += [
        f'<dt id="{code}"><code>{code}</code></dt><dd>{escape(why)}</dd>' for code, why in CODES.items()
    ]
    parts.append("</dl></main></body></html>")
    return "\n".join(parts)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    lines = [
        f'<section id="{escape(operation["operationId"])}">',
        f"<h3><code>{method.upper()} {escape(path)}</code> {escape(operation['summary'])}</h3>",
        f"<p>{escape(operation.get('description', ''))}</p>",
    ]
    if parameters := operation.get("parameters"):
        lines.append(
            "<table><thead><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr></thead><tbody>"
        )
        lines += [
            f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
            f"<td>{type_name(each['schema'])}</td><td>{escape(each.get('description', ''))}</td></tr>"
            for each in parameters
        ]
        lines.append("</tbody></table>")
    answers = ", ".join(_answer(status, each) for status, each in operation["responses"].items())
    return "\n".join([*lines, f"<p>Answers: {answers}</p>", "</section>"])


def _answer(status: str, response: Mapping[str, Any]) -> str:
    kinds = " or ".join(type_name(kind["schema"]) for kind in response.get("content", {}).values())
    return f"{status} {kinds}".strip()


def _view(name: str, schema: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{type_name(each)}</td></tr>"
        for field, each in schema.get("properties", {}).items()
    )
    return (
        f'<section id="{escape(name)}"><h3>{escape(name)}</h3><table><tbody>{rows}</tbody></table></section>'
    )


def type_name(schema: Mapping[str, Any]) -> str:
    """Return what a schema is, in a word, with links to the views."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(type_name(each) for each in schema[several])
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return escape(" or ".join(kind) if isinstance(kind, list) else str(kind))
