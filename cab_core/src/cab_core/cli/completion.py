"""``cab completion``: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cab_core.cli.base import cab_command
from cab_core.cli.output import emit
from cab_core.errors import UsageError

_WHERE = {
    "bash": 'eval "$(cab completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(cab completion zsh)" in ~/.zshrc',
    "fish": "cab completion fish > ~/.config/fish/completions/cab.fish",
}


@cab_command("completion", examples=('eval "$(cab completion bash)"', "cab completion fish"))
@click.argument("shell", type=click.Choice(tuple(_WHERE)))
def command(shell: str, as_json: bool) -> None:
    """Print a script that completes cab's commands, options and choices.

    Put it where your shell reads it: bash and zsh: eval "$(cab completion bash)" in the start file; fish: a
    file in ~/.config/fish/completions.
    """
    from cab_core.cli.main import root

    made = get_completion_class(shell)
    if made is None:
        raise UsageError(f"there is no completion for {shell}", where="SHELL")
    script = made(root, {}, "cab", "_CAB_COMPLETE").source()
    emit({"shell": shell, "where": _WHERE[shell], "script": script}, as_json, lambda: click.echo(script))
