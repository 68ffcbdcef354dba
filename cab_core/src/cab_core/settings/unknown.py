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
_EXTRA = 3


def meant_for_us(name: str) -> bool:
    """Say whether an unknown name of a shared environment is probably a mistyped setting."""
    if name.startswith(FAMILIES):
        return True
    similar = [known for known in BY_NAME if known[0] == name[:1] and abs(len(known) - len(name)) <= _EXTRA]
    return len(name) >= _SHORTEST_SLIP and bool(nearest(name, similar, _SLIP))


def suggestion(name: str) -> str:
    """Return ``did you mean X?``, or where to look the names up."""
    known = nearest(name.upper(), (*BY_NAME, *(table.upper() for table in OPTION_TABLES)))
    return f"did you mean {known}?" if known else "list the names with: cab config show"
