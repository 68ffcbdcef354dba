"""ccxt's ``gate``, made to send what we mean and to tell what happened. Imported when a broker opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cab_broker_ccxt.gate_terms import EXPIRES
from cab_broker_ccxt.lean import gate
from cab_broker_ccxt.reply import Reply
from cab_broker_ccxt.wire import Guarded, replaced, watched


class GateClient(Guarded, gate):  # type: ignore[misc]  # ccxt ships no types
    """Signing, transport and error labels of ccxt, with an expiry on orders and a guard on the host.

    Args:
        config: ccxt's own configuration.
        base_url: the only place requests may go.
        stamp_ms: the venue's time, which requests are signed with.
    """

    def __init__(self, config: Mapping[str, Any], base_url: str, stamp_ms: Callable[[], int]) -> None:
        super().__init__(dict(config))
        self.number = str
        self.has["fetchCurrencies"] = False
        self.urls["api"] = replaced(self.urls["api"], base_url)
        self.cab_places = (f"{base_url}/",)
        self.cab_stamp_ms = stamp_ms
        if base_url.startswith("http:"):
            self.timeout_on_exit = 0  # ccxt waits for the end of TLS

    def nonce(self) -> int:
        """Return the time to sign with: the venue's as measured, not the machine's."""
        return self.cab_stamp_ms()

    def sign(
        self, path: str, api: Any = "public", method: str = "GET", params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Sign a request, and put the expiry into its header; headers are not part of the signature."""
        sent = dict(params or {})
        expires_ms = sent.pop(EXPIRES, None)
        request: dict[str, Any] = super().sign(path, api, method, sent)
        if expires_ms is not None:
            request["headers"] = {**(request["headers"] or {}), "X-Gate-Exptime": str(expires_ms)}
        return request

    async def ask(self, endpoint: str, params: Mapping[str, Any]) -> Reply:
        """Call one of ccxt's implicit endpoints and tell what came of it; never raises for the network."""
        return await watched(getattr(self, endpoint)(dict(params)))
