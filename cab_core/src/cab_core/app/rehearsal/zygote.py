"""Starts bots in no time: one process imports everything once, then copies itself for each start.

A start with all its imports takes seconds, and a rehearsal with many kills has many starts. The process forks
before it has opened a database, a lock or a loop, and only while it has a single thread, so nothing is shared
with a child but code. It is told what to do by lines of JSON:

    {"do": "start", "part": "bot"}       answered by {"pid": 123}
    {"do": "signal", "pid": 123, "number": 9}

and tells each end: ``{"ended": 123, "code": -9}``. When its input ends, so do its children and it.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from cab_core.app.fitness import load_run
from cab_core.app.rehearsal import bot, check
from cab_core.app.rehearsal.brief import BOT_LOG, Brief
from cab_core.app.rehearsal.setting import load_brief

#: What a broker and the database import only when they are opened.
_LATE = ("cab_broker_ccxt.opening", "aiosqlite", "alembic.command", "sqlalchemy.dialects.sqlite.aiosqlite")

_PARTS = {"bot": bot.main, "check": check.main}


class Zygote:
    """The process that is copied.

    Args:
        folder: of the rehearsal.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[int, int] = {}  # file descriptor of the process by its id

    def warm(self) -> None:
        """Import all that a bot will need."""
        settings = load_brief(Brief.read(self._folder), os.environ).settings
        load_run(settings, settings.symbols, settings.exchange)
        for name in _LATE:
            with suppress(ModuleNotFoundError):
                importlib.import_module(name)

    def serve(self) -> None:
        """Obey until the input ends."""
        _say({"ready": True})
        while True:
            ready, _, _ = select.select([sys.stdin.fileno(), *self._children.values()], [], [])
            for pid in [pid for pid, fd in self._children.items() if fd in ready]:
                self._reap(pid)
            if sys.stdin.fileno() in ready:
                line = os.read(sys.stdin.fileno(), 65_536)
                if not line:
                    return self._end()
                for order in line.splitlines():
                    self._obey(json.loads(order))

    def _obey(self, order: dict[str, Any]) -> None:
        if order["do"] == "start":
            self._start(order["part"])
        elif order["pid"] in self._children:  # not reaped yet, so the id is still its own
            os.kill(order["pid"], order["number"])

    def _start(self, part: str) -> None:
        tasks = Path("/proc/self/task")
        if tasks.is_dir() and len(list(tasks.iterdir())) != 1:
            raise RuntimeError("more than one thread: a copy would hang on a lock nobody holds any more")
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self._be(part)
        self._children[pid] = os.pidfd_open(pid)
        _say({"pid": pid})

    def _be(self, part: str) -> None:
        """Become a bot; never returns."""
        code = 1
        try:
            for fd in self._children.values():
                os.close(fd)
            log = os.open(self._folder / BOT_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            null = os.open(os.devnull, os.O_RDONLY)
            for ours, standard in ((null, 0), (log, 1), (log, 2)):
                os.dup2(ours, standard)
            code = _PARTS[part](self._folder)
        except BaseException:  # noqa: BLE001 - the last frame of a process: whatever it is goes to the log
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _reap(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        os.close(self._children.pop(pid))
        _say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)


def _say(told: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    zygote = Zygote(Path(sys.argv[1]))
    zygote.warm()
    zygote.serve()
