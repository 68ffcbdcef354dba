"""Fencing: making sure that a process is gone, and that it is that very process (Linux).

A pidfd names one process for ever; a process id may by then belong to another.
"""

from __future__ import annotations

import os
import select
import signal

import attrs

from cab_core.errors import NotRunningError


@attrs.define(eq=False)
class ProcessHandle:
    """One process, wherever its id goes.

    Args:
        fd: a pidfd.
    """

    fd: int

    @classmethod
    def of(cls, pid: int) -> ProcessHandle:
        """Take hold of a process.

        Raises:
            NotRunningError: there is no such process.
        """
        try:
            return cls(os.pidfd_open(pid))
        except ProcessLookupError as error:
            raise NotRunningError(f"process {pid} is not running") from error

    def gone(self, timeout_s: float | None = 0.0) -> bool:
        """Say whether it has ended, waiting up to ``timeout_s`` (None: for ever); a zombie has ended."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else 1000 * timeout_s))

    def kill(self) -> bool:
        """Send SIGKILL, which ends a stopped process too; return False if that is not permitted."""
        try:
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return True

    def close(self) -> None:
        """Let go of it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def fence(process: ProcessHandle, timeout_s: float) -> bool:
    """Kill a process and wait for its end; only when this returns True may anybody act in its place.

    Args:
        process: what to kill.
        timeout_s: longest wait; a process inside a system call that cannot be interrupted takes its time.
    """
    return process.kill() and process.gone(timeout_s)
