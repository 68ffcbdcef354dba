from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.app.desk.catalog import run_report, run_views
from cab_core.app.desk.desk import Filter
from cab_core.app.research import Plan, prepare_run
from cab_core.app.runs import Runs
from cab_core.cli import invoke
from cab_core.data.symbols import NamedFile
from cab_core.errors import NotFoundError
from cab_core.settings import load_settings

HEADER = "ts_ms,open,high,low,close,volume"
KEYS = frozenset(
    {
        *("run_id", "data_sha256", "config_sha256", "plugins", "bars", "decisions_sha256", "orders", "fills"),
        *("trades", "final_equity", "return_pct", "max_drawdown_pct", "sharpe", "sortino", "calmar"),
        *("profit_factor", "win_rate", "exposure_pct", "fees_quote", "buy_and_hold_pct", "exits_by_reason"),
        *("blocked_by_reason", "elapsed_s", "bars_per_s"),
    }
)

BACKTEST = ("backtest", "--data", "BTC-USDT.csv.gz", "--strategies", "./swing.py")
#: Without what keeps entries back, so that there are many.
BOLD = ("--set", "VOLUME_FILTER_ENABLED=false", "--set", "TREND_UNKNOWN_POLICY=allow")

Cab = Callable[..., dict[str, Any]]
Refused = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.usefixtures("desk")


def rows(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()[1:]


def candles(path: str, lines: list[str]) -> None:
    Path(path).write_text("\n".join((HEADER, *lines)) + "\n")


def same(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("elapsed_s", "bars_per_s")}


def test_the_document_has_every_key_and_adds_up(cab: Cab, desk: Path) -> None:
    told = cab(*BACKTEST, *BOLD)
    assert told.keys() >= KEYS
    assert told["trades"] > 5
    assert told["bars"] == len(rows(desk / "BTC-USDT.csv.gz"))
    assert told["fills"] >= told["orders"] >= 2 * told["trades"]
    assert sum(told["exits_by_reason"].values()) >= told["trades"]
    gained = float(Decimal(told["final_equity"]) / Decimal(told["baseline"]) - 1) * 100
    assert told["return_pct"] == pytest.approx(gained, abs=1e-6)


def test_the_same_run_gives_the_same_bytes(cab: Cab) -> None:
    first, second = cab(*BACKTEST, *BOLD), cab(*BACKTEST, *BOLD)
    assert same(first) == same(second)
    (record,) = Path("data/runs").iterdir()
    assert record.name == f"{first['run_id']}.json"


def test_the_run_id_names_data_settings_strategies_and_fills(cab: Cab, desk: Path) -> None:
    ids = [cab(*BACKTEST)["run_id"]]
    ids.append(cab(*BACKTEST, "--fills", "best")["run_id"])
    ids.append(cab(*BACKTEST, "--set", "FIXED_AMOUNT=60")["run_id"])
    ids.append(cab(*BACKTEST, "--set", "strategies.swing.bars=20")["run_id"])
    ids.append(cab(*BACKTEST, "--from", "2024-01-10")["run_id"])
    (desk / "swing.py").write_text((desk / "swing.py").read_text().replace("1.002", "1.003"))
    ids.append(cab(*BACKTEST)["run_id"])
    assert len(set(ids)) == len(ids)
    (desk / "BTC-USDT.csv.gz").rename(desk / "BTC-USDT_2024.csv.gz")
    moved = ("backtest", "--data", "BTC-USDT_2024.csv.gz", "--strategies", "./swing.py")
    assert cab(*moved)["run_id"] == ids[-1]
    assert cab(*moved, "--set", "LOG_LEVEL=DEBUG")["run_id"] == ids[-1]


def test_environment_and_cab_toml_are_honored(cab: Cab, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = cab(*BACKTEST)
    monkeypatch.setenv("FIXED_AMOUNT", "70")
    by_environment = cab(*BACKTEST)
    monkeypatch.delenv("FIXED_AMOUNT")
    (desk / "cab.toml").write_text("fixed_amount = 70\n")
    by_file = cab(*BACKTEST)
    assert by_file["config_sha256"] == by_environment["config_sha256"] != plain["config_sha256"]
    assert Decimal(by_file["turnover_quote"]) > Decimal(plain["turnover_quote"])


@pytest.mark.parametrize("fills", ["worst", "best"])
def test_blocks_and_bars_one_by_one_agree_also_over_holes(desk: Path, fills: Any) -> None:
    lines = rows(desk / "BTC-USDT.csv.gz")
    kept = [*lines[:700], *lines[703:1500], *lines[1530:2100], *lines[2101:]]
    candles("holes_BTC-USDT.csv", kept)
    overrides = ["STRATEGY_SET=./swing.py", "VOLUME_FILTER_ENABLED=false", "TREND_UNKNOWN_POLICY=allow"]
    settings = load_settings({}, desk, overrides, require_run=False).settings
    plan = Plan(data=(NamedFile(Path("holes_BTC-USDT.csv")),), fills=fills)
    blocks, _ = prepare_run(plan, settings).run()
    single, _ = prepare_run(plan, settings).run(bar_by_bar=True)
    assert blocks.result.cycles == len(kept)
    assert blocks.result.trades == single.result.trades
    assert len(blocks.result.trades) > 5
    assert blocks.result.orders == single.result.orders
    assert blocks.result.decisions_sha256 == single.result.decisions_sha256
    assert blocks.result.equity.tobytes() == single.result.equity.tobytes()


def test_files_of_one_symbol_are_joined_in_any_order(cab: Cab, desk: Path) -> None:
    whole = cab(*BACKTEST, *BOLD)
    lines = rows(desk / "BTC-USDT.csv.gz")
    candles("early_BTC-USDT.csv", lines[:1000])
    candles("late_BTC-USDT.csv", lines[1000:])
    args = ("--data", "late_BTC-USDT.csv", "early_BTC-USDT.csv", "--strategies", "./swing.py", *BOLD)
    parts = cab("backtest", *args)
    assert parts["decisions_sha256"] == whole["decisions_sha256"]
    assert parts["final_equity"] == whole["final_equity"]
    assert [file["file"] for file in parts["data"]] == ["early_BTC-USDT.csv", "late_BTC-USDT.csv"]


def test_overlapping_files_of_one_symbol_are_named(desk: Path, refused: Refused) -> None:
    lines = rows(desk / "BTC-USDT.csv.gz")
    candles("a_BTC-USDT.csv", lines[:1000])
    candles("b_BTC-USDT.csv", lines[999:])
    code, said = refused("backtest", "--data", "a_BTC-USDT.csv", "b_BTC-USDT.csv")
    assert code == 1
    assert "a_BTC-USDT.csv ends" in said
    assert "b_BTC-USDT.csv begins" in said


def test_several_symbols_share_one_account(cab: Cab) -> None:
    assert (
        invoke(["data", "generate", "--out", "ETH-USDT.csv.gz", "--symbol", "ETH/USDT", "--days", "40"]) == 0
    )
    both = ("backtest", "--strategies", "./swing.py", *BOLD)
    told = cab(*both, "--data", "BTC-USDT.csv.gz", "ETH-USDT.csv.gz")
    assert told["symbols"] == ["BTC/USDT", "ETH/USDT"]
    assert told["by_symbol"].keys() == {"BTC/USDT", "ETH/USDT"}
    repeated = cab(*both, "--data", "BTC-USDT.csv.gz", "--data", "ETH-USDT.csv.gz")
    assert same(repeated) == same(told)


def test_earlier_candles_warm_up_and_later_ones_are_left_out(cab: Cab) -> None:
    told = cab(*BACKTEST, *BOLD, "--from", "2024-01-20", "--to", "2024-01-29")
    assert told["first_ms"] == 1_705_709_700_000  # the close of the candle that opens at midnight
    assert told["last_ms"] == 1_706_572_800_000
    cold = cab(*BACKTEST, *BOLD, "--to", "2024-01-29T12:00")
    assert cold["last_ms"] == 1_706_529_600_000


def test_macro_readings_stop_entries(cab: Cab, desk: Path, refused: Refused) -> None:
    calm = cab(*BACKTEST, *BOLD)
    line = {"time": "2024-01-01", "source": "dxy", "reading": {"change_pct": 0.9}}
    more = {"ts_ms": 1_704_067_200_000, "source": "btc_dominance", "reading": {"change_pct": 2.0}}
    (desk / "macro.jsonl").write_text(f"{json.dumps(line)}\n{json.dumps(more)}\n")
    stormy = cab(*BACKTEST, *BOLD, "--macro", "macro.jsonl")
    assert stormy["trades"] == 0
    assert stormy["blocked_by_reason"]["regime_risk_off"] > calm["trades"]
    assert stormy["data_sha256"] != calm["data_sha256"]
    (desk / "macro.jsonl").write_text(f'{json.dumps(line)}\n{{"source": "dxy", "reading": 1}}\n')
    code, said = refused(*BACKTEST, "--macro", "macro.jsonl")
    assert (code, "macro.jsonl:2" in said) == (1, True)


def test_people_get_a_table_and_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert invoke([*BACKTEST, *BOLD, "--report", "out/report.html"]) == 0
    out, _ = capsys.readouterr()
    assert "Max drawdown" in out
    assert "policy worst" in out
    assert "without volume" in out
    assert "report: out/report.html" in out
    assert Path("out/report.html").stat().st_size > 100_000
    trace_id = out.partition("cab why ")[2].split()[0]
    assert invoke(["why", trace_id]) == 0
    assert f"trace {trace_id}" in capsys.readouterr().out


def test_a_record_that_cannot_be_kept_costs_no_result(cab: Cab, capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken").write_text("a file where a folder is needed")
    args = (*BACKTEST, "--set", "DB_PATH=taken/trader.sqlite3")
    assert invoke(list(args)) == 0
    out, err = capsys.readouterr()
    assert "the run is not recorded" in err
    assert "cab why" not in out


def test_its_report_is_found_where_it_was_written(cab: Cab) -> None:
    runs = Runs(Path("data/runs"))
    run_id = cab(*BACKTEST, "--report", "out/report.html")["run_id"]
    (view,), _ = run_views(runs, Filter())
    assert view.report == str(Path("out/report.html").absolute())
    assert run_report(runs, run_id) == Path("out/report.html").read_text("utf-8")
    Path("out/report.html").unlink()
    assert run_views(runs, Filter())[0][0].report is None
    with pytest.raises(NotFoundError, match="has no report"):
        run_report(runs, run_id)


def test_an_empty_span_of_one_symbol_does_not_matter(cab: Cab) -> None:
    args = ["--out", "ETH-USDT.csv.gz", "--symbol", "ETH/USDT", "--days", "10", "--start", "2024-03-01"]
    assert invoke(["data", "generate", *args]) == 0
    files = ("--data", "BTC-USDT.csv.gz", "ETH-USDT.csv.gz", "--strategies", "./swing.py", *BOLD)
    told = cab("backtest", *files, "--to", "2024-02-01")
    assert told["by_symbol"].keys() == {"BTC/USDT"}


BAD_CANDLES = {
    "wrong header": ("time,open,high,low,close,volume\n", "BTC-USDT.csv:1", "header"),
    "not a number": (f"{HEADER}\n0,1,1,1,1,1\n900000,1,1,1,x,1\n", "BTC-USDT.csv:3", "x"),
    "nan": (f"{HEADER}\n0,1,1,1,1,1\n900000,1,1,1,nan,1\n", "BTC-USDT.csv:3", "nan"),
    "unsorted": (f"{HEADER}\n900000,1,1,1,1,1\n0,1,1,1,1,1\n", "BTC-USDT.csv:3", "before"),
    "duplicate": (f"{HEADER}\n0,1,1,1,1,1\n0,1,1,1,1,1\n", "BTC-USDT.csv:3", "twice"),
    "negative": (f"{HEADER}\n0,1,1,1,1,1\n900000,1,1,-1,1,1\n", "BTC-USDT.csv:3", "-1"),
    "off the grid": (f"{HEADER}\n1,1,1,1,1,1\n900001,1,1,1,1,1\n", "BTC-USDT.csv:2", "grid"),
    "empty": ("", "BTC-USDT.csv", "empty"),
    "header only": (f"{HEADER}\n", "BTC-USDT.csv", "no candle"),
}


@pytest.mark.parametrize("case", BAD_CANDLES)
def test_bad_candles_are_refused_with_file_row_and_value(case: str, refused: Refused) -> None:
    content, where, value = BAD_CANDLES[case]
    Path("BTC-USDT.csv").write_text(content)
    code, said = refused("backtest", "--data", "BTC-USDT.csv", "--strategies", "./swing.py")
    assert code == 1
    assert where in said
    assert value in said
    assert "fix:" in said
    assert not Path("data").exists()


def test_a_truncated_gzip_is_refused(desk: Path, refused: Refused) -> None:
    content = (desk / "BTC-USDT.csv.gz").read_bytes()
    (desk / "BTC-USDT.csv.gz").write_bytes(content[: len(content) // 2])
    code, said = refused(*BACKTEST)
    assert (code, "cut short" in said) == (1, True)


BAD_ARGUMENTS = {
    "unknown setting": (("--set", "STOP_LOS_PCT=3"), 78, "STOP_LOSS_PCT"),
    "levels contradict": (("--set", "TAKE_PROFIT_1_PCT=6"), 78, "TAKE_PROFIT_2_PCT (5.0)"),
    "no such file of a strategy": (("--strategies", "./swong.py"), 78, "swong.py"),
    "no such class": (("--strategies", "./swing.py:Swong"), 78, "it has Swing"),
    "option out of range": (("--set", "strategies.swing.bars=1"), 78, "bars"),
    "unknown mode": (("--mode", "vot"), 2, "vote"),
    "no time": (("--from", "yesterday"), 2, "'yesterday'"),
    "before the data": (("--from", "2023-12-30"), 2, "2024-01-01 00:00"),
    "after the data": (("--to", "2024-02-12"), 2, "2024-02-10 00:00"),
    "end before begin": (("--from", "2024-01-20", "--to", "2024-01-10"), 2, "no candle"),
    "no symbol": (("--symbol", "BTC"), 2, "BASE/QUOTE"),
    "two symbols for one file": (("--symbol", "BTC/USDT,ETH/USDT"), 2, "2 symbols for 1 file"),
    "no macro file": (("--macro", "none.jsonl"), 4, "none.jsonl"),
    "report in no folder": (("--report", "swing.py/report.html"), 1, "swing.py/report.html"),
    "no such configuration": (("-c", "none.toml"), 4, "none.toml"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_refused_with_value_and_fix(case: str, refused: Refused) -> None:
    args, expected, value = BAD_ARGUMENTS[case]
    code, said = refused(*BACKTEST, *args)
    assert code == expected, said
    assert value in said
    assert "fix:" in said
    assert not list(Path().glob("**/.*"))


def test_a_file_whose_name_tells_no_symbol_needs_one(desk: Path, cab: Cab, refused: Refused) -> None:
    (desk / "BTC-USDT.csv.gz").rename("candles.csv.gz")
    code, said = refused("backtest", "--data", "candles.csv.gz")
    assert (code, "--symbol" in said) == (2, True)
    told = cab("backtest", "--data", "candles.csv.gz", "--strategies", "./swing.py", "--symbol", "sol/usdt")
    assert told["symbols"] == ["SOL/USDT"]


def test_one_account_has_one_quote_currency(desk: Path, refused: Refused) -> None:
    (desk / "BTC-EUR.csv.gz").write_bytes((desk / "BTC-USDT.csv.gz").read_bytes())
    code, said = refused("backtest", "--data", "BTC-USDT.csv.gz", "BTC-EUR.csv.gz")
    assert (code, "EUR and USDT" in said) == (2, True)


def test_nothing_is_written_before_the_run_is_over(refused: Refused) -> None:
    refused(*BACKTEST, "--set", "TAKE_PROFIT_1_PCT=6", "--report", "report.html")
    assert not Path("report.html").exists()
    assert not Path("data").exists()
