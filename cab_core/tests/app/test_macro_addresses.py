"""Where macro sources are read from: ours by settings of their own, a third party's by its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from cab_core.app.config import plugins_for
from cab_core.app.regime import regime_watch, source_urls
from cab_core.errors import CabError
from cab_core.plugins.kinds import Kind
from cab_core.settings import load_settings

pytestmark = pytest.mark.regime


def settings_of(*overrides: str):
    return load_settings({}, Path("/nonexistent"), overrides, require_run=False).settings


def test_a_source_without_an_address_is_absent():
    assert source_urls(settings_of()) == {}


def test_ours_have_settings_and_a_third_partys_has_a_table():
    settings = settings_of(
        "REGIME_DXY_URL=https://example.org/dxy.json", "macro_sources.fear.url=https://example.org/fear.json"
    )
    assert source_urls(settings) == {
        "dxy": ("https://example.org/dxy.json", "REGIME_DXY_URL"),
        "fear": ("https://example.org/fear.json", "macro_sources.fear.url"),
    }


def test_the_address_is_the_kernels_and_no_option_of_the_plugin():
    settings = settings_of(
        "macro_sources.dxy.url=https://example.org/x.json", "macro_sources.dxy.kind=change"
    )
    plugins = plugins_for(settings, {Kind.MACRO: ["dxy"]})
    assert [source.name for source in plugins.sources] == ["dxy"]


def test_an_unsafe_address_is_refused_by_name():
    settings = settings_of("REGIME_DXY_URL=http://127.0.0.1/dxy.json")
    plugins = plugins_for(settings, {Kind.MACRO: ["dxy"]})
    with pytest.raises(CabError, match="REGIME_DXY_URL"):
        regime_watch(settings, plugins)
