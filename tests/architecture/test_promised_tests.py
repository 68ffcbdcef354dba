"""Tests that users of the project know by name exist under that name."""

from __future__ import annotations

import re

from repository import ROOT

PROMISED = {
    "test_no_duplicate_orders",
    "test_idempotency_after_restart",
    "test_instance_lock",
    "test_instance_lock_cleanup_on_crash",
    "test_dms_triggers_on_freeze",
    "test_dms_closes_position_correctly",
    "test_api_rate_limit_throttling",
    "test_burst_protection",
    "test_loss_streak_blocks_all",
    "test_daily_limit_stops_trading",
    "test_max_drawdown_emergency_stop",
    "test_cooldown_delays_next_trade",
    "test_spread_blocks_entry_not_exit",
    "test_neutral_mode_blocks_entry_allows_exit",
    "test_risk_small_reduces_position_50pct",
    "test_risk_off_blocks_all_entries",
    "test_trailing_stop_moves_up_only",
    "test_tp1_moves_sl_to_breakeven",
    "test_multi_stage_exit_execution",
    "test_position_mismatch_auto_corrected",
    "test_phantom_order_cleanup",
    "test_systematic_mismatch_alerts",
}


def test_every_promised_test_is_there() -> None:
    folders = ("cab_core/tests", "cab_plugins", "plugins-risk", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("test_*.py")]
    found = {
        name for path in files for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
    }
    assert not PROMISED - found
