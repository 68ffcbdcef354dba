"""The parts of a report that are the same in each: styles, scripts and the chart library."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from cab_core.errors import NotFoundError

_HERE = Path(__file__).parent
_PIECE = 1 << 18

#: Our scripts in the order they run.
SCRIPTS = ("theme.js", "curve.js", "candles.js", "market.js", "trades.js")


def plotly_path() -> Path:
    """Return where the installed plotly keeps its JavaScript; plotly itself is not imported.

    Raises:
        NotFoundError: plotly is not installed, or its wheel carries no JavaScript.
    """
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    raise NotFoundError("the chart library of the report is missing", fix="run: pip install 'plotly>=6'")


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in pieces, so that it is never in memory as a whole."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def style() -> str:
    """Return the style sheet."""
    return (_HERE / "static" / "report.css").read_text("utf-8")


def script() -> str:
    """Return our scripts as one."""
    return "\n".join((_HERE / "static" / name).read_text("utf-8") for name in SCRIPTS)


def source_hash(content: Iterator[bytes]) -> str:
    """Return the source expression that lets a content security policy run exactly this script."""
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return f"'sha256-{base64.b64encode(digest.digest()).decode('ascii')}'"
