"""Binance's addresses that tell what happened: trades, income, transfers, flows.

Weights are the official ones. Budgets of 180,000 are counted by account, the others by address.
"""

from __future__ import annotations

from portfolio_lab.exchanges.binance.endpoints import API, DAPI, EAPI, FAPI, PAPI, sapi
from portfolio_lab.exchanges.client import Endpoint
from portfolio_lab.exchanges.governor import Budget, Priority


def _of(method: str, path: str, host: str, budget: Budget, weight: int) -> Endpoint:
    return Endpoint(method, path, host, budget, weight, priority=Priority.HISTORY)


def _sapi(method: str, path: str, weight: int = 1) -> Endpoint:
    return _of(method, path, "api", sapi(path), weight)


def _personal(method: str, path: str, weight: int) -> Endpoint:
    budget = sapi(path, 180_000)
    return Endpoint(method, path, "api", budget, weight, is_personal=True, priority=Priority.HISTORY)


# ---------------------------------------------------------------- across the border, and between wallets

DEPOSITS = _sapi("sapiGetCapitalDepositHisrec", "/sapi/v1/capital/deposit/hisrec")
WITHDRAWALS = _personal("sapiGetCapitalWithdrawHistory", "/sapi/v1/capital/withdraw/history", 18_000)
TRANSFERS = _sapi("sapiGetAssetTransfer", "/sapi/v1/asset/transfer")
SUB_ACCOUNTS = _sapi("sapiGetSubAccountList", "/sapi/v1/sub-account/list")
UNIVERSAL_TRANSFERS = _sapi("sapiGetSubAccountUniversalTransfer", "/sapi/v1/sub-account/universalTransfer")
SUB_TRANSFERS = _sapi("sapiGetSubAccountTransferSubUserHistory", "/sapi/v1/sub-account/transfer/subUserHistory")
FIAT_ORDERS = _personal("sapiGetFiatOrders", "/sapi/v1/fiat/orders", 45_000)
FIAT_PAYMENTS = _sapi("sapiGetFiatPayments", "/sapi/v1/fiat/payments")
PAY = _personal("sapiGetPayTransactions", "/sapi/v1/pay/transactions", 3_000)

# ---------------------------------------------------------------- trades

SPOT_FILLS = _of("privateGetMyTrades", "/api/v3/myTrades", "api", API, 20)
MARGIN_FILLS = _sapi("sapiGetMarginMyTrades", "/sapi/v1/margin/myTrades", 10)
USD_M_FILLS = _of("fapiPrivateGetUserTrades", "/fapi/v1/userTrades", "fapi", FAPI, 5)
COIN_M_FILLS = _of("dapiPrivateGetUserTrades", "/dapi/v1/userTrades", "dapi", DAPI, 5)
OPTION_FILLS = _of("eapiPrivateGetUserTrades", "/eapi/v1/userTrades", "eapi", EAPI, 5)
PM_MARGIN_FILLS = _of("papiGetMarginMyTrades", "/papi/v1/margin/myTrades", "papi", PAPI, 5)
PM_USD_M_FILLS = _of("papiGetUmUserTrades", "/papi/v1/um/userTrades", "papi", PAPI, 5)
PM_COIN_M_FILLS = _of("papiGetCmUserTrades", "/papi/v1/cm/userTrades", "papi", PAPI, 20)

# ---------------------------------------------------------------- income

USD_M_INCOME = _of("fapiPrivateGetIncome", "/fapi/v1/income", "fapi", FAPI, 30)
COIN_M_INCOME = _of("dapiPrivateGetIncome", "/dapi/v1/income", "dapi", DAPI, 20)
PM_USD_M_INCOME = _of("papiGetUmIncome", "/papi/v1/um/income", "papi", PAPI, 30)
PM_COIN_M_INCOME = _of("papiGetCmIncome", "/papi/v1/cm/income", "papi", PAPI, 30)
OPTION_BILLS = _of("eapiPrivateGetBill", "/eapi/v1/bill", "eapi", EAPI, 1)

# ---------------------------------------------------------------- what else changes balances

DIVIDENDS = _sapi("sapiGetAssetAssetDividend", "/sapi/v1/asset/assetDividend", 10)
DUST = _sapi("sapiGetAssetDribblet", "/sapi/v1/asset/dribblet")
CONVERSIONS = _personal("sapiGetConvertTradeFlow", "/sapi/v1/convert/tradeFlow", 3_000)
FLEXIBLE_REWARDS = _sapi(
    "sapiGetSimpleEarnFlexibleHistoryRewardsRecord", "/sapi/v1/simple-earn/flexible/history/rewardsRecord", 150
)
LOCKED_REWARDS = _sapi(
    "sapiGetSimpleEarnLockedHistoryRewardsRecord", "/sapi/v1/simple-earn/locked/history/rewardsRecord", 150
)
FLEXIBLE_SUBSCRIPTIONS = _sapi(
    "sapiGetSimpleEarnFlexibleHistorySubscriptionRecord",
    "/sapi/v1/simple-earn/flexible/history/subscriptionRecord",
    150,
)
FLEXIBLE_REDEMPTIONS = _sapi(
    "sapiGetSimpleEarnFlexibleHistoryRedemptionRecord", "/sapi/v1/simple-earn/flexible/history/redemptionRecord", 150
)
LOCKED_SUBSCRIPTIONS = _sapi(
    "sapiGetSimpleEarnLockedHistorySubscriptionRecord", "/sapi/v1/simple-earn/locked/history/subscriptionRecord", 150
)
LOCKED_REDEMPTIONS = _sapi(
    "sapiGetSimpleEarnLockedHistoryRedemptionRecord", "/sapi/v1/simple-earn/locked/history/redemptionRecord", 150
)
ETH_STAKED = _sapi("sapiGetEthStakingEthHistoryStakingHistory", "/sapi/v1/eth-staking/eth/history/stakingHistory", 150)
ETH_UNSTAKED = _sapi(
    "sapiGetEthStakingEthHistoryRedemptionHistory", "/sapi/v1/eth-staking/eth/history/redemptionHistory", 150
)
SOL_STAKED = _sapi("sapiGetSolStakingSolHistoryStakingHistory", "/sapi/v1/sol-staking/sol/history/stakingHistory", 150)
SOL_UNSTAKED = _sapi(
    "sapiGetSolStakingSolHistoryRedemptionHistory", "/sapi/v1/sol-staking/sol/history/redemptionHistory", 150
)
MARGIN_INTEREST = _sapi("sapiGetMarginInterestHistory", "/sapi/v1/margin/interestHistory")
MARGIN_LOANS = _sapi("sapiGetMarginBorrowRepay", "/sapi/v1/margin/borrow-repay", 10)
PM_MARGIN_INTEREST = _of("papiGetMarginMarginInterestHistory", "/papi/v1/margin/marginInterestHistory", "papi", PAPI, 1)
LOAN_BORROWS = _sapi("sapiV2GetLoanFlexibleBorrowHistory", "/sapi/v2/loan/flexible/borrow/history", 400)
LOAN_REPAYS = _sapi("sapiV2GetLoanFlexibleRepayHistory", "/sapi/v2/loan/flexible/repay/history", 400)
REBATES = _personal("sapiGetRebateTaxQuery", "/sapi/v1/rebate/taxQuery", 12_000)
DAILY_SNAPSHOTS = _sapi("sapiGetAccountSnapshot", "/sapi/v1/accountSnapshot", 2_400)

# ---------------------------------------------------------------- what coins were worth

SPOT_BARS = _of("publicGetKlines", "/api/v3/klines", "api", API, 2)
INDEX_BARS = _of("dapiPublicGetIndexPriceKlines", "/dapi/v1/indexPriceKlines", "dapi", DAPI, 2)

HISTORY_ENDPOINTS: tuple[Endpoint, ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Endpoint)
)
"""Every address of Binance's past that is read."""
