"""``cab plugins``: what is installed, what it can do, and whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_command, cab_group
from cab_core.cli.output import emit, table
from cab_core.errors import ExitCode, NotFoundError, UsageError
from cab_core.nearest import nearest
from cab_core.plugins.kinds import Kind

if TYPE_CHECKING:
    from cab_core.plugins.doctor import Finding
    from cab_core.plugins.inventory import PluginRecord

_COLUMNS = ("id", "dist", "version", "origin", "status", "reason")
_OPTION_COLUMNS = ("name", "type", "default", "range", "help")
_FACTS = ("id", "summary", "dist", "version", "origin", "target", "file", "hooks", "warmup_bars", "section")


@cab_group("plugins", examples=("cab plugins list", "cab plugins info strategy:ema_cross"))
def group() -> None:
    """List, describe and diagnose the installed plugins."""


@cab_command("list", examples=("cab plugins list", "cab plugins list --kind strategy --json"))
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only plugins of this kind.")
def list_plugins(kind: str | None, as_json: bool) -> None:
    """List the installed plugins. Imports none of them."""
    from cab_core.plugins.report import rows

    found = rows([record for record in _inventory() if kind in (None, record.kind.value)])
    emit({"plugins": found}, as_json, lambda: _print_list(found))


def _print_list(found: Sequence[dict[str, str]]) -> None:
    if found:
        table(_COLUMNS, [[row[column] for column in _COLUMNS] for row in found])
    else:
        click.echo("No such plugin is installed. The bundle of all that cab ships: pip install cab-plugins")


@cab_command("info", examples=("cab plugins info strategy:ema_cross", "cab plugins info ema_cross --json"))
@click.argument("plugin")
def info(plugin: str, as_json: bool) -> None:
    """Show what PLUGIN does: its options, hooks and origin. Imports this one.

    PLUGIN is an id such as strategy:ema_cross, or the name alone.
    """
    from cab_core.plugins.description import describe_plugin

    described = describe_plugin(_matches(plugin, _inventory())[0])
    emit(described, as_json, lambda: _print_description(described))


def _print_description(described: dict[str, Any]) -> None:
    for key in _FACTS:
        value = described[key]
        if value not in (None, "", []):
            click.echo(f"{key:12}  {', '.join(value) if isinstance(value, list) else value}")
    if described["options"]:
        click.echo()
        table(_OPTION_COLUMNS, [[row[column] for column in _OPTION_COLUMNS] for row in described["options"]])
    if described["reason"]:
        click.echo(f"\nCannot be used: {described['reason']}")


@cab_command("doctor", examples=("cab plugins doctor", "cab plugins doctor strategy:my_idea --json"))
@click.argument("plugins", nargs=-1, metavar="[NAME|PATH]...")
@click.option("--timeout", default=20.0, show_default=True, help="Seconds each plugin may take to be tried.")
def doctor(plugins: tuple[str, ...], timeout: float, as_json: bool) -> int:
    """Try every plugin, each in a process of its own. Exits 1 if anything is wrong.

    One that is named, or the file or folder of one that is not installed, is also held against the
    conformance suite of its kind; that takes some seconds.
    """
    from cab_core.plugins.doctor import absent_rules, examine

    records = _inventory()
    paths = [wanted for wanted in plugins if _is_path(wanted)]
    named = [r for wanted in plugins if wanted not in paths for r in _matches(wanted, records)]
    findings = examine(named if plugins else records, timeout_s=timeout)
    wrong = {finding.id for finding in findings if not finding.ok}  # what does not even answer needs no suite
    sound = [record for record in named if record.id not in wrong]
    findings += _conformance(sound, paths) if plugins else absent_rules(records)
    healthy = all(finding.ok for finding in findings)
    emit({"ok": healthy, "findings": findings}, as_json, lambda: print_findings(findings, healthy=healthy))
    return ExitCode.OK if healthy else ExitCode.PROBLEMS


def _is_path(wanted: str) -> bool:
    return wanted.endswith(".py") or ".py:" in wanted or Path(wanted).is_dir()


def _conformance(records: Sequence[PluginRecord], paths: Sequence[str]) -> list[Finding]:
    from cab_core.plugins.inventory import Status
    from cab_core.testing.suite import installed, run_suite, targets

    chosen = [installed(record) for record in records if record.status is Status.AVAILABLE]
    chosen += [target for path in paths for target in targets(path)]
    return [finding for target in chosen for finding in run_suite(target)]


def print_findings(findings: Sequence[Finding], *, healthy: bool) -> None:
    """Print the findings of the doctor and of ``cab check`` for people."""
    rows = [[f.id, f.check, "ok" if f.ok else "FAIL", f.detail] for f in findings]
    table(("id", "check", "result", "detail"), rows)
    click.echo("All is well." if healthy else "Something is wrong: see FAIL above.")


def _inventory() -> tuple[PluginRecord, ...]:
    from cab_core.plugins.inventory import take_inventory

    return take_inventory()


def _matches(wanted: str, records: Sequence[PluginRecord]) -> list[PluginRecord]:
    """Return the records of an id or name; a conflict has more than one.

    Raises:
        NotFoundError: nothing of that id or name is installed.
        UsageError: the name alone fits plugins of several kinds.
    """
    found = [record for record in records if wanted.lower() in (record.id, record.name)]
    if not found:
        near = nearest(wanted, [record.id for record in records] + [record.name for record in records])
        fix = f"did you mean {near}?" if near else "run: cab plugins list"
        raise NotFoundError(f"no plugin {wanted!r} is installed", where="cab plugins", fix=fix)
    if len({record.kind for record in found}) > 1:
        ids = ", ".join(record.id for record in found)
        raise UsageError(f"{wanted!r} fits {ids}", where="cab plugins", fix="give the whole id")
    return found


for _command in (list_plugins, info, doctor):
    group.add_command(_command)
