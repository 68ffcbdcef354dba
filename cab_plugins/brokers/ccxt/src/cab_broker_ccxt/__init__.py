"""Live broker of Gate.io, and prices of other exchanges, through ccxt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cab_broker_ccxt.config import Config
from cab_core.sdk import Account, Broker, BrokerPlugin, hookimpl, option, plugin

if TYPE_CHECKING:
    from cab_broker_ccxt.gate import GateBroker

__all__ = ["Ccxt", "Gateio"]

_TIMEOUT = "How long a request may take, seconds; more than the 4 s after which a late order is refused."
_MARGIN = "How long after its expiry a missing order may still turn up, seconds."
_STOP_TTL = "Life of a stop at the exchange, seconds; it is renewed at half of it."
_RPS = "Requests per second in the long run."
_BURST = "Requests that may go out at once."


@plugin
class Gateio(BrokerPlugin):
    """Trades spot on Gate.io on its own endpoints; without keys it only shows prices and candles."""

    base_url: str = option(
        "https://api.gateio.ws/api/v4", help="Address of the exchange; no other is ever asked."
    )
    timeout_s: float = option(10.0, help=_TIMEOUT, ge=5, le=60)
    absence_margin_s: int = option(60, help=_MARGIN, ge=10, le=3600)
    stop_ttl_s: int = option(7 * 86_400, help=_STOP_TTL, ge=3600, le=30 * 86_400)
    unified_account: bool = option(default=False, help="Whether the account is a unified one; never guessed.")
    # Together they stay within the 200 requests in 10 s that Gate takes per endpoint.
    rate_rps: float = option(8.0, help=_RPS, gt=0, le=15)
    rate_burst: int = option(16, help=_BURST, ge=1, le=50)

    @hookimpl
    def open(self, account: Account) -> GateBroker:
        """Open the account; the network is asked at the first question."""
        from cab_broker_ccxt.opening import open_gate

        return open_gate(account, self._config())

    def _config(self) -> Config:
        return Config(
            where="broker:gateio",
            exchange_id="gateio",
            base_url=self.base_url.rstrip("/"),
            timeout_s=self.timeout_s,
            absence_margin_s=self.absence_margin_s,
            stop_ttl_s=self.stop_ttl_s,
            unified_account=self.unified_account,
            rate_rps=self.rate_rps,
            rate_burst=self.rate_burst,
        )


@plugin
class Ccxt(BrokerPlugin):
    """Shows prices and candles of an exchange of ccxt, for paper; live needs a dialect of its own."""

    exchange_id: str = option("gate", help="ccxt's name of the exchange, e.g. binance or kraken.")
    base_url: str = option("", help="Address to ask instead of those ccxt knows; empty for them.")
    timeout_s: float = option(10.0, help=_TIMEOUT, ge=5, le=60)
    rate_rps: float = option(8.0, help=_RPS, gt=0, le=15)
    rate_burst: int = option(16, help=_BURST, ge=1, le=50)

    @hookimpl
    def open(self, account: Account) -> Broker:
        """Open the market; the network is asked at the first question."""
        from cab_broker_ccxt.opening_any import open_any

        return open_any(account, self._config())

    def _config(self) -> Config:
        return Config(
            where="broker:ccxt",
            exchange_id=self.exchange_id,
            base_url=self.base_url.rstrip("/"),
            timeout_s=self.timeout_s,
            rate_rps=self.rate_rps,
            rate_burst=self.rate_burst,
        )
