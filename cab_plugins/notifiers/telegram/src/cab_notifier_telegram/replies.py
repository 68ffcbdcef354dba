"""What the bot says: a text, perhaps a picture, and buttons; and what a button carries."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

#: Most bytes of what a button carries.
MAX_DATA = 64

#: What pressing a button does: answer below, answer in place, carry out, drop.
VIEW, REFRESH, CONFIRM, CANCEL = "v", "r", "y", "n"


@attrs.frozen
class Button:
    """A button under a message; ``data`` comes back when it is pressed."""

    label: str
    data: str


@attrs.frozen
class Reply:
    """One answer.

    Attributes:
        text: in Telegram's HTML.
        photo: a PNG; the text is its caption then.
        rows: the buttons.
    """

    text: str
    photo: bytes | None = None
    rows: Sequence[Sequence[Button]] = ()


def view(label: str, command: str, argument: str = "") -> Button:
    """Return a button that does what the command does, e.g. ``view("Why", "why", "BTC/USDT")``."""
    return Button(label, f"{VIEW}:{command}:{argument}")


def refresh(command: str, argument: str = "") -> Button:
    """Return a button that renews the message it stands under."""
    return Button("🔄 Refresh", f"{REFRESH}:{command}:{argument}")


def row(*buttons: Button) -> tuple[Button, ...]:
    """Return a row of those buttons whose data Telegram would take."""
    return tuple(button for button in buttons if len(button.data.encode()) <= MAX_DATA)


def parse(data: str) -> tuple[str, str, str]:
    """Return kind, command (or nonce) and argument of what a button carried."""
    kind, _, rest = data.partition(":")
    command, _, argument = rest.partition(":")
    return kind, command, argument
