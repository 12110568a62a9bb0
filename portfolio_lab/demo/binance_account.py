"""sapi: the wallet map, what a key may do, and who the account is."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json
from portfolio_lab.demo.binance_text import NONE, plain_text
from portfolio_lab.demo.binance_worth import asset_worth, opened_wallets, wallet_assets
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


# ---------------------------------------------------------------- wallet map


def _wallet_balance(ask: Ask) -> Json:
    """Worth of every wallet in `quoteAsset` (default BTC): what all other answers must add up to.

    Loans have no row of their own: neither their debt nor their collateral is told here.
    """
    quote, opened = ask.parameters.get("quoteAsset") or "BTC", opened_wallets(ask.account)
    found = wallet_assets(ask.account, ask.view)
    rows = [
        _wallet_row(name, asset_worth(ask.market, amounts, quote, ask.at), is_open=name in opened)
        for name, amounts in found.items()
    ]
    if ask.switches.unknown_wallet:
        rows.append(_wallet_row(ask.switches.unknown_wallet, Decimal(ask.switches.unknown_worth), is_open=True))
    return rows


def _wallet_row(name: str, worth: Decimal, *, is_open: bool) -> dict[str, Json]:
    return {"activate": is_open, "balance": plain_text(worth.quantize(Decimal(NONE))), "walletName": name}


# ---------------------------------------------------------------- the key and the account


def _restrictions(ask: Ask) -> Json:
    rights = {right: right in ask.account.permissions for right in _RIGHTS}
    return {"ipRestrict": False, "createTime": _CREATED_MS, "enableReading": True, **rights}


def _account_info(ask: Ask) -> Json:
    """Which of the venue's services the account has opened."""
    unified, opened = ask.account.portfolio_margin, ask.account.opened
    return {
        "vipLevel": 0,
        "isMarginEnabled": unified or Wallet.CROSS_MARGIN in opened,
        "isFutureEnabled": unified or Wallet.USD_M in opened,
        "isOptionsEnabled": Wallet.OPTIONS in opened,
        "isPortfolioMarginRetailEnabled": unified,
    }


# ---------------------------------------------------------------- sub-accounts


def _sub_accounts(ask: Ask) -> Json:
    """The sub-accounts of a master, oldest first; a sub-account may not ask (the code is unverified)."""
    if ask.account.master_uid:
        raise refuse.key_rejected()
    rows = [_sub_row(place, uid) for place, uid in enumerate(ask.account.sub_uids, start=1)]
    email, size = ask.parameters.get("email", ""), ask.strict_limit(default=1, most=200)
    page = max(1, ask.number("page", 1))
    found = [row for row in rows if email in {"", row["email"]}]
    return {"subAccounts": found[(page - 1) * size : page * size]}


def _sub_row(place: int, uid: int) -> dict[str, Json]:
    return {
        "subUserId": uid,
        "email": f"sub{place}_virtual@demo.example",
        "remark": f"sub{place}",
        "isFreeze": False,
        "createTime": _CREATED_MS,
        "isManagedSubAccount": False,
        "isAssetManagementSubAccount": False,
    }


ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/asset/wallet/balance", _wallet_balance, 60),
    Endpoint("GET", "/sapi/v1/account/apiRestrictions", _restrictions),
    Endpoint("GET", "/sapi/v1/account/info", _account_info),
    Endpoint("GET", "/sapi/v1/sub-account/list", _sub_accounts),
)
