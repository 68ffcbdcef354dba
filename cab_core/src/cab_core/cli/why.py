"""``cab why``: the whole chain of one cycle."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.output import emit
from cab_core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from cab_core.app.explain import Explainer, Explanation
    from cab_core.app.explain_paper import PaperTraces
    from cab_core.app.runs import RunRecord, Runs
    from cab_core.app.standing import Standing
    from cab_core.settings import Settings

_TRACE_ID = re.compile(r"[0-9a-f]{16}")
_WAYS = "give a trace id, --last, or --at TIME"


@cab_command(
    "why", examples=("cab why", "cab why --last", "cab why --at 2023-06-01T14:30 --symbol ETH/USDT --json")
)
@click.argument("trace_id", required=False)
@click.option("--last", is_flag=True, help="The newest cycle with an order, however long ago that was.")
@click.option("--symbol", metavar="BASE/QUOTE", help="Look at this symbol only.")
@click.option("--at", metavar="TIME", help="The cycle whose candle is open then, or closes then (UTC).")
@click.option("--run", metavar="ID", help="Look into this backtest.")
@settings_options
def command(
    trace_id: str | None,
    last: bool,
    symbol: str | None,
    at: str | None,
    run: str | None,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """Tell why a cycle did or did not trade, step by step; without a cycle, why nothing is traded now.

    Alone it names the newest cycle of each symbol in a line, and for how long the reason has held.

    A trace id of a close by hand tells who closed what, and why.

    Cycles of paper and live runs are read from the database. For a backtest the same run is made again, so
    every bar of it can be explained. Without --run the newest of both is asked.
    """
    asked = _Asked(
        trace_id.lower() if trace_id else None, last, symbol.upper() if symbol else None, _time(at)
    )
    asked.check()
    settings = load(config, overrides).settings
    if asked.stands:
        standing = _standing(settings, asked, run)
        emit(standing, as_json, lambda: _print_standing(standing))
        return
    told = _from_run(settings, asked, run) if run else _from_anywhere(settings, asked)
    emit(told, as_json, lambda: _print(told))


class _Asked:
    """Which cycle is asked for."""

    def __init__(self, trace_id: str | None, last: bool, symbol: str | None, at_ms: int | None) -> None:
        self.trace_id = trace_id
        self.last = last
        self.symbol = symbol
        self.at_ms = at_ms

    def check(self) -> None:
        """Refuse a question that names two cycles.

        Raises:
            UsageError: it does.
        """
        ways = sum((self.trace_id is not None, self.last, self.at_ms is not None))
        if ways > 1:
            raise UsageError("only one cycle at a time", fix=_WAYS)
        if self.trace_id is not None and not _TRACE_ID.fullmatch(self.trace_id):
            raise UsageError(
                f"{self.trace_id!r} is no trace id",
                where="TRACE_ID",
                fix="a trace id has 16 hexadecimal characters",
            )

    @property
    def stands(self) -> bool:
        """Whether no cycle is named, so that all symbols are asked about."""
        return self.trace_id is None and self.at_ms is None and not self.last

    def of_run(self, explainer: Explainer) -> Explanation:
        """Ask a backtest."""
        if self.trace_id is not None:
            return explainer.by_id(self.trace_id)
        if self.at_ms is not None:
            return explainer.at(self.symbol, self.at_ms)
        return explainer.last_ordered(self.symbol)

    def of_database(self, traces: PaperTraces) -> Explanation | None:
        """Ask a database."""
        if self.trace_id is not None:
            return traces.by_id(self.trace_id, self.symbol)
        if self.at_ms is not None:
            return traces.at(self.symbol, self.at_ms)
        return traces.last_ordered(self.symbol)


def _time(text: str | None) -> int | None:
    from cab_core.app.times import instant_ms

    return None if text is None else instant_ms(text, "--at")


def _runs(settings: Settings) -> Runs:
    from cab_core.app.runs import Runs

    return Runs(Path(settings.db_path).parent / "runs")


def _from_run(settings: Settings, asked: _Asked, run: str) -> Explanation:
    record = _runs(settings).find(run.lower())
    if asked.trace_id is not None and not record.run_id.startswith(asked.trace_id[:6]):
        raise NotFoundError(
            f"{asked.trace_id} is no cycle of run {record.run_id}",
            where="TRACE_ID",
            fix="leave --run out",
        )
    return _explained(record, asked)


def _from_anywhere(settings: Settings, asked: _Asked) -> Explanation:
    """Ask the newest run and the database, whichever is newer first."""
    runs, newest = _runs(settings), None
    if asked.trace_id is not None:
        newest = next((p for p in runs.newest_first() if p.stem.startswith(asked.trace_id[:6])), None)
    else:
        newest = next(iter(runs.newest_first()), None)
    written_ns = newest.stat().st_mtime_ns if newest is not None else -1
    asks: list[Callable[[], Explanation | None]] = [lambda: _from_database(settings, asked)]
    if newest is not None:
        run_id = newest.stem
        place = 0 if written_ns >= _database_written_ns(settings) else 1
        asks.insert(place, lambda: _from_run(settings, asked, run_id))
    missing: NotFoundError | None = None
    for ask in asks:
        try:
            told = ask()
        except NotFoundError as error:
            missing = missing or error
            continue
        if told is not None:
            return told
    what = f"no cycle {asked.trace_id}" if asked.trace_id else "no such cycle is recorded"
    raise missing or _nothing_recorded(what, settings)


def _standing(settings: Settings, asked: _Asked, run: str | None) -> list[Standing]:
    """Return where each symbol stands, from a run or from what was written last."""
    runs = _runs(settings)
    newest = next(iter(runs.newest_first()), None)
    written_ns = -1 if newest is None else newest.stat().st_mtime_ns
    if (run is None and _database_written_ns(settings) > written_ns) or settings.database_url:
        from cab_core.app.explain_paper import PaperTraces

        if found := PaperTraces.of(settings).standing(asked.symbol):
            return found
    if run is None and newest is None:
        raise _nothing_recorded("no cycle is recorded yet", settings)
    from cab_core.app.explain import Explainer

    record = runs.find((run or (newest.stem if newest else "")).lower())
    with _said("replaying the run"):
        return Explainer(record, record.prepare()).standing(asked.symbol)


def _nothing_recorded(what: str, settings: Settings) -> NotFoundError:
    return NotFoundError(
        what,
        where=f"{_runs(settings).folder}, {settings.db_path}",
        fix="run: cab backtest --data FILE, or cab run (set DB_PATH if it lies elsewhere)",
    )


def _from_database(settings: Settings, asked: _Asked) -> Explanation | None:
    if not settings.database_url and not settings.db_path.is_file():
        return None  # without importing the storage
    from cab_core.app.explain_paper import PaperTraces

    return asked.of_database(PaperTraces.of(settings))


def _database_written_ns(settings: Settings) -> int:
    if settings.database_url or not settings.db_path.is_file():
        return 0
    from cab_core.app.explain_paper import PaperTraces

    return PaperTraces.of(settings).written_ns()


def _explained(record: RunRecord, asked: _Asked) -> Explanation:
    from cab_core.app.explain import Explainer

    with _said("replaying the run"):
        return asked.of_run(Explainer(record, record.prepare()))


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Show what takes a moment on stderr where a person looks at it."""
    shown = sys.stderr.isatty()
    if shown:
        click.echo(f"{what} …", nl=False, err=True)
    try:
        yield
    finally:
        if shown:
            click.echo("\r\033[K", nl=False, err=True)


def _print(told: Explanation) -> None:
    from cab_core.cli.chain import lines

    click.echo("\n".join(lines(told)))


def _print_standing(standing: Sequence[Standing]) -> None:
    from cab_core.domain.timeframes import TF_MS
    from cab_core.report.text import duration, minute

    for each in standing:
        closed = minute(each["candle_ts_ms"] + TF_MS)
        held = f"for {duration(each['held_ms'])}" if each["action"] == "hold" else "at this candle"
        click.echo(f"{each['symbol']:<10} {closed} UTC  {each['action']}: {each['reason']}, {held}")
        click.echo(f"{'':<10} step by step: cab why {each['trace_id']}")
