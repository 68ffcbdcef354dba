"""Reader of ``cab.toml``: dynaconf loads it, and neither casts nor evaluates anything.

dynaconf turns texts like ``@format {env[HOME]}`` into what they name and follows switches in the process
environment. So every leaf is guarded by a leading sign while it passes through and stays the text it was.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from cab_core.textfile import read_text

#: A text that starts with it is no token and no number to dynaconf.
_GUARD = "="


def read_toml(path: Path) -> dict[str, object]:
    """Return the document with upper-case top-level names; leaves are texts, as written.

    Raises:
        tomllib.TOMLDecodeError: it is not TOML.
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    document = tomllib.loads(read_text(path), parse_float=str)
    return {
        name: _unguard(value) for name, value in _through_dynaconf(path, document).items() if _guarded(value)
    }


def _through_dynaconf(path: Path, document: Mapping[str, Any]) -> Mapping[str, object]:
    from dynaconf import Dynaconf
    from dynaconf.loaders.base import BaseLoader

    guarded = _guard(document)

    def reader(_: IO[bytes]) -> object:
        return guarded

    box = Dynaconf(
        settings_files=[],
        core_loaders=[],
        loaders=[],
        environments=False,
        load_dotenv=False,
        envvar_prefix=False,
        ignore_unknown_envvars=True,
        auto_cast=False,
        dotted_lookup=False,
    )
    loader = BaseLoader(box, "default", "toml", (path.suffix,), reader, reader, {"mode": "rb"})
    loader.load(filename=[str(path)], silent=False)
    plain: Mapping[str, object] = box.as_dict()
    return plain


def _guard(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _guard(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_guard(inner) for inner in value]
    return _GUARD + (str(value).lower() if isinstance(value, bool) else str(value))


def _guarded(value: object) -> bool:
    """Whether a value came from the file; dynaconf adds some of its own."""
    return isinstance(value, Mapping | list) or (isinstance(value, str) and value.startswith(_GUARD))


def _unguard(value: Any) -> object:
    if isinstance(value, Mapping):
        return {str(name): _unguard(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_unguard(inner) for inner in value]
    return str(value).removeprefix(_GUARD)
