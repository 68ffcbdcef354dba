"""The ``cab`` command. This module is imported at every start, so it imports next to nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cab_core import __version__
from cab_core.cli.table import root_help

# None of these may be called like a command: its module would take the name as soon as it is imported.
__all__ = [
    "invoke",
    "main",
    "main_health_monitor",
    "main_maintenance",
    "main_perf",
    "main_reconcile",
    "main_smoke",
]


def main() -> None:
    """Entry point of ``cab``."""
    raise SystemExit(invoke(sys.argv[1:]))


def main_smoke() -> None:
    """Entry point of ``cab-smoke``, the same as ``cab smoke``."""
    raise SystemExit(invoke(("smoke", *sys.argv[1:])))


def main_perf() -> None:
    """Entry point of ``cab-perf``, the same as ``cab perf``."""
    raise SystemExit(invoke(("perf", *sys.argv[1:])))


def main_reconcile() -> None:
    """Entry point of ``cab-reconcile``, the same as ``cab reconcile``."""
    raise SystemExit(invoke(("reconcile", *sys.argv[1:])))


def main_health_monitor() -> None:
    """Entry point of ``cab-health-monitor``, the same as ``cab health-monitor``."""
    raise SystemExit(invoke(("health-monitor", *sys.argv[1:])))


def main_maintenance() -> None:
    """Entry point of ``cab-maintenance``, the same as ``cab maintenance``."""
    raise SystemExit(invoke(("maintenance", *sys.argv[1:])))


def invoke(args: Sequence[str]) -> int:
    """Run ``cab`` with arguments and return its exit code."""
    try:
        code = _invoke(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough. Python flushes once more at exit: give it a place to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _invoke(args: Sequence[str]) -> int:
    if "_CAB_COMPLETE" not in os.environ:
        if not args or list(args) in (["--help"], ["-h"]):
            sys.stdout.write(f"{root_help()}\n")
            return 0
        if list(args) == ["--version"]:
            sys.stdout.write(f"cab {__version__}\n")
            return 0
    from cab_core.cli.main import dispatch

    return dispatch(args)
