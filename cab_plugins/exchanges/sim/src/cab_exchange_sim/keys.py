"""API keys and the signature that proves them."""

from __future__ import annotations

import hashlib
import hmac

import attrs


@attrs.frozen(slots=True)
class ApiKey:
    """A key, its secret and the account it trades for; ``read_only`` keys may not."""

    key: str
    secret: str = attrs.field(repr=False)
    account: str = "main"
    read_only: bool = False


def signature(secret: str, method: str, path: str, query: str, body: bytes, timestamp: str) -> str:
    """Return the signature of a request: HMAC-SHA512 over five lines, in hexadecimal digits.

    Args:
        secret: the key's secret.
        method: in upper case.
        path: as sent, with the prefix ``/api/v4``.
        query: before it was percent-encoded, without the question mark.
        body: as sent.
        timestamp: the header ``Timestamp``, unix seconds.
    """
    lines = (method, path, query, hashlib.sha512(body).hexdigest(), timestamp)
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha512).hexdigest()
