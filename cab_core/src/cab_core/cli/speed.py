"""The option type of a playing speed."""

from __future__ import annotations

import click


class Speed(click.ParamType[float]):
    """Times faster than real time; ``max`` becomes 0."""

    name = "N|max"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the factor, 0 for as fast as possible."""
        if value == "max":
            return 0.0
        try:
            speed = float(value)
        except ValueError:
            speed = -1.0
        if not 0 < speed < 1e12:
            self.fail(f"{value!r} is no speed: give 1, another number above 0, or max", param, ctx)
        return speed
