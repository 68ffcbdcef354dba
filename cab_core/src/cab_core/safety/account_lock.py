"""The lock of an account at an exchange: one bot per account and host, whatever its files (Linux).

It is a socket in the abstract namespace: no folder can be chosen wrong, nothing is left behind, and the
kernel frees the name with its process. Elsewhere there is no such namespace, and no such lock.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cab_core.errors import LockedError

_CREDENTIALS = struct.Struct("3i")


@contextmanager
def account_lock(*identity: str) -> Iterator[None]:
    """Hold the lock of an account for the length of the block.

    Args:
        identity: what the account is told by: the venue, its address, the key. Only a digest is shown.

    Raises:
        LockedError: another process trades it.
    """
    if sys.platform != "linux":
        yield
        return
    name = "\0cab-account-" + hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        try:
            held.bind(name)
            held.listen(1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise _traded(name) from None
        yield


def _traded(name: str) -> LockedError:
    return LockedError(
        f"Another bot of this host trades this account: {_holder(name)}",
        where="API_KEY",
        fix="stop it first, or give this one an account (a sub-account) of its own",
    )


def _holder(name: str) -> str:
    """Return which process holds the name, as far as the kernel tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "which one is not known"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect(name)
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return "it is just ending"
        return f"process {_CREDENTIALS.unpack(told)[0]}"
