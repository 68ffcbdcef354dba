"""A helper process ends with whoever started it, whatever ends that one: its standard input ends then."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lifeline() -> Iterator[int]:
    """Hold a line for the length of the block: the standard input of a process that calls `end_with_parent`.

    Yields:
        The descriptor to hand on as ``stdin``.
    """
    out, held = os.pipe()
    try:
        yield out
    finally:
        os.close(out)
        os.close(held)


def end_with_parent() -> None:
    """End this process as soon as its standard input has ended.

    The descriptor is read, and a copy of it: a thread that holds the lock of ``sys.stdin`` aborts an
    interpreter that ends, and hides why; and what runs here may put something else in its place.
    """
    line = os.dup(0)

    def watch() -> None:
        while os.read(line, 4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
