"""Write the pages and dashboards that are made from the code: ``python tools/reference.py [--check]``.

With --check nothing is written; the exit code is 1 if a page differs from what the code says.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catalogue
import grafana

from cab_core import hookspecs
from cab_core.api.reference import api_markdown, openapi_json
from cab_core.app.verify import invariants_markdown
from cab_core.cli.reference import cli_markdown
from cab_core.events import reference_page
from cab_core.observability.metric_page import metrics_markdown
from cab_core.plugins.kinds import GROUPS, SECTIONS, Kind
from cab_core.settings.render import dotenv_example, settings_markdown

ROOT = Path(__file__).resolve().parents[1]

FAMILIES = {
    "Every kind": (hookspecs.LifecycleHooks, None),
    "Strategy": (hookspecs.StrategyHooks, Kind.STRATEGY),
    "Risk rule": (hookspecs.RiskHooks, Kind.RISK),
    "Macro source": (hookspecs.MacroHooks, Kind.MACRO),
    "Broker": (hookspecs.BrokerHooks, Kind.BROKER),
    "Notifier": (hookspecs.NotifierHooks, Kind.NOTIFIER),
}

HOOKS_HEAD = """\
# Hooks

What the kernel asks of plugins: when, with what, what it does with the answer, and what an error means.
Made from `cab_core.hookspecs` by `python tools/reference.py`: change it there.

A plugin is a class decorated with `cab_core.sdk.plugin`; its hooks are marked with `cab_core.sdk.hookimpl`.
An answer that comes after its budget counts as an error. Three errors within the last 20 calls quarantine a
plugin; a quarantined risk rule blocks every entry.
"""


def hooks_of(family: type) -> dict[str, Callable[..., Any]]:
    """Return the hooks a family adds, in the order of the source."""
    return {name: member for name, member in vars(family).items() if not name.startswith("_")}


def hooks_markdown() -> str:
    """Return the page of all hooks."""
    parts = [HOOKS_HEAD]
    for title, (family, kind) in FAMILIES.items():
        parts.append(f"\n## {title}\n\n{inspect.getdoc(family)}\n")
        if kind:
            parts.append(f"\nEntry point group `{GROUPS[kind]}`, options in `[{SECTIONS[kind]}.<name>]`.\n")
        parts += [hook_markdown(name, hook) for name, hook in hooks_of(family).items()]
    return "\n".join(part.rstrip("\n") for part in parts).replace("\n\n\n", "\n\n") + "\n"


def hook_markdown(title: str, hook: Callable[..., Any]) -> str:
    """Return one hook's signature and its docstring as Markdown."""
    signature = inspect.signature(hook)
    parameters = ", ".join(
        f"{name}: {parameter.annotation}"
        for name, parameter in signature.parameters.items()
        if name != "self"
    )
    text = (inspect.getdoc(hook) or "").replace("``", "`")
    text = re.sub(r"(?m)^Args:$", "Arguments:\n", text)
    text = re.sub(r"(?m)^Returns:\n    ", "Returns: ", text)
    text = re.sub(r"(?m)^    (\w+): ", r"- `\1`: ", text)
    text = re.sub(r"(?m)^    ", "", text)
    text = re.sub(r" ?\bOn error:", "\n\nOn error:", text).replace("\n\n\n", "\n\n")
    answer = str(signature.return_annotation)
    return f"\n### `{title}({parameters}) -> {answer}`\n\n{text}\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/hooks.md": hooks_markdown,
    "docs/reference/cli.md": cli_markdown,
    "docs/reference/events.md": reference_page,
    "docs/reference/metrics.md": metrics_markdown,
    "docs/reference/settings.md": settings_markdown,
    "docs/reference/invariants.md": invariants_markdown,
    "docs/reference/failures.md": catalogue.catalogue_markdown,
    "docs/reference/openapi.json": openapi_json,
    "docs/reference/api.md": api_markdown,
    ".env.example": dotenv_example,
    **grafana.pages(),
}


def main(args: list[str]) -> int:
    """Write or check every page."""
    stale = [page for page, make in PAGES.items() if _text(page) != make()]
    for page in stale:
        if not args:
            (ROOT / page).write_text(PAGES[page](), encoding="utf-8")
        print(f"{'differs' if args else 'wrote'}: {page}")
    return 1 if args and stale else 0


def _text(page: str) -> str:
    path = ROOT / page
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
