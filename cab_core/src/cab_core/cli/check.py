"""``cab check``: a plugin that is not installed, against the conformance suite of its kind."""

from __future__ import annotations

import click

from cab_core.cli.base import cab_command
from cab_core.cli.output import emit
from cab_core.errors import ExitCode


@cab_command("check", examples=("cab check my_idea.py", "cab check ./cab-strategy-my-idea --json"))
@click.argument("path")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds each plugin may take.")
def command(path: str, timeout: float, as_json: bool) -> int:
    """Check a plugin's file or folder against the rules of its kind. Exits 1 if it breaks one.

    PATH is a Python file, my.py or my.py:MyClass where it holds several plugins, or the folder of a package
    whose pyproject.toml names its plugins. Strategies are searched for look-ahead, hidden state and answers
    that hang on the length of the window. What talks to the world (macro sources, brokers, notifiers) needs
    a suite of its own for the rest: cab new writes one.
    """
    from cab_core.cli.plugins import print_findings
    from cab_core.testing.suite import run_suite, targets

    findings = [finding for target in targets(path) for finding in run_suite(target, timeout_s=timeout)]
    healthy = all(finding.ok for finding in findings)
    emit({"ok": healthy, "findings": findings}, as_json, lambda: print_findings(findings, healthy=healthy))
    return ExitCode.OK if healthy else ExitCode.PROBLEMS
