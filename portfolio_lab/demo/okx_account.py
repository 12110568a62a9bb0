"""What OKX tells of the account itself: who it is, what its funding account holds, what all of it is worth."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.okx_balance import balance
from portfolio_lab.demo.okx_holdings import PRECISION, earning, holdings, total, total_usd, usd
from portfolio_lab.demo.okx_wire import OkxAsk, OkxRefusalError, Row, plain
from portfolio_lab.models.accounts import Wallet


def funding_balances(ask: OkxAsk) -> list[Row]:
    """asset/balances: the funding account; a withdrawal under way is still there, but frozen."""
    wanted, leaving = ask.listed("ccy"), ask.view.withdrawing(Wallet.FUNDING)
    return [
        {
            "availBal": plain(amount - leaving.get(asset, ZERO)),
            "bal": plain(amount),
            "ccy": asset,
            "frozenBal": plain(leaving.get(asset, ZERO)),
        }
        for asset, amount in ask.view.cash(Wallet.FUNDING).items()
        if amount and (wanted is None or asset in wanted)
    ]


def valuation(ask: OkxAsk) -> list[Row]:
    """asset/asset-valuation in `ccy` (BTC when absent): what each account is worth.

    What a flexible loan owes and has locked belongs to none of the four documented accounts and
    is not told here; whether the live venue counts it is unverified.
    """
    unit = ask.text("ccy") or "BTC"
    price = ask.exchange.market.coin_usd("okx", unit, ask.now)
    if price is None:
        raise OkxRefusalError(200, "58004", "Account blocked or currency not supported")
    worth = {
        "classic": ZERO,
        "earn": total_usd(ask, earning(ask)),
        "funding": total_usd(ask, ask.view.cash(Wallet.FUNDING)),
        "trading": total(usd(ask, one.asset, one.equity) for one in holdings(ask)),
    }
    told = {name: _in_units(amount, price) for name, amount in worth.items()}
    details = {name: plain(amount) for name, amount in told.items()}
    return [{"details": details, "totalBal": plain(sum(told.values(), ZERO)), "ts": str(ask.now)}]


def _in_units(amount: Decimal, price: Decimal) -> Decimal:
    return (amount / price).quantize(PRECISION)


def config(ask: OkxAsk) -> list[Row]:
    """account/config: who the key belongs to and what it may do."""
    account = ask.asker
    return [
        {
            "acctLv": account.mode,
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "feeType": "0",
            "greeksType": "PA",
            "ip": "",
            "kycLv": "3",
            "label": account.account.label,
            "level": "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": str(account.master_uid or account.uid),
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": ",".join(("read_only", *account.permissions)),
            "posMode": "long_short_mode" if account.book.hedge else "net_mode",
            "roleType": "0",
            "settleCcy": "USDT",
            "settleCcyList": ["USD", "USDC"],
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "stgyType": "0",
            "traderInsts": [],
            "type": "1" if account.master_uid else "0",
            "uid": str(account.uid),
        }
    ]


def subaccounts(ask: OkxAsk) -> list[Row]:
    """users/subaccount/list: the master's sub-accounts; a sub-account's own key is refused."""
    account = ask.asker
    if account.master_uid:
        raise OkxRefusalError(200, "59500", "Only the API key of the main account has permission")
    by_uid = {one.uid: one for one in ask.exchange.accounts}
    return [_subaccount_row(uid, by_uid[uid].account.label if uid in by_uid else str(uid)) for uid in account.sub_uids]


def subaccount_trading(ask: OkxAsk) -> list[Row]:
    """account/subaccount/balances of the mandatory subAcct: what account/balance tells that account."""
    return balance(_as_subaccount(ask))


def subaccount_funding(ask: OkxAsk) -> list[Row]:
    """asset/subaccount/balances of the mandatory subAcct: what asset/balances tells that account."""
    return funding_balances(_as_subaccount(ask))


def _as_subaccount(ask: OkxAsk) -> OkxAsk:
    """The question as if a sub-account of the asker had asked it, or 59510."""
    name = ask.required("subAcct")
    family = [one for one in ask.exchange.accounts if one.uid in ask.asker.sub_uids]
    for one in family:
        if one.account.label == name:
            return replace(ask, account=one)
    raise OkxRefusalError(200, "59510", "Sub-account does not exist")


def _subaccount_row(uid: int, name: str) -> Row:
    return {
        "canTransOut": True,
        "enable": True,
        "firstLvSubAcct": "",
        "frozenFunc": [],
        "gAuth": False,
        "ifDma": False,
        "label": name,
        "mobile": "",
        "subAcct": name,
        "subAcctLv": "1",
        "ts": "1606468572000",
        "type": "1",
        "uid": str(uid),
    }
