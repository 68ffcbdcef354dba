"""``cab config``: write, show, check and explain the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from cab_core.cli.base import cab_group, load, settings_options
from cab_core.cli.output import as_typed, emit, table
from cab_core.cli.writing import write_new_files
from cab_core.errors import ConfigError, NotFoundError
from cab_core.nearest import nearest
from cab_core.settings import Loaded
from cab_core.settings.masked import masked_options
from cab_core.settings.render import option_path, secrets_example, toml_example
from cab_core.settings.schema import BY_NAME
from cab_core.settings.setting import Setting


@cab_group("config", examples=("cab config init", "cab config show --sources"))
def group() -> None:
    """Write, show, check and explain the settings."""


@group.cab_command("init", examples=("cab config init", "cab config init --dir ./bot --force"))
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder to write into; made if it does not exist.",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def init(folder: Path, force: bool, as_json: bool) -> None:
    """Write a commented cab.toml and a .env for secrets. Asks nothing and overwrites nothing."""
    contents = {folder / "cab.toml": toml_example(), folder / ".env": secrets_example()}
    write_new_files(contents, force=force, private=frozenset({folder / ".env"}))
    written = [str(path) for path in contents]

    def human() -> None:
        for path in written:
            click.echo(f"wrote {path}")
        click.echo(f"next: {as_typed('cab config check')}, then {as_typed('cab run')}")

    emit({"written": written}, as_json, human)


@group.cab_command("show", examples=("cab config show", "cab config show --sources --json"))
@click.option("--sources", is_flag=True, help="Also say where each value comes from.")
@settings_options
def show(sources: bool, config: Path | None, overrides: Sequence[str], as_json: bool) -> None:
    """Print all settings with secrets masked."""
    loaded = load(config, overrides)
    texts = loaded.settings.texts()
    options = masked_options(loaded.settings.plugin_options)
    document: dict[str, object] = {
        "settings": texts,
        "plugin_options": options,
        "warnings": loaded.warnings,
    }
    if sources:
        document["sources"] = loaded.sources

    def human() -> None:
        rows = [(name, text, loaded.sources[name]) for name, text in texts.items()]
        if sources:
            table(("setting", "value", "source"), rows)
        else:
            table(("setting", "value"), [row[:2] for row in rows])
        for option, value in _flat_options(options):
            click.echo(f"{option} = {value}")
        _print_warnings(loaded.warnings)

    emit(document, as_json, human)


@group.cab_command("check", examples=("cab config check", "cab config check --set MODE=live"))
@settings_options
def check(config: Path | None, overrides: Sequence[str], as_json: bool) -> None:
    """Check the settings for cab run, its plugins and its exchange, without the network.

    That includes what the database holds: an account goes on with the settings it can go on with. All
    problems are reported together (exit code 78). The exchange itself is asked by: cab doctor --online.
    """
    from cab_core.app.fitness import fit_to_run

    loaded = load(config, overrides, require_run=True)
    settings = loaded.settings
    fit = asyncio.run(fit_to_run(settings))
    warnings = [*loaded.warnings, *fit.notes, *fit.plugins.report.warnings]

    def human() -> None:
        _print_warnings(warnings)
        click.echo(
            f"settings are valid: {settings.mode} on {settings.exchange}, {', '.join(settings.symbols)}"
        )

    emit({"ok": True, "warnings": warnings}, as_json, human)


@group.cab_command("explain", examples=("cab config explain STOP_LOSS_PCT", "cab config explain mode --json"))
@click.argument("name", metavar="NAME")
@settings_options
def explain(name: str, config: Path | None, overrides: Sequence[str], as_json: bool) -> None:
    """Explain one setting: what it does, its rule, its default, its value now and where that comes from."""
    row = _find(name)
    document: dict[str, object] = {
        "name": row.name,
        "help": row.help,
        "rule": row.rule,
        "default": row.default,
        "section": row.section,
        "secret": row.secret,
        "aliases": row.aliases,
        "options": [option_path(key) for key in row.options],
        **_current(row, config, overrides),
    }

    def human() -> None:
        click.echo(f"{row.name}: {row.help}")
        for label in ("rule", "default", "value", "source"):
            click.echo(f"  {label + ':':<9}{document[label] or '(empty)'}")
        if row.secret:
            click.echo(f"  file:    {row.name}_FILE names a file that holds it")
        if row.aliases:
            click.echo(f"  also:    {', '.join(row.aliases)}")
        for key in row.options:
            click.echo(f"  same as: {option_path(key)}")

    emit(document, as_json, human)


def _find(name: str) -> Setting:
    wanted = name.strip().upper()
    wanted = wanted if wanted in BY_NAME else wanted.removesuffix("_FILE")
    row = BY_NAME.get(wanted)
    if row is None:
        likely = nearest(wanted, BY_NAME)
        fix = f"did you mean {likely}?" if likely else "list the names with: cab config show"
        raise NotFoundError(f"no setting {name!r}", where="cab config explain", fix=fix)
    return row


def _current(row: Setting, config: Path | None, overrides: Sequence[str]) -> Mapping[str, str]:
    try:
        loaded: Loaded = load(config, overrides)
    except ConfigError:
        return {"value": "unknown: other settings are wrong, see cab config check", "source": ""}
    return {"value": loaded.settings.texts()[row.name], "source": loaded.sources[row.name]}


def _print_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _flat_options(options: Mapping[str, Mapping[str, Mapping[str, object]]]) -> list[tuple[str, object]]:
    return [
        (option_path((kind, plugin, param)), value)
        for kind, plugins in options.items()
        for plugin, params in plugins.items()
        for param, value in params.items()
    ]
