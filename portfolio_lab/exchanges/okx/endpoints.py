"""OKX's addresses and what they cost.

Private limits count by user and endpoint, public ones by address, both over any two seconds.
"""

from __future__ import annotations

from portfolio_lab.exchanges.client import Endpoint
from portfolio_lab.exchanges.governor import Budget, Priority
from portfolio_lab.exchanges.session import MEGABYTE


def _private(method: str, path: str, limit: int, priority: Priority = Priority.CORE) -> Endpoint:
    """An endpoint of one user: at most `limit` questions in any two seconds."""
    budget = Budget(path, limit, 2.0, is_sliding=True)
    return Endpoint(method, f"/api/v5/{path}", "rest", budget, is_personal=True, priority=priority)


def _public(method: str, path: str, limit: int, priority: Priority = Priority.CORE) -> Endpoint:
    budget = Budget(path, limit, 2.0, is_sliding=True)
    return Endpoint(method, f"/api/v5/{path}", "rest", budget, max_bytes=16 * MEGABYTE, priority=priority)


TIME = _public("publicGetPublicTime", "public/time", 10)
INSTRUMENTS = _public("publicGetPublicInstruments", "public/instruments", 20)
TICKERS = _public("publicGetMarketTickers", "market/tickers", 20)

# ---------------------------------------------------------------- wallets

TRADING_BALANCE = _private("privateGetAccountBalance", "account/balance", 10)
POSITIONS = _private("privateGetAccountPositions", "account/positions", 10)
FUNDING_BALANCES = _private("privateGetAssetBalances", "asset/balances", 12)
SAVINGS = _private("privateGetFinanceSavingsBalance", "finance/savings/balance", 12, Priority.SLOW)
STAKED = _private("privateGetFinanceStakingDefiOrdersActive", "finance/staking-defi/orders-active", 6, Priority.SLOW)
LOAN = _private("privateGetFinanceFlexibleLoanLoanInfo", "finance/flexible-loan/loan-info", 5, Priority.SLOW)
CONFIG = _private("privateGetAccountConfig", "account/config", 5, Priority.SLOW)
VALUATION = _private("privateGetAssetAssetValuation", "asset/asset-valuation", 1, Priority.SLOW)

# ---------------------------------------------------------------- orders

ORDERS = _private("privateGetTradeOrdersPending", "trade/orders-pending", 60, Priority.ORDERS)
ALGO_ORDERS = _private("privateGetTradeOrdersAlgoPending", "trade/orders-algo-pending", 20, Priority.ORDERS)

# ---------------------------------------------------------------- activity

DEPOSITS = _private("privateGetAssetDepositHistory", "asset/deposit-history", 12, Priority.HISTORY)
WITHDRAWALS = _private("privateGetAssetWithdrawalHistory", "asset/withdrawal-history", 12, Priority.HISTORY)
FILLS = _private("privateGetTradeFillsHistory", "trade/fills-history", 10, Priority.HISTORY)
BILLS = _private("privateGetAccountBillsArchive", "account/bills-archive", 5, Priority.HISTORY)
FUNDING_BILLS = _private("privateGetAssetBills", "asset/bills", 12, Priority.HISTORY)
FUNDING_BILLS_OF_OLD = _private("privateGetAssetBillsHistory", "asset/bills-history", 2, Priority.HISTORY)
CONVERSIONS = _private("privateGetAssetConvertHistory", "asset/convert/history", 12, Priority.HISTORY)
DUST = _private("privateGetTradeEasyConvertHistory", "trade/easy-convert-history", 1, Priority.HISTORY)
BARS = _public("publicGetMarketHistoryCandles", "market/history-candles", 20, Priority.HISTORY)

ALL = (
    TIME,
    INSTRUMENTS,
    TICKERS,
    TRADING_BALANCE,
    POSITIONS,
    FUNDING_BALANCES,
    SAVINGS,
    STAKED,
    LOAN,
    CONFIG,
    VALUATION,
    ORDERS,
    ALGO_ORDERS,
    DEPOSITS,
    WITHDRAWALS,
    FILLS,
    BILLS,
    FUNDING_BILLS,
    FUNDING_BILLS_OF_OLD,
    CONVERSIONS,
    DUST,
    BARS,
)
"""Everything of OKX that is ever read."""
