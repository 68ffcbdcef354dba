"""The kit's checks, on a server that does not answer: nothing leaves this machine."""

from __future__ import annotations

from typing import Any, ClassVar

from cab_core.sdk import Secret
from cab_core.testing import NotifierConformance
from cab_notifier_telegram import Telegram


class TestTelegram(NotifierConformance):
    plugin = Telegram
    options: ClassVar[dict[str, Any]] = {
        "token": Secret("7001234567:AAFakeFakeFakeFakeFakeFakeFakeFake12"),
        "chat_id": "42",
        "allowed_users": (42,),
        "base_url": "http://127.0.0.1:9",
    }
