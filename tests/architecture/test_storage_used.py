"""No promise of the storage hangs in the air: what it offers, the product calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORAGE = ROOT / "cab_core" / "src" / "cab_core" / "storage"

#: Questions that tests ask of a database. They change nothing, so no promise can hang on them.
ASKED_BY_TESTS = {"intents_since", "load_reconciliations", "load_traces"}


def offered() -> Iterator[tuple[Path, str]]:
    for path in sorted(STORAGE.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            defines = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if defines and not node.name.startswith("_"):
                yield path, node.name


def unused() -> set[str]:
    """Return what is named nowhere in the product but where it is defined, and where it is exported."""
    members = (ROOT / "cab_core", ROOT / "cab_plugins")
    sources = [path for member in members for path in member.glob("**/src/**/*.py")]
    sources.remove(STORAGE / "__init__.py")
    named: dict[str, int] = {}
    for path in sources:
        for word in re.findall(r"\w+", path.read_text()):
            named[word] = named.get(word, 0) + 1
    return {name for _, name in offered() if named[name] < 2}


def test_what_the_storage_offers_is_called_by_more_than_tests() -> None:
    """Pruning was written, tested, and called by nobody."""
    assert unused() == ASKED_BY_TESTS


def test_a_question_of_tests_changes_nothing() -> None:
    for path, name in offered():
        if name in ASKED_BY_TESTS:
            body = path.read_text().partition(f"def {name}(")[2].partition("\ndef ")[0]
            assert not re.search(r"\b(insert|update|upsert|delete|append)\b", body)
