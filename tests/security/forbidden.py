"""What code that holds keys to money does not do, found in its syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterator

#: Builtins that run texts as code.
_CODE = {"eval", "exec", "compile", "__import__"}
#: Modules whose loaders run whatever the data says.
_LOADERS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
#: Keyword arguments that switch a protection off.
_SWITCHES = {"verify": False, "follow_redirects": True, "allow_redirects": True, "shell": True}


def findings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything forbidden."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, name) for name in _modules(node) if name.split(".")[0] in _LOADERS)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, name) for name in _call(node))


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]


def _call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    if name in _CODE:
        yield name
    if name in ("os.system", "os.popen", "tempfile.mktemp", "ssl._create_unverified_context"):
        yield name
    if name in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
        yield name
    for keyword in node.keywords:
        if (
            keyword.arg in _SWITCHES
            and isinstance(keyword.value, ast.Constant)
            and keyword.value.value is _SWITCHES[keyword.arg]
        ):
            yield f"{keyword.arg}={keyword.value.value}"
