"""The failure catalogue: its rows, the tests that prove them, and the page of both.

Rows live in ``catalogue.toml`` beside this file. A test proves rows by ``@pytest.mark.catalogue(3, 4)`` on
itself, its class, one of its cases, or as ``pytestmark`` of its file; the marks are read from the sources.
"""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("cab_core/tests", "cab_plugins", "plugins-*", "tests", "examples")

#: Sections every row of which must be proved.
REQUIRED = "ABCDEF"

_HEAD = """\
# Failures

What may go wrong, what must hold then, and the tests that prove it. Made from `tools/catalogue.toml` and the
marks of the tests by `python tools/reference.py`: change it there. What must hold always:
[invariants.md](invariants.md).

How strong a proof is, strongest first. **process**: a bot that runs as its users run it, a process of its
own. **bot**: the whole bot, a real database and a real exchange over HTTP, inside the test: time is virtual
there, so that hours pass in seconds and every single step can be cut off. **part**: the part that decides
it, and why no more than that. **open**: no proof, and why.
"""

#: Folders of tests by what they run; all others run parts.
PROCESS = ("tests/e2e/",)
BOT = ("tests/live/", "tests/sim/", "tests/integration/", "tests/telegram/")

#: Strongest first.
KINDS = ("process", "bot", "part", "open")


class Row(NamedTuple):
    """One scenario of the catalogue."""

    number: int
    section: str
    scenario: str
    must_hold: str
    proved_on: str = ""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self.proved_on.partition(":")[0]

    @property
    def reason(self) -> str:
        """Why the proof is no stronger; empty where nothing needs a reason."""
        return self.proved_on.partition(": ")[2]


class Proof(NamedTuple):
    """A test that proves rows: its file below the root, and its name (empty for a whole file)."""

    path: str
    name: str

    @property
    def kind(self) -> str:
        """What the test runs: one of `KINDS` but the last."""
        if self.path.startswith(PROCESS):
            return "process"
        return "bot" if self.path.startswith(BOT) else "part"


def strongest(found: Sequence[Proof]) -> str:
    """Return the strongest kind of some proofs."""
    return next((kind for kind in KINDS if any(proof.kind == kind for proof in found)), "open")


def rows() -> dict[int, Row]:
    """Return every row by its number."""
    data = tomllib.loads((ROOT / "tools/catalogue.toml").read_text(encoding="utf-8"))
    return {
        int(number): Row(int(number), section, *texts)
        for section, content in data.items()
        for number, texts in content.items()
        if number != "title"
    }


def titles() -> dict[str, str]:
    """Return the title of each section by its letter."""
    data = tomllib.loads((ROOT / "tools/catalogue.toml").read_text(encoding="utf-8"))
    return {section: content["title"] for section, content in data.items()}


def proofs(root: Path = ROOT) -> dict[int, list[Proof]]:
    """Return the tests that prove each row, read from the marks in the sources below ``root``."""
    found: defaultdict[int, list[Proof]] = defaultdict(list)
    files = sorted(
        {path for folder in FOLDERS for top in root.glob(folder) for path in top.rglob("test_*.py")}
    )
    for path in files:
        text = path.read_text(encoding="utf-8")
        if "catalogue(" in text:
            for name, number in marks(ast.parse(text, str(path))):
                proof = Proof(path.relative_to(root).as_posix(), name)
                if proof not in found[number]:
                    found[number].append(proof)
    return dict(found)


def marks(tree: ast.Module | ast.ClassDef, inside: str = "") -> Iterator[tuple[str, int]]:
    """Yield the name of a test and a row it is marked with; a mark outside of tests belongs to the file.

    Raises:
        ValueError: a mark whose arguments are not plain numbers.
    """
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}::{node.name}" if inside else node.name
            for decorator in node.decorator_list:
                yield from ((name, number) for number in _numbers(decorator))
            if isinstance(node, ast.ClassDef):
                yield from marks(node, name)
        else:
            yield from ((inside, number) for number in _numbers(node))


def _numbers(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "catalogue"
        ):
            for argument in node.args:
                if not isinstance(argument, ast.Constant) or not isinstance(argument.value, int):
                    raise ValueError(f"line {node.lineno}: catalogue() takes row numbers")
                yield argument.value


def catalogue_markdown() -> str:
    """Return the page of all rows and their tests."""
    proved, names = proofs(), titles()
    parts = [_HEAD]
    section = ""
    for row in rows().values():
        if row.section != section:
            section = row.section
            parts.append(
                f"\n## {section}. {names[section]}\n\n"
                "| # | What goes wrong | What must hold | Proved on | Proved by |\n"
                "| --- | --- | --- | --- | --- |\n"
            )
        tests = "<br>".join(_link(proof) for proof in proved.get(row.number, ()))
        parts.append(f"| {row.number} | {row.scenario} | {row.must_hold} | {row.proved_on} | {tests} |\n")
    return "".join(parts)


def _link(proof: Proof) -> str:
    return f"[{proof.name or Path(proof.path).stem}](../../{proof.path})"
