"""Writes a report: one HTML file, whole or not at all, equal bytes for equal runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from cab_core.atomic import make_folder, replacing
from cab_core.cycle.results import RunResult
from cab_core.report.assets import pieces, plotly_path, source_hash
from cab_core.report.facts import RunFacts
from cab_core.report.figures import run_figures
from cab_core.report.page import DATA, LIBRARY, chart_data, page


def write_report(path: Path | str, run: RunResult, facts: RunFacts) -> str:
    """Write the report of ``run`` to ``path``; the folder is made if it is missing.

    Returns:
        The sha256 of the file, as hexadecimal digits.

    Raises:
        NotFoundError: the chart library is not installed.
        OSError: the file cannot be written; nothing half-written stays and an older file is kept.
    """
    path = Path(path)
    library = plotly_path()
    make_folder(path.parent)
    digest = hashlib.sha256()
    with replacing(path) as file:
        for piece in _parts(library, run, facts):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _parts(library: Path, run: RunResult, facts: RunFacts) -> Iterator[bytes]:
    figures = run_figures(run)
    html = page(run, facts, figures, source_hash(pieces(library)))
    before, rest = html.split(LIBRARY)
    between, after = rest.split(DATA)
    yield before.encode()
    yield from pieces(library)
    yield between.encode()
    for piece in chart_data(run, figures):
        yield piece.encode()
    yield after.encode()
