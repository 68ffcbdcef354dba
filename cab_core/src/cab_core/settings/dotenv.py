"""Reader of ``.env`` files: ``NAME=value`` lines, comments, quotes. Nothing is expanded or exported."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")
_COMMENT = re.compile(r"(?:^|\s)#.*$")


def parse_dotenv(text: str) -> tuple[Mapping[str, str], tuple[int, ...]]:
    """Return the values by name (the last of equal names wins) and the numbers of unreadable lines.

    A value in quotes is taken as it stands; otherwise `` # ...`` starts a comment and blanks are stripped.
    """
    values: dict[str, str] = {}
    unreadable: list[int] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("\ufeff")
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            unreadable.append(number)
            continue
        name, value = match[1], match[2]
        quoted = _QUOTED.fullmatch(value)
        values[name] = quoted[2] if quoted else _COMMENT.sub("", value).strip()
    return values, tuple(unreadable)
