"""What all commands share: two examples in the help, ``--json``, ``--config`` and ``--set``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cab_core.cli.output import use_color
from cab_core.errors import CabError, ConfigError

if TYPE_CHECKING:
    from cab_core.settings import Loaded

F = TypeVar("F", bound=Callable[..., Any])

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class _Examples(click.Command):
    """Mixin of commands and groups that show examples below their options."""

    examples: Sequence[str] = ()

    def get_help(self, ctx: click.Context) -> str:
        """Return the help: styled by rich-click on a terminal, plain elsewhere."""
        return _styled_help(self, ctx) if use_color(sys.stdout) else super().get_help(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {example}\n" for example in self.examples))


class CabCommand(_Examples):
    """A command with examples."""


class CabGroup(_Examples, click.Group):
    """A group of commands with examples."""

    def cab_command(
        self, name: str, *, examples: Sequence[str], **attrs: Any
    ) -> Callable[[Callable[..., Any]], CabCommand]:
        """Make a command as `cab_command` does and add it to the group."""

        def decorate(function: Callable[..., Any]) -> CabCommand:
            command = cab_command(name, examples=examples, **attrs)(function)
            self.add_command(command)
            return command

        return decorate


def _styled_help(command: _Examples, ctx: click.Context) -> str:
    from rich_click import RichCommand, RichContext, RichGroup

    shared: dict[str, Any] = {
        "name": command.name,
        "params": command.params,
        "help": command.help,
        "epilog": "\n\n".join(("Examples:", *command.examples)) if command.examples else None,
        "context_settings": _HELP_NAMES,
    }
    if isinstance(command, click.Group):
        children = {name: command.get_command(ctx, name) for name in command.list_commands(ctx)}
        twin: RichCommand = RichGroup(commands={k: v for k, v in children.items() if v}, **shared)
    else:
        twin = RichCommand(**shared)
    return str(twin.get_help(RichContext(twin, info_name=ctx.info_name, parent=ctx.parent)))


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file to use in place of ./cab.toml.",
)

set_option = click.option(
    "-s",
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting; may be given several times.",
)


def cab_command(
    name: str, *, examples: Sequence[str], cls: type[CabCommand] = CabCommand, **attrs: Any
) -> Callable[[Callable[..., Any]], CabCommand]:
    """Make a command with ``--json`` (parameter ``as_json``) and examples; the docstring is its help.

    The function may return an exit code; None means 0.

    Args:
        name: name of the command.
        examples: two or more whole command lines.
        cls: class of the command.
        attrs: further arguments of `click.command`.
    """

    def decorate(function: Callable[..., Any]) -> CabCommand:
        made = click.command(name, cls=cls, context_settings=_HELP_NAMES, **attrs)(json_option(function))
        made.examples = tuple(examples)
        return made

    return decorate


def cab_group(
    name: str, *, examples: Sequence[str], **attrs: Any
) -> Callable[[Callable[..., Any]], CabGroup]:
    """Make a group of commands with examples; the docstring is its help."""

    def decorate(function: Callable[..., Any]) -> CabGroup:
        made = click.group(name, cls=CabGroup, context_settings=_HELP_NAMES, **attrs)(function)
        made.examples = tuple(examples)
        return made

    return decorate


def settings_options(function: F) -> F:
    """Add ``--config`` and ``--set`` (parameters ``config`` and ``overrides``)."""
    decorated: F = config_option(set_option(function))
    return decorated


def load(
    config: Path | None,
    overrides: Sequence[str],
    *,
    defaults: Mapping[str, str] | None = None,
    require_run: bool = False,
    decides: bool = False,
) -> Loaded:
    """Load the settings of this process: environment, ``.env``, ``cab.toml`` and the command's options.

    Args:
        config: another file than ``cab.toml``.
        overrides: ``KEY=VALUE`` of the command line.
        defaults: the command's own.
        require_run: the command needs what a run needs.
        decides: the command loads strategies and rules.

    Raises:
        ConfigError: every problem; where plugins will be loaded, theirs beside those of the settings.
    """
    from cab_core.settings import read_settings

    loaded = read_settings(os.environ, Path.cwd(), overrides, config, defaults, require_run=require_run)
    if not loaded.problems:
        return loaded
    also: Sequence[CabError] = ()
    if require_run or decides:
        from cab_core.app.fitness import plugin_problems

        also = plugin_problems(loaded.settings, run=require_run)
    raise ConfigError([*loaded.problems, *also], loaded.warnings)
