"""The root group: finds a command by its name and imports only that one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from cab_core import __version__
from cab_core.cli.errors import guarded, install_excepthook
from cab_core.cli.table import ENTRIES, root_help
from cab_core.errors import NotFoundError, UsageError
from cab_core.nearest import nearest


class RootGroup(click.Group):
    """Group whose commands are named in the table and imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(ENTRIES)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in ENTRIES:
            return None
        return load_command(cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the names of the table without importing the commands."""
        found = [
            CompletionItem(name, help=entry.help)
            for name, entry in ENTRIES.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        name = args[0]
        if name not in ENTRIES and not name.startswith("-") and not ctx.resilient_parsing:
            likely = nearest(name, ENTRIES)
            fix = f"did you mean: cab {likely}?" if likely else "list the commands with: cab --help"
            raise UsageError(f"no such command: {name}", where="cab", fix=fix)
        return super().resolve_command(ctx, args)

    def format_help(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the help from the table."""
        formatter.write(f"{root_help()}\n")


def load_command(name: str) -> click.Command:
    """Import one command of the table.

    Raises:
        NotFoundError: this installation does not have it.
    """
    entry = ENTRIES[name]
    try:
        module = importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        if error.name not in (entry.module, entry.package):
            raise
        fix = f"pip install {entry.dist}" if entry.package else "upgrade cab-core"
        raise NotFoundError(f"cab {name} is not part of this installation", fix=fix) from error
    command = getattr(module, entry.attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{entry.module}.{entry.attribute} is no click command")
    return command


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"cab {__version__}")
        ctx.exit()


root = RootGroup(
    name="cab",
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_print_version),
        click.Option(["--debug"], is_flag=True, expose_value=False),
    ],
)


def dispatch(args: Sequence[str]) -> int:
    """Run a command and return its exit code; every error a user may meet is printed here."""
    install_excepthook(args)
    return guarded(lambda: _invoke(args), as_json="--json" in args)


def _invoke(args: Sequence[str]) -> int:
    result = root.main(list(args), prog_name="cab", standalone_mode=False)
    sys.stdout.flush()
    return int(result) if isinstance(result, int) else 0
