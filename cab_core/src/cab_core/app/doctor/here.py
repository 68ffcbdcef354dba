"""Checks of this machine and installation: no network, nothing is changed."""

from __future__ import annotations

import asyncio
import shutil
import socket
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from cab_core.app.continuing import look, misfits, notes, place_of
from cab_core.app.doctor.growth import growth
from cab_core.app.doctor.rows import Check, Row, Verdict
from cab_core.app.fitness import loads
from cab_core.app.local_files import database_file, lock_file
from cab_core.domain.timeframes import DAY_MS
from cab_core.plugins.inventory import Status, take_inventory
from cab_core.plugins.report import missing_rules
from cab_core.report.assets import plotly_path
from cab_core.safety.instance_lock import living_holder
from cab_core.safety.latch import read_latch
from cab_core.settings import Loaded, missing_for_run
from cab_core.settings.schema import Settings
from cab_core.storage import NoDatabaseError, damage, visit
from cab_core.storage.backup import backups_of, drafts_of, replaced_of

#: Free space below which a run is at risk, and below which it cannot go on.
LOW_BYTES, NO_BYTES = 1 << 30, 100 << 20


def checks(loaded: Loaded, folder: Path) -> Mapping[str, Check]:
    """Return the checks of this machine by name.

    Args:
        loaded: settings as they would be in force.
        folder: the working folder, where ``.env`` lies.
    """
    settings = loaded.settings
    return {
        "python": _python,
        "plugins": _plugins,
        "settings": lambda: _settings(loaded),
        "start": lambda: _start(settings),
        "secrets": lambda: _secrets(folder),
        "clock": _clock,
        "database": lambda: _database(settings),
        "growth": lambda: growth(settings),
        "disk": lambda: _disk(settings),
        "instance": lambda: _instance(settings),
        "switch": lambda: _switch(settings),
        "port": lambda: _port(settings),
        "backup": lambda: _backup(settings),
        "assets": _assets,
    }


def _python() -> Iterator[Row]:
    found = ".".join(str(part) for part in sys.version_info[:3])
    fits = sys.version_info >= (3, 11)
    yield Row(
        "python",
        Verdict.OK if fits else Verdict.FAIL,
        f"{found}, cab-core {version('cab-core')}",
        "" if fits else "install Python 3.11 or newer",
    )


def _plugins() -> Iterator[Row]:
    records = take_inventory()
    bad = [record for record in records if record.status is not Status.AVAILABLE]
    for record in bad:
        fix = f"run: cab plugins doctor {record.id}"
        yield Row("plugins", Verdict.FAIL, f"{record.id} is {record.status.value}: {record.reason}", fix)
    for text in missing_rules(records):
        yield Row("plugins", Verdict.WARN, text, "install it, or accept to trade without it")
    if not bad:
        yield Row(
            "plugins", Verdict.OK, f"{len(records)} installed, none refused; try each: cab plugins doctor"
        )


def _settings(loaded: Loaded) -> Iterator[Row]:
    for warning in loaded.warnings:
        yield Row("settings", Verdict.WARN, warning, "see: cab config show")
    settings = loaded.settings
    if missing := missing_for_run(settings):
        yield Row("settings", Verdict.WARN, f"not set: {', '.join(missing)}", "run: cab config init")
    else:
        symbols = ", ".join(settings.symbols)
        yield Row("settings", Verdict.OK, f"{settings.mode}, {settings.exchange}, {symbols}")


def _start(settings: Settings) -> Iterator[Row]:
    """Say what ``cab run`` would say before it asks anybody."""
    if missing_for_run(settings):
        yield Row("start", Verdict.SKIP, "the settings are not complete")
        return
    fit = asyncio.run(loads(settings))
    yield Row("start", Verdict.OK, f"{len(fit.plugins.all())} plugins load, broker:{settings.exchange} opens")


def _secrets(folder: Path) -> Iterator[Row]:
    file = folder / ".env"
    if not file.exists():
        yield Row("secrets", Verdict.SKIP, "there is no .env here")
        return
    open_to_others = file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if open_to_others:
        yield Row("secrets", Verdict.WARN, f"{file} can be read by others", f"run: chmod 600 {file}")
    else:
        yield Row("secrets", Verdict.OK, f"{file} is yours alone")


def _clock() -> Iterator[Row]:
    zone = "UTC" if time.timezone == 0 else f"UTC{-time.timezone / 3600:+g} h"
    yield Row("clock", Verdict.OK, f"zone {zone}; cab counts in UTC. Compare with the exchange: --online")


def _database(settings: Settings) -> Iterator[Row]:
    label = "the database server" if settings.database_url.reveal() else str(settings.db_path)
    try:
        found = visit(place_of(settings), damage)
    except NoDatabaseError:
        yield Row("database", Verdict.SKIP, f"{label}: none yet, it is made by the first run")
        return
    if found:
        fix = "see: cab verify; then: cab maintenance restore"
        yield Row("database", Verdict.FAIL, f"{label} is damaged: {found[0]}", fix)
    else:
        yield Row("database", Verdict.OK, f"{label}: whole, schema current, journal unbroken")
        yield from _continued(settings)


def _continued(settings: Settings) -> Iterator[Row]:
    """Say whether the settings fit what is stored: the very check of ``cab run`` and ``cab config check``."""
    found = look(settings)
    for problem in misfits(settings, found):
        yield Row("database", Verdict.FAIL, str(problem), problem.fix)
    for note in notes(settings, found):
        yield Row("database", Verdict.WARN, note, "nothing, if that is meant")


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def _disk(settings: Settings) -> Iterator[Row]:
    folder = _existing(database_file(settings).absolute().parent)
    free = shutil.disk_usage(folder).free
    verdict = Verdict.FAIL if free < NO_BYTES else Verdict.WARN if free < LOW_BYTES else Verdict.OK
    fix = "" if verdict is Verdict.OK else "free some space: without it only exits are possible"
    yield Row("disk", verdict, f"{free / (1 << 30):.1f} GiB free at {folder}", fix)


def _instance(settings: Settings) -> Iterator[Row]:
    holder = living_holder(lock_file(settings))
    text = "no bot runs" if holder is None else f"a bot runs: process {holder.pid}"
    yield Row("instance", Verdict.OK, f"{text} ({lock_file(settings)})")


def _switch(settings: Settings) -> Iterator[Row]:
    latch = read_latch(database_file(settings))
    if latch is None:
        yield Row("switch", Verdict.OK, "the dead man's switch has not acted")
        return
    fix = "look at the exchange, then: cab dms ack --reason TEXT"
    yield Row("switch", Verdict.FAIL, f"the dead man's switch has acted: {latch.reason}", fix)


def _port(settings: Settings) -> Iterator[Row]:
    if living_holder(lock_file(settings)) is not None:
        yield Row("port", Verdict.SKIP, "a bot runs and has it")
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            what = f"{settings.host}:{settings.port} cannot be bound: {error.strerror}"
            yield Row(
                "port", Verdict.FAIL, what, "set PORT to a free one, or HOST to an address of this machine"
            )
            return
    yield Row("port", Verdict.OK, f"{settings.host}:{settings.port} is free")


def _backup(settings: Settings) -> Iterator[Row]:
    database = database_file(settings)
    yield from _leftovers(database)
    if not database.exists():
        yield Row("backup", Verdict.SKIP, "nothing to back up yet")
        return
    found = backups_of(database)
    if not found:
        yield Row("backup", Verdict.WARN, "there is no backup", "run: cab maintenance backup")
        return
    days = (1000 * time.time() - found[-1].taken_ms) / DAY_MS
    verdict = Verdict.WARN if days > 2 else Verdict.OK
    fix = "run: cab maintenance backup, daily" if days > 2 else ""
    yield Row("backup", verdict, f"{found[-1].path.name}, {days:.1f} days old", fix)


def _leftovers(database: Path) -> Iterator[Row]:
    """Tell what backups and restorations have left: half written files, and replaced databases."""
    if drafts := drafts_of(database):
        size = sum(draft.size for draft in drafts)
        text = f"{len(drafts)} files of killed backups or restorations, {size / (1 << 20):.1f} MiB"
        yield Row("backup", Verdict.WARN, text, "run: cab maintenance rotate")
    if replaced := replaced_of(database):
        size = sum(backup.size for backup in replaced)
        text = f"{len(replaced)} replaced databases beside the present one, {size / (1 << 20):.1f} MiB"
        yield Row("backup", Verdict.OK, f"{text}; cab maintenance rotate keeps one a day of seven days")


def _assets() -> Iterator[Row]:
    yield Row("assets", Verdict.OK, f"chart library: {plotly_path().name}")
