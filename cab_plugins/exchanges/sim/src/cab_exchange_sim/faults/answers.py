"""The wrong answers: what a gateway, a proxy or a broken exchange sends instead of the right one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


@attrs.frozen(slots=True)
class Answer:
    """A whole HTTP answer. ``headers`` without the length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def but(self, status: int, body: bytes, content_type: str | None = None) -> Answer:
        """Return another status and body under the same headers, or under one content type alone."""
        kept = self.headers if content_type is None else ((b"content-type", content_type.encode()),)
        return Answer(status, body, kept)


def page(status: int, title: str) -> Answer:
    """Return the HTML page of a gateway."""
    html = PAGE.format(title).encode()
    return Answer(status, html, ((b"content-type", b"text/html; charset=utf-8"),))


def label(status: int, name: str, message: str, **headers: str) -> Answer:
    """Return an error as the API words it."""
    body = json.dumps({"label": name, "message": message}).encode()
    extra = tuple((key.replace("_", "-").encode(), value.encode()) for key, value in headers.items())
    return Answer(status, body, ((b"content-type", b"application/json"), *extra))


def _too_many(now_ms: int) -> Answer:
    return label(
        429,
        "TOO_MANY_REQUESTS",
        "Request Rate limit Exceeded",
        x_gate_ratelimit_requests_remain="0",
        x_gate_ratelimit_limit="10",
        x_gate_ratelimit_reset_timestamp=str(now_ms // 1000 + 1),
    )


#: Complete answers that replace the exchange's, by kind; each is told the exchange's time.
ANSWERS: Mapping[str, Callable[[int], Answer]] = {
    "page_403": lambda _: page(403, "403 Forbidden"),
    "page_500": lambda _: page(500, "500 Internal Server Error"),
    "page_502": lambda _: page(502, "502 Bad Gateway"),
    "page_503": lambda _: page(503, "503 Service Temporarily Unavailable"),
    "silent_504": lambda _: Answer(504, b""),
    "internal": lambda _: label(500, "INTERNAL", "Internal server error"),
    "too_busy": lambda _: label(503, "TOO_BUSY", "System busy, please try again later"),
    "server_error": lambda _: label(500, "SERVER_ERROR", "Internal server error"),
    "repeated_creation": lambda _: label(400, "REPEATED_CREATION", "The order was created before"),
    "unlisted_400": lambda _: label(400, "ORDER_STATUS_PENDING", "Execution status unknown"),
    "too_many_requests": _too_many,
    "invalid_key": lambda _: label(401, "INVALID_KEY", "Invalid key provided"),
    "read_only": lambda _: label(403, "READ_ONLY", "API key has no permission to trade"),
    "ip_forbidden": lambda _: label(403, "IP_FORBIDDEN", "IP address not in whitelist"),
    "too_small": lambda _: label(
        400, "INVALID_PARAM_VALUE", "Your order size 1 USDT is too small. The minimum is 3 USDT"
    ),
    "price_band": lambda _: label(
        400, "INVALID_PARAM_VALUE", "order price is below the minimum of the price band"
    ),
    "request_expired": lambda _: label(
        403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60"
    ),
}

#: Those that say for certain that nothing was accepted; they would be lies afterwards.
REFUSALS = frozenset(
    {
        "too_many_requests",
        "invalid_key",
        "read_only",
        "ip_forbidden",
        "too_small",
        "price_band",
        "request_expired",
    }
)


def edited(answer: Answer, fields: Mapping[str, Any]) -> Answer:
    """Overwrite keys of the answered object, or of each object of an answered list; else leave it alone."""
    try:
        data = json.loads(answer.body)
    except ValueError:
        return answer
    for row in data if isinstance(data, list) else [data]:
        if isinstance(row, dict):
            row.update(fields)
    return answer.but(answer.status, json.dumps(data).encode())


def _without_id(answer: Answer) -> Answer:
    data = json.loads(answer.body) if answer.body else None
    if isinstance(data, dict):
        data.pop("id", None)
    return answer.but(answer.status, json.dumps(data).encode())


#: Answers made from the exchange's own, which had accepted the request.
GARBLED: Mapping[str, Callable[[Answer], Answer]] = {
    "empty_201": lambda answer: answer.but(201, b"", "application/json"),
    "html_200": lambda _: page(200, "Welcome"),
    "null": lambda answer: answer.but(answer.status, b"null"),
    "accepted_202": lambda answer: answer.but(202, b"", "application/json"),
    "wrong_text": lambda answer: edited(answer, {"text": "t-not-this-one"}),
    "wrong_id": lambda answer: edited(answer, {"id": "1"}),
    "no_id": _without_id,
}
