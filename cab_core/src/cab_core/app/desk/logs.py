"""Lines of the bot's log file, newest first."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cab_core.app.desk.desk import Filter
from cab_core.app.desk.paging import check, cursor, parse_cursor
from cab_core.app.desk.views import LogLine
from cab_core.app.local_files import database_file
from cab_core.errors import UsageError
from cab_core.observability.logfile import LogFile, logged_to
from cab_core.observability.logread import Sought, read_back
from cab_core.settings.schema import Settings

_LEVELS = ("debug", "info", "warning", "error", "critical")


def log_folder(settings: Settings) -> Path:
    """Return where the log file lies: LOG_DIR, or ``logs`` beside the database."""
    return settings.log_dir or database_file(settings).parent / "logs"


def kept_log(settings: Settings) -> AbstractContextManager[LogFile]:
    """Return the block in which the bot writes its log file."""
    return logged_to(log_folder(settings), settings.log_level, settings.secret_texts())


def log_lines(settings: Settings, wanted: Filter) -> tuple[list[LogLine], str | None]:
    """Return log lines; ``level`` is the least one.

    A page may be shorter than asked for though more follow: a search looks at so many bytes at a time.

    Raises:
        UsageError: no such level, or no such filter.
    """
    check(wanted, "level", "symbol", "trace_id", "text", "since_ms", "until_ms")
    if wanted.level is not None and wanted.level.lower() not in _LEVELS:
        raise UsageError(
            f"there is no level {wanted.level!r}", where="level", fix=f"one of {', '.join(_LEVELS)}"
        )
    key = parse_cursor(wanted.after, (int, int))
    found, following = read_back(
        log_folder(settings),
        Sought(
            limit=wanted.limit,
            before=None if key is None else (key[0], key[1]),
            level=wanted.level,
            symbol=wanted.symbol,
            trace_id=wanted.trace_id,
            text=wanted.text,
            since=_iso(wanted.since_ms),
            until=_iso(wanted.until_ms),
        ),
    )
    return [_line(line) for line in found], None if following is None else cursor(following)


def _line(line: dict[str, Any]) -> LogLine:
    context = line.get("context")
    return LogLine(
        timestamp=str(line.get("timestamp", "")),
        level=str(line.get("level", "")),
        module=str(line.get("module", "")),
        symbol=str(line.get("symbol", "")),
        trace_id=str(line.get("trace_id", "-")),
        message=str(line.get("message", "")),
        context=context if isinstance(context, dict) else {},
    )


def _iso(ts_ms: int | None) -> str:
    if ts_ms is None:
        return ""
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
