"""FOMC meeting windows as a macro source."""

from __future__ import annotations

from datetime import UTC, datetime

from cab_core.sdk import (
    CabError,
    MacroHttp,
    MacroSource,
    Panel,
    PayloadError,
    Reading,
    events_reading,
    hookimpl,
    plugin,
)

__all__ = ["Fomc"]

#: Statements the panel shows.
_SHOWN = 8
_DAY_MS = 86_400_000


@plugin
class Fomc(MacroSource):
    """Reads when the Federal Open Market Committee publishes its statements."""

    @hookimpl
    async def read(self, http: MacroHttp) -> Reading:
        """Fetch the calendar."""
        document = await http.get_json()
        try:
            return events_reading(document)
        except PayloadError as error:
            raise CabError(
                f"the FOMC calendar cannot be read: {error}",
                where="REGIME_FOMC_URL",
                fix='serve {"events": [{"start": "2026-01-28T19:00:00Z"}]} or a list of ISO times',
            ) from error

    @hookimpl
    def panel(self, reading: Reading, now_ms: int) -> Panel:
        """Show the statements to come."""
        coming = [event for event in sorted(reading.events_ms) if event >= now_ms][:_SHOWN]
        moments = [datetime.fromtimestamp(event / 1000, UTC) for event in coming]
        return Panel(
            title="Next FOMC statements",
            slot="regime",
            head=("day", "time (UTC)", "in"),
            rows=[
                (f"{moment:%a %d %b %Y}", f"{moment:%H:%M}", f"{(event - now_ms) // _DAY_MS} days")
                for event, moment in zip(coming, moments, strict=True)
            ],
            note="Around each of them no entry is made." if coming else "The calendar has none to come.",
        )
