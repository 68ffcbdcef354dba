"""The report file: self-contained, reproducible, escaped, complete without scripts."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest

from cab_core.cycle.results import RunResult
from cab_core.report import PluginFacts, RunFacts, write_report

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"


class Page(HTMLParser):
    """Attributes, texts and scripts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def page(run: RunResult, facts: RunFacts, tmp_path: Path) -> Page:
    write_report(tmp_path / "r.html", run, facts)
    return Page((tmp_path / "r.html").read_text("utf-8"))


def test_the_same_run_gives_the_same_bytes(run: RunResult, facts: RunFacts, tmp_path: Path) -> None:
    first = write_report(tmp_path / "new" / "one.html", run, facts)
    second = write_report(tmp_path / "two.html", run, attrs.evolve(facts, elapsed_s=99.0))
    content = (tmp_path / "new" / "one.html").read_bytes()
    assert first == second == hashlib.sha256(content).hexdigest()
    assert len(content) < 6_500_000


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    addresses = [each for each in page.attributes if re.search(r"(?i)https?:|(?<!:)//", each[2])]
    assert addresses == []
    assert [each for each in page.attributes if each[1] in ("src", "srcset", "action")] == []


def test_only_its_own_scripts_may_run(page: Page) -> None:
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and "default-src" in value)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy.partition("script-src")[2].partition(";")[0]
    assert len(page.scripts) == 3
    assert [each for each in page.attributes if each[1].startswith("on")] == []


def test_everything_is_readable_without_scripts(page: Page, run: RunResult, facts: RunFacts) -> None:
    trade = run.trades[0]
    for expected in (trade.trace_id, trade.entry_reason, "Simulated fills, policy worst", facts.data_sha256):
        assert expected in page.words
    assert "cab-strategy-ema-cross" in page.words
    assert "6 candles are missing in the data" in page.words
    for reason, count in run.blocked.items():
        assert f"{reason.replace('_', ' ')} {count:,}" in page.words
    assert page.tags.count("tr") > len(run.trades)


def test_charts_get_the_trades_of_the_run(page: Page, run: RunResult) -> None:
    data = json.loads(page.scripts[1])
    closed = [mark for mark in data["trades"] if mark["i"]]
    assert [mark["at"] for mark in closed] == [trade.opened_ms // 1000 for trade in run.trades]
    assert [len(mark["exits"]) for mark in closed] == [len(trade.exits) for trade in run.trades]
    assert data["curve"]["equity"][-1] == pytest.approx(float(run.final_equity), abs=0.01)
    assert [symbol["name"] for symbol in data["symbols"]] == list(run.symbols)


def test_hostile_texts_stay_texts(run: RunResult, facts: RunFacts, tmp_path: Path) -> None:
    odd = attrs.evolve(
        run,
        trades=(attrs.evolve(run.trades[0], entry_reason=HOSTILE, votes=(HOSTILE,), trace_id=HOSTILE),),
        blocked={HOSTILE: 3},
    )
    told = attrs.evolve(
        facts,
        run_id=HOSTILE,
        config={HOSTILE: HOSTILE},
        plugins=(PluginFacts(HOSTILE, HOSTILE, HOSTILE),),
        data=tuple(attrs.evolve(file, name=HOSTILE) for file in facts.data),
    )
    write_report(tmp_path / "r.html", odd, told)
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert page.tags.count("script") == 3
    assert page.tags.count("img") == 0
    assert page.words.count(HOSTILE) >= 7
    assert json.loads(page.scripts[1])["trades"][0]["why"] == HOSTILE


def test_a_run_without_trades_says_so(quiet: RunResult, facts: RunFacts, tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", quiet, attrs.evolve(facts, fills="best", config={}, plugins=()))
    words = Page((tmp_path / "r.html").read_text("utf-8")).words
    assert "No trade was closed" in words
    assert "Sharpe n/a too few trades to say" in words
    assert "the one worth more at its close is taken" in words


def test_a_failed_write_leaves_the_old_file(run: RunResult, facts: RunFacts, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    broken = attrs.evolve(run, bars={})
    with pytest.raises(KeyError):
        write_report(path, broken, facts)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match=r"r\.html"):
        write_report(path / "below" / "it.html", run, facts)
