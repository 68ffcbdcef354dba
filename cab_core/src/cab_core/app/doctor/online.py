"""Checks that ask others: the exchange and the macro sources. They only read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from cab_core.app.config import cycle_config
from cab_core.app.doctor.rows import Check, Row, Verdict
from cab_core.app.live import open_venue, venue_plugin
from cab_core.app.regime import source_urls
from cab_core.app.same_account import require_account_of
from cab_core.app.short_history import short_windows
from cab_core.clock import SystemClock
from cab_core.safety.http import SafeHttp
from cab_core.sdk import Broker, Checked
from cab_core.settings.schema import Settings

#: Differences of the clocks that are fine, and that may still be traded with, milliseconds.
FINE_MS, BEARABLE_MS = 2_000, 10_000


def checks(settings: Settings) -> Mapping[str, Check]:
    """Return the checks that need the network, by name."""
    found: dict[str, Check] = {}
    if settings.exchange and settings.symbols:
        found["exchange"] = lambda: _at_venue(settings, _exchange)
        found["candles"] = lambda: _at_venue(settings, _candles)
        if settings.mode == "live":
            found["account"] = lambda: _at_venue(settings, _account)
    for name, (url, where) in source_urls(settings).items():
        found[f"source {name}"] = _source(
            name, SafeHttp(url, allow_hosts=settings.regime_allow_hosts, where=where)
        )
    return found


def _at_venue(settings: Settings, look: Callable[[Broker, Settings], Awaitable[list[Row]]]) -> list[Row]:
    async def asked() -> list[Row]:
        config = cycle_config(settings, [], settings.symbols)
        venue = open_venue(venue_plugin(settings).broker, settings, config, SystemClock())
        try:
            return await look(venue, settings)
        finally:
            await venue.close()

    return asyncio.run(asked())


async def _exchange(venue: Broker, settings: Settings) -> list[Row]:
    clock = SystemClock()
    before = clock.now_ms()
    theirs = await venue.server_time_ms()
    after = clock.now_ms()
    offset = theirs - (before + after) // 2
    bad = abs(offset) > BEARABLE_MS
    verdict = Verdict.FAIL if bad else Verdict.WARN if abs(offset) > FINE_MS else Verdict.OK
    rules = await venue.instruments()
    missing = [symbol for symbol in settings.symbols if symbol not in rules]
    rows = [
        Row("exchange", Verdict.OK, f"{settings.exchange} answers in {after - before} ms"),
        Row(
            "exchange",
            verdict,
            f"this clock is {-offset:+d} ms off the exchange's",
            "" if verdict is Verdict.OK else "let a time service set the clock (chrony, systemd-timesyncd)",
        ),
    ]
    rows += [
        Row("exchange", Verdict.FAIL, f"{each} is not traded there", "correct SYMBOLS") for each in missing
    ]
    return rows


async def _candles(venue: Broker, settings: Settings) -> list[Row]:
    short = [text for symbol in settings.symbols for text in await short_windows(venue, symbol)]
    if not short:
        return [Row("candles", Verdict.OK, "all candles that a decision looks back on are listed")]
    fix = "a pair that is young or an exchange that lists little: compare paper with care"
    return [Row("candles", Verdict.WARN, text, fix) for text in short]


async def _account(venue: Broker, settings: Settings) -> list[Row]:
    await require_account_of(venue, settings)
    if not isinstance(venue, Checked):
        return [Row("account", Verdict.SKIP, "this broker cannot check its account")]
    warnings = await venue.check()
    if not warnings:
        return [Row("account", Verdict.OK, "the key may trade and nothing else; all symbols can be traded")]
    return [Row("account", Verdict.WARN, text) for text in warnings]


def _source(name: str, http: SafeHttp) -> Check:
    def look() -> Iterator[Row]:
        asyncio.run(http.get_json())
        yield Row(f"source {name}", Verdict.OK, "answers with a JSON document")

    return look
