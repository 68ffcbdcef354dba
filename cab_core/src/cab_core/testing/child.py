"""Runs a strategy in a fresh interpreter and prints what it answered and what it loaded.

Started by the conformance kit as ``python -m cab_core.testing.child``, with a JSON request on standard input.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen
class Report:
    """What one fresh process said: a digest of the answers per series, and the modules loaded meanwhile."""

    digests: dict[str, str]
    loaded: tuple[str, ...]


@attrs.frozen
class Child:
    """A running interpreter that was asked; `report` waits for it."""

    process: subprocess.Popen[str]

    def report(self) -> Report:
        """Return what the child found.

        Raises:
            RuntimeError: the plugin cannot be loaded or fails there; the text is the child's last words.
        """
        out, err = self.process.communicate(timeout=120)
        if self.process.returncode != 0:
            raise RuntimeError(err.strip()[-2000:] or f"exit status {self.process.returncode}")
        answer = json.loads(out)
        return Report(answer["digests"], tuple(answer["loaded"]))


def start(plugin: type, file: str, options: Mapping[str, Any], *, hash_seed: int, backwards: bool) -> Child:
    """Ask a fresh interpreter for the answers of a strategy on all series.

    Args:
        plugin: the strategy class, defined at the top of its module.
        file: its source file, for modules that cannot be imported by name.
        options: its options; values with a plain ``repr``.
        hash_seed: PYTHONHASHSEED of the child.
        backwards: visit the series in reverse order.
    """
    request = {
        "module": plugin.__module__,
        "name": plugin.__qualname__,
        "file": file,
        "options": dict(options),
        "backwards": backwards,
        "path": sys.path,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cab_core.testing.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
    )
    if process.stdin:
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        process.stdin = None
    return Child(process)


def _load(request: Mapping[str, Any]) -> Any:
    try:
        module = import_module(request["module"])
    except ModuleNotFoundError:
        spec = spec_from_file_location(request["module"], Path(request["file"]))
        if spec is None or spec.loader is None:
            raise
        module = module_from_spec(spec)
        sys.modules[request["module"]] = module
        spec.loader.exec_module(module)
    found: Any = module
    for part in request["name"].split("."):
        found = getattr(found, part)
    return found


def main() -> None:
    """Answer the request on standard input."""
    request = json.load(sys.stdin)
    sys.path[:] = request["path"]
    from cab_core.testing.answers import asked, digest_text, signals_of
    from cab_core.testing.series import market

    before = set(sys.modules)
    strategy = asked(_load(request)(**request["options"]))
    series = list(market().items())
    answers = {
        name: digest_text(signals_of(strategy, bars[:400]))
        for name, bars in (reversed(series) if request["backwards"] else series)
    }
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in answers.items()}
    loaded = sorted(set(sys.modules) - before)
    sys.stdout.write(json.dumps({"digests": digests, "loaded": loaded}))


if __name__ == "__main__":
    main()
