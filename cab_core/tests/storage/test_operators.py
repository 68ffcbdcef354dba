"""What operators' surfaces keep in the database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from cab_core.errors import StorageError
from cab_core.storage import Connection, Store, verify_journal
from cab_core.storage.audit_trail import AuditEntry, load_audit, write_audit
from cab_core.storage.commands import StoredCommand, claim_command, finish_command
from cab_core.storage.memories import memorize, recall
from cab_core.storage.outbox import OutboxRow, delete_outbox, load_outbox, prune_outbox, save_outbox
from cab_core.storage.tokens import ApiToken, add_token, find_token, load_tokens, revoke_token, touch_token


def _alert(number: int, **changes: Any) -> OutboxRow:
    values: dict[str, Any] = {
        "id": f"aa-{number}",
        "notifier": "notifier:log",
        "severity": "info",
        "kind": "risk.blocked",
        "symbol": "BTC/USDT",
        "rule": "spread_cap",
        "text": "blocked",
        "trace_id": "-",
        "created_ms": number,
        "due_ms": number + 10,
    }
    return OutboxRow(**(values | changes))


async def test_the_outbox_returns_what_waits_and_what_was_just_sent(store: Store) -> None:
    rows = [_alert(1), _alert(2, sent_ms=50), _alert(3, sent_ms=5), _alert(1, notifier="notifier:other")]
    await store.transact(lambda conn: save_outbox(conn, rows))
    tried = attrs.evolve(rows[0], attempts=1, last_error="down", message="aa-1", count=4)
    await store.transact(lambda conn: save_outbox(conn, [tried]))

    assert await store.read(lambda conn: load_outbox(conn, 10)) == [tried, rows[3], rows[1]]
    assert await store.transact(lambda conn: prune_outbox(conn, 50)) == 1
    await store.transact(lambda conn: delete_outbox(conn, [tried]))
    assert await store.read(lambda conn: load_outbox(conn, 0)) == [rows[3], rows[1]]


async def test_a_token_is_found_by_its_hash_until_it_is_revoked(store: Store) -> None:
    token = ApiToken(id="t1", name="page", role="viewer", hash="h1", created_ms=1, created_by="anna")
    await store.transact(lambda conn: add_token(conn, token))
    with pytest.raises(StorageError):
        await store.transact(lambda conn: add_token(conn, attrs.evolve(token, id="t2")))

    assert await store.read(lambda conn: find_token(conn, "h1")) == token
    assert await store.read(lambda conn: find_token(conn, "h2")) is None
    await store.transact(lambda conn: touch_token(conn, "t1", 5))
    assert await store.transact(lambda conn: revoke_token(conn, "t1", 9))
    assert not await store.transact(lambda conn: revoke_token(conn, "t1", 10))
    assert await store.read(load_tokens) == [attrs.evolve(token, last_used_ms=5, revoked_ms=9)]
    assert "h1" not in repr(token)


async def test_a_command_is_claimed_once(store: Store) -> None:
    command = StoredCommand(key="k", actor="anna", action="pause", body_hash="b", ts_ms=7)
    assert await store.transact(lambda conn: claim_command(conn, command)) is None
    again = attrs.evolve(command, body_hash="other", ts_ms=8)
    assert await store.transact(lambda conn: claim_command(conn, again)) == command

    await store.transact(lambda conn: finish_command(conn, "k", {"state": "paused"}))
    assert await store.transact(lambda conn: claim_command(conn, again)) == attrs.evolve(
        command, result={"state": "paused"}
    )
    with pytest.raises(KeyError):
        await store.transact(lambda conn: finish_command(conn, "other", {}))


async def test_a_memory_belongs_to_its_plugin(store: Store) -> None:
    await store.transact(lambda conn: memorize(conn, "notifier:a", {"x": "1", "y": "2"}))
    await store.transact(lambda conn: memorize(conn, "notifier:b", {"x": "3"}))
    await store.transact(lambda conn: memorize(conn, "notifier:a", {"x": "4", "y": None}))

    assert await store.read(lambda conn: recall(conn, "notifier:a")) == {"x": "4"}
    assert await store.read(lambda conn: recall(conn, "notifier:b")) == {"x": "3"}


async def test_audit_entries_are_sealed_and_can_be_asked_for(store: Store) -> None:
    def write(conn: Connection) -> list[int]:
        reset = AuditEntry(
            actor="anna",
            role="admin",
            surface="cli",
            action="risk.reset",
            target="daily_loss",
            before={"halted": True},
            after={"limit": Decimal("1.50")},
            trace_id="00000000000000aa",
        )
        pause = AuditEntry(
            actor="bob", role="operator", surface="api", action="pause", outcome="refused: live"
        )
        return [write_audit(conn, entry, ts_ms) for ts_ms, entry in ((10, reset), (20, pause), (30, reset))]

    first, second, third = await store.transact(write)

    def seqs(**wanted: Any) -> Any:
        return lambda conn: [row.seq for row in load_audit(conn, **wanted)]

    assert await store.read(seqs()) == [first, second, third]
    assert await store.read(seqs(actor="anna", limit=1)) == [first]
    assert await store.read(seqs(action="risk.")) == [first, third]
    assert await store.read(seqs(action="risk")) == []
    assert await store.read(seqs(after_seq=first, since_ms=20)) == [second, third]
    assert await store.read(seqs(newest_first=True, before_seq=third, limit=1)) == [second]
    row = (await store.read(lambda conn: load_audit(conn)))[0]
    assert row.ts_ms == 10
    assert row.entry.after == {"limit": "1.50"}
    assert row.entry.trace_id == "00000000000000aa"
    assert await store.read(verify_journal) == []
