"""What a fault rule is: which requests it meets, how often, at which stage, and what then happens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import attrs
import cattrs

from cab_core.errors import UsageError
from cab_exchange_sim.faults.answers import ANSWERS, GARBLED, REFUSALS
from cab_exchange_sim.faults.draws import fraction

BEFORE_ACCEPT = "before_accept"
AFTER_ACCEPT = "after_accept"

#: What a rule may do, by stage. The request never reaches the exchange in ``before_accept``, except after
#: ``delay`` and ``late``; in ``after_accept`` the exchange has dealt with it before anything goes wrong.
KINDS: Mapping[str, frozenset[str]] = {
    BEFORE_ACCEPT: frozenset(ANSWERS) | {"cut", "delay", "hang", "late"},
    AFTER_ACCEPT: frozenset(ANSWERS) - REFUSALS
    | frozenset(GARBLED)
    | {"cut", "delay", "hang", "truncated", "edit"},
}


@attrs.frozen(slots=True)
class Request:
    """What a rule sees: ``target`` is the path with its query; ``pair`` and ``text`` may be empty."""

    method: str
    target: str
    pair: str = ""
    text: str = ""

    @classmethod
    def read(cls, method: str, path: str, query: str, body: bytes) -> Request:
        """Read pair and client id from the query or the JSON body of a Gate request."""
        fields = _fields(body)
        asked = parse_qs(query)
        pair = next((asked[key][0] for key in ("currency_pair", "market") if key in asked), "")
        return cls(
            method,
            f"{path}?{query}" if query else path,
            pair or str(fields.get("currency_pair") or fields.get("market") or ""),
            str(fields.get("text") or ""),
        )


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body) if body else {}
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


@attrs.frozen(slots=True, kw_only=True)
class Rule:
    """One kind of fault and the requests that meet it.

    All conditions must hold; ``nth``, ``every`` and ``probability`` count the requests that match the others.
    Without any of the three, every matching request is hit.

    Attributes:
        stage: ``before_accept`` or ``after_accept``.
        kind: one of `KINDS` of that stage.
        method: HTTP method, empty for any.
        path: regular expression searched in path and query, empty for any.
        pair: currency pair as the exchange writes it, empty for any.
        nth: only the nth matching request, counted from 1.
        every: each nth matching request.
        probability: share of matching requests, drawn from the seed of the plan.
        times: injections until the rule is spent; None for no end.
        since_ms, until_ms: exchange time between which the rule is in force.
        seconds: real seconds for ``delay``; exchange seconds for ``late``.
        fields: for ``edit``: what to overwrite in the answer, by key; also in each row of a list.
    """

    stage: str
    kind: str
    method: str = ""
    path: str = ""
    pair: str = ""
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    times: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    seconds: float = 0.0
    fields: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.stage not in KINDS:
            raise _wrong("stage", self.stage, " or ".join(KINDS))
        if self.kind not in KINDS[self.stage]:
            raise _wrong("kind", self.kind, f"for {self.stage}: " + ", ".join(sorted(KINDS[self.stage])))
        for name in ("nth", "every", "times"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise _wrong(name, value, "a number from 1")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise _wrong("probability", self.probability, "between 0 and 1")
        if self.seconds < 0:
            raise _wrong("seconds", self.seconds, "0 or more")
        try:
            re.compile(self.path)
        except re.error as error:
            raise _wrong("path", self.path, f"a regular expression ({error})") from error

    @classmethod
    def parse(cls, data: object) -> Rule:
        """Build a rule from JSON.

        Raises:
            UsageError: a key is unknown or a value is out of range.
        """
        if not isinstance(data, Mapping):
            raise _wrong("rule", data, "an object")
        try:
            return _CONVERTER.structure(data, cls)
        except cattrs.BaseValidationError as error:
            if isinstance(wrong := _innermost(error), UsageError):
                raise wrong from error
            raise UsageError("; ".join(cattrs.transform_error(error)), where="fault rule") from error

    def matches(self, request: Request, now_ms: int) -> bool:
        """Tell whether the request is one of those the rule counts."""
        return (
            (not self.method or self.method.upper() == request.method)
            and (not self.pair or self.pair == request.pair)
            and (self.since_ms is None or self.since_ms <= now_ms)
            and (self.until_ms is None or now_ms < self.until_ms)
            and re.search(self.path, request.target) is not None
        )

    def hits(self, count: int, draw: tuple[object, ...]) -> bool:
        """Tell whether the ``count``-th matching request is hit; ``draw`` names the seed and the rule."""
        if self.nth is not None and count != self.nth:
            return False
        if self.every is not None and count % self.every:
            return False
        return self.probability is None or fraction(*draw, count) < self.probability

    def as_json(self) -> dict[str, Any]:
        """Return what was set, as `parse` takes it."""
        return attrs.asdict(self, filter=lambda field, value: value not in (field.default, {}, None))


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _wrong(name: str, value: object, allowed: str) -> UsageError:
    return UsageError(f"{name} is {value!r}", where="fault rule", fix=f"allowed: {allowed}")


_CONVERTER = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
