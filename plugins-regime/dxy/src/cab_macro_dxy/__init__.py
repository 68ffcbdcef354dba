"""US dollar index as a macro source."""

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

__all__ = ["Dxy"]


@plugin
class Dxy(MacroSource):
    """Reads the US dollar index: its growth is bad for crypto."""

    json_pointer: str = option("", help="Where the number lies in a document of another form (RFC 6901).")
    kind: str = option("value", help="What a number on its own means.", choices=("value", "change"))

    def __attrs_post_init__(self) -> None:
        check_pointer(self.json_pointer)

    @hookimpl
    async def read(self, http: MacroHttp) -> Reading:
        """Fetch the index, or its change in percent over a day."""
        document = await http.get_json()
        try:
            return index_reading(document, json_pointer=self.json_pointer, kind=self.kind)
        except PayloadError as error:
            raise CabError(
                f"the dollar index cannot be read: {error}",
                where="REGIME_DXY_URL",
                fix="set REGIME_DXY_JSON_POINTER to where the number lies, or choose another document",
            ) from error
