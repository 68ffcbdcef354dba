import asyncio

import pytest

from cab_core.sdk import CabError, Reading, ReadingKind
from cab_core.testing import CannedHttp, MacroSourceConformance
from cab_macro_dxy import Dxy

pytestmark = pytest.mark.regime


class TestDxy(MacroSourceConformance):
    plugin = Dxy
    payloads = (
        {"change_pct": 0.37},
        {"value": 104.2, "previous": 103.9, "ts": 1736467200},
        [{"date": "2025-01-09", "close": 103.9}, {"date": "2025-01-10", "close": 104.2}],
        {"data": {"value": "104.2"}},
        104.2,
    )


class TestDxyByPointer(MacroSourceConformance):
    plugin = Dxy
    options = {"json_pointer": "/quotes/0/pct", "kind": "change"}  # noqa: RUF012 - a table read by the suite
    payloads = ({"quotes": [{"pct": 0.37}]},)


def read(document, **options):
    return asyncio.run(Dxy(**options).read(CannedHttp(document)))


def test_a_pointer_reads_any_document():
    document = {"quotes": [{"pct": 0.37}]}
    assert read(document, json_pointer="/quotes/0/pct", kind="change") == Reading(ReadingKind.CHANGE, 0.37)


def test_what_cannot_be_read_names_the_setting_and_the_way_out():
    with pytest.raises(CabError) as caught:
        read({"error": "rate limited"})
    assert caught.value.where == "REGIME_DXY_URL"
    assert "REGIME_DXY_JSON_POINTER" in caught.value.fix


def test_a_malformed_pointer_is_refused_at_start():
    with pytest.raises(ValueError, match="must start with /"):
        Dxy(json_pointer="quotes")
