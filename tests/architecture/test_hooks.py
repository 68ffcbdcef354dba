"""The hooks and the SDK are contracts with people we do not know: they are frozen here and documented."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

from cab_core import sdk
from cab_core.plugins.kinds import Kind
from cab_core.plugins.policy import HEALTH_BUDGET_S, PANEL_BUDGET_S, POLICIES, START_BUDGET_S

sys.path.insert(0, str(ROOT / "tools"))
import reference

HOOKS = {
    f"{title}: {name}": hook
    for title, (family, _) in reference.FAMILIES.items()
    for name, hook in reference.hooks_of(family).items()
}

#: Parameters may be added only with a default; nothing may go.
SIGNATURES = {
    "Every kind: start": "(self) -> 'Awaitable[None] | None'",
    "Every kind: stop": "(self) -> 'Awaitable[None] | None'",
    "Every kind: health": "(self) -> 'Health'",
    "Strategy: signals": "(self, bars: 'Bars') -> 'Signals'",
    "Strategy: generate": "(self, md: 'MarketData', ctx: 'Context') -> 'Decision | Awaitable[Decision]'",
    "Risk rule: check": "(self, entry: 'Entry', book: 'BookView') -> 'Verdict'",
    "Macro source: read": "(self, http: 'MacroHttp') -> 'Awaitable[Reading]'",
    "Macro source: panel": "(self, reading: 'Reading', now_ms: 'int') -> 'Panel | None'",
    "Broker: open": "(self, account: 'Account') -> 'Broker'",
    "Notifier: notify": "(self, alert: 'Alert', http: 'AlertHttp | None' = None) -> 'Awaitable[None]'",
    "Notifier: attend": "(self, desk: 'OperatorDesk') -> 'Awaitable[None]'",
}

BUDGETS = {
    "Every kind: start": START_BUDGET_S,
    "Every kind: stop": START_BUDGET_S,
    "Every kind: health": HEALTH_BUDGET_S,
    "Strategy: signals": POLICIES[Kind.STRATEGY].budget_s,
    "Strategy: generate": POLICIES[Kind.STRATEGY].budget_s,
    "Risk rule: check": POLICIES[Kind.RISK].budget_s,
    "Macro source: read": POLICIES[Kind.MACRO].budget_s,
    "Macro source: panel": PANEL_BUDGET_S,
    "Broker: open": POLICIES[Kind.BROKER].budget_s,
    "Notifier: notify": POLICIES[Kind.NOTIFIER].budget_s,
}

#: What plugins may rely on. Adding a name is a feature; removing one breaks every plugin that uses it.
PUBLIC = (Path(__file__).parent / "sdk_names.txt").read_text(encoding="utf-8").split()


def test_the_hooks_are_these() -> None:
    assert {name: str(inspect.signature(hook)) for name, hook in HOOKS.items()} == SIGNATURES


def test_the_sdk_offers_these_names() -> None:
    assert sdk.__all__ == PUBLIC
    assert not [name for name in sdk.__all__ if not hasattr(sdk, name)]


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_says_when_with_what_and_what_follows(name: str) -> None:
    hook: Callable[..., Any] = HOOKS[name]
    text = inspect.getdoc(hook) or ""
    signature = inspect.signature(hook)
    assert text.startswith("Called ")
    for parameter in list(signature.parameters)[1:]:
        assert re.search(rf"(?m)^    {parameter}: \w", text), f"argument {parameter} is not described"
    if "None" not in signature.return_annotation:
        assert "Returns:\n" in text
    assert "On error:" in text


@pytest.mark.parametrize("name", sorted(HOOKS.keys() & BUDGETS.keys()))
def test_a_hook_names_the_budget_that_is_held(name: str) -> None:
    assert f"Budget {BUDGETS[name]:g} s." in (inspect.getdoc(HOOKS[name]) or "")


def test_only_a_hook_that_never_ends_has_no_budget() -> None:
    assert HOOKS.keys() - BUDGETS.keys() == {"Notifier: attend"}
    assert "No budget:" in (inspect.getdoc(HOOKS["Notifier: attend"]) or "")


@pytest.mark.parametrize("name", HOOKS)
def test_no_parameter_is_keyword_only(name: str) -> None:
    # pluggy never passes keyword-only arguments: the hook would raise, or silently run on its default.
    kinds = {parameter.kind for parameter in inspect.signature(HOOKS[name]).parameters.values()}
    assert kinds == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
