"""Checks of how ccxt is set up; they need no network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import attrs

from cab_broker_ccxt.config import Config, ccxt_id
from cab_broker_ccxt.quiet import quiet

#: The ccxt this was tested with: from the first on, before the second.
TESTED_FROM, TESTED_BEFORE = (4, 5, 90), (4, 6, 0)


@attrs.frozen(slots=True)
class Finding:
    """One result of a check; a fatal one forbids trading."""

    what: str
    fix: str
    fatal: bool


def problem(what: str, fix: str) -> Finding:
    """Return a finding that forbids trading."""
    return Finding(what, fix, fatal=True)


def warning(what: str) -> Finding:
    """Return a finding that people should know."""
    return Finding(what, "", fatal=False)


def check_alias(client: Any, config: Config) -> Iterator[Finding]:
    """The venue is the one that was named, whatever ccxt calls it today."""
    if client.id != ccxt_id(config.exchange_id):
        yield problem(f"ccxt opened {client.id!r} for {config.exchange_id!r}", "reinstall cab-broker-ccxt")


def check_ccxt_version(client: Any, config: Config) -> Iterator[Finding]:
    """Ccxt changes almost daily; only a tested range is trusted with orders."""
    del client, config
    installed = version("ccxt")
    numbers = tuple(int(part) for part in installed.split(".")[:3] if part.isdigit())
    if not TESTED_FROM <= numbers < TESTED_BEFORE:
        yield problem(f"ccxt {installed} was not tested", "pip install 'ccxt>=4.5.90,<4.6'")


def check_numbers(client: Any, config: Config) -> Iterator[Finding]:
    """Numbers stay texts: no price goes through a binary float."""
    del config
    if client.number is not str:
        yield problem(f"ccxt would turn numbers into {client.number.__name__}", "reinstall cab-broker-ccxt")


def check_currencies(client: Any, config: Config) -> Iterator[Finding]:
    """Loading markets does not load thousands of currencies as well."""
    del config
    if client.has["fetchCurrencies"] is not False:
        yield problem("ccxt would load all currencies", "reinstall cab-broker-ccxt")


def check_spot_only(client: Any, config: Config) -> Iterator[Finding]:
    """Nothing but spot is ever loaded."""
    del config
    if client.options.get("fetchMarkets", {}).get("types") != ["spot"]:
        yield problem("ccxt would load other markets than spot", "reinstall cab-broker-ccxt")


def check_unified(client: Any, config: Config) -> Iterator[Finding]:
    """The kind of account is said and not guessed."""
    if client.options.get("unifiedAccount") is not config.unified_account:
        yield problem("ccxt would guess the kind of account", "set unified_account = true or false")


def check_timeouts(client: Any, config: Config) -> Iterator[Finding]:
    """A request ends in time."""
    if client.timeout != int(config.timeout_s * 1000):
        yield problem(
            f"ccxt waits {client.timeout} ms, not {config.timeout_s} s", "reinstall cab-broker-ccxt"
        )


def check_retries(client: Any, config: Config) -> Iterator[Finding]:
    """Nothing makes ccxt repeat a request: it would place orders twice."""
    del config
    for path, count in _retries(client.options, "options"):
        if count != 0:
            yield problem(f"{path} = {count}: ccxt would send orders again", "set it to 0")


def _retries(options: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if name == "maxRetriesOnFailure":
            yield f"{path}.{name}", value
        elif isinstance(value, dict):
            yield from _retries(value, f"{path}.{name}")


def check_pacing(client: Any, config: Config) -> Iterator[Finding]:
    """Our own limiter paces: ccxt's stalls when the wall clock is set back, and knows no market."""
    del config
    if client.enableRateLimit:
        yield problem("ccxt would pace requests on its own", "reinstall cab-broker-ccxt")


def check_hosts(client: Any, config: Config) -> Iterator[Finding]:
    """All requests go below the configured address, encrypted unless it is this machine."""
    for url in _urls(client.urls["api"]):
        if url != config.base_url:
            yield problem(f"a group of endpoints goes to {url}", "reinstall cab-broker-ccxt")
            break
    parts = urlsplit(config.base_url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        yield problem(f"base_url {config.base_url} is not encrypted", "use https")
    if not config.base_url.endswith("/api/v4"):
        yield problem(
            f"base_url {config.base_url} does not end in /api/v4", "requests are signed with that path"
        )


def _urls(urls: Any) -> Iterator[str]:
    for url in urls.values():
        if isinstance(url, dict):
            yield from _urls(url)
        else:
            yield url


def check_loggers(client: Any, config: Config) -> Iterator[Finding]:
    """Ccxt logs nothing below INFO: its debug output contains key, signature and every body."""
    del config
    quiet()
    if client.verbose or client.logger.isEnabledFor(logging.DEBUG):
        yield problem("ccxt would log keys and signatures", "remove verbose and DEBUG from ccxt's loggers")


OFFLINE: tuple[Callable[[Any, Config], Iterator[Finding]], ...] = (
    check_alias,
    check_ccxt_version,
    check_numbers,
    check_currencies,
    check_spot_only,
    check_unified,
    check_timeouts,
    check_retries,
    check_pacing,
    check_hosts,
    check_loggers,
)

#: Those that hold for any venue of ccxt.
GENERIC = (check_ccxt_version, check_numbers, check_timeouts, check_retries, check_pacing, check_loggers)
