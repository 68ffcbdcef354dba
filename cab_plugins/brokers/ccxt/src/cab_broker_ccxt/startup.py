"""The start-up checklist: what must be true before money is at stake. Each line is a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_broker_ccxt.amounts import maybe, plain
from cab_broker_ccxt.api import Api
from cab_broker_ccxt.config import Config
from cab_broker_ccxt.errors import VenueError, no_keys
from cab_broker_ccxt.labels import refusal_of
from cab_broker_ccxt.offline_checks import OFFLINE, Finding, problem, warning
from cab_broker_ccxt.rules import Rules
from cab_core.sdk import Account, AwayError, CabError, ConfigError, Instrument

SKEW_WARN_MS, SKEW_LIMIT_MS = 5_000, 30_000
DELISTING_NEAR_MS = 7 * 86_400_000
#: An order must be worth this many times the minimum, so that its fee and a move leave something to sell.
ROOM = Decimal("1.05")


@attrs.frozen(eq=False, kw_only=True)
class Bench:
    """What the checks look at."""

    account: Account
    api: Api
    rules: Rules
    config: Config


async def check_clock(bench: Bench) -> list[Finding]:
    """The machine's clock agrees with the venue's, which refuses requests that are 60 s off."""
    await bench.api.measure()
    offset_ms = bench.api.server.offset_ms
    if abs(offset_ms) > SKEW_LIMIT_MS:
        what, fix = f"the clock is {offset_ms / 1000:+.1f} s off the exchange's", "set the machine's clock"
        raise AwayError(what, where=bench.config.where, fix=fix)
    if abs(offset_ms) >= SKEW_WARN_MS:
        return [warning(f"the clock is {offset_ms / 1000:+.1f} s off the exchange's")]
    return []


async def check_keys(bench: Bench) -> list[Finding]:
    """The key may read the account. It cannot be tried without trading whether it may trade."""
    if not bench.api.keyed:
        return [problem(str(no_keys(bench.config.where)), "set API_KEY and API_SECRET")]
    try:
        await bench.api.rows("privateSpotGetAccounts", {})
    except VenueError as error:
        if (refusal := refusal_of(error.label)) is not None and refusal[0] == "credentials":
            return [problem(f"the key is refused: {error.label}", "check key, permissions and IP whitelist")]
        raise
    return []


async def check_account_type(bench: Bench) -> list[Finding]:
    """The account is of the kind the option says; ccxt would guess, and take any error for "not unified"."""
    if not bench.api.keyed:
        return []
    try:
        detail = await bench.api.row("privateAccountGetDetail", {})
    except VenueError as error:
        return [warning(f"the kind of account cannot be seen: {error.what}")]
    found = list(_whitelist(detail))
    mode = maybe((detail.get("key") or {}).get("mode"))
    unified = mode == 2
    if mode is not None and unified != bench.config.unified_account:
        kind = "unified" if unified else "classic"
        found.append(problem(f"the account is {kind}", f"set unified_account = {str(unified).lower()}"))
    return found


def _whitelist(detail: Mapping[str, Any]) -> Iterator[Finding]:
    if not detail.get("ip_whitelist"):
        yield warning("the key has no IP whitelist: whoever gets it can use it from anywhere")


async def check_instruments(bench: Bench) -> list[Finding]:
    """Every symbol exists. One that cannot be traded now takes no entries and stops no other."""
    rules = await bench.rules.all()
    leaving = bench.account.leaving
    found = [
        warning(f"{symbol} is held and no longer traded here: it can only be sold elsewhere, by hand")
        if symbol in leaving
        else problem(f"{symbol} is not traded here", "correct SYMBOLS")
        for symbol in rules
        if symbol in bench.rules.unknown
    ]
    for symbol, rule in rules.items():
        if symbol not in bench.rules.unknown and not (rule.buyable and rule.sellable):
            only = "only be sold" if rule.sellable else "only be bought" if rule.buyable else "not be traded"
            found.append(warning(f"{symbol} can {only} now"))
    return found


async def check_delisting(bench: Bench) -> list[Finding]:
    """No symbol is about to leave."""
    soon_ms = bench.api.clock.now_ms() + DELISTING_NEAR_MS
    return [
        warning(f"{symbol} is to be delisted within a week; it takes no entries")
        for symbol, rule in (await bench.rules.all()).items()
        if rule.delisting_ms is not None and rule.delisting_ms <= soon_ms
    ]


async def check_minimums(bench: Bench) -> list[Finding]:
    """The amount of an order is above the venue's minimum, and so is its half at the first take-profit."""
    amount = bench.account.fixed_amount
    if amount is None:
        return []
    rules = (await bench.rules.all()).values()
    bought = [rule for rule in rules if rule.symbol not in bench.account.leaving]
    return [finding for rule in bought for finding in _minimum(amount, rule)]


def _minimum(amount: Decimal, rule: Instrument) -> Iterator[Finding]:
    least, sized = f"{plain(rule.min_notional)} {rule.quote}", f"FIXED_AMOUNT {plain(amount)}"
    if amount < rule.min_notional * ROOM:
        yield problem(
            f"{rule.symbol}: {sized} is below the minimum of {least} with fees",
            "raise FIXED_AMOUNT",
        )
    elif amount / 2 < rule.min_notional * ROOM:
        yield warning(
            f"{rule.symbol}: half of {sized} is below the minimum of {least}: "
            "the first take-profit sells everything"
        )


Check = Callable[[Bench], Awaitable[list[Finding]]]

ONLINE: tuple[Check, ...] = (
    check_clock,
    check_keys,
    check_account_type,
    check_instruments,
    check_delisting,
    check_minimums,
)


async def checked(bench: Bench) -> Sequence[str]:
    """Go through the whole list and return the warnings.

    Raises:
        ConfigError: all problems together.
        AwayError: there is none, but something could not be looked at, or is off, for now.
    """
    found = [finding for check in OFFLINE for finding in check(bench.api.client, bench.config)]
    away: list[AwayError] = []
    for check in ONLINE:
        try:
            found += await check(bench)
        except AwayError as error:
            away.append(error)
        except CabError as error:
            found.append(problem(f"{check.__name__}: {error.what}", "is the exchange reachable?"))
    if away and not any(finding.fatal for finding in found):
        raise away[0]
    found += [problem(error.what, error.fix) for error in away]
    return reported(found, bench.config.where)


def reported(found: Sequence[Finding], where: str) -> Sequence[str]:
    """Return the warnings, or raise all problems as one `ConfigError`."""
    warnings = [finding.what for finding in found if not finding.fatal]
    problems = [CabError(finding.what, where=where, fix=finding.fix) for finding in found if finding.fatal]
    if problems:
        raise ConfigError(problems, warnings)
    return warnings
