"""Records of finished backtests: what is needed to run one again and explain any of its cycles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from cab_core.app.identity import deciding_options, exact_texts, settings_from
from cab_core.app.research import Plan, Prepared, prepare_run
from cab_core.atomic import make_folder, replacing
from cab_core.cycle.results import RunResult
from cab_core.data.symbols import NamedFile
from cab_core.domain.orders import Purpose
from cab_core.errors import CabError, DataError, NotFoundError

#: Purposes of orders that a cycle decides; all others protect a position.
DECIDED = (Purpose.ENTRY, Purpose.SIGNAL_SELL)

_FORMAT = 2
_SAME = "run the backtest again to explain it as it is now"


@attrs.frozen(kw_only=True)
class RunRecord:
    """One finished backtest.

    Attributes:
        settings: deciding settings as texts; ``options``: those of the plugins that decide.
        symbols: the symbols in order; a trace id names them by their place.
        last_ordered: trace id of the newest cycle that decided an order, by symbol, the newest first.
        summary: what `cab_core.report.summary` told, without the time it took.
        report: where the report was written, None if none was.
    """

    run_id: str
    plan: Plan
    settings: Mapping[str, str]
    options: Mapping[str, Mapping[str, Mapping[str, Any]]]
    symbols: tuple[str, ...]
    last_ordered: Mapping[str, str]
    summary: Mapping[str, Any]
    report: Path | None

    def prepare(self) -> Prepared:
        """Lay the same run out again.

        Raises:
            DataError: its data, settings or plugins are no longer what they were.
        """
        prepared = prepare_run(self.plan, settings_from(self.settings, self.options))
        for what, recorded, now in self._compared(prepared):
            if recorded != now:
                raise DataError(
                    f"{what} changed since run {self.run_id}: {recorded} then, {now} now",
                    where=f"run {self.run_id}",
                    fix=_SAME,
                )
        return prepared

    def check_decisions(self, decisions_sha256: str) -> None:
        """Refuse an explanation by decisions other than the recorded ones.

        Raises:
            DataError: they differ, so the code of cab or of a plugin is not what it was.
        """
        if decisions_sha256 != self.summary["decisions_sha256"]:
            raise DataError(
                "the run decides differently now: the code of a plugin or of cab changed",
                where=f"run {self.run_id}",
                fix=_SAME,
            )

    def _compared(self, prepared: Prepared) -> Iterator[tuple[str, str, str]]:
        facts, told = prepared.facts, self.summary
        then = {f"{file['symbol']} {file['file']}": file["sha256"] for file in told["data"]}
        now = {f"{file.symbol} {file.name}": file.sha256 for file in facts.data}
        for name in then | now:
            yield f"the data of {name}", then.get(name, "absent")[:12], now.get(name, "absent")[:12]
        before = {plugin["id"]: plugin["version"] for plugin in told["plugins"]}
        after = {plugin.id: plugin.version for plugin in facts.plugins}
        for name in sorted(before | after):
            yield f"plugin {name}", before.get(name, "absent"), after.get(name, "absent")
        yield "the data", told["data_sha256"][:12], facts.data_sha256[:12]
        yield "the settings", told["config_sha256"][:12], facts.config_sha256[:12]
        yield "the version of cab", self.run_id, facts.run_id


@attrs.frozen
class Runs:
    """The folder of run records, ``<data folder>/runs``; it is made with the first record."""

    folder: Path

    def save(self, prepared: Prepared, run: RunResult, summary: Mapping[str, Any]) -> Path:
        """Write the record of a finished run, whole or not at all, and return its path.

        The summary names the run's report, if one was written.

        Raises:
            OSError: it cannot be written; nothing half-written stays.
        """
        plan = prepared.plan
        path = self.folder / f"{prepared.facts.run_id}.json"
        document = {
            "format": _FORMAT,
            "run_id": prepared.facts.run_id,
            "plan": {
                "data": _files(plan.data),
                "from_ms": plan.from_ms,
                "to_ms": plan.to_ms,
                "fills": plan.fills,
                "detail": _files(plan.detail),
                "macro": None if plan.macro is None else str(plan.macro.absolute()),
            },
            "settings": exact_texts(prepared.settings),
            "options": deciding_options(prepared.settings),
            "symbols": list(prepared.histories.series),
            "last_ordered": _last_ordered(run),
            "summary": {k: v for k, v in summary.items() if k not in ("elapsed_s", "bars_per_s", "report")},
            "report": str(Path(summary["report"]).absolute()) if "report" in summary else None,
        }
        make_folder(self.folder)
        with replacing(path) as file:
            file.write(json.dumps(document, indent=1, ensure_ascii=False).encode())
        return path

    def newest_first(self) -> list[Path]:
        """Return the records by the time they were written."""
        if not self.folder.is_dir():
            return []
        return sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def find(self, prefix: str) -> RunRecord:
        """Return the newest run whose id begins with ``prefix``.

        Raises:
            NotFoundError: there is none.
        """
        for path in self.newest_first():
            if path.stem.startswith(prefix):
                return load_record(path)
        known = ", ".join(path.stem for path in self.newest_first()[:5])
        fix = f"the newest runs are {known}" if known else "run: cab backtest --data FILE"
        raise NotFoundError(f"no run {prefix!r} is recorded", where=str(self.folder), fix=fix)


def load_record(path: Path) -> RunRecord:
    """Read a record.

    Raises:
        DataError: the file is damaged, or of another version of cab.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise DataError(f"the record has format {document['format']}", where=str(path), fix=_SAME)
        plan = document["plan"]
        return RunRecord(
            run_id=document["run_id"],
            plan=Plan(
                data=_named(plan["data"]),
                from_ms=plan["from_ms"],
                to_ms=plan["to_ms"],
                fills=plan["fills"],
                detail=_named(plan.get("detail", ())),
                macro=None if plan["macro"] is None else Path(plan["macro"]),
            ),
            settings=document["settings"],
            options=document["options"],
            symbols=tuple(document["symbols"]),
            last_ordered=document["last_ordered"],
            summary=document["summary"],
            report=None if document.get("report") is None else Path(document["report"]),
        )
    except CabError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the record cannot be read: {error}", where=str(path), fix=_SAME) from error


def _files(named: Sequence[NamedFile]) -> list[dict[str, str | None]]:
    return [{"file": str(each.path.absolute()), "symbol": each.symbol} for each in named]


def _named(files: Sequence[Mapping[str, Any]]) -> tuple[NamedFile, ...]:
    return tuple(NamedFile(Path(each["file"]), each["symbol"]) for each in files)


def _last_ordered(run: RunResult) -> dict[str, str]:
    newest: dict[str, str] = {}
    for order in reversed(run.orders):
        if order.intent.purpose in DECIDED:
            newest.setdefault(order.intent.symbol, order.intent.trace_id)
    return newest
