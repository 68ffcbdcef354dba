"""A session on a venue's own prices: live with real orders, or paper on public data."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from decimal import Decimal

import attrs

from cab_core.app.config import plugins_for
from cab_core.app.session import Care, Parts, Session, Venue, assemble, open_broker
from cab_core.app.short_history import TellsShortHistory
from cab_core.clock import Clock
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.feed import QuotedFeed
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO, fraction
from cab_core.errors import CabError, ConfigError
from cab_core.plugins.bound import Bound
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import Plugins
from cab_core.sdk import Broker, Checked
from cab_core.settings.schema import Settings

log = logging.getLogger("cab.live")


@attrs.frozen(eq=False, kw_only=True)
class QuotedSetup(Parts):
    """The parts of a session, and the venue whose prices it trades on.

    Attributes:
        settings: checked settings.
        clock: real, or one that is shared with a local exchange.
        venue: the opened venue; in live also the account.
        care: what a real account needs; None in paper.
    """

    settings: Settings
    clock: Clock
    venue: Broker
    care: Care | None

    async def open(self) -> Session:
        """Put the session together over what is remembered; `Session.take_up` comes next."""
        past = await self.storage.remember()
        found = await self.venue.instruments()
        instruments = {symbol: self._rules(symbol, found) for symbol in self.config.symbols}
        config = attrs.evolve(self.config, instruments=instruments)
        if self.care is not None and past.account is None:
            config = attrs.evolve(config, baseline=await self._baseline(instruments))
        settings = self.settings
        feed = QuotedFeed(
            self.venue,
            self.clock,
            config.grace_ms,
            exits_ms=1000 * settings.exits_interval_sec,
            poll_ms=1000 * settings.eval_interval_sec,
            evaluated_ms=past.last_candles,
        )
        parts = attrs.evolve(self, config=config)
        broker = self.venue if self.care is not None else self._paper(config)
        venue = Venue(self.clock, TellsShortHistory(self.venue), feed, broker, feed.exits_ms)
        return await assemble(parts, venue, past, self.care)

    def _paper(self, config: CycleConfig) -> Broker:
        return open_broker(self.plugins.broker, config, self.clock, market=self.venue, state=self.state)

    def _rules(self, symbol: str, found: Mapping[str, Instrument]) -> Instrument:
        """Return the rules of a symbol. What is held stays held though the venue knows it no longer."""
        if symbol in found:
            return found[symbol]
        if symbol not in self.config.leaving:
            fix = "correct SYMBOLS; see: cab doctor --online"
            raise ConfigError(
                [CabError(f"{symbol} is not traded at {self.settings.exchange}", where="SYMBOLS", fix=fix)]
            )
        return attrs.evolve(self.config.instruments[symbol], buyable=False, sellable=False)

    async def _baseline(self, instruments: dict[str, Instrument]) -> Decimal:
        """Return the equity a new account starts with: all quote currency, unless the settings say."""
        if self.settings.equity_baseline_quote is not None:
            return self.settings.equity_baseline_quote
        balances = await self.venue.balances()
        quote = next(iter(instruments.values())).quote
        return balances[quote].total if quote in balances else ZERO


def care_of(settings: Settings) -> Care:
    """Return what the settings say about the care of a real account."""
    return Care(
        stop_offset=fraction(settings.exits_stop_limit_offset_pct) if settings.exits_exchange_stop else None,
        resting_ms=1000 * settings.exits_interval_sec,
        reconcile_ms=1000 * settings.reconcile_interval_sec,
        fixed_capital=settings.equity_baseline_quote is not None,
        jitter=lambda: random.SystemRandom().uniform(-1, 1),
    )


def venue_plugin(settings: Settings) -> Plugins:
    """Load the broker plugin that EXCHANGE names, and nothing else that is enabled by name.

    Raises:
        ConfigError: it is not installed, or its options are wrong.
    """
    return plugins_for(settings, {Kind.STRATEGY: (), Kind.BROKER: [settings.exchange]})


async def check_venue(venue: Broker) -> None:
    """Let a venue that knows how check itself before money is at stake.

    Raises:
        ConfigError: everything that must be mended first.
    """
    if isinstance(venue, Checked):
        for warning in await venue.check():
            log.warning("%s", warning)


def open_venue(bound: Bound | None, settings: Settings, config: CycleConfig, clock: Clock) -> Broker:
    """Open the venue: the account in live, only public data in paper."""
    if settings.mode != "live":
        return open_broker(bound, config, clock)
    keys = {"api_key": settings.api_key, "api_secret": settings.api_secret}
    return open_broker(bound, config, clock, **keys)
