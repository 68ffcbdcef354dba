"""Rules of the house that no linter knows; each is shown to see what it forbids."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from code_rules import (
    asserts,
    broad_excepts,
    cursors_for_good,
    figures_by_hand,
    impurities,
    kernel_imports,
    open_folders,
    order_calls,
)
from repository import KERNEL, ROOT, SOURCES, name_of, parsed

Rule = Callable[[ast.Module], Iterator[int]]

EXECUTION = "cab_core/cycle/execute_trade.py"
#: What a plugin author's broker is tested with calls the broker itself.
BROKER_KIT = "cab_core/testing/broker.py"
#: Simulated venues: they are the other side of the port.
VENUES = ("cab_core/domain/", "cab_broker_", "cab_exchange_sim/")
#: Where a failure of foreign code or of one of several tasks must not end the others.
SUPERVISORS = {
    "cab_core/plugins/isolation.py",
    "cab_core/cycle/supervise.py",
    "cab_core/cycle/asking.py",
    "cab_core/cycle/exit_watch.py",
    "cab_core/cycle/execute_trade.py",
    "cab_core/cycle/fuse.py",
    "cab_core/bus/memory.py",
    "cab_core/app/rehearsal/zygote.py",
    "cab_core/app/doctor/rows.py",
    "cab_core/observability/metrics.py",
}

#: The one place that writes figures for people, and places that write numbers no person is meant to read.
FIGURES = "cab_core/domain/figures.py"
NOT_FOR_PEOPLE = {
    "cab_core/data/checks.py",
    "cab_core/safety/heartbeat.py",
    "cab_core/settings/schema.py",
}
#: In templates and scripts a filter or a text of the server writes them. These two are a sum only the browser
#: can make, and the hover text of a curve, which the chart library writes; both have the server's decimals.
IN_THE_BROWSER = ["curve.js", "trades.js"]
BY_HAND = re.compile(r"%[+.0-9]*f|:[+,.0-9]+[efg]|toFixed|toPrecision|toLocaleString|NumberFormat")

LONGEST_FILE = 400
MEDIAN_FILE = 120


def found(rule: Rule, keep: Callable[[str], bool]) -> list[str]:
    files = [path for path in SOURCES if keep(name_of(path))]
    assert files
    return [f"{name_of(path)}:{line}" for path, tree in parsed(files) for line in rule(tree)]


def test_orders_are_sent_from_one_place_only() -> None:
    assert not found(
        order_calls, lambda name: name not in {EXECUTION, BROKER_KIT} and not name.startswith(VENUES)
    )


def test_the_one_place_does_send_orders() -> None:
    assert found(order_calls, lambda name: name == EXECUTION)


@pytest.mark.parametrize("room", ["domain", "cycle"])
def test_what_decides_takes_time_ids_and_chance_as_arguments(room: str) -> None:
    assert not found(impurities, lambda name: name.startswith(f"cab_core/{room}/"))


def test_everything_is_caught_in_named_places_only() -> None:
    assert not found(broad_excepts, lambda name: name not in SUPERVISORS)


def test_sources_check_with_errors_not_asserts() -> None:
    assert not found(asserts, lambda _: True)


def test_no_connection_is_turned_into_cursors_for_good() -> None:
    assert not found(cursors_for_good, lambda _: True)


def test_folders_are_made_private_in_one_place() -> None:
    assert found(open_folders, lambda name: name == "cab_core/atomic.py")
    assert not found(open_folders, lambda name: name != "cab_core/atomic.py")


def test_figures_for_people_are_written_in_one_place() -> None:
    venue = "cab_exchange_sim/"  # it answers as an exchange does
    assert found(figures_by_hand, lambda name: name == FIGURES)
    assert not found(
        figures_by_hand,
        lambda name: name != FIGURES and name not in NOT_FOR_PEOPLE and not name.startswith(venue),
    )


def test_pages_and_their_scripts_leave_figures_to_that_place() -> None:
    files = [path for room in ("api/web", "report") for path in (KERNEL / room).rglob("*.j*")]
    texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    assert len(texts) > 20
    assert sorted(name for name, text in texts.items() if BY_HAND.search(text)) == IN_THE_BROWSER


def test_files_are_small_enough_to_read_in_one_sitting() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {name: count for name, count in lines.items() if count > LONGEST_FILE}
    assert statistics.median(count for count in lines.values() if count > 3) <= MEDIAN_FILE


FORBIDDEN: dict[str, Rule] = {
    "outcome = await self.broker.submit(intent)": order_calls,
    "await broker.cancel(intent)": order_calls,
    "import random": impurities,
    "import time, uuid": impurities,
    "from uuid import uuid4": impurities,
    "from time import time": impurities,
    "now = datetime.now(UTC)": impurities,
    "now = datetime.datetime.now(UTC)": impurities,
    "now = time.time()": impurities,
    "clock = time.monotonic": impurities,
    "salt = os.urandom(8)": impurities,
    "rng = np.random.default_rng()": impurities,
    "from threading import Lock": impurities,
    "try: pass\nexcept Exception: pass": broad_excepts,
    "try: pass\nexcept (ValueError, builtins.BaseException): raise OSError": broad_excepts,
    "try: pass\nexcept: pass": broad_excepts,
    "def f():\n    assert x": asserts,
    "conn.execution_options(yield_per=1000).execute(query)": cursors_for_good,
    "await conn.execution_options(stream_results=True)": cursors_for_good,
    "path.parent.mkdir(exist_ok=True)": open_folders,
    "os.makedirs(folder)": open_folders,
    "text = f'{pnl:+.2f}: {reason}'": figures_by_hand,
    "text = f'{equity:,.2f}'": figures_by_hand,
    "text = '{:.2f} %'.format(share)": figures_by_hand,
}

ALLOWED: dict[str, Rule] = {
    "task.cancel()": order_calls,
    "make_folder(path.parent)": open_folders,
    "wait = clock.now_ms()": impurities,
    "from cab_core.clock import Clock": impurities,
    "day = datetime.fromtimestamp(at, UTC)": impurities,
    "try: pass\nexcept BaseException:\n    undo()\n    raise": broad_excepts,
    "try: pass\nexcept ValueError: pass": broad_excepts,
    "conn.execute(query, execution_options={'yield_per': 1000})": cursors_for_good,
    "conn.execution_options(postgresql_readonly=True)": cursors_for_good,
    "text = f'{count:,} trades in {seconds:.1f} s, {exact:f}'": figures_by_hand,
    "text = f'{name:<12}{streak:+d}'": figures_by_hand,
}


@pytest.mark.parametrize("code", FORBIDDEN)
def test_the_rule_sees_what_it_forbids(code: str) -> None:
    assert list(FORBIDDEN[code](ast.parse(code)))


@pytest.mark.parametrize("code", ALLOWED)
def test_the_rule_lets_the_rest_pass(code: str) -> None:
    assert not list(ALLOWED[code](ast.parse(code)))


def test_tests_of_plugins_need_only_what_every_author_has() -> None:
    folders = [
        *ROOT.glob("plugins-*/*/tests"),
        *ROOT.glob("cab_plugins/brokers/*/tests"),
        *ROOT.glob("cab_plugins/notifiers/*/tests"),
        *ROOT.glob("examples/*/tests"),
    ]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    used = {name: path for path, tree in parsed(files) for name in kernel_imports(tree)}
    assert {"cab_core.sdk", "cab_core.testing"} <= set(used)
    assert not {
        name: path
        for name, path in used.items()
        if name != "cab_core.sdk" and not f"{name}.".startswith("cab_core.testing.")
    }


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("from cab_core import settings", ["cab_core.settings"]),
        ("def f():\n    import cab_core.plugins.host", ["cab_core.plugins.host"]),
        ("from cab_core.sdk import Bars", ["cab_core.sdk"]),
        ("import numpy", []),
    ],
)
def test_imports_of_the_kernel_are_seen(code: str, modules: list[str]) -> None:
    assert list(kernel_imports(ast.parse(code))) == modules


def test_every_source_is_looked_at() -> None:
    names = {name_of(path) for path in SOURCES}
    assert {"cab_core/sdk.py", "cab_strategy_ema_cross/__init__.py", "cab_broker_paper/broker.py"} <= names
    assert all(isinstance(path, Path) and path.is_file() for path in SOURCES)
