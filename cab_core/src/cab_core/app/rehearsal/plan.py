"""What shall be rehearsed, and how it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import attrs

from cab_core.app.rehearsal.menu import Level
from cab_core.data.symbols import NamedFile


@attrs.frozen(kw_only=True)
class Plan:
    """A rehearsal to be.

    Attributes:
        files: candle files; without any, a market made up from the seed.
        symbols: of the made-up market; what the files hold is traded where there are files.
        opens: day of the candles on which it starts, ``YYYY-MM-DD``; earlier candles are history.
        tick_s: exchange seconds between the bot's looks at its exits.
        database: URL of an empty database on a server; a file in the folder if empty.
        redis: URL of a server for the events and for the instance key; neither is used if empty.
        folder: where everything is kept; a new one below the system's temporary folder if None.
        home: where the user's ``cab.toml`` and ``.env`` are.
        overrides: the user's own settings on the command line, ``KEY=VALUE``.
    """

    seed: int = 7
    days: int = 3
    files: tuple[NamedFile, ...] = ()
    symbols: tuple[str, ...] = ()
    opens: str = ""
    kills: int = 5
    faults: Level = "light"
    tick_s: int = 60
    database: str = ""
    redis: str = ""
    folder: Path | None = None
    home: Path
    overrides: tuple[str, ...] = ()


@attrs.define(kw_only=True)
class Progress:
    """How far a rehearsal is.

    Attributes:
        phase: what is going on. ``event``: what happened last.
        now_ms: exchange time between ``start_ms`` and ``end_ms``.
    """

    phase: str = "starting"
    event: str = ""
    now_ms: int = 0
    start_ms: int = 0
    end_ms: int = 0
    orders: int = 0
    fills: int = 0
    faults: int = 0
    kills: int = 0
    restarts: int = 0

    @property
    def share(self) -> float:
        """Part of the exchange time that has passed, 0 to 1."""
        whole = self.end_ms - self.start_ms
        return min(1.0, max(0.0, (self.now_ms - self.start_ms) / whole)) if whole > 0 else 0.0


#: Told about once a second, and at each event.
Watch: TypeAlias = Callable[[Progress], None]
