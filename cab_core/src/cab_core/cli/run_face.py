"""What whoever starts ``cab run`` sees of it: a panel on a terminal, else the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import click

if TYPE_CHECKING:
    from cab_core.app.run import View
    from cab_core.app.running import Running
    from cab_core.settings import Loaded


@attrs.frozen(eq=False)
class Face:
    """A run as its starter sees it.

    Attributes:
        view: shows the run while it goes on.
        say: tells a person a line; the log has said it already.
        show_link: tells where the pages are, and the link that logs a browser in.
    """

    view: View
    say: Callable[[str], None]
    show_link: Callable[[str, str], None]


def face_of(loaded: Loaded, *, as_json: bool) -> Face:
    """Set the logs up and return what is shown meanwhile: a live status for a person, else only logs."""
    if sys.stderr.isatty() and not as_json and loaded.settings.log_format != "json":
        from cab_core.cli.run_view import live_view
        from cab_core.cli.screen import Screen

        screen = Screen()
        for warning in loaded.warnings:
            screen.say(f"warning: {warning}")
        return Face(live_view(loaded, screen), screen.say, screen.show_link)
    from cab_core.observability.logs import configure_logging

    settings = loaded.settings
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secret_texts())
    for warning in loaded.warnings:
        logging.getLogger("cab.run").warning("%s", warning)
    return Face(_nothing, _say, _show_link)


async def _nothing(running: Running) -> None:
    """Leave it to the logs."""


def _say(line: str) -> None:
    if sys.stderr.isatty():
        click.echo(line, err=True)


def _show_link(url: str, link: str) -> None:
    """Show a person the way in; a log does not get the code."""
    if sys.stderr.isatty():
        click.echo(f"dashboard {link}  (logs in once, within a minute)", err=True)
    else:
        log = logging.getLogger("cab.api")
        log.info("the API is at %s; a token to log in: cab token new NAME", url)
