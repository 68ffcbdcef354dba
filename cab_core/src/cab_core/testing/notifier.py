"""The conformance suite of notifiers."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from cab_core.errors import CabError
from cab_core.plugins.kinds import Kind
from cab_core.sdk import Alert, AlertHttp, Secret, Severity
from cab_core.testing.base import Asking, Conformance, reject, state_text
from cab_core.testing.desk import CannedDesk
from cab_core.testing.fakes import KeptPosts

#: Seconds for which an alert may keep everything else from running.
STALL_S = 0.25
#: Seconds a listener is watched.
LISTEN_S = 0.3
TRACE = "0123456789abcdef"
_REVEALING = ("key", "password", "secret", "token", "webhook")


def alerts() -> list[Alert]:
    """Return alerts as the kernel sends them, with the texts that break naive notifiers."""
    usual = [Alert(severity, "risk.blocked", "entry blocked: wide_spread", TRACE) for severity in Severity]
    return [
        *usual,
        Alert(
            Severity.CRITICAL,
            "emergency.stop",
            "x" * 10_000,
            TRACE,
            "BTC/USDT",
            "max_drawdown",
            1,
        ),
        Alert(
            Severity.INFO,
            "report.daily",
            "two\nlines, <b>tags</b>, _under_ *stars* {braces} %s \\ émoji 🚀",
            TRACE,
        ),
        Alert(Severity.INFO, "report.daily", "", TRACE),
    ]


class NotifierConformance(Conformance):
    """Standard checks of a notifier. Override `build` to replace its transport by one that stays here."""

    kind: ClassVar[Kind] = Kind.NOTIFIER
    goes_out: ClassVar[bool] = True
    #: Seconds one alert may take; the kernel waits no longer than ten.
    budget_s: ClassVar[float] = 10.0

    def exercise(self, plugin: Any) -> None:
        """Only build it: what unusual options do to a transport is for the author's own tests."""
        repr(plugin)

    def http(self) -> AlertHttp:
        """Return what stands for the client of the notifier's address; override it to answer otherwise."""
        return KeptPosts()

    async def hand_over(self, plugin: Any, alert: Alert) -> None:
        """Call the hook as the kernel does: with a client if it names one."""
        named = "http" in inspect.signature(plugin.notify).parameters
        await (plugin.notify(alert, self.http()) if named else plugin.notify(alert))

    def send(self, plugin: Any, alert: Alert) -> None:
        """Deliver one alert within the budget; a `CabError` is a legal way to fail."""

        async def deliver() -> None:
            async with asyncio.timeout(self.budget_s):
                await self.hand_over(plugin, alert)

        try:
            asyncio.run(deliver())
        except CabError:
            return
        except TimeoutError:
            reject(
                f"an alert took more than {self.budget_s:g} s",
                "give every request of the transport a timeout",
            )

    def test_every_alert_is_taken(self) -> None:
        """Long, empty and oddly written alerts are delivered or refused with a `CabError`."""
        plugin = self.build()
        for alert in alerts():
            with Asking(repr(alert)[:200]):
                self.send(plugin, alert)

    def test_never_blocks_the_others(self) -> None:
        """While it works, the event loop goes on: trading shares it."""
        stall = min(self._longest_stall() for _ in range(3))  # a busy machine stalls too, but not each time
        if stall > STALL_S:
            reject(f"the event loop stood still for {stall:.2f} s", "await; do not sleep or block")

    def _longest_stall(self) -> float:
        plugin = self.build()
        stalls = [0.0]

        async def watch() -> None:
            while True:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                stalls.append(time.perf_counter() - before)

        async def deliver() -> None:
            await _called(plugin, "start")
            watcher = asyncio.create_task(watch())
            await asyncio.sleep(0.005)
            try:
                async with asyncio.timeout(self.budget_s):
                    await self.hand_over(plugin, alerts()[0])
            except (CabError, TimeoutError):
                return
            finally:
                await asyncio.sleep(0.005)
                watcher.cancel()
                await _called(plugin, "stop")

        asyncio.run(deliver())
        return max(stalls)

    def test_listening_ends_when_it_is_told(self) -> None:
        """``attend`` neither blocks the event loop nor outlives its cancellation, whatever is answered."""
        if not hasattr(self.plugin, "attend"):
            return
        failing = CannedDesk(failing=CabError("the database is closed"))
        stall = min(max(self._listen(desk) for desk in (CannedDesk(), failing)) for _ in range(2))
        if stall > STALL_S:
            reject(f"the event loop stood still for {stall:.2f} s", "await; import heavy packages in `start`")

    def _listen(self, desk: CannedDesk) -> float:
        """Attend for a moment; return the longest time nothing else could run."""
        plugin = self.build()
        stalls = [0.0]

        async def watch() -> None:
            while True:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                stalls.append(time.perf_counter() - before)

        async def attend() -> None:
            await _called(plugin, "start")
            listening = asyncio.create_task(plugin.attend(desk))
            watcher = asyncio.create_task(watch())
            done, _ = await asyncio.wait({listening}, timeout=LISTEN_S)
            watcher.cancel()
            listening.cancel()
            _, late = await asyncio.wait({listening}, timeout=self.budget_s)
            if late:
                reject(
                    f"attend goes on {self.budget_s:g} s after it was cancelled", "let CancelledError pass"
                )
            error = None if listening.cancelled() else listening.exception()
            if done and error is not None and not isinstance(error, CabError):
                reject(f"attend failed with {error!r}", "raise CabError for what the operator can mend")
            await _called(plugin, "stop")

        asyncio.run(attend())
        return max(stalls)

    def test_secrets_are_not_in_the_output(
        self, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Tokens and passwords appear in no text the plugin prints, logs or shows of itself."""
        caplog.set_level(0)
        plugin = self.build()
        shown = [repr(plugin), str(plugin)]
        for alert in alerts():
            self.send(plugin, alert)
        out, err = capfd.readouterr()
        shown += [out, err, caplog.text]
        for name, secret in _secrets({**self.options, **vars(plugin)}).items():
            if any(secret in text for text in shown):
                reject(
                    f"the value of {name} is shown", "declare the option as Secret and reveal it only to send"
                )

    def test_keeps_no_alerts(self) -> None:
        """A notifier sends and forgets: queues, repeats and digests are the kernel's."""
        plugin = self.build()
        self.send(plugin, alerts()[0])
        state = len(state_text(plugin))
        for _ in range(20):
            self.send(plugin, alerts()[3])
        if len(state_text(plugin)) > state + 2_000:
            reject("the notifier grows with every alert", "send and forget")


async def _called(plugin: Any, hook: str) -> None:
    """Call ``start`` or ``stop`` as the kernel does, if the plugin has it."""
    if hasattr(plugin, hook):
        ending = getattr(plugin, hook)()
        if inspect.isawaitable(ending):
            await ending


def _secrets(values: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()}
    return {
        name: text
        for name, text in texts.items()
        if isinstance(text, str)
        and len(text) >= 4
        and (isinstance(values[name], Secret) or any(word in name.lower() for word in _REVEALING))
    }
