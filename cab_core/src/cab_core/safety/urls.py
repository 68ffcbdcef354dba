"""URLs of other people's servers, vetted before anything is fetched from them or sent to them."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

from cab_core.errors import RefusedError
from cab_core.safety.addresses import is_odd_literal, is_public, literal

_MAX_LENGTH = 2048
_MAX_NAME = 253
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
#: The setting that lists hosts of the operator's own network that macro sources may ask.
ALLOW_HOSTS = "REGIME_ALLOW_HOSTS"
_PORTS = {"http": 80, "https": 443}


@attrs.frozen(slots=True)
class SafeUrl:
    """A URL that may be fetched, in its parts.

    Attributes:
        host: lower case, without a trailing dot; empty for files.
        target: path and query as sent to the server; the absolute path for files.
        trusted: the operator listed the host, so that its address is not vetted.
    """

    scheme: str
    host: str
    port: int
    target: str = attrs.field(repr=False)
    trusted: bool = False

    @property
    def authority(self) -> str:
        """Host and, if unusual, port, as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS.get(self.scheme) else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Return what may be shown: never the path or query of a server's URL, they may hold keys."""
        return f"file://{self.target}" if self.scheme == "file" else f"{self.scheme}://{self.authority}/…"


def parse_url(
    text: str, *, allow_hosts: Collection[str] = (), where: str = "", allow_setting: str = ALLOW_HOSTS
) -> SafeUrl:
    """Vet a URL.

    Args:
        text: ``https://``, ``http://`` or ``file://``.
        allow_hosts: hosts that may lie in the operator's own network.
        where: the setting's name, for the error.
        allow_setting: the setting that lists ``allow_hosts``, likewise.

    Raises:
        RefusedError: the URL is malformed, or its host is not public.
    """
    if len(text) > _MAX_LENGTH or _FORBIDDEN.search(text):
        raise _refused(
            f"the URL is longer than {_MAX_LENGTH} characters, or has blanks, backslashes or "
            "other characters that belong percent-encoded",
            where,
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _refused(f"the URL cannot be parsed: {type(error).__name__}", where) from None
    if parts.scheme == "file":
        return _file(parts, where)
    if parts.scheme not in _PORTS:
        raise _refused(f"the URL's scheme {parts.scheme[:20]!r} is not https, http or file", where)
    if "@" in parts.netloc:
        raise _refused("the URL holds credentials before an @", where)
    if port == 0 or parts.netloc.endswith(":"):
        raise _refused("the URL's port is not between 1 and 65535", where)
    host = (parts.hostname or "").removesuffix(".")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    trusted = host in {name.lower().strip("[]").removesuffix(".") for name in allow_hosts}
    _vet_host(host, trusted=trusted, where=where, allow_setting=allow_setting)
    return SafeUrl(parts.scheme, host, port or _PORTS[parts.scheme], target, trusted)


def _vet_host(host: str, *, trusted: bool, where: str, allow_setting: str) -> None:
    address = literal(host)
    if address is None and (len(host) > _MAX_NAME or not _NAME.fullmatch(host)):
        raise _refused(f"the URL's host {host[:60]!r} is not a name or an address", where)
    if is_odd_literal(host):
        raise _refused(f"the URL's host {host[:60]!r} is an address in an ambiguous form", where)
    if trusted:
        return
    if host == "localhost" or host.endswith(".localhost") or (address is not None and not is_public(address)):
        raise not_public(host, where, allow_setting)


def not_public(host: str, where: str, allow_setting: str = ALLOW_HOSTS) -> RefusedError:
    """Return the refusal of a host in the operator's own network."""
    return RefusedError(
        f"the URL's host {host!r} is not on the public internet",
        where=where,
        fix=f"if you run that server, add {host} to {allow_setting}",
    )


def _file(parts: SplitResult, where: str) -> SafeUrl:
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise _refused("a file URL names a local file: file:///path/to/file.json", where)
    path = unquote(parts.path)
    if "\0" in path or not Path(path).is_absolute():
        raise _refused("a file URL needs an absolute path: file:///path/to/file.json", where)
    return SafeUrl("file", "", 0, path)


def _refused(what: str, where: str) -> RefusedError:
    return RefusedError(what, where=where, fix="give a URL like https://example.com/dxy.json")
