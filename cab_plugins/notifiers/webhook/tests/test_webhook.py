from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

import pytest

from cab_core.sdk import Alert, CabError, Secret, Severity
from cab_core.testing import KeptPosts, NotifierConformance
from cab_notifier_webhook import Webhook

SECRET = Secret("a-secret-of-enough-length")
ALERT = Alert(
    Severity.CRITICAL,
    "emergency.stop",
    "halt: daily_loss −104\n🚀",
    "0123456789abcdef",
    "BTC/USDT",
    "daily_loss",
    1_714_996_800_000,
    "3fa9c1-7",
    4,
)


class TestWebhook(NotifierConformance):
    plugin = Webhook
    options = {"secret": SECRET}  # noqa: RUF012 - a table read by the suite


def posted() -> tuple[bytes, Mapping[str, str]]:
    http = KeptPosts()
    asyncio.run(Webhook(secret=SECRET).notify(ALERT, http))
    (post,) = http.posts
    return post


def test_the_document_says_everything_the_alert_does() -> None:
    body, headers = posted()
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Cab-Id"] == "3fa9c1-7"
    assert json.loads(body) == {
        "version": "v1",
        "id": "3fa9c1-7",
        "severity": "critical",
        "kind": "emergency.stop",
        "text": "halt: daily_loss −104\n🚀",
        "symbol": "BTC/USDT",
        "rule": "daily_loss",
        "trace_id": "0123456789abcdef",
        "ts_ms": 1_714_996_800_000,
        "count": 4,
    }


def test_time_and_body_are_signed() -> None:
    body, headers = posted()
    stamp = headers["X-Cab-Timestamp"]
    assert abs(int(stamp) - time.time()) <= 5
    wanted = hmac.digest(b"a-secret-of-enough-length", f"{stamp}.".encode() + body, hashlib.sha256)
    assert headers["X-Cab-Signature"] == f"v1={wanted.hex()}"


def test_without_a_secret_or_an_address_nothing_is_sent() -> None:
    http = KeptPosts()
    with pytest.raises(CabError, match="no key"):
        asyncio.run(Webhook().notify(ALERT, http))
    with pytest.raises(CabError, match="no URL"):
        asyncio.run(Webhook(secret=SECRET).notify(ALERT))
    assert http.posts == []
    with pytest.raises(ValueError, match="16 characters"):
        Webhook(secret=Secret("short"))
