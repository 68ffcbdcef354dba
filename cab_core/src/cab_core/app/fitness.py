"""Whether a run can start with its settings, as far as it can be known without the network.

Asked by ``cab config check``, ``cab doctor`` and ``cab run`` alike, so that they cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs

from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.continuing import look, misfits, notes
from cab_core.app.live import open_venue, venue_plugin
from cab_core.app.regime import source_urls
from cab_core.clock import SystemClock
from cab_core.cycle.config import CycleConfig
from cab_core.errors import CabError, ConfigError, StorageError
from cab_core.plugins.bound import Bound
from cab_core.plugins.inventory import Status, take_inventory
from cab_core.plugins.kinds import Kind, plugin_id
from cab_core.plugins.registry import Plugins
from cab_core.sdk import BrokerCaps
from cab_core.settings.schema import Settings


@attrs.frozen(eq=False, kw_only=True)
class Fit:
    """What a run starts with.

    Attributes:
        config: the core's configuration.
        plugins: those of the run; in paper its broker is the simulated account.
        venue: the broker that EXCHANGE names; None on recorded candles.
        notes: what goes on otherwise than the settings alone would let one think.
    """

    config: CycleConfig
    plugins: Plugins
    venue: Bound | None
    notes: Sequence[str] = ()

    def beside(self, settings: Settings, leaving: Sequence[str]) -> Fit:
        """Return it with symbols that are looked after beside SYMBOLS until they are sold."""
        names = self.config.aggregation.names
        config = cycle_config(settings, names, settings.symbols, leaving, self.plugins.sources)
        return attrs.evolve(self, config=config)


def load_run(
    settings: Settings, symbols: Sequence[str], broker: str = "paper", leaving: Sequence[str] = ()
) -> tuple[CycleConfig, Plugins]:
    """Load the plugins of a run, with one broker, and make the core's configuration.

    The broker that EXCHANGE names has to be there, whoever takes the orders.

    Args:
        settings: checked settings.
        symbols: what is traded, in order.
        broker: name of the broker plugin.
        leaving: what is looked after beside it until it is sold.

    Raises:
        ConfigError: every plugin problem.
    """
    plugins = _plugins_of_a_run(settings, broker)
    names = [bound.name for bound in plugins.strategies]
    return cycle_config(settings, names, symbols, leaving, plugins.sources), plugins


def _plugins_of_a_run(settings: Settings, broker: str) -> Plugins:
    exchange = settings.exchange.lower() or broker
    return plugins_for(
        settings,
        {
            Kind.BROKER: [broker] if exchange == broker else [broker, exchange],
            Kind.MACRO: list(source_urls(settings)),
            Kind.NOTIFIER: settings.notifiers,
        },
    )


async def fit_to_run(settings: Settings, account: str | None = None) -> Fit:
    """Load what a run loads, open its exchange, look into its database, and ask nothing of the network.

    Args:
        settings: checked settings with MODE, EXCHANGE and SYMBOLS.
        account: the account that is asked for; None where the market of a paper run is not known.

    Raises:
        ConfigError: everything that keeps the run from starting, of plugins, exchange and database.
    """
    fit, problems = await _loads(settings)
    notes, stored = await asyncio.to_thread(_stored, settings, account)
    return attrs.evolve(_whole(fit, [*problems, *stored]), notes=tuple(notes))


async def loads(settings: Settings) -> Fit:
    """Load what a run loads and open its exchange.

    Raises:
        ConfigError: everything that is wrong with plugins and exchange.
    """
    return _whole(*await _loads(settings))


def fit_to_replay(settings: Settings, account: str) -> Fit:
    """Do as `fit_to_run` for a run on recorded candles, which opens no exchange.

    Raises:
        ConfigError: everything that keeps the run from starting.
    """
    problems, fit = list[CabError](), None
    try:
        config, plugins = load_run(settings, settings.symbols)
        fit = Fit(config=config, plugins=plugins, venue=None)
    except ConfigError as error:
        problems += error.problems
    _, stored = _stored(settings, account)
    return _whole(fit, [*problems, *stored])


def plugin_problems(settings: Settings, *, run: bool) -> Sequence[CabError]:
    """Return what is wrong with the plugins of a run, or else with those that decide in a backtest.

    The settings may be wrong themselves: nothing is made of them here but plugins.
    """
    try:
        if run:
            _plugins_of_a_run(settings, settings.exchange if settings.mode == "live" else "paper")
        else:
            plugins_for(settings, {})
    except ConfigError as error:
        return error.problems
    return ()


def _whole(fit: Fit | None, problems: Sequence[CabError]) -> Fit:
    if fit is None or problems:
        raise ConfigError(problems)
    return fit


async def _loads(settings: Settings) -> tuple[Fit | None, Sequence[CabError]]:
    """Return what was loaded, None if something is missing, and every problem once."""
    live, problems, fit = settings.mode == "live", list[CabError](), None
    try:
        config, plugins = load_run(settings, settings.symbols, settings.exchange if live else "paper")
        venue = plugins.broker if live else venue_plugin(settings).broker
        fit = Fit(config=config, plugins=plugins, venue=venue)
    except ConfigError as error:
        problems += error.problems
    try:
        await _trades(fit.venue if fit else venue_plugin(settings).broker, settings)
    except ConfigError as error:
        problems += error.problems
    except CabError as error:
        problems.append(error)
    return fit, list({str(problem): problem for problem in problems}.values())


async def _trades(venue: Bound | None, settings: Settings) -> None:
    """Refuse an exchange that does not open, or that real orders may not go to."""
    config = cycle_config(settings, [], settings.symbols)
    caps = await _caps(venue, settings, config)
    if settings.mode == "live" and caps.absence == "none":
        raise await _unprovable(settings, config)


def _stored(settings: Settings, account: str | None) -> tuple[Sequence[str], Sequence[CabError]]:
    """Return what goes on otherwise, and what cannot go on, of what the database holds.

    One that cannot be read yet is no problem of the settings: a start waits for it, or migrates it.
    """
    try:
        found = look(settings)
    except StorageError as error:
        return [f"the settings were not compared with the database: {error} ({error.fix})"], []
    return list(notes(settings, found)), list(misfits(settings, found, account))


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
