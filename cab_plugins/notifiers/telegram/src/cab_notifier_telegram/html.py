"""Texts in Telegram's HTML: escaping, tables for phones, messages within the limit."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

#: Longest message, in UTF-16 units, which is how Telegram counts.
LIMIT = 4096
#: Widest table on a phone, in characters.
WIDTH = 40

_TAG = re.compile(r"</?[a-z]+>")


def escape(text: object) -> str:
    """Return any text so that Telegram shows it as it is."""
    return html.escape(str(text), quote=False)


def bold(text: object) -> str:
    """Return escaped text in bold."""
    return f"<b>{escape(text)}</b>"


def code(text: object) -> str:
    """Return escaped text in monospace, which a tap copies."""
    return f"<code>{escape(text)}</code>"


def plain(text: str) -> str:
    """Return a text of ours without its marks, as it is read."""
    return html.unescape(_TAG.sub("", text))


def table(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as monospaced lines: the first column left, the others right, `WIDTH` wide at most.

    What is too wide is cut in its first column, then at the end of the line.
    """
    texts = [[str(cell) for cell in row] for row in rows]
    if not texts:
        return ""
    count = max(len(row) for row in texts)
    widths = [max((len(row[i]) for row in texts if i < len(row)), default=0) for i in range(count)]
    excess = sum(widths) + count - 1 - WIDTH
    widths[0] = max(widths[0] - max(excess, 0), min(widths[0], 6))
    lines = [" ".join(_cell(row, i, widths[i]) for i in range(len(row))).rstrip() for row in texts]
    return "\n".join(code(line[:WIDTH]) for line in lines)


def _cell(row: Sequence[str], i: int, width: int) -> str:
    text = row[i] if len(row[i]) <= width else f"{row[i][: width - 1]}…"
    return text.ljust(width) if i == 0 else text.rjust(width)


def units(text: str) -> int:
    """Return the length of a text as Telegram counts it."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Cut a message at line ends into parts within the limit, which tags count towards.

    Tags must not span lines. A line that is too long alone goes on in the next part, without its tags.
    """
    parts = [""]
    for line in text.split("\n"):
        for piece in _pieces(line, limit):
            longer = f"{parts[-1]}\n{piece}" if parts[-1] else piece
            if units(longer) <= limit:
                parts[-1] = longer
            else:
                parts.append(piece)
    return parts


def _pieces(line: str, limit: int) -> Iterator[str]:
    if units(line) <= limit:
        yield line
        return
    rest = html.unescape(_TAG.sub("", line))
    while rest:
        size = min(len(rest), limit)
        while units(escape(rest[:size])) > limit:
            size = size * 3 // 4
        yield escape(rest[:size])
        rest = rest[size:]
