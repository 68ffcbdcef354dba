"""SIGKILL: the live bot on the local exchange, killed at random moments, again and again.

``CAB_KILLS=200 pytest tests/e2e/test_kill_live.py`` kills it two hundred times in one run on each engine.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from own_redis import running_redis
from rehearsing import journal, ledger, start

#: Without CAB_KILLS; on servers each start takes longer.
ON_FILE, ON_SERVERS = 25, 6
MOST = int(os.environ.get("CAB_KILLS", ON_FILE))


@pytest.fixture
def servers(tmp_path: Path, database_url: str) -> Iterator[Sequence[str]]:
    """Options of a rehearsal: none for a file, else its PostgreSQL server, and a Redis server beside it."""
    if not database_url:
        yield ()
        return
    with running_redis(tmp_path) as redis:
        yield "--database", database_url, "--redis", redis.url.reveal()


@pytest.mark.catalogue(3, 4, 5, 14, 119)
@pytest.mark.timeout(120 + 6 * MOST)
def test_no_kill_costs_or_doubles_an_order(tmp_path: Path, database_url: str, servers: Sequence[str]) -> None:
    kills = int(os.environ.get("CAB_KILLS", ON_SERVERS if servers else ON_FILE))
    seed = "20" if servers else "1"  # of which few kills are enough to strike on both sides of the send
    days = max(1, round(kills / 40))
    how = ("--kills", str(kills), "--faults", "none", "--days", str(days), "--seed", seed, *servers)
    rehearsal = start(tmp_path, *how)
    out, said = rehearsal.process.communicate(timeout=100 + 6 * MOST)
    assert '"verdict": "clean"' in out, out + said
    assert f'"kills": {kills},' in out
    database = database_url or rehearsal.folder / "trader.sqlite3"
    assert len({epoch for _, epoch in journal(database, "order.planned")}) > 1

    sent = dict(journal(database, "order.sent"))
    acked = dict(journal(database, "order.acked"))
    abandoned = dict(journal(database, "order.abandoned"))
    accepted = Counter(
        entry.get("text", "") for entry in ledger(rehearsal.folder) if entry["kind"] == "order"
    )
    adopted = [ref for ref, epoch in acked.items() if sent[ref] < epoch]
    never_came = [ref for ref, epoch in abandoned.items() if ref in sent and sent[ref] < epoch]
    assert adopted, "no kill struck between the exchange's yes and the answer"
    assert never_came, "no kill struck between the journal and the exchange"
    assert all(accepted[ref] == 0 for ref in never_came)
    assert max(accepted[ref] for ref in accepted if ref.startswith("t-c")) == 1
