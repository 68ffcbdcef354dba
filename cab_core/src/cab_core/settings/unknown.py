"""Names nobody knows: which of them are worth a word, and what was probably meant."""

from __future__ import annotations

from cab_core.nearest import nearest
from cab_core.settings.schema import BY_NAME, OPTION_TABLES

#: Names that start so can only be meant for cab, even in an environment shared with other programs.
FAMILIES = (
    "BACKTEST_",
    "BROKER_RATE_",
    "DMS_",
    "EXITS_",
    "FUSION_",
    "PAPER_",
    "REGIME_",
    "RISK_",
    "STOP_LOSS",
    "STRATEGY_",
    "TAKE_PROFIT",
    "TELEGRAM_",
    "TRAILING_STOP",
    "TREND_",
)

#: In a shared environment only names this similar to one of ours count as a slip of the pen.
_SLIP = 0.88
_SHORTEST_SLIP = 6
_BEGINNING = 0.7
_EXTRA = 3


def meant_for_us(name: str) -> bool:
    """Say whether an unknown name of a shared environment is probably a mistyped setting."""
    if name.startswith(FAMILIES):
        return True
    plain = _plain(name)
    if len(plain) < _SHORTEST_SLIP or not name.isupper():
        return False
    # STOPLOSS is the beginning of STOP_LOSS_PCT; APPLICATION_ID is that of nothing.
    if any(known.startswith(plain) and len(plain) >= _BEGINNING * len(known) for known in _PLAIN):
        return True
    similar = [known for known in _PLAIN if known[0] == plain[0] and abs(len(known) - len(plain)) <= _EXTRA]
    return bool(nearest(plain, similar, _SLIP))


def suggestion(name: str) -> str:
    """Return ``did you mean X?``, or where to look the names up."""
    tables = (table.upper() for table in OPTION_TABLES)
    known = nearest(name.upper(), (*BY_NAME, *tables)) or _PLAIN.get(
        nearest(_plain(name.upper()), _PLAIN), ""
    )
    return f"did you mean {known}?" if known else "list the names with: cab config show"


def _plain(name: str) -> str:
    """Return a name without what people leave out of it."""
    return name.replace("_", "").replace("-", "")


_PLAIN = {_plain(name): name for name in BY_NAME}
