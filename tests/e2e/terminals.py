"""A program on a terminal of a given size, and what is left on its screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

#: A control sequence, a control character, or text.
_PIECES = re.compile(
    r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|([\r\n\b\x07])|([^\x1b\r\n\b\x07]+)"
)


@attrs.define
class Screen:
    """The rows that a terminal shows, those that have left at its top included.

    It knows what the programs under test use: text that wraps, returns, moves of the cursor, erasing.
    """

    columns: int
    rows: int
    lines: list[list[str]] = attrs.field(factory=lambda: [[]])
    row: int = 0
    column: int = 0

    def feed(self, text: str) -> None:
        for numbers, command, control, plain in _PIECES.findall(text):
            if plain:
                for letter in plain:
                    self._put(letter)
            elif control == "\n":
                self._down()
            elif control == "\r":
                self.column = 0
            elif command:
                self._move(command, int(numbers) if numbers.isdecimal() else None)

    def _put(self, letter: str) -> None:
        if self.column == self.columns:  # a full row wraps with the next letter, not before
            self.column = 0
            self._down()
        line = self.lines[self.row]
        line.extend(" " * (self.column + 1 - len(line)))
        line[self.column] = letter
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def _move(self, command: str, number: int | None) -> None:
        if command == "A":  # not above the visible rows
            self.row = max(self.row - (number or 1), len(self.lines) - self.rows, 0)
        elif command == "K" and number == 2:
            self.lines[self.row] = []
        elif command == "J" and number in (None, 0):
            del self.lines[self.row + 1 :]
            del self.lines[self.row][self.column :]
        else:
            assert command in "mhl", f"the screen does not know {command}"

    def shown(self) -> list[str]:
        """Return the visible rows."""
        return ["".join(line).rstrip() for line in self.lines[-self.rows :]]


@attrs.define
class OnTerminal:
    """A process whose standard streams are a terminal."""

    process: subprocess.Popen[bytes]
    screen: Screen
    _leader: int
    _decoder: codecs.IncrementalDecoder = attrs.field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"), init=False
    )

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        columns: int,
        rows: int = 40,
    ) -> OnTerminal:
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        clean = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**clean, "TERM": "xterm"},
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        os.close(follower)
        return cls(process, Screen(columns, rows), leader)

    def watch(self, until: Callable[[list[str]], bool], limit_s: float = 60.0) -> list[str]:
        """Follow the screen until it shows something, or the process has ended; return what it shows."""
        ends = time.monotonic() + limit_s
        while not until(self.screen.shown()):
            assert time.monotonic() < ends, "\n".join(self.screen.shown())
            if not self._read():
                break
        return self.screen.shown()

    def end(self, with_signal: signal.Signals = signal.SIGINT) -> list[str]:
        """Stop it; return what is left on the screen."""
        self.process.send_signal(with_signal)
        while self._read():
            pass
        self.process.wait(60)
        os.close(self._leader)
        return self.screen.shown()

    def _read(self) -> bool:
        """Take what was written within a second; False at the end."""
        if not select.select([self._leader], [], [], 1.0)[0]:
            return self.process.poll() is None
        try:
            chunk = os.read(self._leader, 65_536)
        except OSError:  # the other side was closed
            return False
        self.screen.feed(self._decoder.decode(chunk))
        return bool(chunk)
