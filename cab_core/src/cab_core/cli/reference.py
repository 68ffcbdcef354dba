"""The reference page of the command line, generated from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

from cab_core.cli.main import load_command, root
from cab_core.cli.table import ENTRIES, root_help

_WIDTH = 100

_HEAD = """\
# Command line

Made from the commands; `cab COMMAND --help` prints the same. With `--json` a command prints one JSON document
to stdout. Errors go to stderr, with `--json` as one JSON object. Exit codes and error codes:
[errors.md](errors.md).
"""


def cli_markdown() -> str:
    """Return the page of all commands; each is imported."""
    parts = [_HEAD, f"\n## cab\n\n```text\n{root_help()}\n```\n"]
    context = click.Context(root, info_name="cab", **root.context_settings)
    for name in ENTRIES:
        for path, text in _helps(load_command(name), name, context):
            parts.append(f"\n{'#' * (1 + len(path))} {' '.join(path)}\n\n```text\n{text}\n```\n")
    return "".join(parts)


def _helps(
    command: click.Command, name: str, parent: click.Context, above: tuple[str, ...] = ("cab",)
) -> Iterator[tuple[tuple[str, ...], str]]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
    path = (*above, name)
    yield path, _plain_help(command, context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _helps(found, child, context, path)


def _plain_help(command: click.Command, context: click.Context) -> str:
    formatter = context.make_formatter()
    command.format_help(context, formatter)
    return formatter.getvalue().rstrip()
