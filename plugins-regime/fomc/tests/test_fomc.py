import asyncio
import csv
from pathlib import Path

import pytest

from cab_core.sdk import CabError
from cab_core.testing import CannedHttp, MacroSourceConformance
from cab_macro_fomc import Fomc

pytestmark = pytest.mark.regime

CALENDAR = Path(__file__).resolve().parents[4] / "shared" / "data" / "macro" / "fomc_calendar.csv"


class TestFomc(MacroSourceConformance):
    plugin = Fomc
    payloads = (
        {"events": [{"start": "2025-01-29T19:00:00Z"}, {"start": "2025-05-07"}]},
        ["2025-01-29", "2025-05-07T18:00:00"],
        {"next_event": "2025-05-07", "last_event": None},
        {"event_today": True},
    )


def read(document):
    return asyncio.run(Fomc().read(CannedHttp(document)))


@pytest.mark.catalogue(76)
def test_a_date_means_the_hour_of_the_statement_in_summer_and_winter():
    if not CALENDAR.exists():
        pytest.skip(f"the calendar is not beside the checkout: {CALENDAR}")
    with CALENDAR.open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] != "unscheduled"]
    by_date = read([row["meeting_end_date"] for row in rows])
    by_time = read({"events": [{"start": row["statement_utc"]} for row in rows]})
    assert by_date.events_ms == by_time.events_ms
    assert len(by_date.events_ms) == len(rows) > 60


def test_what_cannot_be_read_names_the_setting_and_the_way_out():
    with pytest.raises(CabError) as caught:
        read(["next week"])
    assert caught.value.where == "REGIME_FOMC_URL"
    assert "ISO" in caught.value.fix


def test_the_panel_shows_the_statements_to_come():
    reading = read({"events": [{"start": "2025-01-29T19:00:00Z"}, {"start": "2025-03-19T18:00:00Z"}]})
    panel = Fomc().panel(reading, reading.events_ms[0] + 1)
    assert panel.slot == "regime"
    assert list(panel.rows) == [("Wed 19 Mar 2025", "18:00", "48 days")]
    assert Fomc().panel(reading, reading.events_ms[-1] + 1).rows == []
