from __future__ import annotations

import logging

import pytest

from cab_core.sdk import Alert, Severity
from cab_notifier_log import Log


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.CRITICAL, "CRITICAL"), (Severity.IMPORTANT, "WARNING"), (Severity.INFO, "INFO")],
)
async def test_an_alert_is_one_record_with_its_fields(caplog, severity, level):
    caplog.set_level(logging.DEBUG, "cab.alerts")
    text = "Daily loss of 100 % of 50 USDT\nAll entries are halted."
    await Log().notify(Alert(severity, "risk.blocked", text, "0123456789abcdef", "BTC/USDT", "daily_loss", 5))
    (entry,) = caplog.records
    assert (entry.name, entry.levelname) == ("cab.alerts", level)
    assert entry.getMessage() == f"risk.blocked: {text}"
    fields = (entry.kind, entry.trace_id, entry.symbol, entry.rule, entry.ts_ms)
    assert fields == ("risk.blocked", "0123456789abcdef", "BTC/USDT", "daily_loss", 5)
