"""The macro sources a run asks, from their addresses in the settings to a regime watch."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cab_core.app.config import ADDRESS_OPTION, regime_settings
from cab_core.clock import Clock
from cab_core.cycle.regime_watch import ReadSource, RegimeWatch
from cab_core.domain.regime import Reading, RegimeState
from cab_core.errors import CabError
from cab_core.plugins.answers import check_reading
from cab_core.plugins.bound import Bound
from cab_core.plugins.failures import Failure
from cab_core.plugins.guard import HangGuard
from cab_core.plugins.isolation import Caller
from cab_core.plugins.kinds import SECTIONS, Kind
from cab_core.plugins.policy import POLICIES
from cab_core.plugins.registry import Plugins
from cab_core.safety.http import SafeHttp
from cab_core.settings.schema import Settings

log = logging.getLogger("cab.regime")


def source_urls(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return address and name of its setting for each source that has one.

    Ours have settings of their own; a third party's source has its address as ``url`` in its table.
    """
    urls = {
        "dxy": (settings.regime_dxy_url, "REGIME_DXY_URL"),
        "btc_dominance": (settings.regime_btc_dom_url, "REGIME_BTC_DOM_URL"),
        "fomc": (settings.regime_fomc_url, "REGIME_FOMC_URL"),
    }
    for name, options in settings.plugin_options.get(SECTIONS[Kind.MACRO], {}).items():
        if ADDRESS_OPTION in options and name not in urls:
            where = f"{SECTIONS[Kind.MACRO]}.{name}.{ADDRESS_OPTION}"
            urls[name] = (str(options[ADDRESS_OPTION]), where)
    return {name: found for name, found in urls.items() if found[0]} if settings.regime_enabled else {}


def regime_watch(settings: Settings, plugins: Plugins) -> Callable[[Clock], RegimeWatch] | None:
    """Return what makes the watch over the configured sources on a clock; None if there are none.

    Raises:
        RefusedError: an address must not be fetched.
    """
    urls = source_urls(settings)
    sources: dict[str, ReadSource] = {}
    callers: list[Caller[Reading | CabError]] = []
    for bound in plugins.sources:
        url, where = urls[bound.name]
        http = SafeHttp(url, allow_hosts=settings.regime_allow_hosts, where=where)
        caller = source_caller(bound)
        callers.append(caller)
        sources[bound.name] = _reader(caller, http)
    if not sources:
        return None
    rules = regime_settings(settings, plugins.sources)

    def failures() -> list[Failure]:
        return [caller.strikes.failure(caller.id) for caller in callers]

    return lambda clock: RegimeWatch(sources, rules, clock, on_failure=_failed, failures=failures)


def still_fresh(watch: RegimeWatch) -> Callable[[int], RegimeState | None]:
    """Return the regime at a time: None once the last evaluation is older than two intervals (spec 7.3)."""
    max_age_ms = 2 * watch.settings.interval_sec * 1000

    def regime_at(now_ms: int) -> RegimeState | None:
        state = watch.state
        return None if state is None or now_ms - state.updated_ms > max_age_ms else state

    return regime_at


def saved(watch: RegimeWatch, save: Callable[[Mapping[str, Any]], Awaitable[None]]) -> RegimeWatch:
    """Let the watch save itself after each evaluation."""

    async def keep(_: RegimeState) -> None:
        await save(watch.to_json())

    watch.on_poll = keep
    return watch


def source_caller(bound: Bound) -> Caller[Reading | CabError]:
    """Return what asks one source.

    An address that does not answer is no fault of the plugin, so it must not lead to its quarantine.
    """

    async def call(client: SafeHttp) -> Reading | CabError:
        try:
            reading: Reading = await bound.call(client)
        except CabError as error:
            return error
        return reading

    def check(answer: Any) -> Reading | CabError:
        return answer if isinstance(answer, CabError) else check_reading(answer)

    return Caller(bound.id, call, check, POLICIES[Kind.MACRO].budget_s, HangGuard())


def _reader(caller: Caller[Reading | CabError], http: SafeHttp) -> ReadSource:
    async def read() -> Reading:
        outcome = await caller.wait(http)
        if isinstance(outcome.value, Reading):
            return outcome.value
        raise outcome.value or outcome.error or CabError("no answer", where=caller.id)

    return read


def _failed(source: str, error: BaseException) -> None:
    log.warning("macro source %s has no answer: %s", source, error, extra={"context": {"source": source}})
