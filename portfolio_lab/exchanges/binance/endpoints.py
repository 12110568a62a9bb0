"""Binance's addresses that tell the present state, with their official weights.

ccxt's table counts several of them too low. Wallets and their positions come first, resting
orders second, what only rests (earn, loans) and the venue's own totals last.
"""

from __future__ import annotations

from portfolio_lab.exchanges.client import Endpoint
from portfolio_lab.exchanges.governor import Budget, Priority
from portfolio_lab.exchanges.session import MEGABYTE
from portfolio_lab.models.accounts import Wallet

API = Budget("api", 6_000)
FAPI = Budget("fapi", 2_400)
DAPI = Budget("dapi", 2_400)
PAPI = Budget("papi", 6_000)
EAPI = Budget("eapi", 400)
"""Unverified: others report 3,000; the smaller figure is never too much."""

HOSTS = {
    "api": "https://api.binance.com",
    "fapi": "https://fapi.binance.com",
    "dapi": "https://dapi.binance.com",
    "eapi": "https://eapi.binance.com",
    "papi": "https://papi.binance.com",
}


def sapi(endpoint: str, limit: int = 12_000) -> Budget:
    """Return the budget of one endpoint of sapi: each has its own."""
    return Budget(f"sapi {endpoint}", limit)


# ---------------------------------------------------------------- without a key

SPOT_TIME = Endpoint("publicGetTime", "/api/v3/time", "api", API, 1)
SPOT_INSTRUMENTS = Endpoint("publicGetExchangeInfo", "/api/v3/exchangeInfo", "api", API, 20, max_bytes=32 * MEGABYTE)
USD_M_INSTRUMENTS = Endpoint(
    "fapiPublicGetExchangeInfo", "/fapi/v1/exchangeInfo", "fapi", FAPI, 1, max_bytes=16 * MEGABYTE
)
COIN_M_INSTRUMENTS = Endpoint(
    "dapiPublicGetExchangeInfo", "/dapi/v1/exchangeInfo", "dapi", DAPI, 1, max_bytes=16 * MEGABYTE
)
OPTION_INSTRUMENTS = Endpoint(
    "eapiPublicGetExchangeInfo", "/eapi/v1/exchangeInfo", "eapi", EAPI, 1, max_bytes=16 * MEGABYTE
)
SPOT_PRICES = Endpoint("publicGetTickerPrice", "/api/v3/ticker/price", "api", API, 4)
COIN_M_INDEX = Endpoint("dapiPublicGetPremiumIndex", "/dapi/v1/premiumIndex", "dapi", DAPI, 10)
OPTION_MARKS = Endpoint("eapiPublicGetMark", "/eapi/v1/mark", "eapi", EAPI, 5)

# ---------------------------------------------------------------- wallets and positions

SPOT_ACCOUNT = Endpoint("privateGetAccount", "/api/v3/account", "api", API, 20)
SPOT_ASSETS = Endpoint(
    "sapiV3PostAssetGetUserAsset", "/sapi/v3/asset/getUserAsset", "api", sapi("getUserAsset"), 5, http="POST"
)
FUNDING_ASSETS = Endpoint(
    "sapiPostAssetGetFundingAsset",
    "/sapi/v1/asset/get-funding-asset",
    "api",
    sapi("get-funding-asset"),
    1,
    http="POST",
)
CROSS_MARGIN_ACCOUNT = Endpoint("sapiGetMarginAccount", "/sapi/v1/margin/account", "api", sapi("margin account"), 10)
ISOLATED_MARGIN_ACCOUNT = Endpoint(
    "sapiGetMarginIsolatedAccount", "/sapi/v1/margin/isolated/account", "api", sapi("isolated account"), 10
)
USD_M_ACCOUNT = Endpoint("fapiPrivateV3GetAccount", "/fapi/v3/account", "fapi", FAPI, 5)
USD_M_POSITIONS = Endpoint("fapiPrivateV3GetPositionRisk", "/fapi/v3/positionRisk", "fapi", FAPI, 5)
COIN_M_ACCOUNT = Endpoint("dapiPrivateGetAccount", "/dapi/v1/account", "dapi", DAPI, 5)
COIN_M_POSITIONS = Endpoint("dapiPrivateGetPositionRisk", "/dapi/v1/positionRisk", "dapi", DAPI, 1)
OPTION_ACCOUNT = Endpoint("eapiPrivateGetMarginAccount", "/eapi/v1/marginAccount", "eapi", EAPI, 3)
OPTION_POSITIONS = Endpoint("eapiPrivateGetPosition", "/eapi/v1/position", "eapi", EAPI, 5)
PM_BALANCE = Endpoint("papiGetBalance", "/papi/v1/balance", "papi", PAPI, 20)
PM_USD_M_POSITIONS = Endpoint("papiGetUmPositionRisk", "/papi/v1/um/positionRisk", "papi", PAPI, 5)
PM_COIN_M_POSITIONS = Endpoint("papiGetCmPositionRisk", "/papi/v1/cm/positionRisk", "papi", PAPI, 1)
KEY_RIGHTS = Endpoint("sapiGetAccountApiRestrictions", "/sapi/v1/account/apiRestrictions", "api", sapi("key rights"), 1)


FIRST: dict[Wallet, tuple[Endpoint, ...]] = {
    Wallet.SPOT: (SPOT_ASSETS,),
    Wallet.FUNDING: (FUNDING_ASSETS,),
    Wallet.CROSS_MARGIN: (CROSS_MARGIN_ACCOUNT,),
    Wallet.ISOLATED_MARGIN: (ISOLATED_MARGIN_ACCOUNT,),
    Wallet.USD_M: (USD_M_ACCOUNT,),
    Wallet.COIN_M: (COIN_M_ACCOUNT, COIN_M_POSITIONS),
    Wallet.OPTIONS: (OPTION_ACCOUNT, OPTION_POSITIONS),
    Wallet.PORTFOLIO_MARGIN: (PM_BALANCE, PM_USD_M_POSITIONS, PM_COIN_M_POSITIONS),
}
"""What each core wallet cannot be told without; all of it is asked before anything else."""


# ---------------------------------------------------------------- resting orders


def _orders(method: str, path: str, host: str, budget: Budget, weight: int) -> Endpoint:
    return Endpoint(method, path, host, budget, weight, priority=Priority.ORDERS)


SPOT_ORDERS = _orders("privateGetOpenOrders", "/api/v3/openOrders", "api", API, 80)
MARGIN_ORDERS = _orders("sapiGetMarginOpenOrders", "/sapi/v1/margin/openOrders", "api", sapi("margin openOrders"), 10)
USD_M_ORDERS = _orders("fapiPrivateGetOpenOrders", "/fapi/v1/openOrders", "fapi", FAPI, 40)
USD_M_ALGO_ORDERS = _orders("fapiPrivateGetOpenAlgoOrders", "/fapi/v1/openAlgoOrders", "fapi", FAPI, 40)
COIN_M_ORDERS = _orders("dapiPrivateGetOpenOrders", "/dapi/v1/openOrders", "dapi", DAPI, 40)
COIN_M_ALGO_ORDERS = _orders("dapiPrivateGetOpenAlgoOrders", "/dapi/v1/openAlgoOrders", "dapi", DAPI, 40)
OPTION_ORDERS = _orders("eapiPrivateGetOpenOrders", "/eapi/v1/openOrders", "eapi", EAPI, 40)
PM_MARGIN_ORDERS = _orders("papiGetMarginOpenOrders", "/papi/v1/margin/openOrders", "papi", PAPI, 5)
PM_USD_M_ORDERS = _orders("papiGetUmOpenOrders", "/papi/v1/um/openOrders", "papi", PAPI, 40)
PM_USD_M_ALGO_ORDERS = _orders("papiGetUmAlgoOpenAlgoOrders", "/papi/v1/um/algo/openAlgoOrders", "papi", PAPI, 40)
PM_COIN_M_ORDERS = _orders("papiGetCmOpenOrders", "/papi/v1/cm/openOrders", "papi", PAPI, 40)
PM_COIN_M_WAITING_ORDERS = _orders(
    "papiGetCmConditionalOpenOrders", "/papi/v1/cm/conditional/openOrders", "papi", PAPI, 40
)


# ---------------------------------------------------------------- what only rests, and totals


def _slow(method: str, path: str, weight: int) -> Endpoint:
    return Endpoint(method, path, "api", sapi(path), weight, priority=Priority.SLOW)


EARN_FLEXIBLE = _slow("sapiGetSimpleEarnFlexiblePosition", "/sapi/v1/simple-earn/flexible/position", 150)
EARN_LOCKED = _slow("sapiGetSimpleEarnLockedPosition", "/sapi/v1/simple-earn/locked/position", 150)
ETH_STAKING = _slow("sapiV2GetEthStakingAccount", "/sapi/v2/eth-staking/account", 150)
SOL_STAKING = _slow("sapiGetSolStakingAccount", "/sapi/v1/sol-staking/account", 150)
FLEXIBLE_LOANS = _slow("sapiV2GetLoanFlexibleOngoingOrders", "/sapi/v2/loan/flexible/ongoing/orders", 300)
WALLET_TOTALS = _slow("sapiGetAssetWalletBalance", "/sapi/v1/asset/wallet/balance", 60)
PM_ACCOUNT = Endpoint("papiGetAccount", "/papi/v1/account", "papi", PAPI, 20, priority=Priority.SLOW)

STATE_ENDPOINTS: tuple[Endpoint, ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Endpoint)
)
"""Every address of Binance's present state that is read."""
