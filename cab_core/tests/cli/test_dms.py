from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from cab_core.cli import invoke
from cab_core.errors import RefusedError, StorageError
from cab_core.safety.dead_man import FlattenReport
from cab_core.safety.heartbeat import Beat
from cab_core.safety.instance_lock import DEAD_MAN, instance_lock
from cab_core.safety.latch import (
    Latch,
    acknowledged_file,
    latch_file,
    read_latch,
    refuse_if_latched,
    write_latch,
)

REPORT = FlattenReport(("BTC/USDT",), {"BTC/USDT": Decimal("0.500000")}, {"BTC/USDT": Decimal("0.00000001")})
LATCH = Latch(since_ms=1_736_467_200_000, reason="no cycle for 30 s", last=Beat(5.0, 3, 1, 2), report=REPORT)

Told = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture(autouse=True)
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DB_PATH", str(folder / "trader.sqlite3"))
    return folder / "trader.sqlite3"


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Run ``cab dms`` with ``--json``; return its exit code and document."""

    def call(*args: str) -> tuple[int, dict[str, object]]:
        code = invoke(["dms", *args, "--json"])
        out, err = capsys.readouterr()
        document: dict[str, object] = json.loads(out or err)
        return code, document

    return call


def test_as_long_as_it_has_not_acted(told: Told, database: Path) -> None:
    code, status = told("status")
    assert code == 0
    assert (status["state"], status["latch"], status["running_pid"]) == ("clear", None, None)
    assert told("ack", "--reason", "nothing") == (0, {"acknowledged": None, "kept": None})
    refuse_if_latched(database)


def test_after_it_has_acted_nothing_starts_before_somebody_looked(told: Told, database: Path) -> None:
    write_latch(database, LATCH)
    assert read_latch(database) == LATCH
    with pytest.raises(RefusedError, match="2025-01-10 00:00:00 UTC: no cycle for 30 s") as caught:
        refuse_if_latched(database)
    assert caught.value.exit_code == 8
    assert "cab dms ack --reason" in caught.value.fix
    code, status = told("status")
    assert (code, status["state"], status["file"]) == (1, "latched", str(latch_file(database)))
    assert status["latch"]["report"]["sold"] == {"BTC/USDT": "0.500000"}  # type: ignore[index]
    code, done = told("ack", "--reason", " all flat ", "--by", "alice")
    assert (code, done["kept"]) == (0, str(acknowledged_file(database)))
    refuse_if_latched(database)
    kept = json.loads(acknowledged_file(database).read_text())
    assert (kept["acknowledgement"], kept["by"], kept["reason"]) == ("all flat", "alice", "no cycle for 30 s")
    assert told("status")[1]["state"] == "clear"


def test_a_person_sees_what_it_did(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_latch(database, LATCH)
    assert invoke(["dms", "status"]) == 1
    text = capsys.readouterr().out
    for fact in ("no cycle for 30 s", "BTC/USDT 0.5", "2 positions, 1 open orders", "cab dms ack"):
        assert fact in text


def test_one_that_was_cut_off_leaves_the_rest_to_the_next_start(told: Told, database: Path) -> None:
    write_latch(database, Latch(since_ms=1, reason="no cycle"))
    refuse_if_latched(database)
    assert told("status")[1]["state"] == "interrupted"


@pytest.mark.catalogue(168)
def test_while_it_acts_it_cannot_be_released(told: Told, database: Path, tmp_path: Path) -> None:
    write_latch(database, Latch(since_ms=1, reason="no cycle"))
    with instance_lock(tmp_path / "lock", 1, DEAD_MAN):
        assert told("status")[1]["state"] == "acting"
        code, document = told("ack", "--reason", "impatience")
    assert code == 8
    assert "still closing positions" in json.dumps(document)
    assert latch_file(database).exists()


@pytest.mark.parametrize("args", [["ack"], ["ack", "--reason", "  "]])
def test_a_release_needs_a_reason(args: list[str], told: Told, database: Path) -> None:
    write_latch(database, LATCH)
    assert told(*args)[0] == 2
    assert latch_file(database).exists()


@pytest.mark.parametrize(
    "junk", ["", "{}", "[]", '{"since_ms": 1, "reason": "x", "last": 1, "report": null}']
)
def test_a_latch_that_cannot_be_read_still_holds(junk: str, database: Path) -> None:
    latch_file(database).write_text(junk)
    with pytest.raises(StorageError, match="cannot be read") as caught:
        refuse_if_latched(database)
    assert caught.value.where == str(latch_file(database))
    assert invoke(["dms", "status"]) == 1


def test_from_outside_there_must_be_something_to_watch(told: Told) -> None:
    assert told("watch")[0] == 5
