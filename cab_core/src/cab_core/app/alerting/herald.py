"""Critical alerts of a process that watches a bot: they go out beside its work, which waits for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import attrs

from cab_core.app.ids import SystemIds
from cab_core.clock import SystemClock
from cab_core.domain.alerts import Alert, Severity
from cab_core.settings import Settings


@attrs.define(eq=False)
class Herald:
    """Tells people through the bot's notifiers, each time in a thread of its own.

    Attributes:
        settings: loads the bot's settings.
        kind: of the alerts.
    """

    settings: Callable[[], Settings]
    kind: str
    _threads: list[threading.Thread] = attrs.field(factory=list, init=False)

    def say(self, text: str) -> None:
        """Begin to tell; what goes wrong is only logged."""
        alert = Alert(
            Severity.CRITICAL, self.kind, text, SystemIds().trace_id(), ts_ms=SystemClock().now_ms()
        )
        thread = threading.Thread(target=self._tell, args=(alert,), name="cab-herald", daemon=True)
        self._threads.append(thread)
        thread.start()

    def finish(self, timeout_s: float = 12.0) -> None:
        """Wait for what is under way; a notifier has ten seconds."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _tell(self, alert: Alert) -> None:
        from cab_core.app.alerting.direct import tell_or_log

        asyncio.run(tell_or_log(self.settings, attrs.evolve(alert, id=f"dms-{alert.ts_ms}")))
