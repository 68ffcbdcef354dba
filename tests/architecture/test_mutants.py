"""The tool that breaks the code on purpose: what it changes, and that its exceptions are up to date."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

CODE = '''
def worth(price: Decimal, steps: int = 1) -> bool:
    """Not 1 < 2."""
    if not steps or price * steps <= min(3, 4):
        raise ValueError(f"{price - 1} is too little")
    return "a" + "b" == "ab" and price is not None
'''

CHANGES = {
    "steps: int = [1 -> 2]",
    "if [not -> ]steps",
    "steps [or -> and] price",
    "price [* -> /] steps",
    "steps [<= -> <] min",
    "[min -> max](3, 4)",
    "min([3 -> 4], 4)",
    "min(3, [4 -> 5])",
    '"a" + "b" [== -> !=] "ab"',
    '"ab" [and -> or] price',
    "price [is not -> is] None",
}


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants_tool", ROOT / "tools" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants_tool"] = module
    spec.loader.exec_module(module)
    return module


def test_it_changes_what_decides_and_nothing_else(
    mutants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "PACKAGE", tmp_path)
    file = tmp_path / "worth.py"
    file.write_text(CODE, encoding="utf-8")
    names = [mutant.name for mutant in mutants.Source(file).mutants()]
    assert len(names) == len(CHANGES)
    assert all(any(change in name for name in names) for change in CHANGES)


def test_every_exception_is_a_change_that_can_be_made(mutants: ModuleType) -> None:
    possible = {mutant.name for path in mutants.targets() for mutant in mutants.Source(path).mutants()}
    known = mutants.justified()
    assert set(known) <= possible
    assert all(len(reason) > 20 for reason in known.values())
