"""What the kernel and plugins hand each other beyond the pure values of `domain`: contexts and ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

import attrs

from cab_core.clock import Clock
from cab_core.domain.bars import Bars, FloatArray
from cab_core.domain.market import Costs, Instrument, Quote
from cab_core.domain.orders import Fill, Intent, Outcome, Resolution, VenueOrder
from cab_core.secret import Secret


@attrs.frozen(slots=True)
class Health:
    """Whether a plugin can work."""

    ok: bool
    detail: str = ""


@attrs.frozen(slots=True, kw_only=True)
class Panel:
    """A table of a plugin's own on the dashboard. Everything in it is text, which the page escapes.

    Attributes:
        slot: the page it stands on.
        head: names of the columns.
        rows: one text per column; empty if there is nothing to show now.
        note: a sentence below the table, or in its place.
        min_role: the least role that sees it.
    """

    title: str
    slot: Literal["overview", "signals", "risk", "regime"]
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""
    min_role: Literal["viewer", "operator", "admin"] = "viewer"


@attrs.frozen(slots=True)
class Context:
    """Where and when a decision is made. ``now_ms`` is the close time of the decision bar."""

    symbol: str
    now_ms: int


@attrs.frozen(slots=True)
class MarketData:
    """The anchored window as seen from its last bar, for strategies that think bar by bar."""

    bars: Bars

    @property
    def close(self) -> FloatArray:
        """Close prices, oldest first; ``close[-1]`` is the decision bar's."""
        return self.bars.close

    def __len__(self) -> int:
        return len(self.bars)


class MacroHttp(Protocol):
    """HTTP client bound to the one URL of its source."""

    async def get_json(self) -> Any:
        """Fetch and parse the document at the configured URL.

        Raises:
            cab_core.errors.CabError: unreachable, refused for safety, too large, or not JSON.
        """


class AlertHttp(Protocol):
    """HTTP client bound to the one URL of its notifier: the option ``url`` of its table."""

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a document once; return when the server took it (HTTP 2xx). Retries are the kernel's.

        Raises:
            cab_core.errors.CabError: unreachable, too slow, refused for safety, or not taken.
        """


@attrs.frozen(slots=True, kw_only=True)
class BrokerCaps:
    """What a venue can do, so that the kernel never has to know its name.

    Attributes:
        client_id_lookup: until when an order is found by client id.
        supports_request_expiry: a request that arrives after `Intent.expires_ms` is refused by the venue.
        absence: what proves that the venue never took an order. ``expiry``: its request is void by then, and
            complete listings do not have it. ``none``: nothing does; no real order is ever sent there, since
            one that got no answer would hold back every later exit of its symbol.
        native_stop: kind of stop orders that rest at the venue.
        stop_max_ttl_s: longest life of a resting stop in seconds, None without limit. The kernel renews it
            at half of that.
        stop_locks_funds: a resting stop locks what it would sell.
        fee_on_buy: currency the fee of a buy is taken in.
        candle_limit: most candles of one request.
        trades_window_days: how far back own trades are listed.
    """

    client_id_max: int = 28
    client_id_lookup: Literal["none", "open", "recent", "always"] = "always"
    supports_request_expiry: bool = False
    absence: Literal["none", "expiry"] = "none"
    native_stop: Literal["none", "limit", "market", "both"] = "none"
    stop_max_ttl_s: int | None = None
    stop_locks_funds: bool = False
    fee_on_buy: Literal["base", "quote", "other"] = "base"
    candle_limit: int = 1000
    trades_window_days: int | None = None


@attrs.frozen(slots=True, kw_only=True)
class Account:
    """What a broker is opened with.

    Attributes:
        symbols: the symbols to trade.
        initial_quote: quote currency of a new paper account.
        costs: fee, slippage and spread of simulated fills.
        instruments: precision and minimums per symbol where the venue does not tell.
        clock: the injected clock.
        seed: seed of whatever is random in a simulated venue.
        api_key, api_secret: credentials; empty in paper.
        market: prices for a simulated venue; None for a real one.
        state: where a simulated venue keeps its own state between starts, None for memory only.
        fixed_amount: quote currency of one entry, for checks against the venue's minimums; None if unknown.
        leaving: those of the symbols that are no longer bought, only sold.
    """

    symbols: Sequence[str]
    initial_quote: Decimal
    costs: Costs
    instruments: Mapping[str, Instrument]
    clock: Clock
    seed: int = 0
    api_key: Secret = attrs.field(factory=lambda: Secret(""))
    api_secret: Secret = attrs.field(factory=lambda: Secret(""))
    market: Market | None = None
    state: BrokerState | None = None
    fixed_amount: Decimal | None = None
    leaving: frozenset[str] = frozenset()


@attrs.frozen(slots=True)
class Balance:
    """What is held of one currency. ``locked`` by resting orders."""

    free: Decimal
    locked: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """Free plus locked."""
        return self.free + self.locked


class Market(Protocol):
    """A source of prices: recorded candles on a virtual clock, or public data of a venue."""

    async def quote(self, symbol: str) -> Quote:
        """Return the best bid and ask now."""

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest ``limit`` candles closed by now, oldest first."""


class BrokerState(Protocol):
    """Durable key-value memory of a simulated venue, in the bot's own database."""

    async def load(self) -> Mapping[str, str]:
        """Return everything saved so far."""

    async def save(self, values: Mapping[str, str | None]) -> None:
        """Save or replace the given keys atomically; None forgets a key."""


class OperatorDesk(Protocol):
    """What a notifier that listens may see and do: the same numbers and commands as every other surface.

    Answers are JSON-safe and equal to those of the HTTP API: money is text, times are epoch milliseconds.
    """

    async def ask(self, question: str, **filters: Any) -> Any:
        """Return the answer to a question.

        Args:
            question: health, ready, status, pnl, positions, orders, fills, trades, decisions, trace,
                latest_trace, signals, candles, equity, risk, regime, plugins or audit.
            filters: what narrows it: ``symbol`` of most, ``period`` of pnl, ``trace_id`` of trace, ``limit``
                of candles and lists, ``after``, ``since_ms`` and ``until_ms`` of lists, ``points`` of equity.

        Raises:
            cab_core.errors.UsageError: no such question or filter.
            cab_core.errors.NotFoundError: no such symbol or trace.
            cab_core.errors.CabError: the bot cannot answer now.
        """

    async def do(
        self,
        action: str,
        *,
        actor: str,
        role: str,
        symbol: str | None = None,
        rule: str | None = None,
        reason: str = "",
        key: str = "",
    ) -> Mapping[str, Any]:
        """Carry out a command and return what it came to; it is written to the audit, also if refused.

        Args:
            action: start, pause, resume, stop or release.
            actor: who, for the audit, such as ``telegram:4711``; its part before the colon is the surface.
            role: viewer, operator or admin.
            symbol: what it is about, None for all symbols.
            rule: the halt to release, None for all.
            reason: the actor's words, for the audit.
            key: idempotency key: the same key never has a second effect.

        Raises:
            cab_core.errors.CabError: refused or impossible; the text is fit to be shown.
        """

    async def recall(self) -> Mapping[str, str]:
        """Return everything this plugin has kept so far, also before a restart."""

    async def keep(self, values: Mapping[str, str | None]) -> None:
        """Save or replace values of this plugin, all or none, durably; None forgets a key."""


@runtime_checkable
class Checked(Protocol):
    """A broker that can tell, before it is trusted with orders, whether its account and venue are fit."""

    async def check(self) -> Sequence[str]:
        """Go through the venue's start-up checklist and return warnings.

        Raises:
            cab_core.errors.ConfigError: everything that forbids trading, together.
        """


@runtime_checkable
class Identified(Protocol):
    """A broker whose venue tells which account a key is of.

    Without it a start with a new key has to be confirmed: it may be of another account, whose balances would
    be taken for this one's.
    """

    async def account_id(self) -> str | None:
        """Return the venue's own name of the account, equal for all of its keys; None if it tells none.

        Raises:
            cab_core.errors.AwayError: it cannot be asked for now.
        """


class Broker(Protocol):
    """The verbs of an open account. Decimal and our own types only; no venue's dictionaries.

    Reading verbs raise `cab_core.errors.CabError` when the venue does not answer. `submit` never raises for
    an unknown outcome: it returns `Unknown`.
    """

    def caps(self) -> BrokerCaps:
        """Return what the venue can do."""

    async def instruments(self) -> Mapping[str, Instrument]:
        """Return the rules of all configured symbols."""

    async def server_time_ms(self) -> int:
        """Return the venue's clock in epoch milliseconds."""

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest ``limit`` closed candles, oldest first."""

    async def quote(self, symbol: str) -> Quote:
        """Return the best bid and ask."""

    async def balances(self) -> Mapping[str, Balance]:
        """Return what is held by currency; a currency that is not held may be absent."""

    async def submit(self, intent: Intent) -> Outcome:
        """Send one order, once. Buys are sized in quote, sells in base.

        ``intent.sent_ms`` is set. Where the venue can refuse late requests, it must refuse this one after
        ``intent.expires_ms``; past that time nothing is sent (`Rejected`, reason ``not_sent``).
        """

    async def resolve(self, intent: Intent) -> Resolution:
        """Find out by observation whether the venue has the order of this intent, and how it stands.

        Asked about unknown outcomes, and about accepted orders that are not final (``intent.order_id`` is
        set then). `Absent` only with proof: complete listings, after the request can no longer be accepted.
        """

    async def cancel(self, intent: Intent) -> Outcome:
        """Cancel a resting order. `Ack`: none of it rests any more. `Rejected` ``not_open``: it had ended."""

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Return the symbol's open orders and waiting stops, and those that ended since ``since_ms``."""

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        """Return the own trades of this attempt that are visible, oldest first, as fills of its client id.

        Trades of an order that a stop has become belong to the stop.
        """

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Return our own trades at or after ``since_ms``, oldest first."""

    async def close(self) -> None:
        """Release connections."""
