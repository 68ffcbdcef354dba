"""Alerts that go straight to the notifiers: without a bot, a queue or a database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cab_core.app.alerting.notifiers import callers_of
from cab_core.app.config import plugins_for
from cab_core.app.run import started_plugins
from cab_core.domain.alerts import Alert
from cab_core.plugins.isolation import Outcome
from cab_core.plugins.kinds import Kind
from cab_core.settings import Settings


async def tell_now(settings: Settings, alert: Alert) -> Sequence[Outcome[None]]:
    """Hand an alert to every configured notifier at once, and return what came of each.

    For whoever has to speak when no bot does: a test, a watcher from outside, the dead man's switch.

    Raises:
        ConfigError: a notifier cannot be loaded.
    """
    plugins = plugins_for(settings, {Kind.STRATEGY: (), Kind.NOTIFIER: settings.notifiers})
    async with started_plugins(plugins):
        callers = callers_of(settings, plugins.notifiers)
        return await asyncio.gather(*(caller.wait(alert) for caller in callers))
