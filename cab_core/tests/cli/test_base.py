import json
from decimal import Decimal
from pathlib import Path

import attrs
import click
import pytest

from cab_core.cli import output
from cab_core.cli.base import CabCommand, cab_command, cab_group
from cab_core.cli.main import root
from cab_core.cli.reference import _helps
from cab_core.errors import ExitCode


@attrs.frozen
class Row:
    amount: Decimal
    path: Path


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Row(Decimal("0.10"), Path("a")), {"amount": "0.10", "path": "a"}),
        ({"x": float("nan"), "y": (1, 2.5)}, {"x": None, "y": [1, 2.5]}),
        (ExitCode.LOCKED, 75),
        (Decimal("1E-8"), "0.00000001"),
    ],
)
def test_json_keeps_every_digit_of_money(value, text):
    assert json.loads(output.to_json(value)) == text


def test_what_has_no_json_form_is_refused():
    with pytest.raises(TypeError):
        output.to_json(object())


class Terminal:
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("env", "styled"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_when_output_is_styled(env, styled, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert output.use_color(Terminal()) is styled


def test_tables_are_framed_on_request_and_plain_when_piped(monkeypatch, capsys):
    monkeypatch.setenv("NO_COLOR", "1")
    output.table(("a", "bb"), [(1, None), ("long", "[bold]x")])
    assert capsys.readouterr().out == "a     bb\n1\nlong  [bold]x\n"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.table(("a", "bb"), [("long", "[bold]x")])
    framed = capsys.readouterr().out
    assert "[bold]x" in framed
    assert "─" in framed or "━" in framed


@cab_group("sample", examples=("cab sample one", "cab sample two"))
def sample():
    """Do samples."""


@sample.cab_command("one", examples=("cab sample one", "cab sample one --json"))
def one(as_json):
    """Do one."""
    return ExitCode.PROBLEMS if as_json else None


@cab_command("alone", examples=("cab alone", "cab alone --json"))
def alone(as_json):
    """Stand alone."""
    click.echo(as_json)


@pytest.mark.parametrize("color", ["NO_COLOR", "FORCE_COLOR"])
@pytest.mark.parametrize("args", [["--help"], ["one", "-h"]])
def test_help_shows_examples_with_and_without_style(args, color, monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(color, "1")
    sample.main(args, prog_name="cab sample", standalone_mode=False)
    text = click.unstyle(capsys.readouterr().out)
    assert "Examples:" in text
    assert "cab sample one" in text
    assert ("--json" in text) is ("one" in args)


def test_a_command_may_return_its_exit_code():
    assert sample.main(["one", "--json"], standalone_mode=False) == 1


def test_commands_take_json(capsys):
    assert isinstance(alone, CabCommand)
    alone.main(["--json"], standalone_mode=False)
    assert capsys.readouterr().out == "True\n"


def test_the_reference_page_walks_groups():
    pages = dict(_helps(sample, "sample", click.Context(root, info_name="cab")))
    assert list(pages) == [("cab", "sample"), ("cab", "sample", "one")]
    assert pages[("cab", "sample", "one")].startswith("Usage: cab sample one [OPTIONS]")
