"""Delays an entry shortly after a fill of the symbol."""

from __future__ import annotations

from cab_core.sdk import ALLOW, BookView, Entry, RiskRule, Verdict, VerdictKind, hookimpl, option, plugin

__all__ = ["Cooldown"]


@plugin
class Cooldown(RiskRule):
    """Delays an entry while the symbol's last fill, buy or sell, is younger than ``seconds``."""

    seconds: float = option(60.0, help="Pause after a fill of the symbol, seconds.", gt=0, le=86_400)

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Measure the time since the symbol's last fill."""
        last_ms = book.last_fill_ms.get(entry.symbol)
        if last_ms is None or entry.now_ms - last_ms >= self.seconds * 1000:
            return ALLOW
        since = (entry.now_ms - last_ms) / 1000
        return Verdict(VerdictKind.DELAY, 0.0, "cooldown", since, self.seconds)
