"""Packages of a third party, written as an installer leaves them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from cab_core.plugins.kinds import GROUPS, Kind


def install(folder: Path, kind: Kind, name: str, source: str) -> Path:
    """Write a package ``acme_NAME`` with one plugin, the class ``Plugin``; return the folder to look into."""
    info = folder / f"acme_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"acme_{name}.py").write_text(textwrap.dedent(source))
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\nRequires-Dist: cab-core>=0.1,<0.2\n"
    )
    (info / "entry_points.txt").write_text(f"[{GROUPS[kind]}]\n{name} = acme_{name}:Plugin\n")
    return folder
