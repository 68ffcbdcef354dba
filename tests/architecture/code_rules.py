"""The rules of the house that the syntax tree shows: functions from a tree to the lines that break one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

#: Names whose value differs from call to call; the core takes time, ids and chance from its arguments.
IMPURE_MODULES = {"random", "secrets", "threading", "uuid"}
IMPURE_CALLS = {
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("os", "urandom"),
    ("random", "default_rng"),
    ("time", "monotonic"),
    ("time", "sleep"),
    ("time", "time"),
    ("time", "time_ns"),
}

ORDER_VERBS = {"submit", "cancel"}
BROAD = {"Exception", "BaseException"}


def order_calls(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that call an order method of a broker (``task.cancel()`` has no argument)."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ORDER_VERBS
            and node.args
        ):
            yield node.lineno


def impurities(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that read a clock, draw a number, make an id or start a thread."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            if any(alias.name.split(".")[0] in IMPURE_MODULES for alias in node.names):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            names = {(module[-1], alias.name) for alias in node.names}
            if not node.level and (module[0] in IMPURE_MODULES or names & IMPURE_CALLS):
                yield node.lineno
        elif isinstance(node, ast.Attribute) and (_last_name(node.value), node.attr) in IMPURE_CALLS:
            yield node.lineno


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def open_folders(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that make a folder by themselves: the umask would decide who may look into it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"mkdir", "makedirs"}:
            yield node.lineno


def broad_excepts(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of handlers that catch everything and do not raise it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _reraises(node):
            yield node.lineno


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(item) for item in caught.elts)
    return caught is None or _last_name(caught) in BROAD


def _reraises(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def asserts(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of assert statements: ``python -O`` would remove them."""
    return (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert))


#: Options that turn every later statement of a connection into a server-side cursor, which counts no rows.
CURSOR_OPTIONS = {"max_row_buffer", "stream_results", "yield_per"}


def cursors_for_good(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that ask for a server-side cursor by ``execution_options(…)``.

    On a `Connection` that holds for good. One statement gets one by the argument of that name of ``execute``.
    """
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and _last_name(node.func) == "execution_options"
            and any(keyword.arg in CURSOR_OPTIONS for keyword in node.keywords)
        ):
            yield node.lineno


def kernel_imports(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of the kernel that are imported, anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "cab_core"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "cab_core")


#: Format specs that decide digits or the sign of a figure. An exact text (``f``) and a whole number pass.
_FIGURE_SPEC = re.compile(r"\.\d+[efg%]|[+z](?!d)|,f")
#: What may follow a number that is no figure of an account: a length of time, an amount of memory.
_OTHER_UNITS = re.compile(r" (s|ms|min|h|days|MiB|GiB|bytes)\b")


def figures_by_hand(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that choose the digits or the sign of a figure by a format spec."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            followers = [*node.values[1:], None]
            for part, after in zip(node.values, followers, strict=True):
                if isinstance(part, ast.FormattedValue) and _is_figure(part) and not _other_unit(after):
                    yield part.lineno
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "format"
            and isinstance(node.func.value, ast.Constant)
        ):
            yield node.lineno


def _is_figure(part: ast.FormattedValue) -> bool:
    spec = part.format_spec
    texts = [each.value for each in spec.values if isinstance(each, ast.Constant)] if spec else []
    return _FIGURE_SPEC.search("".join(map(str, texts))) is not None


def _other_unit(after: ast.expr | None) -> bool:
    return isinstance(after, ast.Constant) and _OTHER_UNITS.match(str(after.value)) is not None
