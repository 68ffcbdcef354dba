"""Removes secrets from text by their value, wherever they turn up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

MASK = "***"

#: Shorter texts are too likely to be part of harmless words.
_SHORTEST = 4

#: Telegram puts the bot's token into the address of every request.
_BOT_TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}")


def masker(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces every secret by ``***``, also in its JSON-escaped form and its repr."""
    texts = {secret for secret in secrets if len(secret) >= _SHORTEST}
    forms = texts | {form for text in texts for form in _escaped(text)}
    longest_first = sorted(forms, key=len, reverse=True)
    known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask(text: str) -> str:
        if known is not None:
            text = known.sub(MASK, text)
        return _BOT_TOKEN.sub(MASK, text)

    return mask


def _escaped(text: str) -> tuple[str, str, str]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]
