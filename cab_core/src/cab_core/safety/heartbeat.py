"""The heartbeat: one line down a pipe after each supervision cycle that was completed.

The kernel writes, the watching process reads. A line carries the time of the system's monotonic clock, which
both processes share, so that a late reader still knows how old a beat is.
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Callable

import attrs

#: Seconds between beats that say nothing new: a market played fast must not flood the pipe.
LEAST_GAP_S = 0.25

#: Bytes the pipe holds: about a hundred beats. It fills only when nobody has read for minutes.
PIPE_BYTES = 4096

_GOODBYE = b"bye"
_MS_TO_DRAIN = 1000
_READ = 65536


@attrs.frozen(slots=True)
class Beat:
    """What the kernel said after a supervision cycle.

    Attributes:
        at: when the cycle was completed, seconds of the system's monotonic clock.
        epoch: of the kernel's hold on the database.
        open_intents: orders whose end is not known yet.
        positions: positions that are open.
    """

    at: float
    epoch: int
    open_intents: int
    positions: int

    @property
    def exposed(self) -> bool:
        """Whether something may have to be sold: a position, or an order that may become one."""
        return self.positions > 0 or self.open_intents > 0


@attrs.define(eq=False)
class Heartbeat:
    """The kernel's end of the pipe. Nothing here waits or raises: a dead watcher must not stop trading.

    Args:
        fd: write end of the pipe; it is made non-blocking and closed by `close`.
        monotonic: seconds of the system's monotonic clock.

    Attributes:
        broken: the reader is gone, or has not read for so long that the pipe is full.
    """

    _fd: int
    _monotonic: Callable[[], float] = time.monotonic
    broken: bool = attrs.field(default=False, init=False)
    _said: Beat | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        os.set_blocking(self._fd, False)

    def beat(self, epoch: int, open_intents: int, positions: int) -> None:
        """Say that a full supervision cycle has just been completed.

        Args:
            epoch: of this instance's hold on the database.
            open_intents: orders whose end is not known yet.
            positions: positions that are open.
        """
        beat = Beat(self._monotonic(), epoch, open_intents, positions)
        said = self._said
        if said is not None and said == attrs.evolve(beat, at=said.at) and beat.at - said.at < LEAST_GAP_S:
            return
        if self._write(f"beat {beat.at:.6f} {epoch} {open_intents} {positions}\n".encode()):
            self._said = beat

    def goodbye(self) -> None:
        """Say that this process ends on purpose: whatever follows is not a death. May wait a second."""
        if self._fd >= 0:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            poll.poll(_MS_TO_DRAIN)  # at once unless the pipe is full
            self._write(_GOODBYE + b"\n")

    def close(self) -> None:
        """Close the pipe. Calling it again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.broken = True

    def _write(self, line: bytes) -> bool:
        try:
            os.write(self._fd, line)
        except OSError:  # the reader is gone, or the pipe is full
            self.broken = True
            return False
        return True


class Goodbye:
    """The kernel ends on purpose."""


@attrs.define(eq=False)
class Listener:
    """The watcher's end of the pipe.

    Args:
        fd: read end of the pipe; it is made non-blocking.

    Attributes:
        ended: nobody holds the write end any more.
    """

    fd: int
    ended: bool = attrs.field(default=False, init=False)
    _rest: bytes = attrs.field(default=b"", init=False)

    def __attrs_post_init__(self) -> None:
        os.set_blocking(self.fd, False)

    def read(self) -> list[Beat | Goodbye]:
        """Return what has been said since the last call, in order; lines that make no sense are left out."""
        while not self.ended:
            try:
                piece = os.read(self.fd, _READ)
            except BlockingIOError:
                break
            self.ended = not piece
            self._rest += piece
        *lines, self._rest = self._rest.split(b"\n")
        return [said for line in lines if (said := _parsed(line)) is not None]


def make_pipe() -> tuple[int, int]:
    """Return read and write end of a small pipe that no child inherits unasked."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reader, writer


def _parsed(line: bytes) -> Beat | Goodbye | None:
    if line == _GOODBYE:
        return Goodbye()
    try:
        word, at, *counts = line.decode("ascii").split()
        epoch, open_intents, positions = map(int, counts)
        return Beat(float(at), epoch, open_intents, positions) if word == "beat" else None
    except ValueError:
        return None
