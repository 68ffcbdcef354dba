"""A strategy or risk rule as a single file, given by its path: for trying an idea without packaging it."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Collection, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from cab_core.errors import CabError, NotFoundError, PluginError
from cab_core.plugins.bound import MAIN_HOOKS
from cab_core.plugins.inventory import Origin, PluginRecord
from cab_core.plugins.isolation import attempt, describe
from cab_core.plugins.kinds import NAME_PATTERN, Kind
from cab_core.plugins.registration import hook_functions
from cab_core.sdk import BrokerPlugin, MacroSource, Notifier, RiskRule, Strategy

#: Kinds that may come from a file, with their base class; the others touch accounts, networks or people.
FILE_KINDS: dict[Kind, type] = {Kind.STRATEGY: Strategy, Kind.RISK: RiskRule}
#: Kinds that can be checked where they lie.
ALL_KINDS: dict[Kind, type] = {
    **FILE_KINDS,
    Kind.MACRO: MacroSource,
    Kind.BROKER: BrokerPlugin,
    Kind.NOTIFIER: Notifier,
}
_REFERENCE = re.compile(r"(?P<path>.+\.py)(:(?P<class>[A-Za-z_]\w*))?")


def is_file(name: str) -> bool:
    """Say whether a plugin is named by a path, e.g. ``./my.py`` or ``./my.py:MyStrategy``."""
    return _REFERENCE.fullmatch(name) is not None


def load_file(reference: str, kinds: Mapping[Kind, type] = FILE_KINDS) -> tuple[PluginRecord, type]:
    """Load the plugin class of a file.

    Args:
        reference: path of the file, with ``:ClassName`` if it holds more than one plugin.
        kinds: what it may hold, with the base class of each.

    Raises:
        NotFoundError: there is no such file.
        PluginError: it cannot be imported, or holds no plugin class or more than one.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise PluginError(
            f"{reference!r} is not a path to a .py file", fix="write ./my.py or ./my.py:MyStrategy"
        )
    path = Path(match["path"]).expanduser().resolve()
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", where=reference, fix="give the path of a .py file")
    module = _import(path, reference)
    cls, kind = _only_plugin(module, match["class"], reference, kinds)
    name = _snake_case(cls.__name__)
    if not NAME_PATTERN.fullmatch(name):
        raise PluginError(
            f"class {cls.__name__} gives the name {name!r}", where=reference, fix="rename it, e.g. MyStrategy"
        )
    record = PluginRecord(kind=kind, name=name, target=f"{path}:{cls.__name__}", origin=Origin.FILE)
    return record, cls


class _AsWritten(SourceFileLoader):
    """Compiles the file as it is now and keeps nothing beside it.

    What Python keeps of a file counts as current while size and second of the last change are the same: an
    idea that is tried twice within a second would be the old one.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _import(path: Path, reference: str) -> ModuleType:
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"cab_file_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_AsWritten(name, str(path)))
    if spec is None or spec.loader is None:
        raise PluginError("this file cannot be imported", where=reference, fix="give a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its classes look up their annotations there
    _, error = attempt(spec.loader.exec_module, module)
    if error is not None:
        del sys.modules[spec.name]
        raise PluginError(f"import failed: {describe(error)}", where=reference, fix=f"run: python {path}")
    return module


def _only_plugin(
    module: ModuleType, wanted: str | None, reference: str, kinds: Mapping[Kind, type]
) -> tuple[type, Kind]:
    found = {
        name: (value, kind)
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
        for kind, base in kinds.items()
        if issubclass(value, base) or set(MAIN_HOOKS[kind]) & hook_functions(value).keys()
    }
    if wanted is not None and wanted in found:
        return found[wanted]
    if wanted is None and len(found) == 1:
        return next(iter(found.values()))
    raise _no_single(list(found), wanted, reference, kinds)


def _no_single(found: list[str], wanted: str | None, reference: str, kinds: Collection[Kind]) -> CabError:
    if not found:
        what = "holds no strategy and no risk rule" if len(kinds) == len(FILE_KINDS) else "holds no plugin"
        hooks = [f"{hook}()" for kind in kinds for hook in MAIN_HOOKS[kind]]
        fix = f"define a class with {', '.join(hooks[:-1])} or {hooks[-1]} and @hookimpl above it"
    elif wanted is not None:
        what = f"holds no plugin class {wanted}"
        fix = f"it has {', '.join(found)}"
    else:
        what = f"holds {len(found)} plugin classes"
        fix = f"name one of them, e.g. {reference}:{found[0]}"
    return PluginError(what, where=reference, fix=fix)


def _snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip("_"))
    return words.lower()
