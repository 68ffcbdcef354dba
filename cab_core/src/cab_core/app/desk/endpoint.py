"""Where the API of the bot on this host is: a file beside the instance lock, for this user only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

from cab_core.app.local_files import lock_file
from cab_core.atomic import replacing
from cab_core.safety.instance_lock import living_holder
from cab_core.settings import Settings

_PRIVATE = 0o600


@attrs.frozen(slots=True)
class Endpoint:
    """How commands on this host reach the bot.

    Attributes:
        url: of the API, e.g. ``http://127.0.0.1:8000``.
        token: an admin's, valid for this run of the bot.
        pid: the bot's process.
    """

    url: str
    token: str = attrs.field(repr=False)
    pid: int


def endpoint_path(settings: Settings) -> Path:
    """Return the file that holds the endpoint of the bot with these settings."""
    lock = lock_file(settings)
    return lock.with_name(f"{lock.name}.api")


def publish_endpoint(settings: Settings, endpoint: Endpoint) -> None:
    """Write the endpoint, readable by this user only.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(endpoint_path(settings), _PRIVATE) as file:
        file.write(json.dumps(attrs.asdict(endpoint)).encode())


def withdraw_endpoint(settings: Settings, endpoint: Endpoint) -> None:
    """Remove the endpoint, unless another run has written its own meanwhile."""
    if _read(endpoint_path(settings)) == endpoint:
        endpoint_path(settings).unlink(missing_ok=True)


def local_endpoint(settings: Settings) -> Endpoint | None:
    """Return the endpoint of the bot that runs on this host with these settings, None if none does.

    A file that another user could have written is not believed, nor one whose process does not hold the lock.
    """
    path = endpoint_path(settings)
    endpoint = _read(path)
    holder = living_holder(lock_file(settings))
    if endpoint is None or holder is None or holder.pid != endpoint.pid:
        return None
    return endpoint


def _read(path: Path) -> Endpoint | None:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o077:
                return None
            return Endpoint(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None
