"""What the conformance suites of all kinds share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, NoReturn

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, assume, given, settings
from hypothesis.errors import Unsatisfiable

from cab_core.errors import CabError, PluginError
from cab_core.options import options_of
from cab_core.plugins.kinds import GROUPS, NAME_PATTERN, Kind
from cab_core.testing.answers import bound
from cab_core.testing.imports import imported, is_internal, is_outside, source_files
from cab_core.testing.legal import illegal_values, legal_options, spec_of

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

#: Hypothesis settings of the kit: the same examples everywhere; a failure is shown at once, not shrunk. The
#: kit says itself what failed: Hypothesis leaves optional keys of a dictionary out of its own words.
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    verbosity=Verbosity.quiet,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def reject(what: str, fix: str) -> NoReturn:
    """Fail the running check with what is wrong and how to mend it, without a traceback of the kit."""
    pytest.fail(f"{what}\n  fix: {fix}", pytrace=False)


def state_text(plugin: Any) -> str:
    """Return what a plugin object holds, as a text to compare with a later one."""
    return repr(vars(plugin)) if hasattr(plugin, "__dict__") else ""


class Asking:
    """Says in a plugin's error what it was asked about: ``with Asking("a flat market"): ...``."""

    def __init__(self, about: str) -> None:
        self._about = about

    def __enter__(self) -> None:
        """Begin to ask."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Add the note to whatever was raised, and let it pass."""
        if isinstance(error, Exception):
            error.add_note(f"raised when asked about {self._about}")


class Conformance:
    """Base of the suites. A subclass names its ``plugin`` class and may give ``options``.

    The standard checks (methods named ``test_...`` of the suites) cannot be overridden; add checks of your
    own under other names.
    """

    #: The plugin class under test.
    plugin: ClassVar[type]
    #: Options it is tried with; those left out keep their defaults.
    options: ClassVar[Mapping[str, Any]] = {}
    #: What the plugin is, set by the suite of each kind.
    kind: ClassVar[Kind]
    #: Whether the kind has business outside (network, files), as brokers and notifiers do.
    goes_out: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        if "test_standard_checks_are_not_overridden" in vars(cls):
            raise TypeError(f"{cls.__name__} overrides the check against overriding checks")

    def build(self) -> Any:
        """Return a fresh plugin object with the suite's options."""
        return self.plugin(**self.options)

    def test_standard_checks_are_not_overridden(self) -> None:
        """A suite that was bent proves nothing."""
        for cls in type(self).__mro__:
            if cls.__module__.startswith("cab_core.testing."):
                continue
            for name in vars(cls):
                if name.startswith("test_") and hasattr(_standard(type(self)), name):
                    reject(
                        f"{cls.__name__} overrides the standard check {name}",
                        "remove the override; if the check is wrong for your plugin, report it to cab",
                    )

    def test_is_a_proper_plugin_class(self) -> None:
        """The host accepts it: the hook has the right name, arguments and mark, and would be called."""
        try:
            bound(self.build(), self.kind)
        except PluginError as error:
            reject(error.what, error.fix)

    def test_entry_point_names_the_plugin(self) -> None:
        """The installed package offers this class, under a good name that nobody else uses."""
        points = entry_points(group=GROUPS[self.kind])
        mine = [point for point in points if _is_for(point, self.plugin)]
        if not mine:
            strangers = [point for point in points if point.module == self.plugin.__module__]
            if strangers:
                other = strangers[0]
                reject(
                    f"the entry point {other.name} = {other.value} is not {self.plugin.__qualname__}",
                    f'write {other.name} = "{self.plugin.__module__}:{self.plugin.__qualname__}"',
                )
            pytest.skip(f"no installed package offers {self.plugin.__module__} in {GROUPS[self.kind]}")
        name = mine[0].name
        if not NAME_PATTERN.fullmatch(name):
            reject(f"the entry point name {name!r} is not lower snake case", "name it like my_idea")
        owners = {str(point.dist.name) for point in points if point.name == name and point.dist}
        if len(owners) > 1:
            reject(
                f"{name} is offered by {' and '.join(sorted(owners))}", "choose another name or uninstall one"
            )
        if mine[0].load() is not self.plugin:
            reject(
                f"{mine[0].value} loads another class than the one under test", "reinstall: pip install -e ."
            )

    def test_option_bounds_are_enforced(self) -> None:
        """Every option explains itself and refuses what lies outside its bounds."""
        for name, field in options_of(self.plugin).items():
            spec = spec_of(field)
            if not spec.help.strip():
                reject(f"option {name} has no help", "say in one sentence, with its unit, what it does")
            if not spec.accepts(field.default):
                reject(
                    f"the default {name} = {field.default!r} is not in {spec.range_text()}",
                    "widen the bounds",
                )
            for value in illegal_values(field):
                try:
                    self.plugin(**{**self.options, name: value})
                except (ValueError, CabError):
                    continue
                reject(
                    f"{name} = {value!r} was accepted although it is not in {spec.range_text()}",
                    "declare the field with option(...) in a class decorated with @plugin",
                )

    def test_every_legal_option_works(self) -> None:
        """No combination of legal options breaks the plugin; contradictory ones raise ValueError at once."""

        @EXAMPLES
        @given(legal_options(self.plugin))
        def works(options: dict[str, Any]) -> None:
            try:
                plugin = self.plugin(**{**self.options, **options})
            except (ValueError, CabError) as refusal:
                assume(not str(refusal))
                reject(f"{options} is refused without a reason", "raise ValueError with a text")
            with Asking(f"the options {options or 'left at their defaults'}"):
                self.exercise(plugin)

        try:
            works()
        except Unsatisfiable:
            reject(
                "no combination of legal options is accepted", "check the bounds against __attrs_post_init__"
            )

    def test_imports_only_what_it_may(self) -> None:
        """Plugins depend on ``cab_core.sdk`` alone, so that the kernel can change behind it."""
        for file in source_files(self.plugin):
            for line, name in imported(file):
                if is_internal(name):
                    reject(
                        f"{file.name}:{line} imports {name}, which is no public interface",
                        "import it from cab_core.sdk; if it is not there, ask for it",
                    )
                if not self.goes_out and is_outside(name):
                    reject(
                        f"{file.name}:{line} imports {name}", "this kind of plugin decides from its arguments"
                    )

    def exercise(self, plugin: Any) -> None:
        """Call a plugin built with unusual options once or a few times; what it raises fails the check."""
        raise NotImplementedError


def _is_for(point: EntryPoint, plugin: type) -> bool:
    return point.module == plugin.__module__ and point.attr == plugin.__qualname__


def _standard(suite: type) -> type:
    """Return the suite of the kit that a test class stands on."""
    return next(cls for cls in suite.__mro__ if cls.__module__.startswith("cab_core.testing."))
