"""A third party's macro sources count in a replay as they do in a run: index, calendar and own documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.trust.commands import Said, cab
from tests.trust.installed import install

from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.plugins.kinds import Kind

FEAR = """
    from cab_core.sdk import MacroSource, Reading, ReadingKind, hookimpl, option, plugin

    @plugin
    class Plugin(MacroSource):
        "An index in a form of its own."
        threshold_pct: float = option(4.0, help="Rise in percent that costs 0.6 of the score.")
        field: str = option("rise", help="Where the rise is.")
        api_key: str = option("", help="The key of its server.")

        @hookimpl
        async def read(self, http):
            return Reading(ReadingKind.CHANGE, (await http.get_json())["fear"][self.field])
"""
VOTES = """
    from cab_core.sdk import MacroSource, events_reading, hookimpl, plugin

    @plugin
    class Plugin(MacroSource):
        "A calendar in a form of its own."

        @hookimpl
        async def read(self, http):
            return events_reading((await http.get_json())["votes"])
"""
NIGHT_MS = 1_704_153_600_000  # 2 January 2024, before there is a trend
#: Document of each source, options, and the regime they add up to at the end of the first day.
CASES: dict[str, tuple[dict[str, Any], tuple[str, ...], str, float]] = {
    "an index at its threshold": ({"fear": {"fear": {"rise": 4.0}}}, (), "risk_small", 0.4),
    "an index at a threshold that was set": (
        {"fear": {"fear": {"rise": 4.0}}},
        ("macro_sources.fear.threshold_pct=2",),
        "neutral",
        -0.2,
    ),
    "an index read by an option": (
        {"fear": {"fear": {"rise": 0.0, "week": 2.0}}},
        ("macro_sources.fear.field=week",),
        "risk_on",
        0.7,
    ),
    "a calendar": ({"votes": {"votes": ["2024-01-02T06:00:00Z"]}}, (), "neutral", 0.0),
    "both": (
        {"fear": {"fear": {"rise": 9.0}}, "votes": {"votes": ["2024-01-02T06:00:00Z"]}},
        (),
        "risk_off",
        -1.0,
    ),
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(folder, Kind.MACRO, "fear", FEAR)
    return install(folder, Kind.MACRO, "votes", VOTES)


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("candles") / "BTC-USDT_15m.csv.gz"
    write_candles(file, generate("BTC/USDT", 3, 7))
    return file


#: Buys at the end of the first day, so that the regime is asked.
EAGER = f'''
from cab_core.sdk import Action, Signals, Strategy, When, decide, hookimpl, plugin

@plugin
class Eager(Strategy):
    """Buys once."""

    def warmup_bars(self):
        """Need next to nothing."""
        return 2

    @hookimpl
    def signals(self, bars):
        """Buy then."""
        return decide(len(bars), 2, (When(bars.ts_ms == {NIGHT_MS}, Action.BUY, "up"),), "quiet")
'''


def given(*settings: str) -> list[str]:
    """Return settings as options of a command."""
    always = ("STRATEGY_SET=./eager.py", "VOLUME_FILTER_ENABLED=false", "TREND_UNKNOWN_POLICY=allow")
    return [word for each in (*always, *settings) for word in ("--set", each)]


def recorded(folder: Path, documents: dict[str, Any]) -> Path:
    """Write what the sources have to read from the start on, and a strategy that buys."""
    (folder / "eager.py").write_text(EAGER)
    lines = [{"time": "2024-01-01", "source": name, "reading": each} for name, each in documents.items()]
    (folder / "macro.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder / "macro.jsonl"


def regime(folder: Path, packages: Path, *settings: str) -> tuple[str, float, dict[str, float]]:
    """Return the regime as ``cab why`` tells it."""
    said = cab(folder, "why", "--at", "2024-01-02T00:05", "--json", *settings, packages=packages)
    assert said.code == 0, said.err
    told = json.loads(said.out)["regime"]
    return told["state"], told["score"], told["parts"]


@pytest.mark.parametrize("case", CASES)
def test_a_run_and_its_replay_see_the_same_regime(
    case: str, packages: Path, candles: Path, tmp_path: Path
) -> None:
    documents, options, state, score = CASES[case]
    live, replay = tmp_path / "live", tmp_path / "replay"
    live.mkdir()
    replay.mkdir()
    recorded(live, documents)
    addresses = []
    for name, document in documents.items():
        (live / f"{name}.json").write_text(json.dumps(document))
        addresses.append(f"macro_sources.{name}.url=file://{live / name}.json")
    paper = given("SYMBOLS=BTC/USDT", "MODE=paper", "EXCHANGE=paper", "DB_PATH=bot.db", *addresses, *options)
    run = ("run", "--market", f"file:{candles}", "--speed", "max", "--no-api", "--json")
    said = cab(live, *run, *paper, packages=packages)
    assert said.code == 0, said.err
    macro = recorded(replay, documents)
    backtest = ("backtest", "--data", str(candles), "--macro", str(macro), "--json")
    said = cab(replay, *backtest, *given(*options), packages=packages)
    assert said.code == 0, said.err
    seen = regime(replay, packages)
    assert seen == regime(live, packages, "--set", "DB_PATH=bot.db")
    assert seen[:2] == (state, score)


def refused(folder: Path, candles: Path, packages: Path | None, *settings: str) -> Said:
    """Run a backtest that must not begin."""
    backtest = ("backtest", "--data", str(candles), "--macro", "macro.jsonl")
    said = cab(folder, *backtest, *given(*settings), packages=packages)
    assert said.code not in (0, 70)
    return said


def test_what_cannot_be_read_is_refused_by_line(packages: Path, candles: Path, tmp_path: Path) -> None:
    recorded(tmp_path, {"votes": {"votes": []}, "fear": {"fear": {}}})
    said = refused(tmp_path, candles, packages)
    assert "macro.jsonl:2" in said.err
    assert "macro:fear failed: KeyError: 'rise' at " in said.err
    said = refused(tmp_path, candles, None)
    assert "macro.jsonl:1" in said.err
    assert "the macro source 'votes' is not installed" in said.err
    recorded(tmp_path, {"./eager.py": {}})
    assert "is no name of a source" in refused(tmp_path, candles, None).err


@pytest.mark.parametrize("threshold", ["0", "-1", "nan"])
def test_a_threshold_that_is_none_is_refused(
    threshold: str, packages: Path, candles: Path, tmp_path: Path
) -> None:
    recorded(tmp_path, {"fear": {"fear": {"rise": 1.0}}})
    said = refused(tmp_path, candles, packages, f"macro_sources.fear.threshold_pct={threshold}")
    assert "macro_sources.fear.threshold_pct" in said.err


def test_options_decide_what_a_run_is_but_not_address_and_key(
    packages: Path, candles: Path, tmp_path: Path
) -> None:
    macro = recorded(tmp_path, {"fear": {"fear": {"rise": 1.0, "week": 9.0}}})
    backtest = ("backtest", "--data", str(candles), "--macro", str(macro), "--json")

    def run_id(*options: str) -> str:
        said = cab(tmp_path, *backtest, *given(*options), packages=packages)
        assert "hush" not in said.out + said.err
        return str(json.loads(said.out)["run_id"])

    plain = run_id("macro_sources.fear.threshold_pct=4")
    keyed = ("macro_sources.fear.api_key=hush", "macro_sources.fear.url=https://example.org/?k=hush")
    assert run_id("macro_sources.fear.threshold_pct=4", *keyed) == plain
    assert run_id("macro_sources.fear.threshold_pct=5") != plain
    assert all("hush" not in file.read_text() for file in tmp_path.rglob("runs/*.json"))
