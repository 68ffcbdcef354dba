"""The notifiers of a run, each with a client bound to its own address, if it has one."""

from __future__ import annotations

from collections.abc import Sequence

from cab_core.app.config import ADDRESS_OPTION
from cab_core.plugins.bound import Bound
from cab_core.plugins.callers import notifier_callers
from cab_core.plugins.isolation import Caller
from cab_core.plugins.kinds import SECTIONS, Kind
from cab_core.safety.post import SafePost
from cab_core.sdk import Secret
from cab_core.settings.schema import Settings


def callers_of(settings: Settings, notifiers: Sequence[Bound]) -> list[Caller[None]]:
    """Return what calls the notifiers.

    Raises:
        RefusedError: nothing must be sent to an address.
    """
    posts = {bound.name: post for bound in notifiers if (post := _post(settings, bound.name)) is not None}
    return notifier_callers(notifiers, posts, settings.account)


def _post(settings: Settings, name: str) -> SafePost | None:
    table = SECTIONS[Kind.NOTIFIER]
    url = settings.options_of(table, name).get(ADDRESS_OPTION)
    if not url:
        return None
    text = url.reveal() if isinstance(url, Secret) else str(url)
    where = "WEBHOOK_URL" if name == "webhook" else f"{table}.{name}.{ADDRESS_OPTION}"
    return SafePost(text, allow_hosts=settings.notify_allow_hosts, where=where)
