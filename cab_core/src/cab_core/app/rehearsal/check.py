"""The checks of a finished rehearsal, in a process that may load the broker: database, ledger, exchange."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from cab_core.app.config import cycle_config
from cab_core.app.live import open_venue, venue_plugin
from cab_core.app.rehearsal.brief import CHECKS, LEDGER, Brief
from cab_core.app.rehearsal.plane import Plane
from cab_core.app.rehearsal.setting import load_brief
from cab_core.app.verify import Evidence, Result, check_evidence, check_exchange, check_ledger, gather, merged
from cab_core.clock import VirtualClock, turn
from cab_core.settings.schema import Settings
from cab_core.storage import visit


def main(folder: Path) -> int:
    """Check everything and write what was found beside the database."""
    brief = Brief.read(folder)
    settings = load_brief(brief, os.environ).settings
    evidence = visit(settings.database_url.reveal() or settings.db_path, gather)
    entries = json.loads((folder / LEDGER).read_text(encoding="utf-8"))["entries"]
    results = merged(
        check_evidence(evidence),
        check_ledger(evidence, entries),
        asyncio.run(_ask(settings, brief, evidence)),
    )
    rows = [
        {"name": r.name, "status": str(r.status), "text": r.text, "detail": r.detail, "problems": r.problems}
        for r in results
    ]
    open_intents = [
        f"{row['client_id']} {row['purpose']} {row['symbol']} is {row['state']}"
        for row in evidence.intents
        if row["state"] in {"planned", "sent", "unknown"}
    ]
    told = {"results": rows, "unsettled": open_intents, "positions": sorted(evidence.positions)}
    (folder / CHECKS).write_text(json.dumps(told, indent=1), encoding="utf-8")
    return 0


async def _ask(settings: Settings, brief: Brief, evidence: Evidence) -> list[Result]:
    """Compare the evidence with the account, read through the broker as the bot reads it."""
    plane = Plane(brief.control_url, brief.token)
    clock = VirtualClock(await plane.now_ms(), lead=plane.advance)
    config = cycle_config(settings, [], settings.symbols)
    broker = open_venue(venue_plugin(settings).broker, settings, config, clock)
    try:
        async with turn(clock):
            return await check_exchange(evidence, broker, stops_expected=settings.exits_exchange_stop)
    finally:
        await broker.close()
        await plane.close()
