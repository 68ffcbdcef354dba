"""Recorded macro documents: JSON lines with a time, a source and what the source was given to read."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from cab_core.app.regime import source_caller
from cab_core.domain.macro_time import PayloadError, instant_ms
from cab_core.domain.regime import Reading
from cab_core.domain.regime_timeline import RegimeTimeline, ScriptedReading
from cab_core.errors import CabError, DataError, NotFoundError
from cab_core.plugins.isolation import Caller, told
from cab_core.plugins.kinds import NAME_PATTERN, Kind
from cab_core.plugins.registry import Plugins
from cab_core.textfile import decoded

_FIX = 'write lines like {"time": "2024-03-20T18:00:00Z", "source": "dxy", "reading": {"change_pct": 0.4}}'


@attrs.frozen
class Recorded:
    """One document: what `source` had to read from `ts_ms` on, and which line says so."""

    ts_ms: int
    source: str
    document: Any
    where: str

    async def get_json(self) -> Any:
        """Hand the document to its source, as its HTTP client does when it is live."""
        return self.document


@attrs.frozen
class Recording:
    """A file of macro documents.

    Attributes:
        sha256: hexadecimal, of the file; empty without one.
    """

    documents: Sequence[Recorded] = ()
    sha256: str = ""

    @property
    def sources(self) -> list[str]:
        """The names of the sources, in order of appearance."""
        return list(dict.fromkeys(each.source for each in self.documents))

    def timeline(self, plugins: Plugins) -> RegimeTimeline:
        """Let the sources themselves read their documents, so that they count as they do when live.

        Raises:
            DataError: a document cannot be read, or its source cannot be used; names file, line and value.
        """
        callers = {bound.name: source_caller(bound) for bound in plugins.sources}
        for each in self.documents:
            if each.source not in callers:
                raise DataError(
                    f"the macro source {each.source!r} {_why_not(plugins, each.source)}",
                    where=each.where,
                    fix="install its package, correct its options, or take its lines out: cab plugins list",
                )
        if not self.documents:
            return RegimeTimeline()
        return RegimeTimeline(asyncio.run(_read(self.documents, callers)))


def read_recording(path: Path) -> Recording:
    """Read a file of macro documents.

    Each line is an object with ``ts_ms`` or ``time``, ``source``, and ``reading``: a document in any form the
    source itself accepts (spec 7.1).

    Raises:
        NotFoundError: there is no such file.
        DataError: a line cannot be used; names file, line and value.
    """
    try:
        content = path.read_bytes()
        lines = decoded(content).splitlines()
    except FileNotFoundError:
        raise NotFoundError("there is no such file", where=str(path), fix="check the path") from None
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8 text", where=str(path), fix=_FIX) from None
    documents = [
        _recorded(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()
    ]
    return Recording(documents, hashlib.sha256(content).hexdigest())


def _recorded(line: str, where: str) -> Recorded:
    try:
        entry: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{line[:60]!r} is no JSON: {error.msg}", where=where, fix=_FIX) from None
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), str) or "reading" not in entry:
        raise DataError(f"{line[:60]!r} lacks source or reading", where=where, fix=_FIX)
    source = entry["source"].strip().lower()
    if not NAME_PATTERN.fullmatch(source):  # nor may data name a file, whose code would run
        raise DataError(f"{source!r} is no name of a source", where=where, fix=_FIX)
    try:
        ts_ms = instant_ms(entry.get("ts_ms", entry.get("time")))
    except PayloadError as error:
        raise DataError(f"{line[:60]!r}: {error}", where=where, fix=_FIX) from None
    return Recorded(ts_ms, source, entry["reading"], where)


async def _read(
    documents: Sequence[Recorded], callers: dict[str, Caller[Reading | CabError]]
) -> list[ScriptedReading]:
    return [await _reading(each, callers[each.source]) for each in documents]


async def _reading(recorded: Recorded, caller: Caller[Reading | CabError]) -> ScriptedReading:
    outcome = await caller.wait(recorded)
    if isinstance(outcome.value, Reading):
        return ScriptedReading(recorded.ts_ms, recorded.source, outcome.value)
    shown = json.dumps(recorded.document)[:60]
    if isinstance(outcome.value, CabError):
        raise DataError(f"{shown}: {outcome.value.what}", where=recorded.where, fix=_FIX)
    why = "no answer" if outcome.error is None else told(outcome.error)
    raise DataError(f"{shown}: {caller.id} failed: {why}", where=recorded.where, fix=_FIX)


def _why_not(plugins: Plugins, name: str) -> str:
    found = [each for each in plugins.report.records if each.kind is Kind.MACRO and each.name == name]
    return f"cannot be used: {found[0].reason}" if found and found[0].reason else "is not installed"
