"""Bitcoin dominance as a macro source."""

from __future__ import annotations

from cab_core.sdk import (
    CabError,
    MacroHttp,
    MacroSource,
    PayloadError,
    Reading,
    check_pointer,
    hookimpl,
    index_reading,
    option,
    plugin,
)

__all__ = ["BtcDominance"]

#: Where common documents on the whole market keep the figure.
KNOWN_POINTERS = ("/market_cap_percentage/btc",)


@plugin
class BtcDominance(MacroSource):
    """Reads bitcoin's share of the market: its growth is bad for the other coins."""

    json_pointer: str = option("", help="Where the number lies in a document of another form (RFC 6901).")
    kind: str = option("value", help="What a number on its own means.", choices=("value", "change"))

    def __attrs_post_init__(self) -> None:
        check_pointer(self.json_pointer)

    @hookimpl
    async def read(self, http: MacroHttp) -> Reading:
        """Fetch the dominance in percent, or its relative change in percent over a day."""
        document = await http.get_json()
        try:
            return index_reading(
                document, json_pointer=self.json_pointer, kind=self.kind, known=KNOWN_POINTERS
            )
        except PayloadError as error:
            raise CabError(
                f"bitcoin's dominance cannot be read: {error}",
                where="REGIME_BTC_DOM_URL",
                fix="set REGIME_BTC_DOM_JSON_POINTER to where the number lies, or choose another document",
            ) from error
