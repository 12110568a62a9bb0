"""The worker: read, grade, value, commit; one cycle for many users and accounts."""

from __future__ import annotations

from portfolio_lab.sync.alerts import send_test_alert
from portfolio_lab.sync.cycle import run_cycle, slot_at, sync_id_of
from portfolio_lab.sync.heartbeat import load_heartbeat
from portfolio_lab.sync.report import CycleReport, UserLine, WalletLine
from portfolio_lab.sync.schedule import run_schedule
from portfolio_lab.sync.syncer import Syncer, sync_once

__all__ = [
    "CycleReport",
    "Syncer",
    "UserLine",
    "WalletLine",
    "load_heartbeat",
    "run_cycle",
    "run_schedule",
    "send_test_alert",
    "slot_at",
    "sync_id_of",
    "sync_once",
]
