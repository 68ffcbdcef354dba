"""The pages for plugin authors say what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cab_core import sdk, testing
from cab_core.scaffold.naming import names_of
from cab_core.scaffold.package import package_files
from cab_core.testing import plugin
from cab_core.testing.series import market

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONFORMANCE = (DOCS / "reference" / "conformance.md").read_text()
TUTORIAL = (DOCS / "tutorial" / "first-strategy.md").read_text()
SUITES = [name for name in testing.__all__ if name.endswith("Conformance")]


def checks() -> set[str]:
    return {name for suite in SUITES for name in dir(getattr(testing, suite)) if name.startswith("test_")}


def test_every_check_is_documented_and_none_is_invented() -> None:
    assert set(re.findall(r"^\| `(test_\w+)`", CONFORMANCE, re.MULTILINE)) == checks()


@pytest.mark.parametrize("suite", SUITES)
def test_every_check_says_what_it_is_for(suite: str) -> None:
    for name in dir(getattr(testing, suite)):
        if name.startswith("test_"):
            assert (getattr(getattr(testing, suite), name).__doc__ or "").strip().endswith("."), name


def test_every_fixture_and_series_is_documented() -> None:
    fixtures = [name for name in vars(plugin) if name.startswith("cab_")]
    assert set(re.findall(r"^\| `(cab_\w+)`", CONFORMANCE, re.MULTILINE)) == set(fixtures)
    assert all(f"`{name}`" in CONFORMANCE for name in market())


def test_the_tutorial_shows_the_strategy_that_is_written() -> None:
    written = next(
        text
        for path, text in package_files(names_of("strategy", "my_idea")).items()
        if path.match("src/*/__init__.py")
    )
    shown = next(
        block for block in re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL) if "@plugin" in block
    )
    code = {line.partition("  #")[0].strip() for line in written.splitlines()}
    assert [line for line in shown.splitlines() if line.strip() not in code] == []


def test_the_tutorial_names_only_indicators_that_exist() -> None:
    named = TUTORIAL[TUTORIAL.index("`cab_core.sdk.indicators` has") :].partition("numpy")[0]
    for name in re.findall(r"`(\w+)`", named):
        assert callable(getattr(sdk.indicators, name)), name
