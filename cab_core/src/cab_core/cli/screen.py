"""A terminal with a panel that is drawn anew again and again, and lines above it that stay."""

from __future__ import annotations

import time

import attrs
from rich.console import Console
from rich.live import Live
from rich.text import Text

from cab_core.api.sessions import CODE_S
from cab_core.cli.output import as_typed


@attrs.define(eq=False)
class Screen:
    """Standard error as a person watches it; whoever writes to it meanwhile writes through it.

    The panel is drawn over what stands below the last line that the console knows of, so a line that is
    written past the console would be lost.
    """

    console: Console = attrs.field(factory=lambda: Console(stderr=True))
    _dashboard: str = attrs.field(default="", init=False)
    _link: str = attrs.field(default="", init=False)
    _link_ends_s: float = attrs.field(default=0.0, init=False)

    def panel(self, *, transient: bool = False) -> Live:
        """Return the panel, to be entered; a transient one is gone at its end."""
        return Live(console=self.console, auto_refresh=False, redirect_stdout=False, transient=transient)

    def say(self, line: str) -> None:
        """Write a line above the panel; the terminal wraps a long one itself, so that it is copied whole."""
        self.console.print(Text(line), soft_wrap=True)

    def show_link(self, url: str, link: str) -> None:
        """Write where the pages are and how to get in, and keep it for the panel."""
        self._dashboard, self._link, self._link_ends_s = url, link, time.monotonic() + CODE_S
        self.say(f"dashboard {link}  (logs in once, within a minute)")

    def way_in(self) -> str:
        """Return how to get to the pages now; empty without pages."""
        if not self._dashboard:
            return ""
        if time.monotonic() < self._link_ends_s:
            return self._link  # without a word before it, it just fits into 80 columns
        return f"{self._dashboard}   a token to log in: {as_typed('cab token new NAME')}"
