"""Wallets that no demo account uses: margin, earn, staking, options, portfolio margin.

They answer with zeros in Binance's shape, so that a client that reads them reads nothing
into them; portfolio margin answers -2015, as it does for accounts without it.
"""

from __future__ import annotations

from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Need
from portfolio_lab.demo.binance_spot import LISTED
from portfolio_lab.demo.binance_text import NONE
from portfolio_lab.demo.instruments import SPOT, by_symbol


def _cross_margin(_: Ask) -> Json:
    amounts = dict.fromkeys(("borrowed", "free", "interest", "locked", "netAsset"), NONE)
    return {
        "created": True,
        "borrowEnabled": False,
        "marginLevel": "999.00000000",
        "collateralMarginLevel": "999.00000000",
        "totalAssetOfBtc": NONE,
        "totalLiabilityOfBtc": NONE,
        "totalNetAssetOfBtc": NONE,
        "TotalCollateralValueInUSDT": NONE,
        "totalOpenOrderLossInUSDT": NONE,
        "tradeEnabled": False,
        "transferInEnabled": True,
        "transferOutEnabled": True,
        "accountType": "MARGIN_1",
        "userAssets": [{"asset": asset, **amounts} for asset in LISTED],
    }


def _isolated_margin(_: Ask) -> Json:
    return {"assets": [], "totalAssetOfBtc": NONE, "totalLiabilityOfBtc": NONE, "totalNetAssetOfBtc": NONE}


def _margin_pairs(_: Ask) -> Json:
    return [
        {
            "id": 351637150141315861 + place,
            "symbol": one.symbol,
            "base": one.base,
            "quote": one.quote,
            "isMarginTrade": True,
            "isBuyAllowed": True,
            "isSellAllowed": True,
        }
        for place, one in enumerate(by_symbol("binance", SPOT).values())
    ]


def _isolated_pairs(ask: Ask) -> Json:
    return [{name: value for name, value in pair.items() if name != "id"} for pair in _margin_pairs(ask)]


def _earn_account(_: Ask) -> Json:
    names = (
        "totalAmountInBTC",
        "totalAmountInUSDT",
        "totalFlexibleAmountInBTC",
        "totalFlexibleAmountInUSDT",
        "totalLockedInBTC",
        "totalLockedInUSDT",
    )
    return dict.fromkeys(names, NONE)


def _no_earn_positions(ask: Ask) -> Json:
    ask.strict_limit(default=10, most=100, name="size")
    return {"rows": [], "total": 0}


def _eth_staking(_: Ask) -> Json:
    return {
        "holdingInETH": NONE,
        "holdings": {"wbethAmount": NONE, "bethAmount": NONE},
        "thirtyDaysProfitInETH": NONE,
        "profit": {"amountFromWBETH": NONE, "amountFromBETH": NONE},
    }


def _sol_staking(_: Ask) -> Json:
    return {"bnsolAmount": NONE, "holdingInSOL": NONE, "thirtyDaysProfitInSOL": NONE}


def _options_account(ask: Ask) -> Json:
    names = ("marginBalance", "equity", "available", "initialMargin", "maintMargin", "unrealizedPNL")
    return {
        "asset": [{"asset": "USDT", **dict.fromkeys((*names, "adjustedEquity"), NONE)}],
        "greek": [],
        "time": ask.at,
        "canTrade": False,
        "canDeposit": True,
        "canWithdraw": True,
        "reduceOnly": False,
        "tradeGroupId": -1,
    }


def _nothing(_: Ask) -> Json:
    return []


def _portfolio_margin(path: str, weight: int) -> Endpoint:
    return Endpoint("GET", path, _nothing, weight, Need.PORTFOLIO_MARGIN)


ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/margin/account", _cross_margin, 10),
    Endpoint("GET", "/sapi/v1/margin/isolated/account", _isolated_margin, 10),
    Endpoint("GET", "/sapi/v1/margin/openOrders", _nothing, 10),
    Endpoint("GET", "/sapi/v1/margin/allPairs", _margin_pairs),
    Endpoint("GET", "/sapi/v1/margin/isolated/allPairs", _isolated_pairs, 10),
    Endpoint("GET", "/sapi/v1/simple-earn/account", _earn_account, 150),
    Endpoint("GET", "/sapi/v1/simple-earn/flexible/position", _no_earn_positions, 150),
    Endpoint("GET", "/sapi/v1/simple-earn/locked/position", _no_earn_positions, 150),
    Endpoint("GET", "/sapi/v2/eth-staking/account", _eth_staking, 150),
    Endpoint("GET", "/sapi/v1/sol-staking/account", _sol_staking, 150),
    Endpoint("GET", "/eapi/v1/marginAccount", _options_account, 3),
    Endpoint("GET", "/eapi/v1/position", _nothing, 5),
    Endpoint("GET", "/eapi/v1/openOrders", _nothing, 40),
    _portfolio_margin("/papi/v1/balance", 20),
    _portfolio_margin("/papi/v1/account", 20),
    _portfolio_margin("/papi/v1/um/account", 5),
    _portfolio_margin("/papi/v2/um/account", 5),
    _portfolio_margin("/papi/v1/cm/account", 5),
    _portfolio_margin("/papi/v1/um/positionRisk", 5),
    _portfolio_margin("/papi/v1/cm/positionRisk", 1),
    _portfolio_margin("/papi/v1/um/openOrders", 40),
    _portfolio_margin("/papi/v1/cm/openOrders", 40),
)
