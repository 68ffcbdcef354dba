"""Telling systemd how the service is (``Type=notify``). Without ``NOTIFY_SOCKET`` nothing is said."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import attrs


@attrs.frozen
class ServiceManager:
    """The service manager that started this process, if any.

    Args:
        address: of its datagram socket; ``@`` stands for the zero byte of an abstract one; empty for none.
        watchdog_s: seconds within which it wants to hear `alive`, 0 for never.
    """

    address: str = ""
    watchdog_s: float = 0.0

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int | None = None) -> ServiceManager:
        """Read what systemd put into the environment of process ``pid``, by default of this one."""
        own = str(os.getpid() if pid is None else pid)
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", own) == own and microseconds.isdecimal()
        return cls(environment.get("NOTIFY_SOCKET", ""), int(microseconds) / 1e6 if meant else 0.0)

    def ready(self, status: str = "") -> bool:
        """Say that recovery and the first reconciliation are done."""
        return self._say("READY=1", status)

    def extend(self, seconds: float, status: str = "") -> bool:
        """Ask for more time for the start: this many seconds from now on."""
        return self._say(f"EXTEND_TIMEOUT_USEC={round(1e6 * seconds)}", status)

    def alive(self) -> bool:
        """Say that a supervision cycle was completed; systemd restarts a service that is late with it."""
        return self._say("WATCHDOG=1")

    def stopping(self, status: str = "") -> bool:
        """Say that a clean stop has begun."""
        return self._say("STOPPING=1", status)

    def status(self, text: str) -> bool:
        """Say in one line what the service does, for ``systemctl status``."""
        return self._say("", text)

    def _say(self, word: str, status: str = "") -> bool:
        """Send it; return whether it was taken. One that does not listen is no problem of ours."""
        if not self.address:
            return False
        lines = [word] if word else []
        if status:
            lines.append(f"STATUS={' '.join(status.split())}")
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(0)
                sock.connect(address)
                sock.send("\n".join(lines).encode())
        except OSError:
            return False
        return True
