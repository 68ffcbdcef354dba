"""Who gives a command in this shell."""

from __future__ import annotations

import getpass


def system_actor() -> str:
    """Return the user of this shell as the audit trail names it, e.g. ``cli:anna``."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "cli:unknown"
