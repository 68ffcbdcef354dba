"""The latch of the dead man's switch: after it has acted nothing trades until a person has looked.

``<database>.dms-latched.json`` says why it acted and what it did. Acknowledging moves the file to
``<database>.dms-acknowledged.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from cab_core.atomic import make_folder, replacing
from cab_core.errors import RefusedError, StorageError
from cab_core.safety.dead_man import FlattenReport
from cab_core.safety.heartbeat import Beat

_PRIVATE = 0o600


@attrs.frozen(slots=True, kw_only=True)
class Latch:
    """What the dead man's switch did.

    Attributes:
        since_ms: when it began to close positions, epoch milliseconds.
        reason: why.
        last: the kernel's last beat, None if it never beat.
        report: what came of it, None while it is at it, or if it was killed meanwhile.
    """

    since_ms: int
    reason: str
    last: Beat | None = None
    report: FlattenReport | None = None

    @property
    def since(self) -> str:
        """When, for people."""
        return datetime.fromtimestamp(self.since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def latch_file(database: Path) -> Path:
    """Return the latch of a database."""
    return database.with_name(f"{database.name}.dms-latched.json")


def acknowledged_file(database: Path) -> Path:
    """Return where the latch of a database goes once it is acknowledged."""
    return database.with_name(f"{database.name}.dms-acknowledged.json")


def write_latch(database: Path, latch: Latch) -> None:
    """Set the latch, or write what is now known.

    Raises:
        StorageError: it cannot be written.
    """
    _write(latch_file(database), attrs.asdict(latch))


def read_latch(database: Path) -> Latch | None:
    """Return the latch, None if it is not set.

    Raises:
        StorageError: it is set but cannot be read.
    """
    path = latch_file(database)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _structured(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise StorageError(
            "the dead man's switch has acted, but its report cannot be read",
            where=str(path),
            fix="compare the positions at the exchange with cab's, then remove the file",
        ) from error


def refuse_if_latched(database: Path) -> None:
    """Refuse to start after the dead man's switch has closed positions; call it while holding the lock.

    One that was killed before it had finished does not hold a start back: what it left needs a kernel.

    Args:
        database: path of the database.

    Raises:
        RefusedError: it has acted and nobody has acknowledged it.
        StorageError: the latch cannot be read.
    """
    latch = read_latch(database)
    if latch is not None and latch.report is not None:
        raise RefusedError(
            f"the dead man's switch closed all positions at {latch.since}: {latch.reason}",
            where=str(latch_file(database)),
            fix="look at: cab dms status; then release it with: cab dms ack --reason TEXT",
        )


def acknowledge(database: Path, *, reason: str, by: str, now_ms: int) -> Latch | None:
    """Release the latch and keep what it said; return it, None if it was not set.

    Raises:
        StorageError: it cannot be read or moved.
    """
    latch = read_latch(database)
    if latch is None:
        return None
    seen = {"acknowledged_ms": now_ms, "by": by, "acknowledgement": reason}
    _write(acknowledged_file(database), {**attrs.asdict(latch), **seen})
    with _as_error(latch_file(database)):
        latch_file(database).unlink()
    return latch


def _structured(content: dict[str, Any]) -> Latch:
    last, report = content["last"], content["report"]
    return Latch(
        since_ms=int(content["since_ms"]),
        reason=str(content["reason"]),
        last=None if last is None else Beat(**last),
        report=None if report is None else _report(report),
    )


def _report(content: dict[str, Any]) -> FlattenReport:
    return FlattenReport(
        symbols=tuple(content["symbols"]),
        sold={symbol: Decimal(amount) for symbol, amount in content["sold"].items()},
        left={symbol: Decimal(amount) for symbol, amount in content["left"].items()},
        errors=tuple(content["errors"]),
    )


def _write(path: Path, content: dict[str, Any]) -> None:
    with _as_error(path):
        make_folder(path.parent)
        with replacing(path, _PRIVATE) as file:
            file.write(json.dumps(content, default=str, indent=2).encode())


@contextmanager
def _as_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the latch of the dead man's switch cannot be written: {error.strerror}",
            where=str(path),
            fix="make the folder of DB_PATH writable for this user",
        ) from error
