from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import pytest

from cab_core.errors import ConfigError
from cab_core.plugins.params import describe_options, structure
from cab_core.sdk import Secret, option, plugin


class Color(StrEnum):
    RED = "red"


@plugin
class Everything:
    """Has an option of each type."""

    flag: bool = option(default=False, help="Switch.")
    count: int = option(3, help="How many.", ge=1, le=9)
    rate: float = option(0.5, help="Share.", gt=0, lt=1)
    text: str = option("a", help="Any text.")
    money: Decimal = option(Decimal(10), help="Quote amount.", gt=0)
    names: tuple[str, ...] = option((), help="Names.")
    numbers: tuple[int, ...] = option((1, 2), help="Numbers.", ge=0)
    mode: Literal["low", "high"] = option("low", help="Mode.")
    choice: str = option("x", help="Choice.", choices=("x", "y"))
    limit: int | None = option(None, help="Limit, empty for none.", ge=1)
    token: Secret = option(Secret(""), help="Token.")
    color: Color = option(Color.RED, help="Color.")


def problems(raw: dict[str, object], cls: type = Everything) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        structure(cls, raw, "strategies.mine")
    return [f"{problem} | {problem.fix}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("flag", "yes", True),
        ("flag", "0", False),
        ("flag", True, True),
        ("count", "9", 9),
        ("count", 1, 1),
        ("rate", "0.25", 0.25),
        ("rate", 1e-9, 1e-9),
        ("text", "1e10", "1e10"),
        ("money", "0.1", Decimal("0.1")),
        ("money", 0.1, Decimal("0.1")),
        ("money", 7, Decimal(7)),
        ("names", "a, b,c", ("a", "b", "c")),
        ("names", ["a", "b"], ("a", "b")),
        ("names", "", ()),
        ("numbers", "3,4", (3, 4)),
        ("numbers", [5], (5,)),
        ("mode", "high", "high"),
        ("choice", "y", "y"),
        ("limit", "", None),
        ("limit", "4", 4),
        ("color", "red", Color.RED),
    ],
)
def test_texts_and_typed_values_give_the_option_type(name: str, raw: object, value: Any):
    plugin_ = structure(Everything, {name.upper(): raw}, "strategies.mine")
    found = getattr(plugin_, name)
    assert found == value
    assert type(found) is type(value)


def test_without_a_word_in_the_settings_defaults_hold():
    assert structure(Everything, {}, "x").money == Decimal(10)


@pytest.mark.parametrize(
    ("name", "raw", "wanted"),
    [
        ("flag", "maybe", "true or false"),
        ("flag", 1, "true or false"),
        ("count", "3.0", "a whole number"),
        ("count", 3.0, "a whole number"),
        ("count", True, "a whole number"),
        ("rate", "fast", "a finite number"),
        ("rate", float("nan"), "a finite number"),
        ("rate", "inf", "a finite number"),
        ("text", 5, "a text"),
        ("money", "NaN", "a decimal number"),
        ("money", "ten", "a decimal number"),
        ("money", float("inf"), "a decimal number"),
        ("names", 5, "a list"),
        ("numbers", "1,x", "a list in which each element is a whole number"),
        ("mode", "mid", "one of low, high"),
        ("color", "blue", "one of red"),
    ],
)
def test_a_wrong_type_names_key_value_and_what_is_wanted(name: str, raw: object, wanted: str):
    (problem,) = problems({name: raw})
    assert f"strategies.mine.{name}: {name} = {raw!r} is not {wanted}" in problem


@pytest.mark.parametrize(
    ("name", "raw", "allowed"),
    [
        ("count", 0, "[1, 9]"),
        ("count", "10", "[1, 9]"),
        ("rate", 0.0, "(0, 1)"),
        ("money", "0", "(0, inf)"),
        ("numbers", [1, -1], "[0, inf)"),
        ("choice", "z", "x | y"),
        ("limit", 0, "[1, inf)"),
    ],
)
def test_out_of_range_names_key_value_and_range(name: str, raw: object, allowed: str):
    (problem,) = problems({name: raw})
    assert f"{name} = {raw!r} is not in {allowed}" in problem


def test_all_problems_come_together_with_the_nearest_name():
    found = problems({"cuont": 5, "rate": 2, "flag": "perhaps", "xyzzy": 1})
    assert len(found) == 4
    assert "unknown option cuont = 5 | did you mean count?" in found[0]
    assert "the options are flag, count" in found[3]


def test_a_secret_never_shows():
    kept = structure(Everything, {"token": "hunter2"}, "notifiers.mine").token
    assert kept.reveal() == "hunter2"
    assert "hunter2" not in "".join(problems({"token": ["hunter2"]}))
    assert "hunter2" not in "".join(problems({"tokn": "hunter2", "api_key": "hunter2"}))


def test_what_the_class_itself_refuses_is_a_problem_too():
    @plugin
    class Pair:
        fast: int = option(1, help="Fast.")
        slow: int = option(2, help="Slow.")

        def __attrs_post_init__(self) -> None:
            if self.fast >= self.slow:
                raise ValueError(f"fast = {self.fast} must be below slow = {self.slow}")

    (problem,) = problems({"fast": 5}, Pair)
    assert "strategies.mine: ValueError: fast = 5 must be below slow = 2" in problem


def test_options_are_described_for_people():
    rows = {row.name: row for row in describe_options(Everything)}
    count = rows["count"]
    assert (count.type, count.default, count.range, count.help) == ("int", "3", "[1, 9]", "How many.")
    assert rows["money"].default == "10"
    assert rows["mode"].type == "low | high"
    assert rows["numbers"].type == "tuple[int, ...]"
    assert rows["token"].default == "Secret('')"
