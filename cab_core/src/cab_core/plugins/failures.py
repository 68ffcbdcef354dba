"""What became of a plugin that failed: how often, and what it said the first time, and where."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from traceback import walk_tb

import attrs

import cab_core

_OURS = str(Path(cab_core.__file__).parent)


@attrs.frozen(slots=True, kw_only=True)
class Failure:
    """The failures of one plugin in one run.

    Attributes:
        plugin: its id, e.g. ``strategy:ema_cross``.
        symbol: what it was asked about, empty where that is the whole account.
        calls: how often it was asked; a strategy is asked once a bar.
        failures: how often it raised, came too late or answered what is no answer.
        message: the first error, ``ExceptionName: text``.
        place: the line of the plugin it came from, ``path:line``; empty where it answered, but nonsense.
        quarantined: it is not called any more.
    """

    plugin: str
    symbol: str = ""
    calls: int
    failures: int
    message: str
    place: str = ""
    quarantined: bool = False

    @property
    def always(self) -> bool:
        """Whether it never gave an answer that counts."""
        return self.failures >= self.calls or self.quarantined

    @property
    def text(self) -> str:
        """Return all of it in one line for people."""
        about = f" on {self.symbol}" if self.symbol else ""
        at = f" at {self.place}" if self.place else ""
        often = "every call" if self.failures == self.calls else f"{self.failures:,} of {self.calls:,} calls"
        given_up = "; it is not called any more" if self.quarantined else ""
        return f"{self.plugin} failed{about} in {often}; the first time: {self.message}{at}{given_up}"


def place_of(error: BaseException) -> str:
    """Return the line of a plugin that an error came from, ``path:line``; empty if it is none of a plugin's.

    What the plugin calls of others is not its place: the line that calls them is.
    """
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    foreign = [(file, line) for file, line in frames if not file.startswith(_OURS)]
    if not foreign:
        return ""
    home = Path(foreign[0][0]).parent
    file, line = next((f, n) for f, n in reversed(foreign) if Path(f).parent == home)
    return f"{file}:{line}"


def failed(failures: Iterable[Failure]) -> list[Failure]:
    """Return them with the worst first; those that failed in nothing are left out."""
    return sorted((f for f in failures if f.failures), key=lambda f: (-f.failures, f.plugin, f.symbol))
