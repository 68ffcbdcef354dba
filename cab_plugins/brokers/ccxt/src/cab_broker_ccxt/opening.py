"""Putting a Gate account together. Imported when a broker opens: it brings ccxt with it, 2 s and 90 MB."""

from __future__ import annotations

from cab_broker_ccxt.api import Api
from cab_broker_ccxt.config import Config
from cab_broker_ccxt.gate import GateBroker
from cab_broker_ccxt.gate_client import GateClient
from cab_broker_ccxt.limiter import Limiter
from cab_broker_ccxt.offline_checks import OFFLINE
from cab_broker_ccxt.server_clock import ServerClock
from cab_broker_ccxt.startup import reported
from cab_core.sdk import Account


def open_gate(account: Account, config: Config) -> GateBroker:
    """Open an account at Gate; nothing is asked of the network yet.

    Raises:
        ConfigError: ccxt is not what we tested, or the options contradict each other.
    """
    server = ServerClock(account.clock)
    client = GateClient(settings_of(account, config), config.base_url, server.now_ms)
    found = [finding for check in OFFLINE for finding in check(client, config)]
    reported(found, config.where)
    api = Api(
        client=client,
        clock=account.clock,
        server=server,
        limiter=Limiter(account.clock, config.rate_rps, config.rate_burst),
        where=config.where,
        keyed=bool(account.api_key) and bool(account.api_secret),
    )
    return GateBroker(account, api, config)


def settings_of(account: Account, config: Config) -> dict[str, object]:
    """Return ccxt's configuration."""
    return {
        "apiKey": account.api_key.reveal(),
        "secret": account.api_secret.reveal(),
        "timeout": int(config.timeout_s * 1000),
        "enableRateLimit": False,
        "options": {
            "fetchMarkets": {"types": ["spot"]},
            "unifiedAccount": config.unified_account,
            "maxRetriesOnFailure": 0,
            "adjustForTimeDifference": False,
        },
    }
