"""The sources of settings, each as a layer of raw texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from cab_core.errors import CabError
from cab_core.settings.problems import SettingError
from cab_core.settings.schema import BY_NAME, OPTION_TABLES
from cab_core.settings.setting import OptionKey
from cab_core.settings.unknown import meant_for_us, suggestion
from cab_core.textfile import read_text

_PARAMS = "STRATEGY_PARAMS"
_FILE = "_FILE"


@attrs.frozen(slots=True)
class Raw:
    """A text as given: under which name (perhaps an alias), and where."""

    name: str
    text: str
    source: str


@attrs.frozen(slots=True)
class RawOption:
    """An option of a plugin as given; a text, or a list or table of texts from TOML."""

    value: object
    source: str


@attrs.define(slots=True)
class Layer:
    """What one source says. Later additions of the same name replace earlier ones."""

    label: str
    values: dict[str, Raw] = attrs.field(factory=dict)
    options: dict[OptionKey, RawOption] = attrs.field(factory=dict)
    problems: list[CabError] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)

    def add(self, name: str, text: str, source: str) -> bool:
        """Take a setting, a file of a secret or a strategy parameter; False if the name is none of them."""
        text = text.strip()
        row = BY_NAME.get(name)
        if row is not None:
            if text or row.kind.empty:
                self.values[name] = Raw(name, text, source)
            return True
        owner = BY_NAME.get(name.removesuffix(_FILE)) if name.endswith(_FILE) else None
        if owner is not None and owner.secret:
            if text:
                self._read_secret(owner.name, Path(text), source)
            return True
        parts = name.split("__")
        if parts[0] == _PARAMS and len(parts) == 3 and all(parts):
            self.add_option("strategies", parts[1], parts[2], text, source)
            return True
        return False

    def add_option(self, table: str, plugin: str, param: str, value: object, source: str) -> None:
        """Take an option of a plugin. Names are matched in any case, with ``-`` or ``_``."""
        self.options[(table, _identifier(plugin), _identifier(param))] = RawOption(value, source)

    def add_seed_options(self) -> None:
        """Pass settings that are other names of plugin options on to the plugins."""
        for raw in tuple(self.values.values()):
            targets = BY_NAME[raw.name].options
            for key in targets:
                direct = self.options.get(key)
                if direct is None:
                    self.options[key] = RawOption(raw.text, raw.source)
                elif len(targets) == 1 and direct.value != raw.text:
                    self.problems.append(
                        SettingError(
                            raw.name,
                            f"contradicts {'.'.join(key)} = {direct.value!r} of the same source",
                            value=raw.text,
                            source=raw.source,
                            fix=f"keep one of the two: both set the {key[2]} of {key[1]}",
                        )
                    )

    def _read_secret(self, name: str, path: Path, source: str) -> None:
        if name in self.values and self.values[name].text:
            self.problems.append(
                SettingError(
                    name, f"is given twice: as {name} and as {name}_FILE", source=source, fix="keep one"
                )
            )
            return
        try:
            text = read_text(path.expanduser()).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            problem = SettingError(
                f"{name}_FILE",
                f"cannot be read: {reason}",
                value=str(path),
                source=source,
                fix="check the path and its permissions",
            )
            self.problems.append(problem)
            return
        self.values[name] = Raw(name, text, f"file {path} ({name}_FILE, {source})")


def from_environment(label: str, values: Mapping[str, str]) -> Layer:
    """Make the layer of the process environment or of ``.env``. Foreign names are left alone."""
    layer = Layer(label)
    for name in _secret_files_last(values):
        if not layer.add(name, values[name], label) and meant_for_us(name):
            layer.warnings.append(f"{name} ({label}) is no setting: {suggestion(name)}")
    layer.add_seed_options()
    return layer


def from_overrides(overrides: Iterable[str]) -> Layer:
    """Make the layer of ``--set KEY=VALUE``, where ``strategies.ema_atr.ema_short`` is a plugin's option."""
    layer = Layer("--set")
    for override in overrides:
        key, separator, text = override.partition("=")
        key = key.strip()
        path = key.split(".")
        if not separator or not key:
            layer.problems.append(
                SettingError(
                    "--set", "is not KEY=VALUE", value=override, fix="write for example --set FIXED_AMOUNT=25"
                )
            )
        elif len(path) == 3 and path[0].lower() in OPTION_TABLES and all(path):
            layer.add_option(path[0].lower(), path[1], path[2], text.strip(), "--set")
        elif not layer.add(key.upper(), text, "--set"):
            layer.problems.append(_unknown(key, "--set"))
    layer.add_seed_options()
    return layer


def from_defaults(defaults: Mapping[str, str]) -> Layer:
    """Make the layer of a command's own defaults, which lies just above the code's."""
    layer = Layer("default of the command")
    for name, text in defaults.items():
        if not layer.add(name, text, layer.label):
            layer.problems.append(_unknown(name, layer.label))
    layer.add_seed_options()
    return layer


def from_toml(document: Mapping[str, object], label: str) -> Layer:
    """Make the layer of ``cab.toml``: settings at the top level, options of plugins in tables."""
    layer = Layer(label)
    for name in _secret_files_last(document):
        value = document[name]
        table = "strategies" if name == _PARAMS else name.lower()
        if table in OPTION_TABLES:
            _add_table(layer, table, name.lower(), value)
        elif isinstance(value, Mapping) and name != "STRATEGY_WEIGHTS":
            layer.problems.append(_unknown(f"[{name.lower()}]", label))
        elif not layer.add(name, _flat(value), label):
            layer.problems.append(_unknown(name, label))
    layer.add_seed_options()
    return layer


def _add_table(layer: Layer, table: str, written: str, plugins: object) -> None:
    for plugin, options in plugins.items() if isinstance(plugins, Mapping) else ((written, None),):
        if not isinstance(options, Mapping):
            layer.problems.append(
                SettingError(
                    f"{written}.{plugin}" if options is not None else written,
                    "must be a table of options",
                    source=layer.label,
                    fix=f"write [{written}.<plugin>] and its options below",
                )
            )
            continue
        for param, value in options.items():
            layer.add_option(table, plugin, param, value, f"{layer.label} [{written}.{plugin}]")


def _unknown(name: str, source: str) -> SettingError:
    return SettingError(name, "is no setting", source=source, fix=suggestion(name.strip("[]")))


def _flat(value: object) -> str:
    """Return a TOML value as the text of the environment: lists with commas, tables as name:value."""
    if isinstance(value, list):
        if any(isinstance(item, list) for item in value):
            return ";".join("|".join(map(str, item)) for item in value)
        return ",".join(map(str, value))
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{weight}" for name, weight in value.items())
    return str(value)


def _identifier(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _secret_files_last(names: Iterable[str]) -> list[str]:
    """Order names so that ``X`` is seen before ``X_FILE``."""
    return sorted(names, key=lambda name: name.endswith(_FILE))
