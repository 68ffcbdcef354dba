"""Look for known vulnerabilities in what a container installs: ``python tools/audit.py``.

pip-audit compares the pins of locks/ with the Open Source Vulnerabilities database. It is fetched for the
moment, so nothing of it is part of the environment. Without a network nothing can be known: that is said, and
is no failure, except where CI is set, since there a network is.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import workspace

#: Where the vulnerabilities are looked up.
SERVICE = "api.osv.dev"

AUDITOR = "pip-audit==2.10.1"
LOCKS = ("locks/runtime.txt", "locks/build.txt")


def main(service: str = SERVICE, port: int = 443) -> int:
    """Audit the locks; return an exit code.

    Args:
        service: host of the database.
        port: of it.
    """
    try:
        socket.create_connection((service, port), timeout=10).close()
    except OSError as error:
        print(f"not looked for vulnerabilities: {service} cannot be reached: {error}")
        return 1 if os.environ.get("CI") else 0
    # Strict: a package that could not be looked up is no package without a vulnerability.
    command = [workspace.uv(), "tool", "run", AUDITOR, "--strict", "--vulnerability-service", "osv"]
    command += ["--no-deps", "--disable-pip"]
    command += [argument for lock in LOCKS for argument in ("--requirement", lock)]
    return subprocess.run(command, cwd=workspace.ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
