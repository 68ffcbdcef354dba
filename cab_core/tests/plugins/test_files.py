from __future__ import annotations

import os
import sys
import textwrap

import pytest

from cab_core.errors import ConfigError, NotFoundError, PluginError
from cab_core.plugins.files import is_file, load_file
from cab_core.plugins.inventory import Origin
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import load_plugins
from cab_core.plugins.smoke import sample_bars

STRATEGY = """
from __future__ import annotations

from cab_core.sdk import Signals, Strategy, hookimpl, option, plugin

@plugin
class {name}(Strategy):
    bars: int = option(3, help="Bars.", ge=1)

    def warmup_bars(self):
        return self.bars

    @hookimpl
    def signals(self, bars):
        return Signals.hold(len(bars), "idle")
"""


@pytest.fixture
def write(tmp_path):
    def written(source: str, name: str = "mine.py") -> str:
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return str(path)

    return written


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("./my.py", True),
        ("/a b/my.py:MyIdea", True),
        ("ema_cross", False),
        ("my.pyc", False),
        ("my.py:", False),
    ],
)
def test_a_path_is_told_from_a_name(name, yes):
    assert is_file(name) is yes


@pytest.mark.parametrize(
    ("cls", "name"),
    [("MyIdea", "my_idea"), ("RSIMomentum", "rsi_momentum"), ("Ema12Cross", "ema12_cross"), ("Mine", "mine")],
)
def test_the_class_gives_the_name(write, cls, name):
    record, loaded = load_file(write(STRATEGY.format(name=cls)))
    assert (record.id, record.origin, loaded.__name__) == (f"strategy:{name}", Origin.FILE, cls)


def test_an_edit_of_the_same_second_and_size_counts(write, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for cls in ("First", "Other"):
        path = write(STRATEGY.format(name=cls))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert load_file(path)[1].__name__ == cls
    assert [each.name for each in tmp_path.iterdir()] == ["mine.py"]


def test_one_of_several_is_chosen_by_its_class(write):
    path = write(
        STRATEGY.format(name="One")
        + STRATEGY.format(name="Two").replace("from __future__", "# from __future__")
    )
    with pytest.raises(PluginError, match="holds 2 plugin classes") as caught:
        load_file(path)
    assert f"{path}:One" in caught.value.fix
    assert load_file(f"{path}:Two")[0].name == "two"
    with pytest.raises(PluginError, match="no plugin class Three"):
        load_file(f"{path}:Three")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1", "holds no strategy and no risk rule"),
        ("raise SystemExit(2)", "import failed: SystemExit: 2"),
        ("def (", "import failed: SyntaxError"),
        ("from cab_core.sdk import Strategy, hookimpl", "holds no strategy"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(write, source, says):
    with pytest.raises(PluginError, match=says):
        load_file(write(source))


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="there is no file"):
        load_file(str(tmp_path / "gone.py"))


def test_a_file_runs_beside_installed_plugins(write, site):
    site.install(Kind.STRATEGY, "packaged")
    path = write(STRATEGY.format(name="MyIdea"))
    plugins = load_plugins(
        {Kind.STRATEGY: ["packaged", path]},
        {Kind.STRATEGY: {"my_idea": {"bars": "7"}}},
        inventory=site.records(),
    )
    assert [(s.id, s.warmup_bars) for s in plugins.strategies] == [
        ("strategy:packaged", 12),
        ("strategy:my_idea", 7),
    ]
    assert plugins.strategies[1].signals(sample_bars(5)).reasons == ("idle",)
    assert plugins.report.versions()["strategy:my_idea"].endswith("mine.py:MyIdea")


def test_a_rule_from_a_file_joins_the_installed_ones(write, site):
    site.install(Kind.RISK, "packaged")
    path = write(
        """
        from cab_core.sdk import ALLOW, RiskRule, hookimpl

        class MyLimit(RiskRule):
            critical = True

            @hookimpl
            def check(self, entry, book):
                return ALLOW
        """
    )
    plugins = load_plugins({}, files=[path], inventory=site.records())
    assert [rule.id for rule in plugins.rules] == ["risk:my_limit", "risk:packaged"]


@pytest.mark.parametrize(
    ("cls", "live", "says"),
    [("Packaged", False, "strategy:packaged is taken"), ("MyIdea", True, "is a single file")],
)
def test_files_are_refused_live_and_under_a_taken_name(write, site, cls, live, says):
    site.install(Kind.STRATEGY, "packaged")
    path = write(STRATEGY.format(name=cls))
    with pytest.raises(ConfigError, match=says):
        load_plugins({Kind.STRATEGY: [path]}, live=live, inventory=site.records())


def test_a_file_with_a_misspelt_hook_is_told_so(write, site):
    path = write(STRATEGY.format(name="MyIdea").replace("def signals", "def signal"))
    with pytest.raises(ConfigError, match="did you mean signals"):
        load_plugins({Kind.STRATEGY: [path]}, inventory=site.records())
