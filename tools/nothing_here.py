"""What pip meets at the top of the workspace: nothing is installed from here, and it is told what is."""

from __future__ import annotations

import sys

ANSWER = """
This folder is a workspace of packages, no package itself. Install all of them, editable, with:
    make setup
or with pip alone:
    pip install -r requirements-workspace.txt -c constraints.txt
"""


def refuse(*_: object, **__: object) -> None:
    """End with the answer in place of a traceback."""
    sys.exit(ANSWER)


build_wheel = build_editable = build_sdist = refuse
get_requires_for_build_wheel = get_requires_for_build_editable = refuse
