import asyncio

import pytest

from cab_core.sdk import CabError, Reading, ReadingKind
from cab_core.testing import CannedHttp, MacroSourceConformance
from cab_macro_btc_dominance import BtcDominance

pytestmark = pytest.mark.regime


class TestBtcDominance(MacroSourceConformance):
    plugin = BtcDominance
    payloads = (
        {"data": {"market_cap_percentage": {"btc": 56.1, "eth": 12.0}, "updated_at": 1736467200}},
        {"change_pct": -0.2},
        {"value": 56.336, "previous": 56.0},
        56.1,
    )


def read(document, **options):
    return asyncio.run(BtcDominance(**options).read(CannedHttp(document)))


def test_the_change_is_relative_to_the_dominance_not_in_points():
    assert read({"value": 56.336, "previous": 56.0}).value == pytest.approx(0.6)


def test_the_market_wide_document_is_understood():
    document = {"data": {"market_cap_percentage": {"btc": 56.1}, "updated_at": 1736467200}}
    assert read(document) == Reading(ReadingKind.VALUE, 56.1, observed_ms=1_736_467_200_000)


def test_what_cannot_be_read_names_the_setting_and_the_way_out():
    with pytest.raises(CabError) as caught:
        read({"data": {"market_cap_percentage": {"eth": 12.0}}})
    assert caught.value.where == "REGIME_BTC_DOM_URL"
    assert "REGIME_BTC_DOM_JSON_POINTER" in caught.value.fix
