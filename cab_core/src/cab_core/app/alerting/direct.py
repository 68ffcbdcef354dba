"""Alerts that go straight to the notifiers: without a bot, a queue or a database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from cab_core.app.alerting.notifiers import callers_of
from cab_core.app.config import plugins_for
from cab_core.app.run import started_plugins
from cab_core.domain.alerts import Alert
from cab_core.errors import CabError
from cab_core.plugins.isolation import Outcome
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import Plugins
from cab_core.settings import Settings

log = logging.getLogger("cab.alerts.direct")


def notifiers_of(settings: Settings) -> Plugins:
    """Load the configured notifiers and nothing else that is enabled by name.

    Raises:
        ConfigError: one of them cannot be loaded.
    """
    return plugins_for(settings, {Kind.STRATEGY: (), Kind.NOTIFIER: settings.notifiers})


async def tell_now(settings: Settings, alert: Alert) -> Sequence[Outcome[None]]:
    """Hand an alert to every configured notifier at once, and return what came of each.

    For whoever has to speak when no bot does: a test, a watcher from outside, the dead man's switch.

    Raises:
        ConfigError: a notifier cannot be loaded.
    """
    plugins = notifiers_of(settings)
    async with started_plugins(plugins):
        callers = callers_of(settings, plugins.notifiers)
        return await asyncio.gather(*(caller.wait(alert) for caller in callers))


async def tell_or_log(settings: Callable[[], Settings], alert: Alert) -> None:
    """Hand an alert to every configured notifier; what goes wrong is only logged: the watch goes on."""
    try:
        outcomes = await tell_now(settings(), alert)
    except CabError as error:
        log.error("nobody could be told: %s", error)
        return
    for outcome in outcomes:
        if outcome.error is not None:
            log.error("%s could not be told: %s", outcome.id, outcome.error)
