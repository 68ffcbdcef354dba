"""The list of recorded backtests: when each was made, of which span, with which options, and how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.api.web.render import environment
from cab_core.api.web.text import when
from cab_core.app.desk.catalog import config_rows, run_views
from cab_core.app.desk.desk import Filter
from cab_core.app.runs import Runs
from cab_core.settings import load_settings

Cab = Callable[..., dict[str, Any]]

BACKTEST = ("backtest", "--data", "BTC-USDT.csv.gz", "--strategies", "./swing.py")

#: Coarser than any clock of a file system.
CLOCK_MS = 2_000

COLUMNS = [
    "Run", "Made", "Symbols", "From", "To", "Files", "Fills", "Strategies", "Options",
    "Return", "Max drawdown", "Sharpe", "Trades", "Report",
]  # fmt: skip


@pytest.mark.usefixtures("desk")
def test_a_run_is_listed_with_its_date_its_span_and_its_options(cab: Cab) -> None:
    begun_ms = time.time_ns() // 1_000_000 - CLOCK_MS
    told = cab(*BACKTEST, "--set", "STOP_LOSS_PCT=3.30", "--set", "TREND_MIN_COVERAGE=0.4")
    (view,), _ = run_views(Runs(Path("data/runs")), Filter())
    assert begun_ms <= view.made_ms <= time.time_ns() // 1_000_000 + CLOCK_MS
    assert (view.from_ms, view.to_ms) == (told["first_ms"], told["last_ms"])
    assert view.options["STRATEGY_SET"] == "swing.py"  # without a folder of this machine
    assert view.options["STOP_LOSS_PCT"] == "3.30"
    assert "TREND_MIN_COVERAGE" not in view.options  # 0.4 is its default, which is written 0.40
    plain = environment().from_string("{% block page %}{% endblock %}{% block live %}{% endblock %}")
    page = environment().get_template("runs.html.j2").render(layout=plain, rows=[view], following=None)
    heads = page.partition("<thead>")[2].partition("</thead>")[0].split("</th>")[:-1]
    assert [head.rpartition(">")[2] for head in heads] == COLUMNS
    for shown in (when(view.made_ms), when(view.from_ms), when(view.to_ms), "STOP_LOSS_PCT=3.30"):
        assert str(shown) in page


@pytest.mark.parametrize(
    ("text", "changed"), [("0.4", False), ("0.40", False), ("0.400", False), ("0.41", True)]
)
def test_a_setting_is_changed_if_its_value_is(text: str, changed: bool, tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path, [f"TREND_MIN_COVERAGE={text}"], require_run=False).settings
    rows = {row.name: row for row in config_rows(settings)}
    assert (rows["TREND_MIN_COVERAGE"].value != rows["TREND_MIN_COVERAGE"].default) is changed
    differing = {row.name for row in rows.values() if row.default and row.value != row.default}
    assert differing == ({"TREND_MIN_COVERAGE"} if changed else set())
