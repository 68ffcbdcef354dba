"""One request to a bot's API, bounded in time and size, with its errors as our own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs
import httpx

from cab_core.app.desk.commands import ForbiddenError, TransitionError
from cab_core.app.desk.structured import structured
from cab_core.errors import CabError, ExitCode, NotFoundError, NotRunningError, UsageError

T = TypeVar("T")

_TIMEOUT_S = 15.0
#: Most bytes of an answer; a report of a year is far below.
_MOST = 32 * 1024 * 1024

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_OF_STATUS: Mapping[int, type[CabError]] = {
    400: UsageError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: TransitionError,
    503: NotRunningError,
}


class RemoteError(CabError):
    """A bot's API answered with something that is no answer."""

    code = "CAB-E614"
    exit_code = ExitCode.PROBLEMS


@attrs.frozen(slots=True)
class Answer:
    """What was answered."""

    url: str
    body: bytes

    def text(self) -> str:
        """Return it as text."""
        return self.body.decode("utf-8", errors="replace")

    def document(self) -> Any:
        """Return the JSON document.

        Raises:
            RemoteError: it is none.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise _strange(self.url, "no JSON") from error

    def structured(self, kind: type[T], document: Any = None) -> T:
        """Return the document, or a part of it, as views.

        Raises:
            RemoteError: it does not have their form.
        """
        told = self.document() if document is None else document
        try:
            return structured(told, kind)
        except (ExceptionGroup, ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise _strange(self.url, "an answer of another version of cab") from error


async def ask(
    url: str,
    token: str,
    path: str,
    *,
    query: Mapping[str, object] | None = None,
    body: Mapping[str, object] | None = None,
    key: str = "",
    accept: tuple[int, ...] = (200,),
) -> Answer:
    """Send a request; a POST if it has a body.

    Raises:
        NotRunningError: nobody answers.
        CabError: the bot's own error.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept": "*/*"}
    if key:
        headers["Idempotency-Key"] = key
    asked = {name: str(value) for name, value in (query or {}).items() if value is not None}
    local = urlsplit(url).hostname in _LOOPBACK
    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=not local) as client,
            client.stream(
                "GET" if body is None else "POST", f"{url}{path}", params=asked, json=body, headers=headers
            ) as response,
        ):
            answer = Answer(url, await _read(url, response))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotRunningError(
            f"no bot answers: {str(error) or type(error).__name__}",
            where=url,
            fix="is it running? see: cab doctor",
        ) from error
    if response.status_code not in accept:
        raise _error_of(answer, response.status_code)
    return answer


async def _read(url: str, response: httpx.Response) -> bytes:
    found = bytearray()
    async for part in response.aiter_bytes():
        found += part
        if len(found) > _MOST:
            raise _strange(url, f"more than {_MOST // 1024 // 1024} MiB")
    return bytes(found)


def _error_of(answer: Answer, status: int) -> CabError:
    try:
        told = json.loads(answer.body)
        code, what, where, fix = (str(told[name]) for name in ("code", "detail", "where", "fix"))
        faults = "; ".join(f"{fault['name']}: {fault['reason']}" for fault in told["errors"])
    except (ValueError, TypeError, KeyError):
        return _strange(answer.url, f"status {status}")
    kind = dict(_kinds(CabError)).get(code) or _OF_STATUS.get(status, RemoteError)
    error = kind.__new__(kind)
    CabError.__init__(error, f"{what}: {faults}" if faults else what, where=where or answer.url, fix=fix)
    error.code = code
    return error


def _kinds(kind: type[CabError]) -> Iterator[tuple[str, type[CabError]]]:
    for each in kind.__subclasses__():
        yield each.code, each
        yield from _kinds(each)


def _strange(url: str, what: str) -> RemoteError:
    return RemoteError(f"the answer is {what}", where=url, fix="is this the address of cab's HTTP API?")
