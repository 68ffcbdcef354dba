from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.safety.latch import Latch, write_latch
from cab_core.storage import AuditEntry, Connection, Store, journal, visit, write_audit
from cab_core.storage.journal import head_text

Told = Callable[..., tuple[int, dict[str, Any]]]

UNGUARDED = tuple(f"DROP TRIGGER journal_{name}" for name in ("no_update", "no_delete", "no_replace", "head"))
NO_SEQUENCE = "UPDATE sqlite_sequence SET seq = 4 WHERE name = 'journal'"


@pytest.fixture
async def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with six journal rows, three of them audit."""
    path = folder / "trader.sqlite3"
    monkeypatch.setenv("DB_PATH", str(path))

    def write(conn: Connection) -> None:
        for number, (actor, action) in enumerate(
            [("cli:anna", "risk.reset"), ("token:ab12", "pause"), ("cli:anna", "risk.other")]
        ):
            ts_ms = 1_714_996_800_000 + 60_000 * number
            journal(conn, "cycle", {"n": number}, ts_ms=ts_ms)
            entry = AuditEntry(actor=actor, role="admin", surface="cli", action=action, after={"n": number})
            write_audit(conn, entry, ts_ms)

    store = await Store.open(path)
    await store.transact(write)
    await store.close()
    return path


@pytest.fixture
def told(database: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    def call(*args: str) -> tuple[int, dict[str, Any]]:
        code = invoke(["audit", *args, "--json"])
        out, err = capsys.readouterr()
        document: dict[str, Any] = json.loads(out or err)
        return code, document

    return call


def _raw(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()


def test_entries_are_listed_oldest_first_and_filtered(told: Told) -> None:
    code, found = told("list")
    assert code == 0
    assert [entry["seq"] for entry in found["entries"]] == [2, 4, 6]
    assert found["entries"][1]["actor"] == "token:ab12"
    assert found["entries"][1]["after"] == {"n": 1}

    def seqs(*args: str) -> list[int]:
        return [entry["seq"] for entry in told("list", *args)[1]["entries"]]

    assert seqs("--limit", "1") == [6]
    assert seqs("--actor", "cli:anna") == [2, 6]
    assert seqs("--action", "risk.") == [2, 6]
    assert seqs("--action", "pause") == [4]
    assert seqs("--since", "2024-05-06T12:01") == [4, 6]


def test_people_get_a_table_and_a_verdict(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["audit", "list"]) == 0
    assert "token:ab12" in capsys.readouterr().out
    assert invoke(["audit", "verify"]) == 0
    assert capsys.readouterr().out.startswith("6 rows are as they were written; head 6:")
    _raw(database, *UNGUARDED, "DELETE FROM journal WHERE seq = 3")
    assert invoke(["audit", "verify"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "the first wrong row is 3"


@pytest.mark.catalogue(82)
@pytest.mark.parametrize(
    ("forgery", "first"),
    [
        (("UPDATE journal SET payload = replace(payload, 'anna', 'nobody') WHERE seq = 2",), 2),
        (("UPDATE journal SET ts_ms = 1 WHERE seq = 6",), 6),
        (("DELETE FROM journal WHERE seq = 4",), 4),
        (("DELETE FROM journal WHERE seq IN (1, 2)",), 1),
        (("DELETE FROM journal WHERE seq > 4",), 5),
        (("DELETE FROM journal WHERE seq > 4", NO_SEQUENCE), 5),
        (("DELETE FROM journal",), 1),
        (
            (
                "UPDATE journal SET seq = -1 WHERE seq = 3",
                "UPDATE journal SET seq = 3 WHERE seq = 5",
                "UPDATE journal SET seq = 5 WHERE seq = -1",
            ),
            3,
        ),
        (("UPDATE meta SET value = '6:00' WHERE key = 'journal_head'",), 6),
        (("DELETE FROM meta WHERE key = 'journal_head'",), 6),
    ],
)
def test_every_forgery_is_found_and_its_first_row_named(
    told: Told, database: Path, forgery: tuple[str, ...], first: int
) -> None:
    assert told("verify")[0] == 0
    _raw(database, *UNGUARDED, *forgery)
    code, verdict = told("verify")
    assert code == 1
    assert verdict["ok"] is False
    assert verdict["first_wrong"] == first


def test_a_journal_that_was_made_anew_is_found_by_a_head_kept_elsewhere(told: Told, database: Path) -> None:
    head = visit(database, head_text)[: 2 + 16]
    _raw(
        database,
        *UNGUARDED,
        "DELETE FROM journal WHERE seq > 5",
        "UPDATE sqlite_sequence SET seq = 5 WHERE name = 'journal'",
        "UPDATE meta SET value = (SELECT seq || ':' || hash FROM journal WHERE seq = 5)"
        " WHERE key = 'journal_head'",
    )
    assert told("verify")[0] == 0, "nothing inside can tell"
    code, verdict = told("verify", "--head", head)
    assert (code, verdict["first_wrong"]) == (1, 6)


def test_a_head_must_be_one(told: Told) -> None:
    code, error = told("verify", "--head", "6-abc")
    assert code == 2
    assert "SEQ:HASH" in json.dumps(error)


def test_the_release_of_the_dead_mans_switch_is_audited(
    told: Told, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_latch(database, Latch(since_ms=1_736_467_200_000, reason="no cycle for 30 s"))
    assert invoke(["dms", "ack", "--reason", "looked", "--by", "anna"]) == 0
    assert invoke(["dms", "ack", "--reason", "again"]) == 0
    capsys.readouterr()
    (entry,) = told("list", "--action", "dms.ack")[1]["entries"]
    assert (entry["actor"], entry["role"], entry["surface"]) == ("anna", "admin", "cli")
    assert entry["before"]["reason"] == "no cycle for 30 s"
    assert entry["after"] == {"latched": False, "reason": "looked"}
    assert told("verify")[0] == 0
