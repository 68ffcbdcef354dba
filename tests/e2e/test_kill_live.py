"""SIGKILL: the live bot on the local exchange, killed at random moments, again and again.

``CAB_KILLS=200 pytest tests/e2e/test_kill_live.py`` kills it two hundred times in one run.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from rehearsing import journal, ledger, start

KILLS = int(os.environ.get("CAB_KILLS", "25"))


@pytest.mark.catalogue(3, 4, 5, 14, 119)
@pytest.mark.timeout(120 + 6 * KILLS)
def test_no_kill_costs_or_doubles_an_order(tmp_path: Path) -> None:
    days = max(1, round(KILLS / 40))
    rehearsal = start(tmp_path, "--kills", str(KILLS), "--faults", "none", "--days", str(days), "--seed", "1")
    out, _ = rehearsal.process.communicate(timeout=100 + 6 * KILLS)
    assert '"verdict": "clean"' in out, out
    assert f'"kills": {KILLS},' in out
    assert len({epoch for _, epoch in journal(rehearsal.folder, "order.planned")}) > 1

    sent = dict(journal(rehearsal.folder, "order.sent"))
    acked = dict(journal(rehearsal.folder, "order.acked"))
    abandoned = dict(journal(rehearsal.folder, "order.abandoned"))
    accepted = Counter(
        entry.get("text", "") for entry in ledger(rehearsal.folder) if entry["kind"] == "order"
    )
    adopted = [ref for ref, epoch in acked.items() if sent[ref] < epoch]
    never_came = [ref for ref, epoch in abandoned.items() if ref in sent and sent[ref] < epoch]
    assert adopted, "no kill struck between the exchange's yes and the answer"
    assert never_came, "no kill struck between the journal and the exchange"
    assert all(accepted[ref] == 0 for ref in never_came)
    assert max(accepted[ref] for ref in accepted if ref.startswith("t-c")) == 1
