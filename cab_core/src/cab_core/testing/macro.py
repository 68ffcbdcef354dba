"""The conformance suite of macro sources."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import pytest

from cab_core.errors import CabError
from cab_core.plugins.kinds import Kind
from cab_core.sdk import Reading, ReadingKind
from cab_core.testing import measure
from cab_core.testing.base import Asking, Conformance, reject, state_text
from cab_core.testing.fakes import CannedHttp
from cab_core.testing.sealed import OutsideWorldError, sealed

READ_MS = 50.0
#: What is put in the place of every part of a good document.
_BAD: tuple[Any, ...] = (None, "junk", [], {}, math.nan, -(10**30), "2025-13-45T99:00:00Z")
_OFFLINE = CabError("the address does not answer", fix="look at the network")


class MacroSourceConformance(Conformance):
    """Standard checks of a macro source. Give ``plugin`` and the ``payloads`` it understands."""

    kind: ClassVar[Kind] = Kind.MACRO
    #: Documents the source must turn into a reading, at least one.
    payloads: ClassVar[Sequence[Any]] = ()

    def read(self, document: Any, plugin: Any = None) -> Reading:
        """Return the reading of a document."""
        answer: Reading = asyncio.run((plugin or self.build()).read(CannedHttp(document)))
        return answer

    def exercise(self, plugin: Any) -> None:
        """Read the first good document."""
        if self.payloads:
            self.read(self.payloads[0], plugin)

    def test_good_payloads_give_a_valid_reading(self) -> None:
        """Every document the author names becomes a reading with a kind and finite figures."""
        if not self.payloads:
            reject("payloads is empty", "list at least one document as the real address sends it")
        for document in self.payloads:
            with Asking(repr(document)[:200]):
                self._valid(self.read(document), document)

    def test_junk_gives_a_cab_error(self) -> None:
        """Whatever comes down the wire, it is a reading or a `CabError` that says what was wrong."""
        for document in junk(self.payloads):
            with Asking(repr(document)[:200]):
                try:
                    reading = self.read(document)
                except CabError as error:
                    if not error.what:
                        reject(
                            f"the error for {document!r:.100} says nothing", "say what was expected and found"
                        )
                    continue
            self._valid(reading, document)

    def test_a_dead_address_is_passed_on(self) -> None:
        """An error of the HTTP client reaches the kernel, which keeps the last reading until it is stale."""
        try:
            answer = self.read(_OFFLINE)
        except CabError:
            return
        reject(f"with nobody answering, the source says {answer}", "let the error of http.get_json() pass")

    def test_asks_once(self) -> None:
        """One reading costs one request; retries are the client's business."""
        for document in self.payloads:
            http = CannedHttp(document)
            asyncio.run(self.build().read(http))
            if http.requests != 1:
                reject(f"{http.requests} requests for one reading", "call http.get_json() once")

    def test_same_document_gives_the_same_reading(self) -> None:
        """A source keeps no state: changes over time are derived by the kernel."""
        plugin = self.build()
        state = state_text(plugin)
        for document in [*self.payloads, *reversed(self.payloads)]:
            if self.read(document, plugin) != self.read(document):
                reject(
                    f"{document!r:.100} is read differently the second time",
                    "return kind VALUE for bare levels",
                )
        if state_text(plugin) != state:
            reject("the source changed while it was asked", "keep nothing on self")

    def test_needs_nothing_from_outside(self) -> None:
        """It reaches the world through ``http`` alone, and knows no time but the payload's."""
        plugin = self.build()
        self.exercise(plugin)
        touched: list[str] = []
        for document in self.payloads:
            reading = plugin.read(CannedHttp(document))
            try:
                with sealed(self.plugin.__module__) as touched:
                    _run_to_the_end(reading)
            except OutsideWorldError:
                pass
            if touched:
                reject(f"the source used {touched[0]}", "use http.get_json() and the times in the payload")

    def test_is_fast_enough(self, request: pytest.FixtureRequest) -> None:
        """Neither a good document nor a huge one keeps the event loop busy for more than 50 ms of CPU."""
        slowest = 0.0
        for document in [*self.payloads, [{"value": 1.0}] * 20_000, {str(i): i for i in range(20_000)}]:
            slowest = max(slowest, measure.cpu_seconds(partial(self._quietly, document), 3))
        slowest *= 1000.0 / measure.slowness()
        request.node.user_properties.append(("read_ms", round(slowest, 3)))
        if slowest > READ_MS:
            reject(
                f"one reading takes {slowest:.0f} ms of CPU", "do not walk documents you do not understand"
            )

    def _quietly(self, document: Any) -> None:
        try:
            self.read(document)
        except CabError:
            return

    def _valid(self, reading: Any, document: Any) -> None:
        fault = reading_fault(reading)
        if fault:
            reject(f"for {document!r:.100}: {fault}", "see cab_core.sdk.Reading")


def reading_fault(reading: Any) -> str:
    """Describe the first breach of the contract of `Reading`; empty if there is none."""
    if not isinstance(reading, Reading):
        return f"the answer is a {type(reading).__name__}, not a Reading"
    kind: Any = reading.kind
    if not isinstance(kind, ReadingKind):
        return f"the kind {kind!r} is no ReadingKind"
    if reading.kind is ReadingKind.EVENTS:
        if reading.value is not None:
            return f"events with the value {reading.value}"
    elif not isinstance(reading.value, float) or not math.isfinite(reading.value):
        return f"{reading.kind} with the value {reading.value!r}"
    stamps = (*reading.events_ms, reading.event_day_ms, reading.observed_ms)
    odd = [stamp for stamp in stamps if stamp is not None and type(stamp) is not int]
    return f"the time {odd[0]!r} is not in whole milliseconds" if odd else ""


def junk(payloads: Sequence[Any]) -> Iterator[Any]:
    """Yield documents that are none: other types, other shapes, and the good ones with one part spoilt."""
    yield from (None, True, "", "junk", [], {}, [[]], [None], {"data": None}, {"data": {}}, {"value": None})
    yield from (math.nan, math.inf, -1, 0, 1e308, "104.2", {"value": "junk"}, {"value": {}}, {"value": True})
    yield from ({"value": math.nan}, {"value": math.inf}, {"value": 10**400}, {"error": "rate limited"})
    yield from ([{}], [{"ts": None}], [1, "a", None], {"": 1}, {"data": []}, "<html>busy</html>")
    yield _nested(200)
    for payload in payloads:
        yield [payload, None]
        yield from _spoilt(payload)


def _nested(depth: int) -> Any:
    document: Any = 1
    for _ in range(depth):
        document = {"data": [document]}
    return document


def _spoilt(payload: Any) -> Iterator[Any]:
    keys: Sequence[Any] = ()
    if isinstance(payload, dict):
        keys = list(payload)
        yield from ({k: v for k, v in payload.items() if k != key} for key in keys)
    elif isinstance(payload, list):
        keys = range(min(len(payload), 5))
    for key in keys:
        for bad in _BAD:
            copy = dict(payload) if isinstance(payload, dict) else list(payload)
            copy[key] = bad
            yield copy
        for inner in _spoilt(payload[key]):
            copy = dict(payload) if isinstance(payload, dict) else list(payload)
            copy[key] = inner
            yield copy


def _run_to_the_end(coroutine: Any) -> None:
    """Drive a coroutine that never really waits, without an event loop and its clock and sockets."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    reject("the source waits for something else than http.get_json()", "fetch once, then compute")
