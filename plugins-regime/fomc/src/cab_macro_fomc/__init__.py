"""FOMC meeting windows as a macro source."""

from __future__ import annotations

from cab_core.sdk import (
    CabError,
    MacroHttp,
    MacroSource,
    PayloadError,
    Reading,
    events_reading,
    hookimpl,
    plugin,
)

__all__ = ["Fomc"]


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
