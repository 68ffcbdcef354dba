"""What the processes of a rehearsal tell each other: a file in its folder."""

from __future__ import annotations

import json
from pathlib import Path

import attrs

_FILE = "rehearsal.json"

#: Names of files in the folder of a rehearsal.
DATABASE, LOCK, LEDGER, BOT_LOG, CHECKS = (
    "trader.sqlite3",
    "bot.lock",
    "ledger.json",
    "bot.log",
    "checks.json",
)


@attrs.frozen(kw_only=True)
class Brief:
    """Where a bot in rehearsal finds its settings and its time.

    Attributes:
        folder: of the rehearsal: database, lock, logs.
        home: where the user's own ``cab.toml`` and ``.env`` are looked for.
        overrides: what the rehearsal sets, ``KEY=VALUE``.
        control_url: control plane of the exchange, which keeps the time. ``token``: of it.
    """

    folder: Path
    home: Path
    overrides: tuple[str, ...]
    control_url: str
    token: str

    def write(self) -> None:
        """Write the file, for the owner only."""
        path = self.folder / _FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(attrs.asdict(self), default=str, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Brief:
        """Read the file of a folder."""
        told = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            home=Path(told["home"]),
            overrides=tuple(told["overrides"]),
            control_url=told["control_url"],
            token=told["token"],
        )
