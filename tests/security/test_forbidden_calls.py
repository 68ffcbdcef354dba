from __future__ import annotations

import ast

import pytest
from forbidden import findings
from repository import SOURCES, name_of, parsed


def test_no_source_runs_data_or_switches_a_protection_off() -> None:
    found = [
        f"{name_of(path)}:{line}: {what}" for path, tree in parsed(SOURCES) for line, what in findings(tree)
    ]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "exec(text)",
        "import pickle",
        "from marshal import loads",
        "yaml.load(text)",
        "os.system(text)",
        "subprocess.run(words, shell=True)",
        "httpx.get(url, verify=False)",
        "httpx.AsyncClient(follow_redirects=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert [where for where, _ in findings(ast.parse(f"\n{line}\n"))] == [2]


@pytest.mark.parametrize(
    "line", ["re.compile(text)", "yaml.safe_load(text)", "get(url, follow_redirects=False)"]
)
def test_the_search_leaves_the_harmless_alone(line: str) -> None:
    assert not list(findings(ast.parse(line)))
