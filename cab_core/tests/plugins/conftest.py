"""Small third-party packages, written as an installer would leave them, and registered plugins."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from cab_core.plugins.bound import Bound
from cab_core.plugins.host import Host
from cab_core.plugins.inventory import PluginRecord, take_inventory
from cab_core.plugins.kinds import GROUPS, Kind

GOOD = {
    Kind.STRATEGY: """
        from cab_core.sdk import Signals, Strategy, hookimpl, option, plugin

        @plugin
        class Plugin(Strategy):
            "Always holds."
            fast: int = option(12, help="Fast period, bars.", ge=2, le=200)

            def warmup_bars(self):
                return self.fast

            @hookimpl
            def signals(self, bars):
                return Signals.hold(len(bars), "nothing_to_do")
    """,
    Kind.RISK: """
        from cab_core.sdk import ALLOW, RiskRule, hookimpl, plugin

        @plugin
        class Plugin(RiskRule):
            "Always allows."

            @hookimpl
            def check(self, entry, book):
                return ALLOW
    """,
    Kind.MACRO: """
        from cab_core.sdk import MacroSource, Reading, ReadingKind, hookimpl, plugin

        @plugin
        class Plugin(MacroSource):
            "Reads a level."

            @hookimpl
            async def read(self, http):
                return Reading(ReadingKind.VALUE, (await http.get_json())["value"])
    """,
    Kind.BROKER: """
        from cab_core.sdk import BrokerPlugin, hookimpl, plugin

        @plugin
        class Plugin(BrokerPlugin):
            "Opens the account itself."

            @hookimpl
            def open(self, account):
                return account
    """,
    Kind.NOTIFIER: """
        from cab_core.sdk import Notifier, hookimpl, plugin

        @plugin
        class Plugin(Notifier):
            "Forgets alerts."

            @hookimpl
            async def notify(self, alert):
                pass
    """,
}


class Site:
    """A folder of installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def install(
        self,
        kind: Kind,
        name: str,
        source: str | None = None,
        *,
        dist: str = "",
        version: str = "1.0",
        requires: Sequence[str] = ("cab-core>=0.1,<0.2",),
        module: str = "",
    ) -> str:
        """Write a package with one plugin; return its distribution name."""
        dist = dist or f"acme-{kind.value}-{name.replace('_', '-').lower()}"
        module = module or dist.replace("-", "_")
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source or GOOD[kind]))
        self.metadata(dist, version, requires, f"[{GROUPS[kind]}]\n{name} = {module}:Plugin\n")
        return dist

    def metadata(self, dist: str, version: str, requires: Sequence[str], entry_points: str) -> None:
        """Write the .dist-info folder of a package."""
        info = self.folder / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {dist}", f"Version: {version}"]
        lines += [f"Requires-Dist: {text}" for text in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "entry_points.txt").write_text(entry_points)

    def inventory(self) -> dict[str, PluginRecord]:
        """Return the records of this folder by id; the last one of a conflict."""
        return {record.id: record for record in self.records()}

    def records(self) -> tuple[PluginRecord, ...]:
        """Return the records of this folder."""
        return take_inventory([str(self.folder)])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def bind() -> Callable[..., Bound]:
    """Register an instance as a plugin of its own host."""

    def bound(kind: Kind, plugin: object, name: str = "mine") -> Bound:
        return Host(kind).register(PluginRecord(kind=kind, name=name, target="test:Plugin"), plugin)

    return bound
