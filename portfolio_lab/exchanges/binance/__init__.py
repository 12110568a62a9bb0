"""Binance: which addresses are read, what they cost, and what a refusal means.

Weights are the official ones; ccxt's table counts several of them too low.
"""

from __future__ import annotations

from collections.abc import Mapping

from portfolio_lab.exchanges.client import Endpoint, Venue
from portfolio_lab.exchanges.governor import Budget
from portfolio_lab.exchanges.refusals import binance_refusal
from portfolio_lab.exchanges.session import MEGABYTE

API = Budget("api", 6_000)
FAPI = Budget("fapi", 2_400)
DAPI = Budget("dapi", 2_400)

_SPOT, _USD_M, _COIN_M = "https://api.binance.com", "https://fapi.binance.com", "https://dapi.binance.com"


def _sapi(endpoint: str, limit: int = 12_000) -> Budget:
    """Each endpoint of sapi has a budget of its own."""
    return Budget(f"sapi {endpoint}", limit)


SPOT_TIME = Endpoint("publicGetTime", "/api/v3/time", "api", API, 1)
SPOT_INSTRUMENTS = Endpoint("publicGetExchangeInfo", "/api/v3/exchangeInfo", "api", API, 20, max_bytes=32 * MEGABYTE)
USD_M_INSTRUMENTS = Endpoint(
    "fapiPublicGetExchangeInfo", "/fapi/v1/exchangeInfo", "fapi", FAPI, 1, max_bytes=16 * MEGABYTE
)
COIN_M_INSTRUMENTS = Endpoint(
    "dapiPublicGetExchangeInfo", "/dapi/v1/exchangeInfo", "dapi", DAPI, 1, max_bytes=16 * MEGABYTE
)
SPOT_PRICES = Endpoint("publicGetTickerPrice", "/api/v3/ticker/price", "api", API, 4)
COIN_M_INDEX = Endpoint("dapiPublicGetPremiumIndex", "/dapi/v1/premiumIndex", "dapi", DAPI, 10)

SPOT_ACCOUNT = Endpoint("privateGetAccount", "/api/v3/account", "api", API, 20)
SPOT_ASSETS = Endpoint(
    "sapiV3PostAssetGetUserAsset", "/sapi/v3/asset/getUserAsset", "api", _sapi("getUserAsset"), 5, http="POST"
)
FUNDING_ASSETS = Endpoint(
    "sapiPostAssetGetFundingAsset",
    "/sapi/v1/asset/get-funding-asset",
    "api",
    _sapi("get-funding-asset"),
    1,
    http="POST",
)
USD_M_ACCOUNT = Endpoint("fapiPrivateV3GetAccount", "/fapi/v3/account", "fapi", FAPI, 5)
USD_M_POSITIONS = Endpoint("fapiPrivateV3GetPositionRisk", "/fapi/v3/positionRisk", "fapi", FAPI, 5)
COIN_M_ACCOUNT = Endpoint("dapiPrivateGetAccount", "/dapi/v1/account", "dapi", DAPI, 5)
COIN_M_POSITIONS = Endpoint("dapiPrivateGetPositionRisk", "/dapi/v1/positionRisk", "dapi", DAPI, 1)

SPOT_ORDERS = Endpoint("privateGetOpenOrders", "/api/v3/openOrders", "api", API, 80)
USD_M_ORDERS = Endpoint("fapiPrivateGetOpenOrders", "/fapi/v1/openOrders", "fapi", FAPI, 40)
USD_M_ALGO_ORDERS = Endpoint("fapiPrivateGetOpenAlgoOrders", "/fapi/v1/openAlgoOrders", "fapi", FAPI, 40)
COIN_M_ORDERS = Endpoint("dapiPrivateGetOpenOrders", "/dapi/v1/openOrders", "dapi", DAPI, 40)
COIN_M_ALGO_ORDERS = Endpoint("dapiPrivateGetOpenAlgoOrders", "/dapi/v1/openAlgoOrders", "dapi", DAPI, 40)

DEPOSITS = Endpoint("sapiGetCapitalDepositHisrec", "/sapi/v1/capital/deposit/hisrec", "api", _sapi("deposit hisrec"), 1)
WITHDRAWALS = Endpoint(
    "sapiGetCapitalWithdrawHistory",
    "/sapi/v1/capital/withdraw/history",
    "api",
    _sapi("withdraw history", 180_000),
    18_000,
    is_personal=True,
)


def _used_weight(endpoint: Endpoint, headers: Mapping[str, str]) -> int | None:
    """The weight that Binance says was used this minute in the budget of the endpoint."""
    wanted = "x-mbx-used-weight-1m"
    if endpoint.path.startswith("/sapi/"):
        wanted = "x-sapi-used-uid-weight-1m" if endpoint.is_personal else "x-sapi-used-ip-weight-1m"
    text = next((value for name, value in headers.items() if name.lower() == wanted), "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


VENUE = Venue(
    name="binance",
    hosts={"api": _SPOT, "fapi": _USD_M, "dapi": _COIN_M},
    endpoints=(
        SPOT_TIME,
        SPOT_INSTRUMENTS,
        USD_M_INSTRUMENTS,
        COIN_M_INSTRUMENTS,
        SPOT_PRICES,
        COIN_M_INDEX,
        SPOT_ACCOUNT,
        SPOT_ASSETS,
        FUNDING_ASSETS,
        USD_M_ACCOUNT,
        USD_M_POSITIONS,
        COIN_M_ACCOUNT,
        COIN_M_POSITIONS,
        SPOT_ORDERS,
        USD_M_ORDERS,
        USD_M_ALGO_ORDERS,
        COIN_M_ORDERS,
        COIN_M_ALGO_ORDERS,
        DEPOSITS,
        WITHDRAWALS,
    ),
    refusal=binance_refusal,
    used_weight=_used_weight,
)
"""Everything of Binance that is ever read."""
