"""The page of a report: what the templates show, and the data that its scripts draw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cab_core.cycle.results import RunResult
from cab_core.domain import figures as figures_of
from cab_core.domain.currencies import decimals_of
from cab_core.report import text
from cab_core.report.assets import script, source_hash, style
from cab_core.report.candles import BUDGET, candle_sets
from cab_core.report.curves import curve_data
from cab_core.report.facts import RunFacts
from cab_core.report.figures import RunFigures
from cab_core.report.headline import headline, months
from cab_core.report.trades import trade_marks, trade_rows

#: Where the chart library is written, and where the charts' data; no text of a run can hold them.
LIBRARY, DATA = "\0library\0", "\0data\0"

_TEMPLATES = Path(__file__).parent / "templates"


def page(run: RunResult, facts: RunFacts, figures: RunFigures, library_hash: str) -> str:
    """Return the HTML with `LIBRARY` and `DATA` in the places of the two large parts.

    Args:
        run: what to report.
        facts: where it comes from.
        figures: of the run.
        library_hash: what lets the content security policy run the chart library.
    """
    # Its import takes a tenth of a second, which summaries without a report need not wait for.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("money", "number", "percent", "price", "quantity", "signed_money", "signed_percent"):
        environment.filters[name] = getattr(figures_of, name)
    for name in ("day", "duration", "minute", "words"):
        environment.filters[name] = getattr(text, name)
    code = script()
    return environment.get_template("report.html.j2").render(
        **_context(run, facts, figures),
        library=LIBRARY,
        data=DATA,
        style=style(),
        script=code,
        hashes=f"{library_hash} {source_hash(iter([code.encode()]))}",
    )


def chart_data(run: RunResult, figures: RunFigures) -> Iterator[str]:
    """Yield the pieces of the JSON that the scripts draw from, safe inside a script element."""
    budget = BUDGET // max(1, len(run.symbols))
    yield _json(
        {
            "decimals": decimals_of(figures.quote),
            "curve": curve_data(figures),
            "trades": trade_marks(run.trades, run.open_positions),
        }
    )[:-1]
    yield ',"symbols":['
    for index, symbol in enumerate(run.symbols):
        spans = [(t.opened_ms, t.closed_ms) for t in run.trades if t.symbol == symbol]
        sets = candle_sets(run.bars[symbol], spans, budget)
        yield ("," if index else "") + _json({"name": symbol, "sets": sets})
    yield "]}"


def _context(run: RunResult, facts: RunFacts, figures: RunFigures) -> dict[str, Any]:
    return {
        "run": run,
        "facts": facts,
        "figures": figures,
        "quote": figures.quote,
        "first_ms": int(run.times[0]) if len(run.times) else None,
        "last_ms": int(run.times[-1]) if len(run.times) else None,
        "several": len(run.symbols) > 1,
        "headline": headline(run, figures),
        "months": months(figures.months),
        "rows": trade_rows(run.trades),
        "reasons": [group.name for group in figures.exits],
        "settings": _settings(facts),
        "missing": sum(file.missing for file in facts.data),
        "silent": sum(file.zero_volume for file in facts.data),
    }


def _settings(facts: RunFacts) -> list[tuple[str, str, bool]]:
    """Return name, text and whether it was changed, changed ones first."""
    rows = [(name, str(value), name in facts.changed) for name, value in facts.config.items()]
    return sorted(rows, key=lambda row: (not row[2], row[0]))


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON in which nothing can end the script element around it."""
    dense = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return dense.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
