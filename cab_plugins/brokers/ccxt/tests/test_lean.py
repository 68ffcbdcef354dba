"""Opening an account at Gate loads what it needs of ccxt, and breaks ccxt for nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ccxt.async_support

from cab_broker_ccxt import lean

PROBE = """
import sys
from cab_broker_ccxt.lean import gate
print(gate.__module__, *sorted(name for name in sys.modules if name.startswith("ccxt")))
"""

#: A version whose client asks its package for a name that it only has once it has run.
ANOTHER_VERSION = {
    "__init__.py": "from ccxt.base.errors import BaseError\nSomething = 1\n",
    "base/__init__.py": "",
    "base/errors.py": "__all__ = ['BaseError']\nclass BaseError(Exception): ...\n",
    "base/exchange.py": "class Exchange: ...\n",
    "async_support/__init__.py": "import ccxt.async_support.kraken\n",
    "async_support/base/__init__.py": "",
    "async_support/base/exchange.py": "from ccxt import Something\nclass Exchange: ...\n",
    "async_support/gate.py": "class gate: ...\n",
    "async_support/kraken.py": "",
}


def loaded(path: str = "") -> list[str]:
    """Return the module of Gate's client, and all modules of ccxt in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_no_other_exchange_is_loaded() -> None:
    client, *modules = loaded()
    assert client == "ccxt.async_support.gate"
    assert {name for name in modules if name.count(".") == 2 and name.startswith("ccxt.async_support.")} == {
        "ccxt.async_support.base",
        "ccxt.async_support.gate",
    }
    assert {"ccxt", "ccxt.async_support"}.isdisjoint(modules)


def test_whoever_imports_ccxt_as_well_gets_all_of_it_with_the_same_classes() -> None:
    assert ccxt.async_support.gate is lean.gate
    assert ccxt.BaseError is lean.BaseError
    assert issubclass(ccxt.async_support.kraken, lean.Exchange)


def test_a_version_that_needs_its_packages_whole_gets_them(tmp_path: Path) -> None:
    for name, text in ANOTHER_VERSION.items():
        file = tmp_path / "ccxt" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    client, *modules = loaded(str(tmp_path))
    assert client == "ccxt.async_support.gate"
    assert {"ccxt", "ccxt.async_support", "ccxt.async_support.kraken"} <= {*modules}
