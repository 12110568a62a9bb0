"""sapi: what the spot, funding and idle wallets hold, and what a key may do."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json
from portfolio_lab.demo.binance_spot import LISTED, spot_holdings
from portfolio_lab.demo.binance_text import NONE, eight_text, plain_text
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.market import Market
from portfolio_lab.models.accounts import Wallet

_CREATED_MS = 1_623_840_271_000
_RIGHTS = (
    "enableWithdrawals",
    "enableInternalTransfer",
    "permitsUniversalTransfer",
    "enableSpotAndMarginTrading",
    "enableMargin",
    "enableFutures",
    "enableVanillaOptions",
    "enablePortfolioMarginTrading",
    "enableFixApiTrade",
    "enableFixReadOnly",
)
"""What a key may be allowed besides reading: a permission of the account by the same name."""


def asset_worth(market: Market, amounts: Mapping[str, Decimal], quote: str, at: int) -> Decimal:
    """Worth of amounts by asset in `quote`; an asset without a market adds nothing, as at Binance."""
    unit = market.coin_usd("binance", quote, at)
    if unit is None:
        raise refuse.parameter_invalid("quoteAsset")
    prices = ((amount, market.coin_usd("binance", asset, at)) for asset, amount in amounts.items() if amount)
    return sum((amount * price for amount, price in prices if price is not None), ZERO) / unit


def margin_balances(view: View, wallet: Wallet) -> dict[str, Decimal]:
    """Wallet balance + unrealised PnL by asset of a futures wallet."""
    unrealised = view.unrealised(wallet)
    return {asset: cash + unrealised.get(asset, ZERO) for asset, cash in view.cash(wallet).items()}


# ---------------------------------------------------------------- holdings


def _holding(ask: Ask, asset: str, free: Decimal, locked: Decimal) -> dict[str, Json]:
    wanted = ask.parameters.get("needBtcValuation") == "true"
    worth = asset_worth(ask.market, {asset: free + locked}, "BTC", ask.at) if wanted else ZERO
    return {
        "asset": asset,
        "free": plain_text(free),
        "locked": plain_text(locked),
        "freeze": "0",
        "withdrawing": "0",
        "btcValuation": eight_text(worth) if wanted else "0",
    }


def _user_assets(ask: Ask) -> Json:
    """Assets above 0 only, or the one asked for."""
    wanted = ask.parameters.get("asset", "")
    return [
        _holding(ask, asset, free, locked) | {"ipoable": "0"}
        for asset, (free, locked) in spot_holdings(ask.view).items()
        if (wanted == asset if wanted else free + locked > ZERO)
    ]


def _funding_assets(ask: Ask) -> Json:
    wanted = ask.parameters.get("asset", "")
    return [
        _holding(ask, asset, amount, ZERO)
        for asset, amount in ask.view.cash(Wallet.FUNDING).items()
        if (wanted == asset if wanted else amount > ZERO)
    ]


def _coins(ask: Ask) -> Json:
    return [_coin(asset, free, locked) for asset, (free, locked) in spot_holdings(ask.view).items()]


def _coin(asset: str, free: Decimal, locked: Decimal) -> dict[str, Json]:
    listed = asset in LISTED
    return {
        "coin": asset,
        "depositAllEnable": listed,
        "withdrawAllEnable": listed,
        "name": asset,
        "free": plain_text(free),
        "locked": plain_text(locked),
        "freeze": "0",
        "withdrawing": "0",
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


# ---------------------------------------------------------------- wallet map


def _wallet_balance(ask: Ask) -> Json:
    """Worth of every wallet in `quoteAsset` (default BTC): what all other answers must add up to."""
    view, quote = ask.view, ask.parameters.get("quoteAsset") or "BTC"
    worths = {
        "Spot": view.cash(Wallet.SPOT),
        "Funding": view.cash(Wallet.FUNDING),
        "Cross Margin": {},
        "Isolated Margin": {},
        "USD-M Futures": margin_balances(view, Wallet.USD_M),
        "COIN-M Futures": margin_balances(view, Wallet.COIN_M),
        "Earn": {},
        "Options": {},
        "Trading Bots": {},
        "Copy Trading": {},
    }
    activity = {"USD-M Futures": Wallet.USD_M, "COIN-M Futures": Wallet.COIN_M}
    return [
        {
            "activate": name in {"Spot", "Funding"} or activity.get(name) in ask.account.opened,
            "balance": plain_text(asset_worth(ask.market, amounts, quote, ask.at).quantize(Decimal(NONE))),
            "walletName": name,
        }
        for name, amounts in worths.items()
    ]


# ---------------------------------------------------------------- the key and the account


def _restrictions(ask: Ask) -> Json:
    rights = {right: right in ask.account.permissions for right in _RIGHTS}
    return {"ipRestrict": False, "createTime": _CREATED_MS, "enableReading": True, **rights}


def _account_info(ask: Ask) -> Json:
    return {
        "vipLevel": 0,
        "isMarginEnabled": False,
        "isFutureEnabled": Wallet.USD_M in ask.account.opened,
        "isOptionsEnabled": False,
        "isPortfolioMarginRetailEnabled": False,
    }


ENDPOINTS = (
    Endpoint("POST", "/sapi/v3/asset/getUserAsset", _user_assets, 5),
    Endpoint("POST", "/sapi/v1/asset/get-funding-asset", _funding_assets),
    Endpoint("GET", "/sapi/v1/capital/config/getall", _coins, 10),
    Endpoint("GET", "/sapi/v1/asset/wallet/balance", _wallet_balance, 60),
    Endpoint("GET", "/sapi/v1/account/apiRestrictions", _restrictions),
    Endpoint("GET", "/sapi/v1/account/info", _account_info),
)
