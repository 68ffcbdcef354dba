"""Giving back the room of deleted rows, and the thorough check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from cab_core.app.instance import only_instance
from cab_core.app.maintenance.work import Order, audit, existing_file
from cab_core.errors import NotFoundError
from cab_core.settings import Settings
from cab_core.storage import visit
from cab_core.storage.location import PostgresServer, parse
from cab_core.storage.upkeep import examine, glance, room, shrink


@attrs.frozen(kw_only=True)
class Vacuumed:
    """Bytes of the file before and after; in a dry run what there is and what would be left."""

    file: str
    before: int
    after: int
    dry_run: bool


@attrs.frozen(kw_only=True)
class Checked:
    """What was checked, and everything that is wrong with it."""

    where: str
    problems: Sequence[str]


def vacuum(settings: Settings, order: Order) -> Vacuumed:
    """Rewrite the database without empty pages, while no bot runs.

    Raises:
        LockedError: a bot runs. NotRunningError: there is no database. UsageError: it is no SQLite file.
        StorageError: no room for the second copy that SQLite writes, or somebody else writes.
    """
    database = existing_file(settings, "vacuum")
    before = room(database)
    if order.dry_run:
        return Vacuumed(
            file=str(database), before=before.size, after=before.size - before.empty, dry_run=True
        )
    with only_instance(settings, order.now_ms):
        shrink(database)
        after = room(database)
        audit(database, order, "vacuum", database.name, {"size": before.size}, {"size": after.size})
    return Vacuumed(file=str(database), before=before.size, after=after.size, dry_run=False)


def integrity(settings: Settings, file: Path | None = None) -> Checked:
    """Check pages, indexes and the whole journal of the database, or of a backup; a bot may be running.

    Must not be called while an event loop runs in this thread.

    Raises:
        NotRunningError: there is no database. NotFoundError: there is no such file.
        StorageError: it cannot be read at all, or is no database of cab.
    """
    if file is not None:
        if not file.is_file():
            raise NotFoundError("there is no such file", where=str(file), fix="see: cab maintenance --help")
        return Checked(where=str(file), problems=glance(file, examine))
    place = parse(settings.database_url.reveal() or settings.db_path)
    if isinstance(place, PostgresServer):
        return Checked(where=place.label, problems=visit(settings.database_url.reveal(), examine))
    database = existing_file(settings, "integrity")
    return Checked(where=str(database), problems=glance(database, examine))
