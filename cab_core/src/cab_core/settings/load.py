"""Loads the settings: sources in layers, one parser, all problems reported together."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from cab_core.errors import CabError, ConfigError, NotFoundError
from cab_core.secret import Secret
from cab_core.settings.check import Subject, problems_of, warnings_of
from cab_core.settings.dotenv import parse_dotenv
from cab_core.settings.layers import (
    Layer,
    Raw,
    RawOption,
    from_defaults,
    from_environment,
    from_overrides,
    from_toml,
)
from cab_core.settings.parse import TextError
from cab_core.settings.problems import SettingError
from cab_core.settings.render import option_path
from cab_core.settings.schema import CODE, SETTINGS, PluginOptions, Settings
from cab_core.settings.setting import OptionKey, Setting
from cab_core.textfile import read_text

CONFIG_NAME = "cab.toml"


@attrs.frozen(slots=True)
class Loaded:
    """Settings, where each came from (by name), and warnings for people.

    Attributes:
        problems: what is wrong with them; the code's default stands for each value that could not be read.
    """

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    problems: tuple[CabError, ...] = ()


def missing_for_run(settings: Settings) -> list[str]:
    """Return the names of the settings that a run needs and that are not set."""
    return [row.name for row in SETTINGS if row.required and not getattr(settings, row.attribute)]


def load_settings(
    env: Mapping[str, str],
    cwd: Path,
    overrides: Sequence[str] = (),
    config: Path | None = None,
    defaults: Mapping[str, str] | None = None,
    *,
    require_run: bool = True,
) -> Loaded:
    """Load, parse and check all settings.

    Args:
        env: the process environment; only known names are read.
        cwd: folder of ``.env`` and ``cab.toml``.
        overrides: ``KEY=VALUE`` texts of ``--set``; they win over everything.
        config: another TOML file in place of ``cab.toml``; it must exist.
        defaults: a command's own defaults by name, just above the code's.
        require_run: whether MODE, EXCHANGE and SYMBOLS are needed and credentials are checked.

    Raises:
        ConfigError: with every problem found; the values of secrets are masked.
        NotFoundError: ``config`` does not exist.
    """
    loaded = read_settings(env, cwd, overrides, config, defaults, require_run=require_run)
    if loaded.problems:
        raise ConfigError(loaded.problems, loaded.warnings)
    return loaded


def read_settings(
    env: Mapping[str, str],
    cwd: Path,
    overrides: Sequence[str] = (),
    config: Path | None = None,
    defaults: Mapping[str, str] | None = None,
    *,
    require_run: bool = True,
) -> Loaded:
    """Do as `load_settings`, and return the problems with what could be read, for who can name more of them.

    Raises:
        NotFoundError: ``config`` does not exist.
    """
    layers = (from_defaults(defaults or {}), *_file_layers(cwd, config), from_environment("environment", env))
    return _Merge((*layers, from_overrides(overrides)), cwd / ".env", require_run).result()


def _file_layers(cwd: Path, config: Path | None) -> Iterator[Layer]:
    path = cwd / CONFIG_NAME if config is None else config
    if path.is_file():
        yield _toml_layer(path)
    elif config is not None:
        raise NotFoundError(f"no file {config}", where="--config", fix="cab config init writes a cab.toml")
    if (cwd / ".env").is_file():
        yield _dotenv_layer(cwd / ".env")


def _toml_layer(path: Path) -> Layer:
    from cab_core.settings.toml_file import read_toml

    try:
        return from_toml(read_toml(path), path.name)
    except tomllib.TOMLDecodeError as error:
        return _unreadable(path, str(error), "texts need quotes, tables look like [strategies.ema_atr]")
    except (OSError, UnicodeDecodeError) as error:
        return _unreadable(path, str(error), "make it a readable UTF-8 text file")


def _dotenv_layer(path: Path) -> Layer:
    try:
        values, unreadable = parse_dotenv(read_text(path))
    except (OSError, UnicodeDecodeError) as error:
        return _unreadable(path, str(error), "make it a readable UTF-8 text file")
    layer = from_environment(".env", values)
    for line in unreadable:
        where = f".env line {line}"
        layer.problems.append(
            SettingError(".env", f"line {line} is not NAME=value", source=where, fix="correct it")
        )
    return layer


def _unreadable(path: Path, reason: str, fix: str) -> Layer:
    layer = Layer(path.name)
    layer.problems.append(SettingError(path.name, f"cannot be read: {reason}", source=str(path), fix=fix))
    return layer


class _Merge:
    """Lays the layers over each other, lowest first, and parses what remains."""

    def __init__(self, layers: Sequence[Layer], dotenv: Path, require_run: bool) -> None:
        self._layers = layers
        self._dotenv = dotenv
        self._require_run = require_run
        self._problems: list[CabError] = [problem for layer in layers for problem in layer.problems]
        self._broken: set[str] = set()
        self._sources: dict[str, str] = {}
        self._options: dict[OptionKey, RawOption] = {}
        for layer in layers:
            self._options.update(layer.options)

    def result(self) -> Loaded:
        values = {row.attribute: value for row in SETTINGS for value in self._value(row)}
        given = frozenset(name.upper() for name in values)
        self._complete_fusion(values)
        options = {option_path(key): option.source for key, option in self._options.items()}
        sources = MappingProxyType({**self._sources, **options})
        settings = Settings(**values, plugin_options=self._nested_options(), sources=sources)
        subject = Subject(settings, given, self._sources, self._require_run)
        self._problems += problems_of(subject, frozenset(self._broken))
        self._problems += self._exposed_secrets(settings)
        warnings = [warning for layer in self._layers for warning in layer.warnings]
        noted = () if self._problems else warnings_of(subject)
        sources = MappingProxyType(self._sources)
        return Loaded(settings, sources, (*warnings, *noted), tuple(self._problems))

    def _value(self, row: Setting) -> Iterator[Any]:
        """Yield the parsed value of a row, nothing if the default holds or the text is wrong."""
        raw = self._raw(row)
        self._sources[row.name] = raw.source if raw else CODE
        if raw is None:
            if row.required and self._require_run:
                example = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}[row.name]
                fix = f"set {row.name}={example} in the environment, .env or cab.toml (cab config init)"
                self._reject(row, SettingError(row.name, "is not set", fix=fix))
            return
        try:
            yield row.kind.parse(raw.text)
        except TextError as error:
            problem = SettingError(raw.name, str(error), value=raw.text, source=raw.source, fix=error.fix)
            self._reject(row, problem)

    def _raw(self, row: Setting) -> Raw | None:
        """Return the winning text of a row; an option it is the only other name of counts as well."""
        found = [layer.values[name] for layer in self._layers for name in _names(row) if name in layer.values]
        if len({raw.name for raw in found}) > 1:
            self._compare_aliases(row, found)
        if len(row.options) == 1 and row.options[0] in self._options:
            option = self._options[row.options[0]]
            return Raw(row.name, str(option.value), option.source)
        return found[-1] if found else None

    def _compare_aliases(self, row: Setting, found: Sequence[Raw]) -> None:
        latest = {raw.name: raw for raw in found}
        first, second = list(latest.values())[:2]
        if first.text != second.text and not _equal(row, first.text, second.text):
            why = f"contradicts {first.name} = {first.text!r} ({first.source}): both are the same setting"
            fix = f"keep one of {first.name} and {second.name}"
            self._reject(
                row, SettingError(second.name, why, value=second.text, source=second.source, fix=fix)
            )

    def _reject(self, row: Setting, problem: SettingError) -> None:
        self._broken.add(row.name)
        self._problems.append(problem)

    def _complete_fusion(self, values: dict[str, Any]) -> None:
        """Let the second weight of the fusion follow from the first where only one is given."""
        technical, model = "fusion_w_technical", "fusion_w_ai"
        if (technical in values) != (model in values):
            given, other = (technical, model) if technical in values else (model, technical)
            values[other] = 1.0 - values[given]
            self._sources[other.upper()] = f"1 - {given.upper()}"

    def _nested_options(self) -> PluginOptions:
        nested: dict[str, dict[str, dict[str, object]]] = {}
        secret = {key for row in SETTINGS if row.secret for key in row.options}
        for key, option in self._options.items():
            table, plugin, param = key
            value = Secret(str(option.value)) if key in secret else option.value
            nested.setdefault(table, {}).setdefault(plugin, {})[param] = value
        return MappingProxyType(nested)

    def _exposed_secrets(self, settings: Settings) -> Iterator[SettingError]:
        """In live, refuse a ``.env`` with secrets that others on this machine can read."""
        if settings.mode != "live" or not self._require_run:
            return
        has_secret = any(row.secret and self._sources[row.name] == ".env" for row in SETTINGS)
        if has_secret and self._dotenv.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            why = "holds secrets and can be read by other users"
            yield SettingError(".env", why, source=str(self._dotenv), fix=f"run: chmod 600 {self._dotenv}")


def _names(row: Setting) -> tuple[str, ...]:
    return (row.name, *row.aliases)


def _equal(row: Setting, first: str, second: str) -> bool:
    try:
        return bool(row.kind.parse(first) == row.kind.parse(second))
    except TextError:
        return True  # the text that cannot be parsed is reported for itself
