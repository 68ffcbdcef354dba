from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke

SIGNALS = ("signals", "--data", "BTC-USDT.csv.gz", "--strategies", "./swing.py")

Cab = Callable[..., dict[str, Any]]
Refused = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.usefixtures("desk")


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, str]]]:
    def call(*args: str) -> list[dict[str, str]]:
        capsys.readouterr()
        assert invoke([*args, "--csv"]) == 0
        return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    return call


def test_one_row_per_candle_of_the_file(table: Callable[..., list[dict[str, str]]], desk: Path) -> None:
    rows = table(*SIGNALS)
    lines = gzip.decompress((desk / "BTC-USDT.csv.gz").read_bytes()).decode().splitlines()[1:]
    assert list(rows[0]) == ["bar", "ts_ms", "strategy", "action", "confidence", "reason"]
    assert [row["ts_ms"] for row in rows] == [line.partition(",")[0] for line in lines]
    assert [int(row["bar"]) for row in rows] == list(range(len(lines)))
    assert rows[0]["reason"] == "not_enough_bars"
    assert {row["action"] for row in rows} == {"buy", "sell", "hold"}
    for row in rows:
        assert row["confidence"] == repr(float(row["confidence"]))
        assert (row["action"] == "hold") == (row["confidence"] == "0.0")


def test_all_forms_hold_the_same(
    table: Callable[..., list[dict[str, str]]], cab: Cab, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, document = table(*SIGNALS), cab(*SIGNALS)
    assert document["symbol"] == "BTC/USDT"
    assert document["strategies"] == ["swing"]
    assert [{k: str(v) for k, v in row.items()} for row in document["rows"]] == rows
    assert invoke(list(SIGNALS)) == 0
    plain = capsys.readouterr().out.splitlines()
    assert len(plain) == len(rows) + 1
    assert plain[-1].split() == list(rows[-1].values())


def test_the_aggregate_of_one_strategy_is_its_answer(
    table: Callable[..., list[dict[str, str]]],
) -> None:
    rows = table(*SIGNALS)
    first = table(*SIGNALS, "--aggregate", "first")
    assert list(first[0]) == ["bar", "ts_ms", "mode", "action", "confidence", "reason"]
    assert [(r["action"], r["confidence"]) for r in first] == [(r["action"], r["confidence"]) for r in rows]
    assert {r["reason"] for r in first} == {"first:swing", "all_hold"}
    sure = table(*SIGNALS, "--aggregate", "vote", "--min-confidence", "0.41")
    expected = [r["action"] if float(r["confidence"]) >= 0.41 else "hold" for r in rows]
    assert [r["action"] for r in sure] == expected
    assert len({r["reason"] for r in sure}) == 3
    mute = table(*SIGNALS, "--aggregate", "weighted", "--weights", "swing:0")
    assert {r["reason"] for r in mute} == {"no_votes"}


def test_a_hole_leaves_no_rows(table: Callable[..., list[dict[str, str]]], desk: Path) -> None:
    lines = gzip.decompress((desk / "BTC-USDT.csv.gz").read_bytes()).decode().splitlines()
    (desk / "holes_BTC-USDT.csv").write_text("\n".join((*lines[:300], *lines[303:600])) + "\n")
    rows = table("signals", "--data", "holes_BTC-USDT.csv", "--strategies", "./swing.py")
    assert [row["ts_ms"] for row in rows] == [
        line.partition(",")[0] for line in (*lines[1:300], *lines[303:600])
    ]
    assert [int(row["bar"]) for row in rows] == list(range(596))


@pytest.mark.parametrize(
    ("args", "expected", "value"),
    [
        (("--min-confidence", "2"), 78, "STRATEGY_MIN_CONFIDENCE"),
        (("--weights", "swing"), 78, "STRATEGY_WEIGHTS"),
        (("--aggregate", "most"), 2, "most"),
        (("--strategies", "./none.py"), 78, "none.py"),
        (("--data", "none.csv"), 4, "none.csv"),
    ],
)
def test_bad_arguments_are_refused(
    args: tuple[str, ...], expected: int, value: str, refused: Refused
) -> None:
    code, said = refused(*SIGNALS, *args)
    assert code == expected
    assert value in said
