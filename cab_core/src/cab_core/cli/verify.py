"""``cab verify``: the invariants of a database, by number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import UsageError

if TYPE_CHECKING:
    from cab_core.app.verify import Result

_MARKS = {"ok": "ok", "violated": "VIOLATED", "not_shown": "-"}


@cab_command("verify", examples=("cab verify", "cab verify --exchange --json"))
@click.option(
    "--ledger",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Compare with the ledger of a local exchange (JSON).",
)
@click.option("--exchange", is_flag=True, help="Ask the live account, too; the bot should be at rest.")
@settings_options
def command(
    ledger: Path | None, exchange: bool, as_json: bool, config: Path | None, overrides: Sequence[str]
) -> int:
    """Check the invariants I1 to I26 on the database; nothing is changed, and a bot may be running.

    Exit code 1 if one is violated. What a database cannot show is marked with a dash and says what does.
    """
    from cab_core.app.verify import check_evidence, check_ledger, gather, merged, violated
    from cab_core.storage import visit

    settings = load(config, overrides, require_run=exchange).settings
    entries = None if ledger is None else _entries(ledger)
    evidence = visit(settings.database_url.reveal() or settings.db_path, gather)
    results = check_evidence(evidence)
    if entries is not None:
        results = merged(results, check_ledger(evidence, entries))
    if exchange:
        from cab_core.app.verify.venue import ask_exchange

        results = merged(results, ask_exchange(settings, evidence))
    broken = violated(results)
    told = {"ok": not broken, "violated": [result.name for result in broken], "invariants": results}
    emit(told, as_json, lambda: _print(results))
    return 1 if broken else 0


def _entries(path: Path) -> list[dict[str, Any]]:
    """Read a ledger: its entries, or a mapping with them as ``entries``."""
    fix = "save the answer of /__sim/ledger"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"no JSON: {error}", where=str(path), fix=fix) from None
    entries = found.get("entries") if isinstance(found, dict) else found
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        raise UsageError("this is no ledger of a local exchange", where=str(path), fix=fix)
    return entries


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and {"number", "ms", "kind"} <= entry.keys()


def _print(results: Sequence[Result]) -> None:
    rows = [[result.name, _MARKS[result.status], result.text, result.detail] for result in results]
    table(("", "", "what holds", "found"), rows)
    for result in results:
        for problem in result.problems:
            click.echo(f"{result.name}: {problem}")
    shown = [result for result in results if result.status != "not_shown"]
    broken = [result.name for result in results if result.status == "violated"]
    click.echo(f"{', '.join(broken)} violated" if broken else f"{len(shown)} invariants hold")
