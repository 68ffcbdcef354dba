"""The five hook families: what the kernel asks of plugins, when, with what, and what an error means.

Budgets are those of one call; `plugins/isolation.py` holds them. Parameters may be added only with a default.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from cab_core.contracts import (
        Account,
        AlertHttp,
        Broker,
        Context,
        Health,
        MacroHttp,
        MarketData,
        OperatorDesk,
        Panel,
    )
    from cab_core.domain.alerts import Alert
    from cab_core.domain.bars import Bars
    from cab_core.domain.regime import Reading
    from cab_core.domain.risk import BookView, Entry, Verdict
    from cab_core.domain.signals import Decision, Signals

PROJECT = "cab"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class LifecycleHooks:
    """Hooks that every kind has; all optional."""

    @hookspec
    def start(self) -> Awaitable[None] | None:
        """Called once before the first other call, in settings order.

        On error: the plugin's kind decides as if it had failed to load. Budget 5 s.
        """

    @hookspec
    def stop(self) -> Awaitable[None] | None:
        """Called once at a clean stop. On error: logged. Budget 5 s."""

    @hookspec
    def health(self) -> Health:  # type: ignore[empty-body]  # a specification has no body
        """Called every health interval and by ``cab plugins doctor``.

        Returns:
            Whether the plugin can work, and a detail for people. On error: reported as not ok. Budget 1 s.
        """


class StrategyHooks(LifecycleHooks):
    """A strategy answers buy, sell or hold from closed candles. Implement exactly one of the two hooks."""

    @hookspec
    def signals(self, bars: Bars) -> Signals:  # type: ignore[empty-body]  # a specification has no body
        """Called once per block in replay and once per closed bar in paper and live.

        Args:
            bars: the anchored window, up to 1,000 closed 15m bars, oldest first, read-only.

        Returns:
            Columns of the window's length; row k may depend on rows <= k only.

        On error: the strategy holds at this bar with reason ``error:<ExceptionName>``. Budget 0.2 s.
        On recorded candles it is 5 s: there the machine's load must not change a result.
        """

    @hookspec
    def generate(self, md: MarketData, ctx: Context) -> Decision | Awaitable[Decision]:  # type: ignore[empty-body]  # a specification has no body
        """Called once per bar: the form for authors who think bar by bar.

        Args:
            md: the same window as seen from its last bar.
            ctx: symbol and time of the decision bar.

        Returns:
            The decision. ``async def`` is accepted as long as it never really waits.

        On error: as for ``signals``. Budget 0.2 s.
        """


class RiskHooks(LifecycleHooks):
    """A risk rule judges entries only; exits are never asked about."""

    @hookspec
    def check(self, entry: Entry, book: BookView) -> Verdict:  # type: ignore[empty-body]  # a specification has no body
        """Called for every entry that got past the regime, each rule every time.

        Critical rules are called at every snapshot of the equity as well, with an entry of nothing: its
        amount and price are 0. There only a halt counts. What they judge by must be the account's figures:
        a replay asks where equity or drawdown are worse than before, and after each fill.

        Args:
            entry: the candidate buy.
            book: immutable snapshot of the account.

        Returns:
            The verdict. Rules do no I/O and keep no state.

        On error: the entry is blocked with reason ``risk_error`` (fails closed). Budget 0.1 s.
        """


class MacroHooks(LifecycleHooks):
    """A macro source reads one figure or calendar of the wider market."""

    @hookspec
    def read(self, http: MacroHttp) -> Awaitable[Reading]:  # type: ignore[empty-body]  # a specification has no body
        """Called every REGIME_INTERVAL_SEC; in a replay once for each document of the recording.

        Args:
            http: client bound to the source's configured URL; it can fetch nothing else. In a replay it hands
                out the recorded document.

        Returns:
            What the payload says. On error: the last reading stays until it is stale. Budget 15 s.
        """

    @hookspec
    def panel(self, reading: Reading, now_ms: int) -> Panel | None:
        """Called when the page of its slot is shown, about once a second while somebody watches.

        Args:
            reading: what `read` last returned, in this run or before.
            now_ms: the bot's time.

        Returns:
            A table of the source's own for the dashboard, or None for nothing now. On error: the page says
            that the panel failed. Budget 0.2 s.
        """


class BrokerHooks(LifecycleHooks):
    """A broker opens one account at one venue."""

    @hookspec(firstresult=True)
    def open(self, account: Account) -> Broker:  # type: ignore[empty-body]  # a specification has no body
        """Called once at start for the one broker the settings name.

        Args:
            account: symbols, settings of this broker, clock, and credentials (the only plugin to get them).

        Returns:
            An object with the verbs of `cab_core.sdk.Broker`, and where the venue can tell, those of
            `Checked` and `Identified`. On error: the start is refused. Budget 30 s.
        """


class NotifierHooks(LifecycleHooks):
    """A notifier carries alerts to people."""

    @hookspec
    def notify(self, alert: Alert, http: AlertHttp | None = None) -> Awaitable[None]:  # type: ignore[empty-body]  # a specification has no body
        """Called for each message that is due, from a durable queue outside the trading path.

        Args:
            alert: severity, kind, text and trace id of one message.
            http: client bound to the URL of the notifier's table; None without one. Name it only if you send.

        On error: tried again with the same `Alert.id`, after pauses that grow. Budget 10 s.
        """

    @hookspec
    def attend(self, desk: OperatorDesk) -> Awaitable[None]:  # type: ignore[empty-body]  # a specification has no body
        """Called once after the session is open, and runs until it is cancelled at the stop; optional.

        For notifiers that also listen: they ask the desk what people ask them, and pass on commands. Trading
        shares the event loop with it and never waits for it.

        Args:
            desk: the answers and commands every surface shares, and a small durable memory.

        On error: logged, and called again after a pause that grows. No budget: it works as long as the bot.
        """
