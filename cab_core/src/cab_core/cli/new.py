"""``cab new``: write a plugin package whose tests pass."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from cab_core.cli.base import cab_command
from cab_core.cli.output import as_typed, emit
from cab_core.cli.writing import write_new_files
from cab_core.errors import RefusedError, UsageError
from cab_core.scaffold.naming import FAMILIES, Names, names_of

#: Kinds that may also be a single file given by path, in paper and backtest.
_SINGLE_FILES = ("strategy", "risk-rule")


@cab_command("new", examples=("cab new strategy my_idea", "cab new risk-rule my_limit --out plugins --json"))
@click.argument("kind", type=click.Choice(list(FAMILIES)))
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder to write into; made if it does not exist.",
)
@click.option("--bare", is_flag=True, help="Write the single file NAME.py and no package.")
def command(kind: str, name: str, out: Path, bare: bool, as_json: bool) -> None:
    """Write a new plugin package with passing tests. Asks nothing, overwrites nothing, works offline.

    A strategy or risk rule written with --bare can be tried at once, by its path.
    """
    names = names_of(kind, name)
    if bare and kind not in _SINGLE_FILES:
        raise UsageError(
            f"a {names.family.noun} cannot run from a single file",
            where=f"cab new {kind}",
            fix=f"write the package: cab new {kind} {name}",
        )
    from cab_core.scaffold.package import package_files, single_file

    root = out if bare else out / names.dist
    target = root / f"{names.name}.py" if bare else root
    if target.exists():
        raise RefusedError(
            f"{target} exists", where=f"cab new {kind}", fix="choose another name or --out, or remove it"
        )
    files = single_file(names) if bare else package_files(names)
    write_new_files({root / path: text for path, text in files.items()})
    written = [str(path) for path in files]
    following = _try_the_file(kind, target) if bare else _try_the_package(names, target)

    def human() -> None:
        click.echo(f"wrote {target}" if bare else f"wrote {target} ({len(written)} files)")
        click.echo("next:")
        for line in following:
            click.echo(f"  {as_typed(line)}")

    document = {"id": names.id, "path": str(target), "dist": "" if bare else names.dist, "files": written}
    emit({**document, "next": following}, as_json, human)


def _try_the_package(names: Names, folder: Path) -> list[str]:
    return [
        f"cd {shlex.quote(str(folder))}",
        'pip install -e ".[test]" && pytest',
        f"cab plugins info {names.id}",
    ]


def _try_the_file(kind: str, file: Path) -> list[str]:
    path = shlex.quote(str(file) if file.is_absolute() else f"./{file}")
    generate = "cab data generate --symbol BTC/USDT --days 90 --seed 7 --out candles.csv.gz"
    backtest = "cab backtest --data candles.csv.gz"
    if kind == "strategy":
        signals = f"cab signals --data candles.csv.gz --strategies {path}"
        return [generate, signals, f"{backtest} --strategies {path}"]
    return [generate, f"{backtest} --set RISK_RULE_FILES={path}", "cab risk status"]
