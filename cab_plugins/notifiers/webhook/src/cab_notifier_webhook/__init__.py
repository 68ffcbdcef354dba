"""Notifier that posts alerts as signed JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from cab_core.sdk import Alert, AlertHttp, CabError, Notifier, Secret, hookimpl, option, plugin

__all__ = ["Webhook"]

#: Version of the document and of the signature.
VERSION = "v1"
_SHORTEST_SECRET = 16


@plugin
class Webhook(Notifier):
    """Posts every message to one URL, signed with HMAC-SHA256 over its time and its body.

    It answers for one attempt; the kernel tries again, with the same id, until the receiver answers 2xx.
    """

    secret: Secret = option(Secret(""), help="Key of the signature, 16 characters or more.")

    def __attrs_post_init__(self) -> None:
        if self.secret and len(self.secret.reveal()) < _SHORTEST_SECRET:
            raise ValueError(f"secret has fewer than {_SHORTEST_SECRET} characters")

    @hookimpl
    async def notify(self, alert: Alert, http: AlertHttp | None = None) -> None:
        """Post one message.

        Raises:
            CabError: it was not taken, or there is no URL or no secret.
        """
        if http is None:
            raise CabError("the webhook has no URL", where="WEBHOOK_URL", fix="set WEBHOOK_URL=https://…")
        if not self.secret:
            raise CabError(
                "the webhook signs what it posts, and has no key",
                where="WEBHOOK_SECRET",
                fix="set WEBHOOK_SECRET to 16 characters or more, the same as at the receiver",
            )
        body = document(alert)
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Cab-Id": alert.id,
            "X-Cab-Timestamp": timestamp,
            "X-Cab-Signature": f"{VERSION}={signature(self.secret, timestamp, body)}",
        }
        await http.post(body, headers)


def document(alert: Alert) -> bytes:
    """Return the body: one JSON object in UTF-8."""
    fields = {
        "version": VERSION,
        "id": alert.id,
        "severity": str(alert.severity),
        "kind": alert.kind,
        "text": alert.text,
        "symbol": alert.symbol,
        "rule": alert.rule,
        "trace_id": alert.trace_id,
        "ts_ms": alert.ts_ms,
        "count": alert.count,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: Secret, timestamp: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of ``TIMESTAMP.BODY`` in hexadecimal."""
    return hmac.new(secret.reveal().encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
