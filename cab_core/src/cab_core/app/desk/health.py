"""How the parts of a running bot are, from what was last observed of them: nothing is asked here."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from cab_core.app.desk.views import Component
from cab_core.app.guards import Guards
from cab_core.app.running import Running
from cab_core.cycle.gate import meaning
from cab_core.domain.timeframes import TF_MS
from cab_core.domain.watchdog import Check
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import Plugins

#: Parts without which a bot does not work at all.
_VITAL = ("db", "broker")

#: Further checks of the watchdog, shown under their own names.
_FURTHER = ("api_latency", "reconcile", "loop", "disk")


@attrs.frozen(eq=False)
class Look:
    """What is looked at."""

    running: Running
    guards: Guards | None
    plugins: Plugins

    def check(self, name: str) -> Check | None:
        """Return what the watchdog last found of a part, None if it does not watch it."""
        dog = None if self.guards is None else self.guards.dog
        return None if dog is None else dog.watch.checks.get(name)

    def now_ms(self) -> int:
        """Return the session's time."""
        return self.running.session.venue.clock.now_ms()


def components(look: Look) -> dict[str, Component]:
    """Return the parts by name, all but the database."""
    told = {
        "broker": _broker(look),
        "eventbus": _eventbus(look),
        "market_data": _market_data(look),
        "regime": _regime(look),
        "risk": _risk(look),
        "exits": _exits(look),
        "ai": Component(ok=True, detail="off: no model"),
        "dms": _dms(look),
        "telegram": _telegram(look),
        "notifiers": Component(ok=True, detail=_notifiers(look)),
    }
    if alarms := look.running.session.trust.alarms:
        told["plugins"] = Component(ok=False, detail="; ".join(alarms))
    further = {name: _checked(check, "") for name in _FURTHER if (check := look.check(name)) is not None}
    return {**told, **further}


def _notifiers(look: Look) -> str:
    """Name them, and what failed of them: a message that was tried in vain is tried again."""
    names = ", ".join(bound.name for bound in look.plugins.notifiers) or "none"
    own = [each.text for each in look.running.failures if each.plugin.startswith(Kind.NOTIFIER.value)]
    return "; ".join([names, *own])


def status_of(parts: Mapping[str, Component], *, ended: bool) -> str:
    """Return ``healthy``, ``degraded`` where a part does not work, or ``unhealthy``."""
    if ended or any(not parts[name].ok for name in _VITAL):
        return "unhealthy"
    return "healthy" if all(part.ok for part in parts.values()) else "degraded"


def waiting_for(look: Look) -> list[str]:
    """Return what a start still waits for, of what is observed."""
    broker = look.check("broker")
    missing = ["broker"] if broker is not None and not broker.ok else []
    if not look.running.session.orchestrator.supervisor.states:
        missing.append("loops")
    if look.running.ended:
        missing.append("the run has ended")
    elif any(map(look.running.session.orchestrator.exits.late, look.running.session.trader.book.positions)):
        missing.append("exits")
    return missing


def _eventbus(look: Look) -> Component:
    """Tell whether other programs get the events: nothing of the bot waits for that."""
    told = look.running.opened.check()
    return Component(ok=told.ok, detail=told.detail)


def _checked(check: Check | None, otherwise: str) -> Component:
    return (
        Component(ok=True, detail=otherwise) if check is None else Component(ok=check.ok, detail=check.detail)
    )


def _broker(look: Look) -> Component:
    bound = look.plugins.broker
    name = "" if bound is None else bound.name
    if look.guards is None:
        return Component(ok=True, detail=f"{name}, simulated")
    latency_s = look.guards.latency.last()
    told = _checked(look.check("broker"), "not looked at yet")
    return attrs.evolve(told, latency_ms=None if latency_s is None else 1000 * latency_s)


def _market_data(look: Look) -> Component:
    """Judge by the newest evaluated candle: one that is more than two candles old is late."""
    stale = look.check("evaluations")
    if stale is not None and not stale.ok:
        return Component(ok=False, detail=stale.detail)
    last = look.running.tally.last
    if not last:
        return Component(ok=True, detail="no candle yet")
    missed = [symbol for symbol, cycle in last.items() if cycle.close is None]
    if missed:
        return Component(ok=False, detail=f"the last candle of {', '.join(missed)} never came")
    oldest = min(cycle.candle_ts_ms for cycle in last.values()) + TF_MS
    return Component(ok=True, detail=f"last candle closed {(look.now_ms() - oldest) // 1000} s ago")


def unwatched(running: Running) -> list[str]:
    """Return what is held and not watched by the bot: without levels, or not looked at in time."""
    session = running.session
    return [
        symbol for symbol in session.trader.book.positions if not session.orchestrator.exits.watched(symbol)
    ]


def _exits(look: Look) -> Component:
    """Judge by the looks themselves: in whatever state a symbol is, what is held of it is watched."""
    held = look.running.session.trader.book.positions
    if look.running.ended and held:
        return Component(ok=False, detail=f"nobody watches {', '.join(held)}: the run has ended")
    if late := unwatched(look.running):
        exits = look.running.session.orchestrator.exits
        ages = ", ".join(f"{symbol} (last look {exits.age_ms(symbol) // 1000} s ago)" for symbol in late)
        return Component(ok=False, detail=f"no stop is watched of {ages}")
    return Component(ok=True, detail=f"watched: {', '.join(held)}" if held else "nothing is held")


def _regime(look: Look) -> Component:
    state = look.running.session.regime_at(look.now_ms())
    if state is None:
        return Component(ok=False, detail="unknown or too old: entries wait")
    stale = f", stale: {', '.join(state.stale)}" if state.stale else ""
    return Component(ok=True, detail=f"{state.state}, {state.source}{stale}")


def _risk(look: Look) -> Component:
    halted = look.running.halted_by()
    shut = None if look.guards is None else look.guards.no_entry()
    if halted:
        return Component(ok=False, detail=f"entries are halted by {', '.join(halted)}")
    if shut is not None:
        return Component(ok=False, detail=f"entries wait: {meaning(shut)}")
    return Component(ok=True)


def _dms(look: Look) -> Component:
    watchman = None if look.guards is None else look.guards.watchman
    if watchman is None:
        return Component(ok=True, detail="off")
    alive = watchman.alive()
    return Component(ok=alive, detail="watching" if alive else "the watching process is dead")


def _telegram(look: Look) -> Component:
    on = any(bound.name == "telegram" for bound in look.plugins.notifiers)
    return Component(ok=True, detail="on" if on else "off")
