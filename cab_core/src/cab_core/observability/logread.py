"""Reads the log files from their end, within bounds: a page costs the same however long they are."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from cab_core.observability.logfile import NAME

#: Bytes looked at for one page, at most: what follows comes with the next page.
BUDGET = 16_000_000
_BLOCK = 1 << 16


@attrs.frozen(slots=True, kw_only=True)
class Sought:
    """Which lines are wanted.

    Attributes:
        before: inode of a file and offset in it: only lines before that.
        level: the least level, by name.
        text: a piece of text anywhere in the line, in any case.
        since, until: ISO timestamps, ``since <= t < until``.
    """

    limit: int
    before: tuple[int, int] | None = None
    level: str | None = None
    symbol: str | None = None
    trace_id: str | None = None
    text: str = ""
    since: str = ""
    until: str = ""


def read_back(
    folder: Path, sought: Sought, budget: int = BUDGET
) -> tuple[list[dict[str, Any]], tuple[int, int] | None]:
    """Return up to ``limit`` lines, newest first, and where the next page begins; None at the end.

    A page may hold fewer lines than wanted though more follow, when ``budget`` bytes held no more.
    """
    found: list[dict[str, Any]] = []
    read = 0
    for place, raw in _lines_back(folder, sought.before):
        if len(found) == sought.limit or read > budget:
            return found, (place[0], place[1] + len(raw))
        read += len(raw)
        line = _parsed(raw)
        if line is None:
            continue
        if sought.since and str(line.get("timestamp", "")) < sought.since:
            return found, None
        if _is_sought(line, raw, sought):
            found.append(line)
    return found, None


def _lines_back(folder: Path, before: tuple[int, int] | None) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield whole lines with inode and offset of each, the newest first."""
    files = sorted(folder.glob("cab-*.jsonl"), reverse=True)
    files = [folder / NAME, *files] if (folder / NAME).is_file() else files
    begun = before is None
    for path in files:
        try:
            with path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if not begun and before is not None and inode != before[0]:
                    continue
                end = os.fstat(file.fileno()).st_size
                if not begun and before is not None:
                    end = min(end, before[1])
                begun = True
                for offset, raw in _file_back(file.fileno(), end):
                    yield (inode, offset), raw
        except FileNotFoundError:
            continue


def _file_back(file: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that end before ``end``, the last one first; half a line is left out."""
    pending, offset, torn = b"", end, True
    while offset > 0:
        size = min(_BLOCK, offset)
        offset -= size
        pending = os.pread(file, size, offset) + pending
        stop = pending.rfind(b"\n") + 1 if torn else len(pending)
        torn = stop == 0
        if torn:
            continue
        # The first line of what was read may begin further back.
        while (start := pending.rfind(b"\n", 0, stop - 1) + 1) > 0:
            yield offset + start, pending[start:stop]
            stop = start
        pending = pending[:stop]
    if pending and not torn:
        yield 0, pending


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _is_sought(line: dict[str, Any], raw: bytes, sought: Sought) -> bool:
    return (
        (sought.level is None or _rank(line.get("level")) >= _rank(sought.level))
        and sought.symbol in (None, line.get("symbol"))
        and (sought.trace_id is None or _is_traced(line, sought.trace_id))
        and (not sought.until or str(line.get("timestamp", "")) < sought.until)
        and (not sought.text or sought.text.lower() in raw.decode(errors="replace").lower())
    )


def _is_traced(line: dict[str, Any], trace_id: str) -> bool:
    """Say whether a line is of a cycle; one message for several alerts names the cycle of each."""
    return trace_id == line.get("trace_id") or f"[{trace_id}]" in str(line.get("message", ""))


def _rank(level: Any) -> int:
    return logging.getLevelNamesMapping().get(str(level).upper(), 0)
