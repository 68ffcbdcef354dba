"""The deployment files, parsed, and whether what they name exists."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import click

from cab_core.cli.main import root
from cab_core.settings import SETTINGS

ROOT = next(up for up in Path(__file__).resolve().parents if (up / "constraints.txt").is_file())
UNITS = sorted((ROOT / "ops/systemd").glob("*.service"))

#: Instructions of a Dockerfile with their texts.
Instructions = list[tuple[str, str]]

KNOWN = {row.name for row in SETTINGS} | {f"{row.name}_FILE" for row in SETTINGS if row.secret}
#: Names that mean something to Python or the C library.
FOREIGN = {"HOME", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


class Repeated(dict[str, Any]):
    """Collects the values of a key that is given several times, as systemd does."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def unit(path: Path) -> dict[str, list[str]]:
    """Return the keys of a unit's [Service] section, each with all its values."""
    parser = configparser.RawConfigParser(strict=False, dict_type=Repeated, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their case
    parser.read(path)
    return {key: value.split("\n") for key, value in parser["Service"].items()}


def exists(words: list[str]) -> bool:
    """Say whether ``cab WORDS`` names a command, and its options exist."""
    context = root.make_context("cab", ["--help"], resilient_parsing=True)
    command: click.Command = root
    rest = words
    while rest and not rest[0].startswith("-") and isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        if found is None:
            return False
        command, rest = found, rest[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    return all(word in options for word in rest if word.startswith("-"))
