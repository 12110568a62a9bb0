"""OKX: which addresses are read, what they cost, and what a refusal means.

Private limits count by user and endpoint, public ones by address; OKX does not say what was used.
"""

from __future__ import annotations

from collections.abc import Mapping

from portfolio_lab.exchanges.client import Endpoint, Venue
from portfolio_lab.exchanges.governor import Budget
from portfolio_lab.exchanges.refusals import okx_refusal
from portfolio_lab.exchanges.session import MEGABYTE

HOST = "https://www.okx.com"


def _private(method: str, path: str, limit: int, seconds: float = 2.0) -> Endpoint:
    budget = Budget(path, limit, seconds, is_sliding=True)
    return Endpoint(method, f"/api/v5/{path}", "rest", budget, is_personal=True)


def _public(method: str, path: str, limit: int) -> Endpoint:
    budget = Budget(path, limit, 2.0, is_sliding=True)
    return Endpoint(method, f"/api/v5/{path}", "rest", budget, max_bytes=16 * MEGABYTE)


TIME = _public("publicGetPublicTime", "public/time", 10)
INSTRUMENTS = _public("publicGetPublicInstruments", "public/instruments", 20)
TICKERS = _public("publicGetMarketTickers", "market/tickers", 20)

TRADING_BALANCE = _private("privateGetAccountBalance", "account/balance", 10)
POSITIONS = _private("privateGetAccountPositions", "account/positions", 10)
FUNDING_BALANCES = _private("privateGetAssetBalances", "asset/balances", 12)
ORDERS = _private("privateGetTradeOrdersPending", "trade/orders-pending", 60)
ALGO_ORDERS = _private("privateGetTradeOrdersAlgoPending", "trade/orders-algo-pending", 20)
DEPOSITS = _private("privateGetAssetDepositHistory", "asset/deposit-history", 12)
WITHDRAWALS = _private("privateGetAssetWithdrawalHistory", "asset/withdrawal-history", 12)


def _used_weight(endpoint: Endpoint, headers: Mapping[str, str]) -> int | None:  # noqa: ARG001 - OKX says nothing
    return None


VENUE = Venue(
    name="okx",
    hosts={"rest": HOST},
    endpoints=(
        TIME,
        INSTRUMENTS,
        TICKERS,
        TRADING_BALANCE,
        POSITIONS,
        FUNDING_BALANCES,
        ORDERS,
        ALGO_ORDERS,
        DEPOSITS,
        WITHDRAWALS,
    ),
    refusal=okx_refusal,
    used_weight=_used_weight,
)
"""Everything of OKX that is ever read."""
