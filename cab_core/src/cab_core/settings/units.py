"""Amounts in the account's quote currency: their defaults are meant in dollars."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from cab_core.domain.currencies import is_dollar, quote_of
from cab_core.settings.problems import SettingError
from cab_core.settings.schema import CODE, SETTINGS, Settings


def unset_amounts(
    settings: Settings, given: Collection[str], symbols: Sequence[str]
) -> Iterator[SettingError]:
    """Yield a problem for each amount that an account in another currency than dollars has to set.

    Args:
        settings: whose MODE says whether the amounts of the simulated venue count.
        given: names that somebody has set; these stand.
        symbols: what is traded; all have one quote currency.
    """
    quote = quote_of(next(iter(symbols), ""))
    if not quote or is_dollar(quote):
        return
    for row in SETTINGS:
        simulated = row.name.startswith("PAPER_")
        if row.in_quote and row.name not in given and not (simulated and settings.mode == "live"):
            yield SettingError(
                row.name,
                f"has a default of {row.default}, which is meant in dollars; this account is in {quote}",
                fix=f"set {row.name} in {quote}",
            )


def given_names(settings: Settings) -> frozenset[str]:
    """Return the names that somebody set, of settings that were loaded; of others, all."""
    names = (row.name for row in SETTINGS)
    return frozenset(name for name in names if settings.sources.get(name, "") != CODE)
