"""Connections to Redis that never show their password and leave trying again to their owner."""

from __future__ import annotations

from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from cab_core.errors import UsageError
from cab_core.secret import Secret

#: What a command may fail with: a refusal or a lost connection of the library, or of the system.
FAILURES: tuple[type[Exception], ...] = (RedisError, OSError)
#: Longest wait for a connection and for an answer, seconds.
CONNECT_S = 2.0
ANSWER_S = 5.0


def connect(url: Secret, setting: str = "EVENT_BUS_URL") -> Redis:
    """Return a client; it connects with its first command and tries each command once.

    Args:
        url: the address.
        setting: where it comes from, for the error.

    Raises:
        UsageError: the address cannot be read; its text is not repeated, it may hold a password.
    """
    try:
        client: Redis = Redis.from_url(
            url.reveal(),
            decode_responses=True,
            protocol=2,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise UsageError(
            "the address of Redis cannot be read",
            where=setting,
            fix="write redis://:PASSWORD@HOST:6379/0; in the password write %40 for @ and %2F for /",
        ) from None
    return client


def place_of(url: Secret) -> str:
    """Return host, port and database of an address, without user, password and query."""
    parts = urlsplit(url.reveal())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
