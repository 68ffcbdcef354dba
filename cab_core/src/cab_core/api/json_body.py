"""JSON of a stranger, looked at before it is decoded: depth, text and numbers that would break a decoder."""

from __future__ import annotations

import json
import re

from cab_core.api.problems import ApiError

#: Levels that a body may nest; ours need five.
DEPTH = 32

_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def check_json(body: bytes) -> None:
    """Refuse a body that no decoder takes safely; one that is no JSON is left to the route.

    Raises:
        ApiError: it nests too deep, is not UTF-8, or holds half a character or a number without end.
    """
    depth = 0
    for sign in re.findall(rb"[\[\]{}]", _TEXTS.sub(b"", body)):
        depth += 1 if sign in b"[{" else -1
        if depth > DEPTH:
            raise ApiError(400, f"the body nests more than {DEPTH} levels deep")
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeError:
        raise ApiError(400, "the body is not UTF-8, or holds half a character") from None
    except json.JSONDecodeError:
        return
    except ValueError as error:  # a number of more digits than are read
        raise ApiError(400, f"the body cannot be read: {error}") from None
