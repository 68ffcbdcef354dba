"""Finding the desk a command should ask: a named URL, the bot on this host, or its database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cab_core.app.desk.desk import Desk
from cab_core.errors import CabError, UsageError
from cab_core.settings import Settings

#: Environment variables that hold the token of a remote bot, or the file it is in.
TOKEN, TOKEN_FILE = "CAB_TOKEN", "CAB_TOKEN_FILE"


def desk_of(settings: Settings, remote: str | None, environ: Mapping[str, str]) -> Desk:
    """Return the desk to ask.

    Args:
        settings: where the bot of this host keeps its lock and database.
        remote: URL of a bot elsewhere; None for the one on this host, or its database if none runs.
        environ: holds the token of a remote bot.

    Raises:
        UsageError: a remote bot without a token.
    """
    from cab_core.app.desk.cold import ColdDesk
    from cab_core.app.desk.endpoint import local_endpoint
    from cab_core.app.desk.remote import RemoteDesk

    if remote is not None:
        return RemoteDesk(remote.rstrip("/"), _token(environ, remote))
    endpoint = local_endpoint(settings)
    return ColdDesk(settings) if endpoint is None else RemoteDesk(endpoint.url, endpoint.token)


def _token(environ: Mapping[str, str], remote: str) -> str:
    if token := environ.get(TOKEN, "").strip():
        return token
    if file := environ.get(TOKEN_FILE, ""):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CabError(f"the token cannot be read: {error.strerror}", where=file) from error
    raise UsageError(
        f"no token for {remote}",
        where="--remote",
        fix=f"make one there with: cab token new; then set {TOKEN} or {TOKEN_FILE}",
    )
