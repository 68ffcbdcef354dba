"""Everything cab ships: nine strategies, six risk rules, three macro sources, broker and notifier.

The bundle has no code of its own. Its package metadata names the distributions that make it up, and by that
the kernel tells ``bundled`` plugins from those of third parties.
"""

from __future__ import annotations

import importlib.metadata
import re

__all__ = ["bundled"]

_CORE = "cab-core"


def bundled() -> tuple[str, ...]:
    """Return the names of the distributions the bundle consists of, sorted."""
    required = importlib.metadata.requires("cab-plugins") or []
    names = (re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in required)
    return tuple(sorted(name for name in names if name != _CORE))
