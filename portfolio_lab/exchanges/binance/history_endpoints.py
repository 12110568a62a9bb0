"""Binance's addresses that tell what happened: trades, income, transfers, flows."""

from __future__ import annotations

from portfolio_lab.exchanges.binance.endpoints import sapi
from portfolio_lab.exchanges.client import Endpoint
from portfolio_lab.exchanges.governor import Priority

DEPOSITS = Endpoint(
    "sapiGetCapitalDepositHisrec",
    "/sapi/v1/capital/deposit/hisrec",
    "api",
    sapi("deposit hisrec"),
    1,
    priority=Priority.HISTORY,
)
WITHDRAWALS = Endpoint(
    "sapiGetCapitalWithdrawHistory",
    "/sapi/v1/capital/withdraw/history",
    "api",
    sapi("withdraw history", 180_000),
    18_000,
    is_personal=True,
    priority=Priority.HISTORY,
)

HISTORY_ENDPOINTS: tuple[Endpoint, ...] = (DEPOSITS, WITHDRAWALS)
"""Every address of Binance's past that is read."""
