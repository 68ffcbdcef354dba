"""The kernel's side of the dead man's switch: starts the watching process and notices when it dies."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

import attrs

from cab_core.errors import CabError
from cab_core.safety.heartbeat import Heartbeat, make_pipe

#: Seconds the watching process gets to end after a goodbye.
_PATIENCE_S = 5.0


@attrs.define(eq=False)
class Watchman:
    """The watching process of this kernel. It is started by exec, so it shares no lock and no memory.

    Args:
        command: its command line; ``--beats-fd N --kernel-fd N`` are added.
        secrets: what is added to its environment: credentials this process has hidden from its own.
    """

    command: Sequence[str]
    secrets: Mapping[str, str]
    _process: subprocess.Popen[bytes]
    _heartbeat: Heartbeat

    @classmethod
    def spawn(cls, command: Sequence[str], secrets: Mapping[str, str] | None = None) -> Watchman:
        """Start it.

        Args:
            command: its command line, see `cab_core.app.dead_man.watch_command`.
            secrets: environment variables it gets beside those of this process.

        Raises:
            CabError: it cannot be started here.
        """
        return cls(command, secrets or {}, *_started(command, secrets or {}))

    @property
    def pid(self) -> int:
        """Id of the watching process."""
        return self._process.pid

    def beat(self, epoch: int, open_intents: int, positions: int) -> None:
        """Say that a full supervision cycle has just been completed; see `Heartbeat.beat`."""
        self._heartbeat.beat(epoch, open_intents, positions)

    def goodbye(self) -> None:
        """Say that a clean stop has begun: call it first of all, the stop itself may hang or be killed."""
        self._heartbeat.goodbye()

    def alive(self) -> bool:
        """Say whether somebody watches: the process runs and reads what it is told."""
        return self._process.poll() is None and not self._heartbeat.broken

    def respawn(self) -> None:
        """Replace a watching process that is no longer `alive`.

        Raises:
            CabError: it cannot be started here.
        """
        self._end()
        self._process, self._heartbeat = _started(self.command, self.secrets)

    def close(self) -> None:
        """End the watching process: after a goodbye it goes by itself, else it is killed.

        Only for a clean stop. A kernel that fails leaves its watcher alone, which then takes care.
        """
        self._heartbeat.goodbye()
        self._heartbeat.close()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._end()

    def _end(self) -> None:
        self._heartbeat.close()
        self._process.kill()  # our child, not yet reaped: its id cannot belong to another
        self._process.wait()


def _started(command: Sequence[str], secrets: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Heartbeat]:
    if not hasattr(os, "pidfd_open"):
        raise CabError("the dead man's switch needs Linux 5.3 or newer", fix="set DMS_ENABLED=false")
    reader, writer = make_pipe()
    kernel = os.pidfd_open(os.getpid())
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            [*command, "--beats-fd", str(reader), "--kernel-fd", str(kernel)],
            pass_fds=(reader, kernel),
            env={**os.environ, **secrets},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        os.close(writer)
        raise CabError(f"the dead man's switch cannot be started: {error}", where="DMS_ENABLED") from error
    finally:
        os.close(reader)
        os.close(kernel)
    return process, Heartbeat(writer)
