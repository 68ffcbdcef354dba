"""Settings in force, installed plugins and recorded backtests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cab_core.app.desk.desk import Filter
from cab_core.app.desk.paging import check, cursor, parse_cursor
from cab_core.app.desk.views import ConfigRow, PluginView, RunView
from cab_core.app.identity import chosen_texts
from cab_core.app.runs import RunRecord, Runs, load_record
from cab_core.errors import DataError, NotFoundError
from cab_core.plugins.inventory import PluginRecord
from cab_core.plugins.report import rows
from cab_core.settings.masked import masked_options
from cab_core.settings.render import option_path
from cab_core.settings.schema import CODE, SETTINGS, Settings, text_of


def config_rows(settings: Settings) -> list[ConfigRow]:
    """Return every setting, and every option of a plugin that was set; secrets are masked."""
    texts = settings.texts()
    declared = [
        ConfigRow(
            name=row.name,
            value=texts[row.name],
            source=settings.sources.get(row.name, CODE),
            # In the form of the value, so that 0.40 and 0.4 are the same; what must be set has none.
            default=row.default and text_of(row, row.kind.parse(row.default)),
            help=row.help,
        )
        for row in SETTINGS
    ]
    return [*declared, *_options(settings)]


def _options(settings: Settings) -> Iterator[ConfigRow]:
    for table, plugins in masked_options(settings.plugin_options).items():
        for plugin, params in plugins.items():
            for param, value in params.items():
                name = option_path((table, plugin, param))
                yield ConfigRow(
                    name=name,
                    value=str(value),
                    source=settings.sources.get(name, "option"),
                    default="",
                    help=f"Option of {plugin}; see: cab plugins info {plugin}",
                )


def plugin_views(records: Sequence[PluginRecord]) -> list[PluginView]:
    """Return plugins and what became of them."""
    return [PluginView(**row) for row in rows(records)]


def runs_folder(settings: Settings) -> Runs:
    """Return the folder of recorded backtests."""
    return Runs(Path(settings.db_path).parent / "runs")


def run_views(runs: Runs, wanted: Filter) -> tuple[list[RunView], str | None]:
    """Return recorded backtests by the time they were written; ``text`` is looked for in id and symbols."""
    check(wanted, "symbol", "strategy", "text")
    before = parse_cursor(wanted.after, (int, str))
    found: list[tuple[tuple[int, str], RunView]] = []
    for path in runs.newest_first():
        key = (path.stat().st_mtime_ns, path.stem)
        if before is not None and key >= before:
            continue
        view = _run(path)
        if view is not None and _is_wanted(view, wanted):
            found.append((key, view))
        if len(found) > wanted.limit:
            break
    shown = found[: wanted.limit]
    after = cursor(shown[-1][0]) if len(found) > wanted.limit else None
    return [view for _, view in shown], after


def run_report(runs: Runs, run_id: str) -> str:
    """Return the HTML report that was written with a run.

    Raises:
        NotFoundError: no such run, or its report was not written or is gone.
    """
    record = runs.find(run_id)
    if record.report is None or not record.report.is_file():
        raise NotFoundError(
            f"run {record.run_id} has no report",
            where="no file was written" if record.report is None else str(record.report),
            fix="run it again with: cab backtest ... --report FILE.html",
        )
    return record.report.read_text(encoding="utf-8")


def _run(path: Path) -> RunView | None:
    """Return a recorded run; None if the file is damaged or of another version."""
    try:
        record = load_record(path)
    except DataError:
        return None
    return RunView(
        run_id=record.run_id,
        made_ms=path.stat().st_mtime_ns // 1_000_000,
        symbols=record.symbols,
        from_ms=record.summary.get("first_ms", record.plan.from_ms),
        to_ms=record.summary.get("last_ms", record.plan.to_ms),
        strategies=_strategies(record),
        options=chosen_texts(record.settings, record.options),
        figures=record.summary,
        report=str(record.report) if record.report is not None and record.report.is_file() else None,
    )


def _strategies(record: RunRecord) -> list[str]:
    ids = [str(plugin["id"]) for plugin in record.summary.get("plugins", ())]
    return [name for kind, _, name in (each.partition(":") for each in ids) if kind == "strategy"]


def _is_wanted(view: RunView, wanted: Filter) -> bool:
    texts = (view.run_id, *view.symbols, *view.strategies)
    return (
        (wanted.symbol is None or wanted.symbol in view.symbols)
        and (wanted.strategy is None or wanted.strategy in view.strategies)
        and (not wanted.text or any(wanted.text.lower() in each.lower() for each in texts))
    )
