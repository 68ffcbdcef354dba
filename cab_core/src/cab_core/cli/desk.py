"""What the commands that ask a bot share: ``--remote``, and a desk for the length of a call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cab_core.cli.base import load, settings_options

if TYPE_CHECKING:
    from cab_core.app.desk.desk import Desk

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_REMOTE = click.option(
    "--remote",
    metavar="URL",
    help="Ask the bot at this address; its token is taken from CAB_TOKEN or the file CAB_TOKEN_FILE.",
)


def desk_options(function: F) -> F:
    """Add ``--remote``, ``--config`` and ``--set``."""
    decorated: F = _REMOTE(settings_options(function))
    return decorated


def ask(
    config: Path | None,
    overrides: Sequence[str],
    remote: str | None,
    question: Callable[[Desk], Awaitable[T]],
) -> T:
    """Ask the remote bot, the bot of this host, or its database, in this order."""
    from cab_core.app.desk.reach import desk_of

    settings = load(config, overrides, require_run=False).settings

    async def asked() -> T:
        return await question(desk_of(settings, remote, os.environ))

    return asyncio.run(asked())
