"""The OpenAPI document is true: what is sent to the API, and what comes back, is as it says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from served import ServedBot

schemathesis.openapi.format("cursor", st.just(""))

PER_OPERATION = 8


@pytest.fixture(scope="module")
def document(bot: ServedBot) -> dict[str, Any]:
    with bot.client("viewer") as client:
        found: dict[str, Any] = client.get("/schema/openapi.json").json()
    return found


def test_the_document_is_complete(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            named = f"{method} {path}"
            assert operation["summary"], named
            assert operation["description"], named
            assert operation["tags"], named
            assert "security" in operation, named
            assert {"400", "429", "503"} <= operation["responses"].keys(), named
            for status, response in operation["responses"].items():
                assert response["description"], named
                if status >= "400" and (path, status) != ("/ready", "503"):
                    assert list(response["content"]) == ["application/problem+json"], named
            assert all(each.get("description") for each in operation.get("parameters", ())), named
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)


def test_the_page_of_the_document_loads_nothing(bot: ServedBot, document: dict[str, Any]) -> None:
    with bot.client("viewer") as client:
        page = client.get("/schema").text
    assert not re.search(r"(src|href)=\"(?!/|#)", page)
    assert "<script" not in page
    for path in document["paths"]:
        assert path in page


def test_no_request_finds_the_document_untrue(bot: ServedBot, document: dict[str, Any]) -> None:
    """All operations but the endless stream, with good and bad requests, against all checks."""
    schema = schemathesis.openapi.from_dict(document).exclude(path="/api/v1/stream")
    headers = {"Authorization": f"Bearer {bot.tokens['operator']}"}
    checks = list(CHECKS.get_all())
    for found in schema.get_all_operations():
        operation = found.ok()
        cases = st.one_of(
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
        )
        _try(cases, bot, headers, checks)


def _try(cases: Any, bot: ServedBot, headers: dict[str, str], checks: list[Any]) -> None:
    from hypothesis import given

    @settings(
        max_examples=PER_OPERATION,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: Any) -> None:
        case.call_and_validate(base_url=bot.url, headers=headers, checks=checks, timeout=20)

    check()
