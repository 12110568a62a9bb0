"""One user's state at one instant, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.equity import Equity
from portfolio_lab.models.exposure import Exposure
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Price


class Grade(StrEnum):
    """How far an answer can be trusted. Only a snapshot that is COMPLETE has an equity."""

    OK = "ok"
    COMPLETE = "complete"
    STALE = "stale"
    UNPRICED = "unpriced"
    SUSPECT = "suspect"
    PARTIAL = "partial"
    FAILED = "failed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class WalletState:
    """One configured wallet in one cycle: its grade and the reason.

    Grades: ok, stale, failed, unpriced, suspect (read well, but not believed yet), absent (the
    account has no such wallet: nothing is missing). `code` is the error's stable code ("" when
    ok), `reason` one clear sentence; `reading` is None when the wallet failed or is absent.
    `is_carried` is True where a slow wallet's last reading still holds, its quantities valued now.
    `orders_at` is when its resting orders were last asked for, None when never.
    """

    account: Account
    wallet: Wallet
    grade: Grade
    code: str
    reason: str
    reading: WalletReading | None
    is_carried: bool = False
    orders_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PortfolioSnapshot:
    """One user's whole book in one slot.

    `slot` is the time that was due, `at` when the last wallet had answered. `grade` is
    complete (every configured wallet ok or absent), stale, unpriced, suspect, partial (some
    wallet failed) or failed (all failed). `equity.total` is None unless complete.
    """

    user: str
    slot: datetime
    at: datetime
    grade: Grade
    reason: str
    wallets: tuple[WalletState, ...]
    orders: tuple[tuple[Account, OpenOrder], ...]
    orders_known: bool
    prices: tuple[Price, ...]
    equity: Equity
    exposure: Exposure | None
