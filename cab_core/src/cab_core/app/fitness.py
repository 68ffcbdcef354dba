"""Whether a run can start with its settings, as far as it can be known without the network.

Asked by ``cab config check``, ``cab doctor`` and ``cab run`` alike, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.live import open_venue, venue_plugin
from cab_core.app.run import load_run
from cab_core.clock import SystemClock
from cab_core.cycle.config import CycleConfig
from cab_core.errors import CabError, ConfigError
from cab_core.plugins.bound import Bound
from cab_core.plugins.inventory import Status, take_inventory
from cab_core.plugins.kinds import Kind, plugin_id
from cab_core.plugins.registry import Plugins
from cab_core.sdk import BrokerCaps
from cab_core.settings.schema import Settings


@attrs.frozen(eq=False, kw_only=True)
class Fit:
    """What a run on a venue's own prices starts with.

    Attributes:
        config: the core's configuration.
        plugins: those of the run; in paper its broker is the simulated account.
        venue: the broker that EXCHANGE names.
    """

    config: CycleConfig
    plugins: Plugins
    venue: Bound | None

    def beside(self, settings: Settings, leaving: Sequence[str]) -> Fit:
        """Return it with symbols that are looked after beside SYMBOLS until they are sold."""
        names = self.config.aggregation.names
        return attrs.evolve(self, config=cycle_config(settings, names, settings.symbols, leaving))


async def fit_to_run(settings: Settings) -> Fit:
    """Load what a run loads, open its exchange and ask nothing of the network.

    Args:
        settings: checked settings with MODE, EXCHANGE and SYMBOLS.

    Raises:
        ConfigError: everything that keeps the run from starting.
    """
    live = settings.mode == "live"
    config, plugins = load_run(settings, settings.symbols, settings.exchange if live else "paper")
    venue = plugins.broker if live else venue_plugin(settings).broker
    try:
        caps = await _caps(venue, settings, config)
    except ConfigError:
        raise
    except CabError as error:
        raise ConfigError([error]) from None
    if live and caps.absence == "none":
        raise ConfigError([await _unprovable(settings, config)])
    return Fit(config=config, plugins=plugins, venue=venue)


async def _caps(bound: Bound | None, settings: Settings, config: CycleConfig) -> BrokerCaps:
    broker = open_venue(bound, settings, config, SystemClock())
    try:
        return broker.caps()
    finally:
        await broker.close()


async def _unprovable(settings: Settings, config: CycleConfig) -> CabError:
    """Say why no real order may go there, and where one may."""
    able = [name for name in _others(settings) if await _proves(name, settings, config)]
    where = plugin_id(Kind.BROKER, settings.exchange)
    return CabError(
        f"{where} cannot prove that an order is absent; live needs a dialect of its own "
        f"(installed: {', '.join(able) or 'none'})",
        where=f"EXCHANGE={settings.exchange}",
        fix=" or ".join([*(f"EXCHANGE={name}" for name in able), "MODE=paper, which may use its prices"]),
    )


def _others(settings: Settings) -> list[str]:
    return [
        record.name
        for record in take_inventory()
        if record.kind is Kind.BROKER
        and record.status is Status.AVAILABLE
        and record.name != settings.exchange
    ]


async def _proves(name: str, settings: Settings, config: CycleConfig) -> bool:
    """Say whether real orders may go to another broker; one that does not even open is no help."""
    try:
        bound = plugins_for(settings, {Kind.STRATEGY: (), Kind.BROKER: [name]}).broker
        return (await _caps(bound, settings, config)).absence != "none"
    except CabError:
        return False
