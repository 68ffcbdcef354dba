"""Recorded macro readings: JSON lines with a time, a source and what the source answered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cab_core.domain.macro_payload import PayloadError, events_reading, index_reading
from cab_core.domain.macro_time import instant_ms
from cab_core.domain.regime_timeline import RegimeTimeline, ScriptedReading
from cab_core.errors import DataError, NotFoundError
from cab_core.textfile import decoded

_FIX = 'write lines like {"time": "2024-03-20T18:00:00Z", "source": "dxy", "reading": {"change_pct": 0.4}}'
_CALENDARS = ("fomc",)


def read_timeline(path: Path) -> tuple[RegimeTimeline, str]:
    """Read a file of macro readings.

    Each line is an object with ``ts_ms`` or ``time``, ``source``, and ``reading``: a document in any form the
    source itself accepts (spec 7.1).

    Returns:
        The script, and the hexadecimal sha256 of the file.

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
    readings = [
        _reading(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()
    ]
    return RegimeTimeline(readings), hashlib.sha256(content).hexdigest()


def _reading(line: str, where: str) -> ScriptedReading:
    try:
        entry: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{line[:60]!r} is no JSON: {error.msg}", where=where, fix=_FIX) from None
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), str) or "reading" not in entry:
        raise DataError(f"{line[:60]!r} lacks source or reading", where=where, fix=_FIX)
    source = entry["source"].strip().lower()
    form = events_reading if source in _CALENDARS else index_reading
    try:
        return ScriptedReading(
            instant_ms(entry.get("ts_ms", entry.get("time"))), source, form(entry["reading"])
        )
    except PayloadError as error:
        raise DataError(f"{line[:60]!r}: {error}", where=where, fix=_FIX) from None
