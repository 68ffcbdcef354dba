"""Plugins that fail, each in one way."""

from __future__ import annotations

from cab_core.sdk import (
    Bars,
    BookView,
    Entry,
    RiskRule,
    Signals,
    Strategy,
    Verdict,
    hookimpl,
    plugin,
)


class Broken(Strategy):
    """What they share."""

    def warmup_bars(self) -> int:
        """Bars before the first answer."""
        return 10


@plugin
class Raises(Broken):
    """Raises whenever it is asked."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Look up what is not there."""
        return {"close": len(bars)}["price"]  # type: ignore[return-value]  # the planted fault


@plugin
class Babbles(Broken):
    """Answers what is no answer."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer a text."""
        return f"buy at {bars.close[-1]}"  # type: ignore[return-value]  # the planted fault


@plugin
class Stumbles(Broken):
    """Raises at one bar in some hundred, and holds at the others."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Raise where the last bar is one of those."""
        if (int(bars.ts_ms[-1]) // 900_000) % 331 == 0 or len(bars) > 600:
            raise ValueError("a bar I cannot read")
        return Signals.hold(len(bars), "quiet")


@plugin
class Forbids(RiskRule):
    """A rule that raises."""

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Divide by nothing."""
        raise ZeroDivisionError(f"no equity for {entry.symbol} in {book!r:.10}")


@plugin
class Hangs(Broken):
    """A strategy that never comes back."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Turn round and round."""
        while len(bars) >= 0:
            pass
        return Signals.hold(len(bars), "quiet")


@plugin
class Stalls(RiskRule):
    """A rule that never comes back."""

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Turn round and round."""
        while entry.symbol:
            pass
        raise ValueError(f"{book!r:.10}")
