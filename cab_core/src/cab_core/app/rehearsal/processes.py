"""The processes of a rehearsal: each in a session of its own, each ended for sure."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cab_core.errors import CabError

#: Seconds a process is given to start, and to end when it is asked to.
START_S, END_S = 60.0, 15.0

#: Runs ``cab`` until its standard input ends, so that it never outlives the rehearsal, whatever kills that.
_CAB = """
from cab_core.lifeline import end_with_parent
end_with_parent()
from cab_core.cli import main
main()
"""


class Helper:
    """A process that is spoken to by lines of JSON.

    Args:
        name: in messages.
        process: the started process.
        log: where its errors go.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, command: Sequence[str], folder: Path) -> Helper:
        """Start a Python process; its standard error goes to a file in the folder."""
        log = folder / f"{name}.log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                env=environment(),
                limit=1 << 22,
            )
        return cls(name, process, log)

    async def hear(self) -> dict[str, Any]:
        """Return the next line.

        Raises:
            CabError: the process has ended.
        """
        stream = self._process.stdout
        line = b"" if stream is None else await stream.readline()
        if not line:
            raise own_error(self.name, self._log)
        told: dict[str, Any] = json.loads(line)
        return told

    async def first(self) -> dict[str, Any]:
        """Return what it says when it has started."""
        try:
            return await asyncio.wait_for(self.hear(), START_S)
        except TimeoutError:
            raise CabError(
                f"the {self.name} did not start within {START_S:.0f} s", where=str(self._log)
            ) from None

    def tell(self, order: Mapping[str, Any]) -> None:
        """Send a line."""
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def end(self) -> None:
        """Close its input, which ends it; kill what does not listen."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


def own_error(name: str, log: Path) -> CabError:
    """Return the error that a process ended with, by its log: its own words, place and fix."""
    last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    what, where, fix = last or "without a word", str(log), "read the file"
    try:
        error = json.loads(last)["error"]
        what, where, fix = error["what"], error["where"] or where, error["fix"] or fix
    except (ValueError, KeyError, TypeError):
        pass  # it ended without an error of ours: the last line of a traceback, or nothing
    return CabError(f"the process of the {name} has ended: {what}", where=where, fix=fix)


def environment() -> dict[str, str]:
    """Return the environment of the processes: one thread for arrays, so that bots may be copied."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def exchange_command(options: Sequence[str]) -> list[str]:
    """Return the command of the local exchange."""
    return ["-c", _CAB, "exchange", "serve", "--port", "0", "--speed", "manual", "--json", *options]


class Bots:
    """The bot's process and its successors.

    Args:
        zygote: starts them.

    Attributes:
        pid: of the one that runs, None while none does.
    """

    def __init__(self, zygote: Helper) -> None:
        self._zygote = zygote
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._listening: asyncio.Task[None] | None = None
        self.pid: int | None = None

    async def open(self) -> None:
        """Wait until bots can be started."""
        await self._zygote.first()
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening; the end of the zygote ends the bots."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def start(self, part: str = "bot") -> None:
        """Start the bot, or the check of what it did."""
        self._zygote.tell({"do": "start", "part": part})
        started = asyncio.ensure_future(self._started.get())
        waits = [started] + ([self._listening] if self._listening is not None else [])
        await asyncio.wait(waits, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            if self._listening is not None and self._listening.done():
                await self._listening  # it ended, and says why
            raise CabError(f"the {part} could not be started", fix="see zygote.log in the folder")
        self.pid = started.result()

    def ended(self) -> int | None:
        """Return the exit code of the latest process, negative for a signal, None while it runs."""
        future = None if self.pid is None else self._ends.get(self.pid)
        return None if future is None or not future.done() else future.result()

    def signal(self, number: int) -> None:
        """Send a signal to the latest process."""
        self._zygote.tell({"do": "signal", "pid": self.pid, "number": int(number)})

    async def wait(self, seconds: float) -> int | None:
        """Wait for the end of the latest process; None if it goes on."""
        if self.pid is None:
            return None
        try:
            return await asyncio.wait_for(asyncio.shield(self._end_of(self.pid)), seconds)
        except TimeoutError:
            return None

    async def _listen(self) -> None:
        while True:
            told = await self._zygote.hear()
            if "ended" in told:
                self._end_of(told["ended"]).set_result(told["code"])
            else:
                self._ends.pop(told["pid"], None)  # an id may come again
                self._started.put_nowait(told["pid"])

    def _end_of(self, pid: int) -> asyncio.Future[int]:
        return self._ends.setdefault(pid, asyncio.get_running_loop().create_future())
