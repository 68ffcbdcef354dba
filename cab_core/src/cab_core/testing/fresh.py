"""A strategy in fresh processes: another hash seed, another order of the markets."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cab_core.testing.base import reject
from cab_core.testing.child import Report, start


def in_fresh_processes(plugin: type, options: Mapping[str, Any]) -> tuple[Report, Report, Report]:
    """Return what the strategy says as it is, with another hash seed, and asked backwards."""
    if "<locals>" in plugin.__qualname__:
        reject(
            f"{plugin.__qualname__} is defined inside a function",
            "define the plugin at the top of its module",
        )
    return _reports(plugin, json.dumps(dict(options), sort_keys=True, default=str))


@cache
def _reports(plugin: type, options: str) -> tuple[Report, Report, Report]:
    file, given = inspect.getfile(plugin), json.loads(options)
    one = start(plugin, file, given, hash_seed=1, backwards=False)
    two = start(plugin, file, given, hash_seed=4242, backwards=True)
    forth, both_changed = one.report(), two.report()
    if forth.digests == both_changed.digests:
        return forth, forth, forth
    seed_changed = start(plugin, file, given, hash_seed=4242, backwards=False).report()
    order_changed = start(plugin, file, given, hash_seed=1, backwards=True).report()
    return forth, seed_changed, order_changed
