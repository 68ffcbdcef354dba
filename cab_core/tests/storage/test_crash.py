"""A real process is killed while it commits; what it acknowledged must be there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cab_core.storage import Store, intents_open, journal_rows, load_positions, open_sync, verify_journal

pytestmark = pytest.mark.idempotency

_TRADER = """
import asyncio, sys
from decimal import Decimal
from cab_core.domain.orders import Fill, Intent, Purpose, Side, intent_key
from cab_core.storage import Store, plan_intent, save_fill, save_position

async def main():
    store = await Store.open(sys.argv[1])
    start = store.epoch * 1_000_000
    for n in range(start, start + 100_000):
        key = intent_key("BTC/USDT", Side.BUY, Purpose.ENTRY, str(n))
        intent = Intent(key, "BTC/USDT", Side.BUY, Purpose.ENTRY, "vote:5-2", "0" * 16, n, cost=Decimal(50))
        amounts = (Decimal(1), Decimal(50), Decimal(0))
        fill = Fill(str(n), intent.client_id, "BTC/USDT", Side.BUY, *amounts, "BTC", n)
        def settle(conn):
            assert plan_intent(conn, intent)
            assert save_fill(conn, "paper", fill)
            save_position(conn, "BTC/USDT", {"last": n}, n)
        await store.transact(settle)
        print(n, flush=True)

asyncio.run(main())
"""


def _run_and_kill(path: Path, seconds: float) -> list[int]:
    """Return the transactions that the process reported as durable before it was killed."""
    process = subprocess.Popen([sys.executable, "-c", _TRADER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    complete = (first + rest).rpartition("\n")[0]
    return [int(line) for line in complete.split()]


@pytest.mark.catalogue(2, 16)
@pytest.mark.timeout(120)
async def test_a_killed_process_loses_nothing_it_acknowledged(path: Path) -> None:
    rng = random.Random(7)
    acknowledged: list[int] = []
    for _ in range(4):
        acknowledged += _run_and_kill(path, rng.uniform(0.02, 0.4))

        with open_sync(path) as conn:
            stored = [stored.intent.created_ms for stored in intents_open(conn)]
            position = load_positions(conn)["BTC/USDT"]
            rows = list(journal_rows(conn))
            problems = verify_journal(conn)
        # At most the one transaction in flight at each kill is there beyond what was acknowledged.
        assert set(acknowledged) <= set(stored)
        assert position == {"last": stored[-1]}  # whole transactions only
        assert len(rows) == 3 * len(stored)
        assert problems == []

    store = await Store.open(path)
    assert store.epoch == 5
    await store.close()
    assert len(acknowledged) > 20
