"""The look for known vulnerabilities says when it could not look, and CI takes that for a failure."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from repository import ROOT


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_without_a_network_it_says_so(ci: str, code: int) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        program = f"import audit, sys; sys.exit(audit.main('127.0.0.1', {port}))"
        told = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT / "tools",
            env={**os.environ, "CI": ci},
            check=False,
            capture_output=True,
            text=True,
        )
    assert told.returncode == code, told.stderr
    assert "not looked for vulnerabilities: 127.0.0.1 cannot be reached" in told.stdout
