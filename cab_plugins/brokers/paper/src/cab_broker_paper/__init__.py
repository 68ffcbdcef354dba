"""Paper broker: simulated fills on real or recorded prices."""

from __future__ import annotations

from cab_broker_paper.broker import PaperBroker
from cab_core.sdk import Account, BrokerPlugin, CabError, hookimpl, option, plugin

__all__ = ["Paper", "PaperBroker"]


@plugin
class Paper(BrokerPlugin):
    """Fills market orders at the quote plus slippage and fee, and lets stop-limit orders rest."""

    partial_fill_prob: float = option(
        0.0, help="How often a market order fills only in part, as a probability.", ge=0, le=1
    )
    latency_ms: int = option(
        0, help="Time between sending an order and its fill, milliseconds.", ge=0, le=60_000
    )

    @hookimpl
    def open(self, account: Account) -> PaperBroker:
        """Open a simulated account on the prices of ``account.market``."""
        if account.market is None:
            raise CabError(
                "the paper broker has no prices to fill at",
                where="broker:paper",
                fix="choose a market: cab run --market sample, file:PATH or exchange",
            )
        return PaperBroker(
            account, account.market, partial_fill_prob=self.partial_fill_prob, latency_ms=self.latency_ms
        )
