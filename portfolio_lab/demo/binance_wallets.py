"""sapi: what the spot and the funding wallet hold."""

from __future__ import annotations

from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json
from portfolio_lab.demo.binance_spot import LISTED, Holding, coin_holdings, frozen, spot_holdings
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_worth import asset_worth
from portfolio_lab.demo.facts import ZERO
from portfolio_lab.models.accounts import Wallet

# ---------------------------------------------------------------- holdings


def _holding(ask: Ask, asset: str, one: Holding) -> dict[str, Json]:
    wanted = ask.parameters.get("needBtcValuation") == "true"
    worth = asset_worth(ask.market, {asset: one.total}, "BTC", ask.at) if wanted else ZERO
    return {
        "asset": asset,
        "free": plain_text(one.free),
        "locked": plain_text(one.locked),
        "freeze": plain_text(one.freeze),
        "withdrawing": plain_text(one.withdrawing),
        "btcValuation": eight_text(worth) if wanted else "0",
    }


def _wanted(ask: Ask, holdings: dict[str, Holding]) -> dict[str, Holding]:
    """Assets above 0 only, or the one asked for."""
    wanted = ask.parameters.get("asset", "")
    return {asset: one for asset, one in holdings.items() if (wanted == asset if wanted else one.total > ZERO)}


def _user_assets(ask: Ask) -> Json:
    found = _wanted(ask, spot_holdings(ask))
    return [_holding(ask, asset, one) | {"ipoable": "0"} for asset, one in found.items()]


def _funding_assets(ask: Ask) -> Json:
    found = _wanted(ask, frozen(coin_holdings(ask.view, Wallet.FUNDING), ask.switches))
    return [_holding(ask, asset, one) for asset, one in found.items()]


def _coins(ask: Ask) -> Json:
    """Every coin that can be moved, which savings coins cannot."""
    holdings = frozen(coin_holdings(ask.view, Wallet.SPOT, LISTED), ask.switches)
    return [_coin(asset, one) for asset, one in holdings.items()]


def _coin(asset: str, one: Holding) -> dict[str, Json]:
    listed = asset in LISTED
    return {
        "coin": asset,
        "depositAllEnable": listed,
        "withdrawAllEnable": listed,
        "name": asset,
        "free": plain_text(one.free),
        "locked": plain_text(one.locked),
        "freeze": plain_text(one.freeze),
        "withdrawing": plain_text(one.withdrawing),
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": False,
        "trading": listed,
        "networkList": [_network(asset, enabled=listed)],
    }


def _network(asset: str, *, enabled: bool) -> dict[str, Json]:
    return {
        "network": "DEMO",
        "coin": asset,
        "withdrawIntegerMultiple": "0.00000001",
        "isDefault": True,
        "depositEnable": enabled,
        "withdrawEnable": enabled,
        "depositDesc": "",
        "withdrawDesc": "",
        "specialTips": "",
        "name": "Demo network",
        "resetAddressStatus": False,
        "addressRegex": "^demo-[a-z-]+$",
        "memoRegex": "",
        "withdrawFee": "0.001",
        "withdrawMin": "0.002",
        "withdrawMax": "9999999999",
        "withdrawInternalMin": "0.002",
        "depositDust": "0.00000001",
        "minConfirm": 1,
        "unLockConfirm": 0,
        "sameAddress": False,
        "withdrawTag": False,
        "estimatedArrivalTime": 1,
        "busy": False,
        "contractAddressUrl": "",
        "contractAddress": "",
    }


ENDPOINTS = (
    Endpoint("POST", "/sapi/v3/asset/getUserAsset", _user_assets, 5),
    Endpoint("POST", "/sapi/v1/asset/get-funding-asset", _funding_assets),
    Endpoint("GET", "/sapi/v1/capital/config/getall", _coins, 10),
)
