"""The table of commands. The help of the root is printed from it without importing any of them."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command: where it is implemented and what it is for.

    Attributes:
        dist: the distribution that has it.
        package: the package whose module ``cli`` implements it, if that is not the kernel.
        file: the module in `cab_core.cli`, if it is not called like the command.
    """

    name: str
    attribute: str
    help: str
    dist: str = "cab-core"
    package: str = ""
    file: str = ""

    @property
    def module(self) -> str:
        """Full name of the module that implements it."""
        return f"{self.package}.cli" if self.package else f"cab_core.cli.{self.file or self.name}"


#: Commands by the step of the journey they belong to.
JOURNEY: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Start here",
        (
            Entry("demo", "command", "See the bot at work: no configuration, no keys, no network."),
            Entry("config", "group", "Write, show, check and explain the settings."),
            Entry("doctor", "command", "Check what a run needs, and say how to mend it."),
        ),
    ),
    (
        "Research",
        (
            Entry("backtest", "command", "Replay recorded candles through the full trading cycle."),
            Entry("signals", "command", "Print what the strategies say about each bar."),
            Entry("why", "command", "Tell why a cycle did or did not trade."),
            Entry("data", "group", "Import, list, check and generate candle files."),
        ),
    ),
    (
        "Run",
        (
            Entry("run", "command", "Trade until stopped; simulated money unless MODE=live."),
            Entry("status", "command", "Show what the bot does: states, positions, equity, limits."),
            Entry("show", "command", "List orders, fills, trades, decisions, signals and more."),
            Entry("orders", "group", "List orders that have not ended; settle one by hand."),
            Entry("start", "start", "Let a waiting bot trade.", file="control"),
            Entry("pause", "pause", "Stop new entries; open positions stay protected.", file="control"),
            Entry("resume", "resume", "Let entries through again.", file="control"),
            Entry("close", "close", "Sell a position, or all, at market.", file="control"),
            Entry("stop", "stop", "Decide nothing more; exits are watched on.", file="control"),
            Entry("rehearse", "command", "Rehearse live trading on a local exchange, with faults and kills."),
            Entry("perf", "command", "Report profit and loss of a period."),
            Entry("risk", "group", "Show and reset the risk limits."),
            Entry("reconcile", "command", "Compare the book with the exchange, and correct it."),
            Entry("verify", "command", "Check what must always hold, on the database."),
        ),
    ),
    (
        "Extend",
        (
            Entry("new", "command", "Write a new plugin package with passing tests."),
            Entry("check", "command", "Check a plugin's file or folder against the rules of its kind."),
            Entry("plugins", "group", "List, describe and diagnose the installed plugins."),
        ),
    ),
    (
        "Operate",
        (
            Entry("health", "command", "Show whether the bot and its parts work."),
            Entry(
                "health-monitor",
                "command",
                "Watch a bot from outside and tell people.",
                file="health_monitor",
            ),
            Entry("logs", "command", "Search and follow the log."),
            Entry("token", "group", "Make, list and revoke the tokens of the HTTP API."),
            Entry("completion", "command", "Print the script that completes commands in a shell."),
            Entry("audit", "group", "Show who changed what, and check the record of it."),
            Entry("notify", "group", "Try the ways on which alerts reach people."),
            Entry("dms", "group", "See and release what the dead man's switch has done."),
            Entry("maintenance", "group", "Back up, restore, check and tidy the database."),
            Entry(
                "exchange",
                "group",
                "Serve a Gate-compatible exchange on this machine, to rehearse on.",
                "cab-exchange-sim",
                "cab_exchange_sim",
            ),
            Entry("smoke", "command", "Check the installation in about five seconds, offline."),
        ),
    ),
)

ENTRIES: dict[str, Entry] = {entry.name: entry for _, entries in JOURNEY for entry in entries}

_EXAMPLES = (
    ("cab demo", "watch nine strategies vote on a sample market"),
    ("cab backtest --data btc.csv.gz --report btc.html", "replay your own candles"),
    ("cab config init", "write cab.toml and .env for: cab run"),
)

_OPTIONS = (
    ("--version", "Print the version."),
    ("--debug", "Print tracebacks of unexpected errors (also CAB_DEBUG=1)."),
    ("-h, --help", "Print this help."),
)


def root_help() -> str:
    """Return the help of ``cab`` itself."""
    lines = ["Usage: cab COMMAND [OPTIONS]", "", "A plugin framework that trades crypto spot markets.", ""]
    width = max(len(command) for command, _ in _EXAMPLES)
    lines += ["First commands:", *(f"  {command:<{width}}  {why}" for command, why in _EXAMPLES)]
    for title, entries in JOURNEY:
        lines += ["", f"{title}:", *(f"  {entry.name:<14}  {entry.help}" for entry in entries)]
    lines += ["", "Options:", *(f"  {names:<10}  {text}" for names, text in _OPTIONS)]
    lines += ["", "Each command explains itself: cab COMMAND --help"]
    return "\n".join(lines)
