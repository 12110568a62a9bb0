"""sapi: what moved between the account's wallets, and between a master and its sub-accounts."""

from __future__ import annotations

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Span
from portfolio_lab.demo.binance_text import plain_text
from portfolio_lab.demo.binance_windows import (
    HALF_YEAR_MS,
    MONTH_MS,
    WEEK_MS,
    newest_first,
    rows_and_total,
    window,
    within,
)
from portfolio_lab.demo.facts import Transfer
from portfolio_lab.models.accounts import Wallet

_NAMES = {
    Wallet.SPOT: "MAIN",
    Wallet.FUNDING: "FUNDING",
    Wallet.USD_M: "UMFUTURE",
    Wallet.COIN_M: "CMFUTURE",
    Wallet.CROSS_MARGIN: "MARGIN",
    Wallet.ISOLATED_MARGIN: "ISOLATEDMARGIN",
    Wallet.OPTIONS: "OPTION",
}
_DIRECTIONS = {
    f"{_NAMES[source]}_{_NAMES[target]}": (source, target)
    for source in _NAMES
    for target in _NAMES
    if source is not target or source is Wallet.ISOLATED_MARGIN
} | {
    "MAIN_ISOLATED_MARGIN": (Wallet.SPOT, Wallet.ISOLATED_MARGIN),
    "ISOLATED_MARGIN_MAIN": (Wallet.ISOLATED_MARGIN, Wallet.SPOT),
}
"""Wallets by direction. Spot and isolated margin are documented under two spellings: both are understood."""

_ACCOUNT_TYPES = {
    Wallet.SPOT: "SPOT",
    Wallet.FUNDING: "SPOT",
    Wallet.USD_M: "USDT_FUTURE",
    Wallet.COIN_M: "COIN_FUTURE",
    Wallet.CROSS_MARGIN: "MARGIN",
    Wallet.ISOLATED_MARGIN: "ISOLATED_MARGIN",
}


_MASTER_EMAIL = "master@demo.example"


def _email(ask: Ask, uid: int) -> str:
    """The address by which the venue names an account of the asker's family."""
    subs = ask.account.sub_uids
    return f"sub{subs.index(uid) + 1}_virtual@demo.example" if uid in subs else _MASTER_EMAIL


# ---------------------------------------------------------------- inside one account


def _transfers(ask: Ask) -> Json:
    """Transfers of one direction, newest first; half a year is kept, a week is the default.

    Directions between margin wallets want the symbol of the isolated pair.
    """
    kind = ask.required("type")
    if kind not in _DIRECTIONS:
        raise refuse.parameter_invalid("type")
    pair = _isolated_symbol(ask, kind)
    until = min(ask.number("endTime", ask.at), ask.at)
    span = Span(ask.number("startTime", until - WEEK_MS), until)
    source, target = _DIRECTIONS[kind]
    inside = ask.book.transfers(since=span.since, until=ask.at, source=source, target=target)
    found = within(ask, "/sapi/v1/asset/transfer", inside, span, HALF_YEAR_MS)
    rows = [_transfer_row(kind, one) for one in newest_first(found) if pair in {"", one.pair}]
    return rows_and_total(ask, rows)


def _isolated_symbol(ask: Ask, kind: str) -> str:
    """The pair asked for: a direction between margin wallets must name it, one with spot may."""
    source, target = _DIRECTIONS[kind]
    name = "fromSymbol" if source is Wallet.ISOLATED_MARGIN else "toSymbol"
    if {source, target} <= {Wallet.ISOLATED_MARGIN, Wallet.CROSS_MARGIN}:
        return ask.required(name)
    return ask.parameters.get(name, "")


def _transfer_row(kind: str, one: Transfer) -> dict[str, Json]:
    return {
        "asset": one.asset,
        "amount": plain_text(one.amount),
        "type": kind,
        "status": "CONFIRMED",
        "tranId": one.transfer_id,
        "timestamp": one.at,
    }


# ---------------------------------------------------------------- between accounts


def _family(ask: Ask, path: str, span: Span) -> list[Transfer]:
    """Moves to and from other accounts of the family, newest first."""
    moves = [one for one in ask.book.transfers(since=span.since, until=ask.at) if one.counterparty]
    return newest_first(within(ask, path, moves, span, HALF_YEAR_MS))


def _universal(ask: Ask) -> Json:
    """What the master sent, or with `toEmail` what it received; a sub-account may not ask.

    Only moves that the master takes part in are told here.
    """
    if ask.account.master_uid:
        raise refuse.key_rejected()
    sender, receiver = ask.parameters.get("fromEmail", ""), ask.parameters.get("toEmail", "")
    if sender and receiver:
        raise refuse.combination_invalid()
    span = window(ask, WEEK_MS, WEEK_MS)
    moves = _family(ask, "/sapi/v1/sub-account/universalTransfer", span)
    rows = [_universal_row(ask, one) for one in moves]
    name, email = ("toEmail", receiver) if receiver else ("fromEmail", sender or _MASTER_EMAIL)
    named = [row for row in rows if row[name] == email]
    size, page = ask.strict_limit(default=500, most=500), max(1, ask.number("page", 1))
    return {"result": named[(page - 1) * size : page * size], "totalCount": len(named)}


def _universal_row(ask: Ask, one: Transfer) -> dict[str, Json]:
    """The far side counts as spot: the account does not know which wallet it was."""
    me, other = _MASTER_EMAIL, _email(ask, one.counterparty)
    sent = one.source is not None
    return {
        "tranId": one.transfer_id,
        "fromEmail": me if sent else other,
        "toEmail": other if sent else me,
        "asset": one.asset,
        "amount": plain_text(one.amount),
        "createTimeStamp": one.at,
        "fromAccountType": _account_type(one.source),
        "toAccountType": _account_type(one.target),
        "status": "SUCCESS",
        "clientTranId": "",
    }


def _account_type(wallet: Wallet | None) -> str:
    return _ACCOUNT_TYPES.get(wallet, "SPOT") if wallet else "SPOT"


def _sub_user_history(ask: Ask) -> Json:
    """What a sub-account received (`type` 1) or sent (2, the default), newest first; a master may not ask."""
    if not ask.account.master_uid:
        raise refuse.key_rejected()
    until = min(ask.number("endTime", ask.at), ask.at)
    span = Span(ask.number("startTime", until - MONTH_MS), until)
    received = ask.parameters.get("type", "2") == "1"
    asset, limit = ask.parameters.get("asset", ""), ask.strict_limit(default=500, most=500)
    moves = _family(ask, "/sapi/v1/sub-account/transfer/subUserHistory", span)
    found = [one for one in moves if (one.target is not None) is received and asset in {"", one.asset}]
    return [_sub_row(ask, one) for one in found[:limit]]


def _sub_row(ask: Ask, one: Transfer) -> dict[str, Json]:
    return {
        "counterParty": "master" if one.counterparty == ask.account.master_uid else "subAccount",
        "email": _email(ask, one.counterparty),
        "type": 2 if one.target is None else 1,
        "asset": one.asset,
        "qty": plain_text(one.amount),
        "fromAccountType": _account_type(one.source),
        "toAccountType": _account_type(one.target),
        "status": "SUCCESS",
        "tranId": one.transfer_id,
        "time": one.at,
    }


ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/asset/transfer", _transfers),
    Endpoint("GET", "/sapi/v1/sub-account/universalTransfer", _universal),
    Endpoint("GET", "/sapi/v1/sub-account/transfer/subUserHistory", _sub_user_history),
)
