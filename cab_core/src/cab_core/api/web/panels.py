"""Panels of plugins: asked when a page is shown, each for itself, so that one that fails harms no other."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from cab_core.api.web.access import AnyRequest, desk_of, visitor_of
from cab_core.app.desk.commands import Role
from cab_core.app.desk.live import LiveDesk
from cab_core.contracts import Panel
from cab_core.plugins.isolation import Outcome
from cab_core.plugins.lifecycle import panels_of

#: Where a panel is missed that failed before it could say where it belongs.
_FALLBACK = "overview"


@attrs.frozen(slots=True)
class Shown:
    """A panel, or the reason why there is none."""

    plugin: str
    panel: Panel | None
    problem: str = ""


async def panels_in(request: AnyRequest, slot: str) -> list[Shown]:
    """Return the panels of a page that its visitor may see; only a running bot has any."""
    desk, role = desk_of(request), visitor_of(request).role
    if not isinstance(desk, LiveDesk) or role is None:
        return []
    watch = desk.running.session.regimes
    readings = {} if watch is None else {name: memory.reading for name, memory in watch.memories.items()}
    return placed(await panels_of(desk.plugins_loaded.sources, readings, desk.now_ms()), slot, role)


def placed(outcomes: Sequence[Outcome[Panel | None]], slot: str, role: Role) -> list[Shown]:
    """Return those of a page that a role may see."""
    shown = []
    for outcome in outcomes:
        panel = outcome.value
        if outcome.error is not None:
            if slot == _FALLBACK:
                shown.append(Shown(outcome.id, None, outcome.reason))
        elif panel is not None and panel.slot == slot and role >= Role[panel.min_role.upper()]:
            shown.append(Shown(outcome.id, panel))
    return shown
