"""What a plugin's source imports, read from its syntax tree without running it."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

#: Libraries and modules of the outside world, by the first part (or whole dotted name) of an import.
OUTSIDE = frozenset(
    {"aiohttp", "aiosqlite", "asyncpg", "boto3", "ccxt", "ftplib", "http.client", "httpx", "litestar"}
    | {"multiprocessing", "paramiko", "psycopg", "redis", "requests", "smtplib", "socket", "sqlalchemy"}
    | {"sqlite3", "ssl", "subprocess", "telegram", "urllib.request", "urllib3", "websocket", "websockets"}
)
_PUBLIC = ("cab_core.sdk", "cab_core.testing")


def source_files(plugin: type) -> list[Path]:
    """Return the source files of the package (or the single file) a plugin class lives in."""
    file = Path(inspect.getfile(plugin)).resolve()
    top = plugin.__module__.partition(".")[0]
    init = getattr(sys.modules.get(top), "__file__", None)
    if init and Path(init).name == "__init__.py" and file.is_relative_to(Path(init).resolve().parent):
        return sorted(Path(init).resolve().parent.rglob("*.py"))
    return [file]


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every absolute import, ``from a import b`` as ``a.b``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def is_internal(name: str) -> bool:
    """Say whether an import reaches behind the public interface of cab."""
    if name.partition(".")[0] != "cab_core" or name == "cab_core":
        return False
    return not any(name == public or name.startswith(f"{public}.") for public in _PUBLIC)


def is_outside(name: str) -> bool:
    """Say whether an import belongs to the network, processes or a database."""
    parts = name.split(".")
    return any(".".join(parts[:i]) in OUTSIDE for i in range(1, len(parts) + 1))
