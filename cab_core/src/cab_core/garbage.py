"""Cyclic garbage, and work that makes none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cyclic garbage during the block.

    For work whose objects form no cycles: they are freed by their reference counts as always, and looking
    through all the live ones for cycles, again and again, is time lost.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
