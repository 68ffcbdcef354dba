"""Trace ids of the system's randomness, also for what begins outside of a cycle: a command, a look."""

from __future__ import annotations

import secrets


class SystemIds:
    """Trace ids from the system's randomness."""

    def trace_id(self) -> str:
        """Return 16 hexadecimal characters."""
        return secrets.token_hex(8)
