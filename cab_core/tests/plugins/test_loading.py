from __future__ import annotations

import sys

import pytest

from cab_core.errors import PluginError
from cab_core.plugins.kinds import Kind
from cab_core.plugins.loading import load_classes, load_driver


def test_only_what_is_named_is_imported_in_the_order_named(site):
    for name in ("aa", "bb", "cc"):
        site.install(Kind.STRATEGY, name)
    loaded = load_classes(Kind.STRATEGY, site.records(), ["cc", "aa"])
    assert list(loaded.classes) == ["cc", "aa"]
    assert loaded.failures == {}
    assert "acme_strategy_bb" not in sys.modules


@pytest.mark.catalogue(99)
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("assert False, 'never true'", "AssertionError: never true"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("def broken(:", "SyntaxError"),
        ("Plugin = 7", "is not a class"),
        ("Other = int", "AttributeError"),
    ],
)
def test_a_failing_import_is_reported_and_the_others_go_on(site, source, reason):
    site.install(Kind.STRATEGY, "bad", source)
    site.install(Kind.STRATEGY, "good")
    loaded = load_classes(Kind.STRATEGY, site.records(), ["bad", "good"])
    assert list(loaded.classes) == ["good"]
    assert reason in loaded.failures["bad"]


def test_the_users_interrupt_is_not_swallowed(site):
    site.install(Kind.STRATEGY, "slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_classes(Kind.STRATEGY, site.records(), ["slow"])


def test_refused_records_are_never_imported(site):
    site.install(Kind.BROKER, "venue", "raise SystemExit", requires=["cab-core>=9"])
    with pytest.raises(PluginError, match="not installed"):
        load_driver(Kind.BROKER, site.records(), "venue")
    assert "acme_broker_venue" not in sys.modules


def test_the_one_broker_is_loaded_or_the_reason_is_named(site):
    site.install(Kind.BROKER, "good")
    site.install(Kind.BROKER, "bad", "raise OSError('no library')")
    assert load_driver(Kind.BROKER, site.records(), "good").__name__ == "Plugin"
    with pytest.raises(PluginError, match="OSError: no library"):
        load_driver(Kind.BROKER, site.records(), "bad")
