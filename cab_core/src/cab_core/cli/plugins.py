"""``cab plugins``: what is installed, what it can do, and whether it works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from cab_core.plugins.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cab_core.plugins.inventory import PluginRecord

_LIST_EPILOG = """\b
Examples:
  cab plugins list
  cab plugins list --kind strategy --json
"""
_INFO_EPILOG = """\b
Examples:
  cab plugins info strategy:ema_cross
  cab plugins info ema_cross --json
"""
_DOCTOR_EPILOG = """\b
Examples:
  cab plugins doctor
  cab plugins doctor strategy:my_idea --json
"""


@click.group("plugins")
def group() -> None:
    """Show the installed plugins and find what is wrong with them."""


@group.command("list", epilog=_LIST_EPILOG)
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only plugins of this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_plugins(kind: str | None, as_json: bool) -> None:
    """List the installed plugins. Imports none of them."""
    from cab_core.plugins.inventory import take_inventory
    from cab_core.plugins.report import rows

    found = rows([record for record in take_inventory() if kind in (None, record.kind.value)])
    if as_json:
        _print_json({"plugins": found})
    elif not found:
        click.echo("No plugins are installed. The bundle of all that cab ships: pip install cab-plugins")
    else:
        columns = ("id", "dist", "version", "origin", "status", "reason")
        _print_table(columns, [[row[column] for column in columns] for row in found])


@group.command("info", epilog=_INFO_EPILOG)
@click.argument("plugin")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def info(plugin: str, as_json: bool) -> None:
    """Show what PLUGIN does: its options, hooks and origin. Imports this one.

    PLUGIN is an id such as strategy:ema_cross, or the name alone.
    """
    from cab_core.plugins.description import describe_plugin

    described = describe_plugin(_find(plugin))
    if as_json:
        _print_json(described)
        return
    for key in ("id", "summary", "dist", "version", "origin", "target", "file", "hooks", "warmup_bars"):
        if described[key] not in (None, ""):
            value = described[key]
            click.echo(f"{key:12} {', '.join(value) if isinstance(value, list) else value}")
    options: list[dict[str, str]] = described["options"]
    if options:
        click.echo()
        columns = ("name", "type", "default", "range", "help")
        _print_table(columns, [[option[column] for column in columns] for option in options])


@group.command("doctor", epilog=_DOCTOR_EPILOG)
@click.argument("plugins", nargs=-1)
@click.option("--timeout", default=20.0, show_default=True, help="Seconds each plugin may take.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def doctor(
    context: click.Context,
    plugins: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Try every plugin, or the given PLUGINS, each in a process of its own. Exits 1 if anything is wrong."""
    from attrs import asdict

    from cab_core.plugins.doctor import absent_rules, examine
    from cab_core.plugins.inventory import take_inventory

    records = take_inventory()
    chosen = [record for wanted in plugins for record in _matches(wanted, records)] or list(records)
    findings = examine(chosen, timeout_s=timeout) + ([] if plugins else absent_rules(records))
    healthy = all(finding.ok for finding in findings)
    if as_json:
        _print_json({"ok": healthy, "findings": [asdict(finding) for finding in findings]})
    else:
        _print_table(
            ("id", "check", "result", "detail"),
            [[f.id, f.check, "ok" if f.ok else "FAIL", f.detail] for f in findings],
        )
        click.echo("All is well." if healthy else "Something is wrong: see FAIL above.")
    if not healthy:
        context.exit(1)


def _find(wanted: str) -> PluginRecord:
    from cab_core.plugins.inventory import take_inventory

    return _matches(wanted, take_inventory())[0]


def _matches(wanted: str, records: Sequence[PluginRecord]) -> list[PluginRecord]:
    """Return the records of an id or name; a conflict has more than one.

    Raises:
        NotFoundError: nothing of that id or name is installed.
        UsageError: the name alone fits plugins of several kinds.
    """
    from difflib import get_close_matches

    from cab_core.errors import NotFoundError, UsageError

    found = [record for record in records if wanted.lower() in (record.id, record.name)]
    if not found:
        ids = sorted({record.id for record in records})
        near = get_close_matches(wanted, [*ids, *(record.name for record in records)], 1)
        fix = f"did you mean {near[0]}?" if near else "run: cab plugins list"
        raise NotFoundError(f"no plugin {wanted!r} is installed", where="cab plugins", fix=fix)
    if len({record.kind for record in found}) > 1:
        ids = [record.id for record in found]
        raise UsageError(f"{wanted!r} fits {', '.join(ids)}", where="cab plugins", fix="give the whole id")
    return found


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("id", "version", "status", "check"))
    for row in rows:
        table.add_row(*(text.replace("[", r"\[") for text in row))
    Console(soft_wrap=False).print(table)
