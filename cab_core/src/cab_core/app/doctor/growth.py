"""How large the database is, and how fast it grows."""

from __future__ import annotations

from collections.abc import Iterator

from cab_core.app.doctor.rows import Row, Verdict
from cab_core.domain.timeframes import DAY_MS, TF_MS
from cab_core.settings.schema import Settings
from cab_core.storage import NoDatabaseError, visit
from cab_core.storage.size import size_of

_MIB = 1 << 20

#: Cycles of a symbol in a year.
_YEAR = 365 * DAY_MS // TF_MS

#: With fewer cycles, what every database begins with is most of it.
_ENOUGH = 1000

#: Empty room below this is not worth a word, nor is less than this share of the file.
_ROOM, _SHARE = 64 * _MIB, 0.25


def growth(settings: Settings) -> Iterator[Row]:
    """Tell size, growth and empty room of the database."""
    where = settings.database_url.reveal() or settings.db_path
    try:
        size = visit(where, size_of)
    except NoDatabaseError:
        yield Row("growth", Verdict.SKIP, "there is no database yet")
        return
    text = f"{size.total / _MIB:.1f} MiB after {size.cycles} cycles"
    if size.cycles >= _ENOUGH:
        each = (size.total - size.empty) / size.cycles
        text += f": {each:.0f} bytes each, {each * _YEAR / _MIB:.1f} MiB a symbol and year"
    text += f"; {size.detailed} with details, those of holds for {settings.trace_keep_days} days"
    if size.empty > max(_ROOM, _SHARE * size.total):
        fix = "stop the bot, then: cab maintenance vacuum"
        yield Row("growth", Verdict.WARN, f"{text}; {size.empty / _MIB:.1f} MiB are empty", fix)
    else:
        yield Row("growth", Verdict.OK, text)
