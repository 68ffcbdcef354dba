"""Break the code on purpose and see whether a test notices: ``python tools/mutants.py --sample 60 --seed 1``.

Draws single changes (a comparison, an operator, and/or, a constant, min/max, a rounding) of what decides over
money: the domain and the way of an order. Each is made in a copy of the repository, never in this tree, and
the tests that could see it run there until one fails: those that import the changed module, then those that
import what imports it; for the way of an order those that drive all of it. What no test sees is printed.
``tools/mutants.toml`` holds changes that change nothing, each with its reason; they do not count. Exit code 1
below the goal.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "cab_core" / "src"
PACKAGE = SOURCE / "cab_core"

#: What the order goes through, beside the domain.
ORDER_PATH = (
    "attempts",
    "decide",
    "dust",
    "execute_trade",
    "exit_watch",
    "fills",
    "locked",
    "market",
    "marks",
    "orchestrator",
    "pauses",
    "proof",
    "protect",
    "reconcile",
    "refusals",
    "replay",
    "rules_watch",
    "settlement",
    "standing",
    "stop_intents",
    "trader",
    "unknown_orders",
)

#: Tests that drive the whole way of an order.
WIDE = (
    "cab_core/tests/cli/test_why.py",
    "cab_core/tests/cycle/orders/test_exits_are_kept.py",
    "cab_core/tests/cycle/orders/test_failing_loops.py",
    "cab_core/tests/cycle/orders/test_odd_answers.py",
    "cab_core/tests/cycle/orders/test_refused_but_filled.py",
    "tests/integration/test_quiet_bars.py",
    "tests/integration/test_paper_cycle.py",
    "tests/integration/test_two_shells.py",
    "tests/live/test_too_small.py",
    "tests/live/test_order_faults.py",
    "tests/live/test_protection.py",
    "tests/live/test_exits_go_on.py",
    "tests/live/test_venue_conditions.py",
)

#: Where tests are looked for that import a changed module.
TESTS = ("cab_core/tests", "plugins-risk", "tests/integration", "cab_plugins/exchanges/sim/tests")

#: At most so many files of tests are run that import the module or its users.
NEAREST = 14

#: Files of tests that take longer, each on average, hang.
SECONDS = 300

#: How pytest ends where nothing failed: all passed, or there is none to run.
PASSED = (0, 5)

#: The line in which it names the file that failed.
FAILED = re.compile(r"^(?:FAILED|ERROR) ([^:\s]+)", re.MULTILINE)

#: Arguments that say how a class is made, not what it decides.
FORM = {"init", "repr", "eq", "slots", "kw_only"}

_COMPARE = {ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">")}
_COMPARE |= {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_COMPARE |= {ast.In: ("in", "not in"), ast.NotIn: ("not in", "in")}
_ARITHMETIC = {ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*")}
_ARITHMETIC |= {ast.FloorDiv: ("//", "/"), ast.Mod: ("%", "*")}
_NAMES = {"min": "max", "max": "min", "floor_step": "ceil_step", "ceil_step": "floor_step"}
_NAMES |= {"floor": "ceil", "ceil": "floor", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: offsets into the text of a file, and what stands there instead."""

    path: Path
    start: int
    end: int
    new: str

    @property
    def name(self) -> str:
        """Where it is and what it does, as ``mutants.toml`` names it."""
        text = self.path.read_text(encoding="utf-8")
        first = text.rfind("\n", 0, self.start) + 1
        last = text.find("\n", self.end)
        line = (
            f"{text[first : self.start]}[{text[self.start : self.end]} -> {self.new}]{text[self.end : last]}"
        )
        return f"{self.path.relative_to(PACKAGE)}: {' '.join(line.split())}"

    def line(self) -> int:
        """Return its line, from 1."""
        return self.path.read_text(encoding="utf-8")[: self.start].count("\n") + 1


class Source:
    """The text of a file with the offsets of its syntax tree."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, path.read_text(encoding="utf-8")
        self._lines = self.text.splitlines(keepends=True)
        self._starts = list(accumulate((len(line) for line in self._lines), initial=0))

    def mutants(self) -> Iterator[Mutant]:
        """Yield every single change of the file."""
        for node in _decisions(ast.parse(self.text)):
            yield from self._of_operators(node)
            new = _replaced(node)
            if new is not None:
                yield Mutant(self.path, self._begin(node), self._end(node), new)

    def _of_operators(self, node: ast.expr) -> Iterator[Mutant]:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
                yield from self._between(left, right, *_COMPARE[type(op)])
        elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not _is_text(node):
            yield from self._between(node.left, node.right, *_ARITHMETIC[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            swap = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in pairwise(node.values):
                yield from self._between(left, right, *swap)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield Mutant(self.path, self._begin(node), self._begin(node.operand), "")

    def _between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Mutant]:
        at = self.text.find(old, self._end(left), self._begin(right))
        if at >= 0:
            yield Mutant(self.path, at, at + len(old), new)

    def _begin(self, node: ast.expr) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr) -> int:
        return self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def _offset(self, line: int, column: int) -> int:
        """Return the place of a column, which the syntax tree counts in bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())


def _replaced(node: ast.expr) -> str | None:
    """Return what to put instead of a whole name or constant."""
    if isinstance(node, ast.Name):
        return _NAMES.get(node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return str(not node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return repr(node.value + 1)
    return None


def _decisions(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that decide: no annotation, decorator, text or message of an error."""
    waiting: deque[ast.AST] = deque([tree])
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.expr):
            yield node
        if isinstance(node, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.keyword) and node.arg in FORM:
            continue
        skipped = {"annotation", "returns", "decorator_list"}
        if isinstance(node, ast.AnnAssign) and node.value is None:
            continue
        for field, value in ast.iter_fields(node):
            if field not in skipped and not (isinstance(node, ast.BinOp) and _is_text(node)):
                parts = value if isinstance(value, list) else [value]
                waiting.extend(part for part in parts if isinstance(part, ast.AST))


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str))
        for s in sides
    )


def targets() -> list[Path]:
    """Return the files that are changed."""
    cycle = [PACKAGE / "cycle" / f"{name}.py" for name in ORDER_PATH]
    return [*sorted((PACKAGE / "domain").glob("*.py")), *(path for path in cycle if path.exists())]


def imports_of(path: Path, *, helpers: bool = False) -> set[str]:
    """Return the modules of the kernel that a file imports, with ``helpers`` by files beside it, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    beside = [path.with_name(f"{name}.py") for name in (*found, "conftest")] if helpers else []
    beside = [] if path.name == "conftest.py" else beside
    kernel = {name for name in found if name.startswith("cab_core")}
    return kernel.union(*(imports_of(helper) for helper in beside if helper.exists()))


class Tests:
    """Which files of tests could see a change of a module."""

    def __init__(self) -> None:
        files = [f for folder in TESTS for f in sorted((ROOT / folder).rglob("test_*.py"))]
        self._tests = {file: imports_of(file, helpers=True) for file in files}
        modules = {".".join(p.relative_to(SOURCE).with_suffix("").parts): p for p in PACKAGE.rglob("*.py")}
        self._users: dict[str, set[str]] = {name: set() for name in modules}
        for name, path in modules.items():
            for used in imports_of(path):
                self._users.setdefault(used, set()).add(name)

    def near(self, path: Path) -> list[list[str]]:
        """Return the nearest files of tests, then of a module on the way of an order those of all of it."""
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        found: list[str] = []
        seen, ring = {module}, {module}
        on_the_way = path.parent.name == "cycle"
        while ring and len(found) < NEAREST:
            near = [file for file, used in self._tests.items() if used & ring]
            near.sort(key=lambda file: _distance(file, path.stem))
            found += [name for f in near if (name := str(f.relative_to(ROOT))) not in found]
            ring = set() if on_the_way else self._users_of(ring) - seen
            seen |= ring
        narrow = [name for name in found[:NEAREST] if name not in WIDE]
        return [narrow, list(WIDE) if on_the_way else []]

    def _users_of(self, ring: set[str]) -> set[str]:
        return {user for name in ring for user in self._users.get(name, ())}


def _distance(file: Path, stem: str) -> tuple[bool, bool, bool, int]:
    """Order files of tests: those named after the module first, then the domain's, then the quick ones."""
    named, slow = stem in file.stem, "integration" in file.parts
    return not named, "domain" not in file.parts, slow, file.stat().st_size


class Copy:
    """The repository once more, to be broken.

    Args:
        folder: where to put it.
        honest: files of tests that were seen to pass without a change; shared by all copies.
    """

    def __init__(self, folder: Path, honest: set[str]) -> None:
        self.folder, self._honest = folder, honest
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        beside = ROOT.parent / "shared"  # recorded candles and vectors, where tests look for them
        if beside.is_dir() and not (linked := folder.parent / "shared").exists():
            linked.symlink_to(beside)
        self.environment = os.environ | {
            "PYTHONPATH": str(folder / "cab_core" / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        where = self._run(["-c", "import cab_core; print(cab_core.__file__)"], SECONDS)
        if str(folder) not in where.stdout:
            raise SystemExit(f"the tests of the copy would import {where.stdout.strip()}, not the copy")

    def killer(self, mutant: Mutant, tests: Sequence[Sequence[str]]) -> str | None:
        """Return the file of tests that sees the change, None if none does."""
        target = self.folder / mutant.path.relative_to(ROOT)
        text = target.read_text(encoding="utf-8")
        target.write_text(text[: mutant.start] + mutant.new + text[mutant.end :], encoding="utf-8")
        try:
            found = next((name for names in tests if names and (name := self._failing(names))), None)
        finally:
            target.write_text(text, encoding="utf-8")
        if found is not None and found not in self._honest:
            if self._failing([found]) is not None:
                raise SystemExit(f"{found} fails without any change")
            self._honest.add(found)
        return found

    def _failing(self, names: Sequence[str]) -> str | None:
        """Return the first of these files of tests that fails, None if all pass; to hang is to fail."""
        try:
            command = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *names]
            done = self._run(command, SECONDS * len(names))
        except subprocess.TimeoutExpired:
            return names[0]
        if done.returncode in PASSED:
            return None
        said = FAILED.search(done.stdout)
        return names[0] if said is None else said[1]

    def _run(self, command: Sequence[str], seconds: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def justified() -> dict[str, str]:
    """Return the changes that change nothing, and why."""
    with (ROOT / "tools" / "mutants.toml").open("rb") as file:
        return {row["mutant"]: row["reason"] for row in tomllib.load(file).get("equivalent", ())}


def main() -> int:
    """Break, test, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=60, help="how many changes; 0 for all (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--goal", type=float, default=90.0, help="least share of changes seen, percent")
    parser.add_argument("--workers", type=int, default=2, help="copies side by side (default 2)")
    parser.add_argument("--only", default="", help="only files whose path contains this")
    asked = parser.parse_args()
    pool = [m for path in targets() if asked.only in str(path) for m in Source(path).mutants()]
    chosen = random.Random(asked.seed).sample(pool, min(asked.sample or len(pool), len(pool)))
    known, tests = justified(), Tests()
    tried = [mutant for mutant in chosen if mutant.name not in known]
    print(
        f"{len(pool)} changes possible, {len(chosen)} drawn, {len(chosen) - len(tried)} of them justified",
        flush=True,
    )
    survivors: list[str] = []
    honest: set[str] = set()
    copies: SimpleQueue[Copy] = SimpleQueue()

    def judge(mutant: Mutant) -> None:
        copy = copies.get()
        try:
            killer = copy.killer(mutant, tests.near(mutant.path))
        finally:
            copies.put(copy)
        print(
            f"{'survived' if killer is None else 'seen by ' + killer:<70} {mutant.line():>4} {mutant.name}",
            flush=True,
        )
        if killer is None:
            survivors.append(mutant.name)

    with (
        tempfile.TemporaryDirectory(prefix="cab-mutants-") as folder,
        ThreadPoolExecutor(asked.workers) as threads,
    ):
        for number in range(asked.workers):
            copies.put(Copy(Path(folder) / str(number), honest))
        list(threads.map(judge, tried))
    rate = 100 * (1 - len(survivors) / len(tried)) if tried else 100.0
    print(f"\n{len(tried) - len(survivors)} of {len(tried)} seen: {rate:.1f} %, goal {asked.goal:g} %")
    for name in sorted(survivors):
        print(f"not seen: {name}")
    return 0 if rate >= asked.goal else 1


if __name__ == "__main__":
    sys.exit(main())
