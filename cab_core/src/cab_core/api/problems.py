"""Errors of the HTTP API: one shape, ``application/problem+json`` (RFC 9457), for every one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import attrs

from cab_core.app.desk.commands import ForbiddenError, KeyReusedError, TransitionError
from cab_core.errors import (
    CabError,
    ConfigError,
    DataError,
    LockedError,
    NotFoundError,
    NotRunningError,
    RefusedError,
    StorageError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"

#: What each code of the API itself means. Errors of the bot keep their own code, ``CAB-E…``.
CODES: Mapping[str, str] = {
    "api_token_not_configured": "No token exists, so nobody is let in: set API_TOKEN or run `cab token new`.",
    "bad_request": "The request cannot be understood.",
    "busy": "Too many requests are being answered, or too many listen to the stream; try again soon.",
    "csrf_failed": "A browser's request lacks the session's CSRF token, or comes from another site.",
    "forbidden": "The token's role does not allow it.",
    "host_not_allowed": "The Host header names no host of API_ALLOWED_HOSTS.",
    "internal": "A defect of cab; the log has more under the trace id.",
    "login_failed": "The token or login code is wrong, used or expired.",
    "method_not_allowed": "The path exists, but not with this method.",
    "not_found": "There is no such path.",
    "payload_too_large": "The body is larger than 64 KiB.",
    "rate_limited": "Too many requests; `Retry-After` says when to go on.",
    "timeout": "The answer took too long.",
    "unauthorized": "The token is missing, wrong or revoked.",
    "unsupported_media_type": "The body is not of the kind the path takes.",
    "validation_failed": "A parameter or the body is wrong; `errors` says which and why.",
}

_STATUS: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "busy",
}

#: Status by kind of error; the first that fits.
_OF_KIND: Sequence[tuple[type[CabError], int]] = (
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (TransitionError, 409),
    (KeyReusedError, 409),
    (RefusedError, 409),
    (LockedError, 409),
    (NotRunningError, 503),
    (StorageError, 503),
    (UsageError, 400),
    (DataError, 400),
    (ConfigError, 409),
)


@attrs.frozen(slots=True, kw_only=True)
class Fault:
    """One wrong part of a request: which parameter or field, and why."""

    name: str
    reason: str


@attrs.frozen(slots=True, kw_only=True)
class Problem:
    """Why a request was not answered as asked.

    Attributes:
        type: the code as an address below the reference of this server.
        title: the status in words. ``status``: the status itself.
        detail: what is wrong.
        code: what kind of error it is, for programs.
        trace_id: finds the request in the log.
        where: the parameter, setting or file it is about, or empty. ``fix``: what to do about it, or empty.
        errors: each wrong parameter or field.
        docs: where the code is explained.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    where: str
    fix: str
    errors: Sequence[Fault]
    docs: str

    def encode(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(attrs.asdict(self), ensure_ascii=False).encode()


class ApiError(Exception):
    """A problem of the API itself.

    Args:
        status: HTTP status.
        detail: what is wrong.
        code: one of `CODES`; by default that of the status.
        fix: what the client can do.
        errors: each wrong parameter or field.
        retry_after_s: for the header of that name.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        fix: str = "",
        errors: Sequence[Fault] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code or _STATUS.get(status, "bad_request" if status < 500 else "internal")
        self.fix = fix
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s

    def headers(self) -> dict[str, str]:
        """Return the headers that go with it."""
        found = {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}
        if self.status == HTTPStatus.UNAUTHORIZED:
            found["www-authenticate"] = 'Bearer realm="cab"'
        return found


def problem_of(error: ApiError | CabError, trace_id: str) -> Problem:
    """Return the problem that tells a client of an error."""
    if isinstance(error, ApiError):
        told: dict[str, Any] = {"code": error.code, "detail": error.detail, "fix": error.fix, "where": ""}
        status, errors = error.status, error.errors
    else:
        told = {"code": error.code, "detail": error.what, "fix": error.fix, "where": error.where}
        status, errors = status_of(error), ()
        if isinstance(error, ConfigError):
            errors = tuple(Fault(name=problem.where, reason=problem.what) for problem in error.problems)
    docs = f"/schema#{told['code']}"
    title = HTTPStatus(status).phrase
    return Problem(type=docs, title=title, status=status, trace_id=trace_id, errors=errors, docs=docs, **told)


def status_of(error: CabError) -> int:
    """Return the HTTP status of one of the bot's own errors."""
    return next((status for kind, status in _OF_KIND if isinstance(error, kind)), 500)
