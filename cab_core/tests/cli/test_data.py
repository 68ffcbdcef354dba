from __future__ import annotations

import json
from pathlib import Path

import pytest

from cab_core.cli import invoke

pytestmark = pytest.mark.usefixtures("folder")


def generate(out: str, *options: str) -> None:
    assert invoke(["data", "generate", "--out", out, "--days", "3", *options]) == 0


def test_generate_check_import_and_list_work_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate("ETH-USDT.csv.gz", "--symbol", "ETH/USDT", "--seed", "4", "--json")
    made = json.loads(capsys.readouterr().out)
    assert (made["symbol"], made["timeframe"]) == ("ETH/USDT", "15m")
    assert invoke(["data", "check", "ETH-USDT.csv.gz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == made
    assert invoke(["data", "import", "ETH-USDT.csv.gz", "--json"]) == 0
    stored = json.loads(capsys.readouterr().out)
    assert stored["path"] == str(Path("data/candles/ETH-USDT_15m.csv.gz"))
    assert invoke(["data", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [stored]
    assert (folder / stored["path"]).read_bytes() == (folder / "ETH-USDT.csv.gz").read_bytes()


def test_people_get_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "list"]) == 0
    assert "cab data import FILE" in capsys.readouterr().out
    generate("a.csv")
    assert "candles of BTC/USDT, seed 11, in a.csv" in capsys.readouterr().out
    assert invoke(["data", "check", "a.csv"]) == 0
    text = capsys.readouterr().out
    assert "2024-01-01 00:00" in text
    assert "sha256" in text
    assert invoke(["data", "import", "a.csv", "--symbol", "BTC/USDT"]) == 0
    assert invoke(["data", "list"]) == 0
    assert "BTC/USDT  288" in capsys.readouterr().out


def test_candles_are_kept_beside_the_database(folder: Path) -> None:
    generate("BTC-USDT.csv")
    assert invoke(["data", "import", "BTC-USDT.csv", "--set", "DB_PATH=elsewhere/bot.sqlite3"]) == 0
    assert (folder / "elsewhere" / "candles" / "BTC-USDT_15m.csv.gz").exists()


def test_nothing_is_overwritten_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    generate("BTC-USDT.csv")
    assert invoke(["data", "generate", "--out", "BTC-USDT.csv"]) == 8
    assert "--force" in capsys.readouterr().err
    generate("BTC-USDT.csv", "--force")
    assert invoke(["data", "import", "BTC-USDT.csv"]) == 0
    assert invoke(["data", "import", "BTC-USDT.csv"]) == 8
    assert "--replace" in capsys.readouterr().err
    assert invoke(["data", "import", "BTC-USDT.csv", "--replace"]) == 0


def test_holes_are_told_and_are_no_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate("a.csv")
    header, *rows = (folder / "a.csv").read_text().splitlines()
    (folder / "short.csv").write_text("\n".join((header, *rows[:50], *rows[58:])) + "\n")
    assert invoke(["data", "check", "short.csv"]) == 0
    assert "hole after" in capsys.readouterr().out
    (folder / "long.csv").write_text("\n".join((header, *rows[:50], *rows[59:])) + "\n")
    assert invoke(["data", "check", "long.csv"]) == 0
    assert "note: 9 candles missing after 2024-01-01 12:15 UTC" in capsys.readouterr().out


def test_a_candle_that_cannot_be_is_a_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate("a.csv")
    lines = (folder / "a.csv").read_text().splitlines()
    stamp, open_, high, _, close, volume = lines[60].split(",")
    lines[60] = ",".join((stamp, open_, high, "0.01", close, volume))
    (folder / "a.csv").write_text("\n".join(lines) + "\n")
    assert invoke(["data", "check", "a.csv"]) == 1
    assert "problem: a price of 0.01 among candles" in capsys.readouterr().out
    generate("late.csv", "--start", "2099-01-01")
    capsys.readouterr()
    assert invoke(["data", "check", "late.csv"]) == 1
    assert "lie in the future" in capsys.readouterr().out


def test_a_bad_file_is_explained_as_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.csv").write_text("ts_ms,open,high,low,close,volume\n0,1,1,1,1,1\n900000,1,1,1,x,1\n")
    assert invoke(["data", "check", "a.csv", "--json"]) == 1
    captured = capsys.readouterr()
    error = json.loads(captured.err)["error"]
    assert captured.out == ""
    assert (error["where"], error["code"]) == ("a.csv:3", "CAB-E100")
    assert "close is not a number: 'x'" in error["what"]
    assert invoke(["data", "check", "nope.csv"]) == 4


def test_a_damaged_stored_file_is_listed_with_exit_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data" / "candles").mkdir(parents=True)
    (folder / "data" / "candles" / "BTC-USDT_15m.csv.gz").write_bytes(b"junk")
    assert invoke(["data", "list"]) == 1
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["import", "list", "check", "generate"])
def test_every_command_shows_two_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", name, "--help"]) == 0
    assert capsys.readouterr().out.count(f"cab data {name}") >= 2
