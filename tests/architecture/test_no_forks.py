"""A fork would share the database's locks and the instance lock with a child that knows nothing of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from repository import SOURCES, name_of, parsed

#: Copies bots for a rehearsal; without a database, lock, loop or second thread, which it checks before.
_ALLOWED = {"cab_core/app/rehearsal/zygote.py"}

_FORKING = {"fork", "forkpty", "ForkProcess", "ProcessPoolExecutor", "preexec_fn"}


def forks(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that copy the process instead of starting a new one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _FORKING:
            yield node.lineno
        elif isinstance(node, ast.Import):
            if any(alias.name.split(".")[0] == "multiprocessing" for alias in node.names):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if (node.module or "").split(".")[0] == "multiprocessing" or names & _FORKING:
                yield node.lineno
        elif isinstance(node, ast.keyword) and node.arg in _FORKING:
            yield node.value.lineno


#: Forks what it has imported, before there is any lock, database or loop to share.
ZYGOTE = "cab_core/app/rehearsal/zygote.py"


@pytest.mark.catalogue(88)
def test_no_source_forks() -> None:
    others = ((path, tree) for path, tree in parsed(SOURCES) if name_of(path) != ZYGOTE)
    assert not [f"{name_of(path)}:{line}" for path, tree in others for line in forks(tree)]


@pytest.mark.catalogue(88)
@pytest.mark.parametrize(
    "code",
    [
        "os.fork()",
        "from os import fork",
        "import multiprocessing",
        "from multiprocessing import Process",
        "from concurrent.futures import ProcessPoolExecutor",
        "subprocess.Popen(['x'], preexec_fn=run)",
    ],
)
def test_a_fork_is_seen(code: str) -> None:
    assert list(forks(ast.parse(code)))


def test_a_new_process_is_allowed() -> None:
    assert not list(forks(ast.parse("subprocess.Popen([sys.executable], start_new_session=True)")))
