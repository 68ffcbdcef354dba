"""The log file: the bot's JSON lines, kept where its database is, written by a thread of its own."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Any

from cab_core.atomic import make_folder
from cab_core.observability.logs import json_formatter, keep_handler

NAME = "cab.jsonl"

#: A file of this size is put aside, and a new one begun.
MAX_BYTES = 10_000_000
#: Files put aside longer ago are deleted.
KEEP_S = 90 * 86_400

#: Lines waiting for the disk; beyond it the newest are dropped and counted.
_WAITING = 10_000
_HANDLER = "cab-file"


class LogFile(QueueHandler):
    """Writes lines to ``cab.jsonl`` in a folder. A slow or full disk loses lines, and never stops trading.

    Args:
        folder: made if it does not exist; nobody else may read the files.
        secrets: texts that are replaced by ``***``.
        max_bytes: size at which a file is put aside.
        keep_s: seconds after which a file put aside is deleted.

    Attributes:
        dropped: lines that were lost.
    """

    def __init__(
        self, folder: Path, secrets: Iterable[str] = (), max_bytes: int = MAX_BYTES, keep_s: float = KEEP_S
    ) -> None:
        self._lines: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        super().__init__(self._lines)
        self.set_name(_HANDLER)
        self.setFormatter(json_formatter(secrets))
        self.dropped = 0
        self._folder, self._max_bytes, self._keep_s = folder, max_bytes, keep_s
        self._thread = threading.Thread(target=self._write_all, name="cab-log", daemon=True)
        self._thread.start()

    def prepare(self, record: logging.LogRecord) -> bytes:
        """Return the line of a record."""
        return f"{self.format(record)}\n".encode()

    def enqueue(self, record: Any) -> None:
        """Hand a line to the writing thread."""
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - name given by logging
        """Count a line that cannot be written."""
        del record
        self.dropped += 1

    def close(self) -> None:
        """Write what waits, for up to two seconds."""
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._lines.put_nowait(None)
            self._thread.join(2)
        super().close()

    def _write_all(self) -> None:
        file = -1
        while (line := self._lines.get()) is not None:
            try:
                file = self._ready(file)
                os.write(file, line)
            except OSError:
                self.dropped += 1
        if file >= 0:
            os.close(file)

    def _ready(self, file: int) -> int:
        """Return the open file, after putting a full one aside."""
        if file >= 0 and os.fstat(file).st_size < self._max_bytes:
            return file
        path = self._folder / NAME
        if file >= 0:
            os.close(file)
        else:
            make_folder(self._folder)
        if path.exists() and path.stat().st_size >= self._max_bytes:
            path.rename(self._aside())
        self._prune()
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def _aside(self) -> Path:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        return self._folder / f"cab-{stamp}.jsonl"

    def _prune(self) -> None:
        oldest = datetime.now(UTC).timestamp() - self._keep_s
        for path in self._folder.glob("cab-*.jsonl"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


@contextmanager
def logged_to(folder: Path, level: str, secrets: Iterable[str] = ()) -> Iterator[LogFile]:
    """Also write all logs of the process to a file, from ``level`` on, for the length of the block."""
    root = logging.getLogger()
    before = root.level
    handler = LogFile(folder, secrets)
    handler.setLevel(level)
    keep_handler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()
