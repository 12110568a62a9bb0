"""A good answer with one thing wrong gives the same numbers, or is refused: never other numbers."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.errors import VenueError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import identity, orders, portfolio, totals
from portfolio_lab.exchanges.binance.portfolio_margin import KnownMode
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import AnswerMark

NOW = datetime(2026, 11, 1, tzinfo=UTC)
AT = 1_770_531_541_509


class Scripted:
    """A client that answers from a table of bodies, judged as the true one judges them."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self.bodies = bodies

    async def ask(
        self, endpoint: Any, shape: Any, params: Mapping[str, object] = MappingProxyType({})
    ) -> tuple[Any, AnswerMark]:
        value = payloads.read_json(self.bodies[endpoint.path], shape)
        return payloads.shaped(value, shape), AnswerMark(endpoint.path, "", NOW)


def cash(asset: str) -> dict[str, str]:
    return {"asset": asset, "free": "1", "locked": "0.5", "freeze": "0.25", "withdrawing": "0.125", "ipoable": "0"}


def debtor(asset: str) -> dict[str, str]:
    row = {"asset": asset, "free": "1000", "locked": "2", "borrowed": "400", "interest": "1", "netAsset": "601"}
    return {**row, "note": "x"}


def margin(asset: str, cash: str, unrealised: str, equity: str) -> dict[str, str]:
    row = {"asset": asset, "walletBalance": cash, "unrealizedProfit": unrealised, "marginBalance": equity}
    return {**row, "availableBalance": "4", "updateTime": "5"}


LINEAR = {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.5", "entryPrice": "60000"}
LINEAR |= {"markPrice": "61000", "unRealizedProfit": "-500", "liquidationPrice": "90000", "marginAsset": "USDT"}
INVERSE = {"symbol": "BTCUSD_PERP", "positionSide": "LONG", "positionAmt": "122", "entryPrice": "40000"}
INVERSE |= {"markPrice": "61000", "unRealizedProfit": "0.105", "liquidationPrice": "0", "leverage": "20"}
LINES = {
    "fapi": {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.5", "unrealizedProfit": "-500"},
    "dapi": {"symbol": "BTCUSD_PERP", "positionSide": "LONG", "positionAmt": "122", "unrealizedProfit": "0.105"},
}
PM_USDT = {"asset": "USDT", "totalWalletBalance": "1136.03", "crossMarginFree": "20.6", "crossMarginLocked": "10"}
PM_USDT |= {"crossMarginBorrowed": "5", "crossMarginInterest": "3", "umWalletBalance": "1105.43"}
PM_USDT |= {"umUnrealizedPNL": "-500", "cmWalletBalance": "0", "cmUnrealizedPNL": "", "negativeBalance": "0"}
PM_BTC = {"asset": "BTC", "totalWalletBalance": "2", "crossMarginFree": "0", "crossMarginLocked": "0"}
PM_BTC |= {"crossMarginBorrowed": "0", "crossMarginInterest": "0", "umWalletBalance": "0", "umUnrealizedPNL": "0"}
PM_BTC |= {"cmWalletBalance": "2", "cmUnrealizedPNL": "0.105", "negativeBalance": "0"}
OPTION = {"symbol": "BTC-261225-90000-C", "side": "SHORT", "quantity": "-0.1", "entryPrice": "1000"}
OPTION |= {"markPrice": "1050", "markValue": "105", "unrealizedPNL": "-5", "quoteAsset": "USDT"}
ORDER = {"orderId": 7, "symbol": "BTCUSDT", "origQty": "2", "executedQty": "0.5", "type": "LIMIT", "side": "BUY"}
ORDER |= {"stopPrice": "0", "time": AT, "price": "61000"}
ALGO = {"algoId": 8, "symbol": "BTCUSDT", "side": "SELL", "orderType": "STOP_MARKET", "quantity": "0.5", "price": "1"}
ALGO |= {"triggerPrice": "50000", "reduceOnly": True, "createTime": AT}
PAIR = {"symbol": "BTCUSDT", "baseAsset": debtor("BTC"), "quoteAsset": debtor("USDT")}

GOOD: dict[str, Any] = {
    "/api/v3/exchangeInfo": {"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}]},
    "/fapi/v1/exchangeInfo": {
        "symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT"}]
    },
    "/dapi/v1/exchangeInfo": {
        "symbols": [
            {
                "symbol": "BTCUSD_PERP",
                "baseAsset": "BTC",
                "quoteAsset": "USD",
                "marginAsset": "BTC",
                "contractSize": 100,
            }
        ]
    },
    "/eapi/v1/exchangeInfo": {
        "optionContracts": [{"baseAsset": "BTC", "underlying": "BTCUSDT", "settleAsset": "USDT"}],
        "optionSymbols": [{"symbol": "BTC-261225-90000-C", "underlying": "BTCUSDT", "unit": 1}],
    },
    "/sapi/v3/asset/getUserAsset": [cash("BTC"), cash("LDUSDT")],
    "/api/v3/account": {"uid": 7, "balances": [], "accountType": "SPOT", "updateTime": AT},
    "/sapi/v1/asset/get-funding-asset": [cash("USDT")],
    "/sapi/v1/margin/account": {"created": True, "totalNetAssetOfBtc": "0.1", "userAssets": [debtor("USDT")]},
    "/sapi/v1/margin/isolated/account": {"assets": [PAIR], "totalNetAssetOfBtc": "0.1"},
    "/fapi/v3/account": {
        "assets": [margin("USDT", "1000", "-500", "500"), margin("USDC", "70", "0", "70")],
        "positions": [LINES["fapi"]],
    },
    "/fapi/v3/positionRisk": [LINEAR],
    "/dapi/v1/account": {"assets": [margin("BTC", "2", "0.105", "2.105")], "positions": [LINES["dapi"]]},
    "/dapi/v1/positionRisk": [INVERSE],
    "/eapi/v1/marginAccount": {
        "asset": [{"asset": "USDT", "marginBalance": "1100", "equity": "995", "available": "8", "unrealizedPNL": "-5"}]
    },
    "/eapi/v1/position": [OPTION],
    "/eapi/v1/mark": [{"symbol": "BTC-261225-90000-C", "delta": "0.55"}],
    "/papi/v1/balance": [PM_USDT, PM_BTC],
    "/papi/v1/account": {"actualEquity": "120.9", "accountStatus": "NORMAL"},
    "/papi/v1/um/positionRisk": [LINEAR],
    "/papi/v1/cm/positionRisk": [INVERSE],
    "/sapi/v1/simple-earn/flexible/position": {
        "rows": [{"asset": "USDT", "productId": "USDT001", "totalAmount": "75", "collateralAmount": "3"}],
        "total": 1,
    },
    "/sapi/v1/simple-earn/locked/position": {"rows": [{"positionId": 1, "asset": "AXS", "amount": "12"}], "total": 1},
    "/sapi/v2/eth-staking/account": {"holdingInETH": "1.1", "holdings": {"wbethAmount": "1", "bethAmount": "0"}},
    "/sapi/v1/sol-staking/account": {"bnsolAmount": "1", "holdingInSOL": "1.2"},
    "/sapi/v2/loan/flexible/ongoing/orders": {
        "rows": [{"loanCoin": "USDT", "totalDebt": "100", "collateralCoin": "BNB", "collateralAmount": "3"}],
        "total": 1,
    },
    "/sapi/v1/asset/wallet/balance": [
        {"walletName": "Trading Bots", "balance": "70", "activate": True},
        {"walletName": "Copy Trading", "balance": "30", "activate": True},
    ],
    "/sapi/v1/account/apiRestrictions": {"ipRestrict": False, "enableReading": True, "enableWithdrawals": True},
    "/api/v3/openOrders": [ORDER],
    "/fapi/v1/openOrders": [{**ORDER, "reduceOnly": False, "closePosition": False}],
    "/fapi/v1/openAlgoOrders": [ALGO],
    "/sapi/v1/margin/openOrders": [ORDER],
}

Numbers = Callable[[Scripted, Instruments], Any]


def wallet_numbers(wallet: Wallet) -> Numbers:
    async def read(client: Any, instruments: Instruments) -> Any:
        told = await portfolio.fetch_wallet(client, instruments, wallet)
        balances = sorted((row.asset, row.pair, row.quantity, row.wallet_balance, row.holding) for row in told.balances)
        sizes = sorted(
            (one.instrument, one.side, one.quantity, one.unrealised_pnl, one.settle_asset) for one in told.positions
        )
        more = sorted((one.instrument, one.delta or Decimal(0)) for one in told.positions)
        return balances, sizes, more, sorted((one.base, one.price) for one in told.ratios)

    return read


async def order_numbers(client: Any, instruments: Instruments) -> Any:
    wallets = (Wallet.SPOT, Wallet.USD_M, Wallet.CROSS_MARGIN)
    told = await orders.fetch_open_orders(client, instruments, wallets)
    return [replace(order, order_type="") for order in told]


async def total_numbers(client: Any, _: Instruments) -> Any:
    told = await totals.fetch_totals(client, KnownMode())
    return [(row.scope, row.asset, row.quantity) for row in told.totals], told.absent


async def identity_numbers(client: Any, _: Instruments) -> Any:
    told = await identity.fetch_identity(client, KnownMode())
    return told.uid, told.permissions, told.is_ip_bound


QUESTIONS: dict[str, tuple[Numbers, tuple[str, ...]]] = {
    "spot": (wallet_numbers(Wallet.SPOT), ("/sapi/v3/asset/getUserAsset",)),
    "funding": (wallet_numbers(Wallet.FUNDING), ("/sapi/v1/asset/get-funding-asset",)),
    "cross": (wallet_numbers(Wallet.CROSS_MARGIN), ("/sapi/v1/margin/account",)),
    "isolated": (wallet_numbers(Wallet.ISOLATED_MARGIN), ("/sapi/v1/margin/isolated/account",)),
    "usd_m": (wallet_numbers(Wallet.USD_M), ("/fapi/v3/account", "/fapi/v3/positionRisk")),
    "coin_m": (wallet_numbers(Wallet.COIN_M), ("/dapi/v1/account", "/dapi/v1/positionRisk")),
    "options": (wallet_numbers(Wallet.OPTIONS), ("/eapi/v1/marginAccount", "/eapi/v1/position", "/eapi/v1/mark")),
    "pm": (
        wallet_numbers(Wallet.PORTFOLIO_MARGIN),
        ("/papi/v1/balance", "/papi/v1/um/positionRisk", "/papi/v1/cm/positionRisk"),
    ),
    "earn": (
        wallet_numbers(Wallet.EARN),
        (
            "/sapi/v1/simple-earn/flexible/position",
            "/sapi/v1/simple-earn/locked/position",
            "/sapi/v2/eth-staking/account",
            "/sapi/v1/sol-staking/account",
        ),
    ),
    "loans": (wallet_numbers(Wallet.LOANS), ("/sapi/v2/loan/flexible/ongoing/orders",)),
    "bots": (wallet_numbers(Wallet.BOTS), ("/sapi/v1/asset/wallet/balance",)),
    "totals": (total_numbers, ("/sapi/v1/asset/wallet/balance", "/papi/v1/account")),
    "identity": (identity_numbers, ("/api/v3/account", "/sapi/v1/account/apiRestrictions")),
    "orders": (order_numbers, ("/api/v3/openOrders", "/fapi/v1/openAlgoOrders", "/sapi/v1/margin/openOrders")),
}

SIGNED = {"balance", "actualEquity", "uid"}
"""Stated once and signed, or a number without a sign of its own: nothing in the answer contradicts another sign."""

TOLD_BY_BEING_THERE = {"enableWithdrawals", "delta"}
"""Where a field that is gone means that there is none: a right that is not listed, a mark that is not told."""


def answered(question: str, bodies: Mapping[str, bytes]) -> Any:
    client: Any = Scripted(bodies)
    read, _ = QUESTIONS[question]
    return asyncio.run(read(client, Instruments(client)))


BODIES = {path: json.dumps(value).encode() for path, value in GOOD.items()}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from leaves(below, (*path, key))


PLACES = [
    (question, endpoint, path)
    for question, (_, endpoints) in QUESTIONS.items()
    for endpoint in endpoints
    for path in leaves(GOOD[endpoint])
    if isinstance(path[-1], str)
]

DEEP: Any = "x"
for _ in range(40):
    DEEP = [DEEP]


def negative(value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix("-") if value.startswith("-") else "-" + value
    return -value if isinstance(value, int) and not isinstance(value, bool) else value


REPLACED: dict[str, Callable[[Any], Any]] = {
    "null": lambda _: None,
    "number": lambda _: 1.5,
    "boolean text": lambda _: "true",
    "list": lambda value: [value],
    "object": lambda value: {"value": value},
    "huge": lambda _: "9" * 30,
    "huge integer": lambda _: 10**40,
    "exponent": lambda _: "1e5",
    "NaN": lambda _: "NaN",
    "Infinity": lambda _: "-Infinity",
    "separators": lambda _: "1,000.5",
    "markup": lambda _: "<b>1</b>",
    "foreign digits": lambda _: "１２",
    "deep": lambda _: DEEP,
    "negative": negative,
}


def broken(endpoint: str, path: tuple[Any, ...], kind: str) -> bytes:
    answer = copy.deepcopy(GOOD[endpoint])
    parent = answer
    for key in path[:-1]:
        parent = parent[key]
    name = path[-1]
    if kind == "gone":
        parent.pop(name)
    elif kind == "renamed":
        parent[name + "_"] = parent.pop(name)
    elif kind == "twice":
        marker = parent[name]
        parent[name] = "@@"
        twice = f"{json.dumps(marker)}, {json.dumps(name)}: {json.dumps(marker)}"
        return json.dumps(answer).replace('"@@"', twice).encode()
    else:
        parent[name] = REPLACED[kind](parent[name])
    return json.dumps(answer).encode()


KINDS = ["gone", "renamed", "twice", *REPLACED]

TRUTH = {question: answered(question, BODIES) for question in QUESTIONS}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_good_answer_has_something_to_get_wrong(question: str) -> None:
    assert TRUTH[question]


def is_told_elsewhere(endpoint: str, path: tuple[Any, ...], kind: str) -> bool:
    """False for the few things that nothing else in the answers could contradict.

    Another name of a wallet is a wallet that we do not know, and said to be so. A mark of another
    option leaves the delta of ours unknown.
    """
    if path == (0, "symbol") and endpoint == "/eapi/v1/mark":
        return False
    if path[-1] == "walletName":
        return False
    if kind == "negative":
        return path[-1] not in SIGNED
    return kind not in {"gone", "renamed"} or path[-1] not in TOLD_BY_BEING_THERE


def wrong(question: str, bodies: Mapping[str, bytes]) -> bool:
    """True when the question is answered by other numbers than the true ones."""
    try:
        return bool(answered(question, bodies) != TRUTH[question])
    except VenueError as refusal:
        return refusal.__cause__ is not None or "<b>" in str(refusal)


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_thing_wrong_never_gives_other_numbers(question: str) -> None:
    tried, names = 0, []
    for place in PLACES:
        for kind in KINDS:
            asked, endpoint, path = place
            if asked == question and is_told_elsewhere(endpoint, path, kind):
                tried += 1
                if wrong(question, {**BODIES, endpoint: broken(endpoint, path, kind)}):
                    names.append(f"{endpoint} {path} {kind}")
    assert tried > 50
    assert names == []


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(KINDS)), min_size=2, max_size=4))
def test_several_things_wrong_never_give_other_numbers(faults: list[tuple[tuple[str, str, Any], str]]) -> None:
    bodies = dict(BODIES)
    for (_, endpoint, path), kind in faults:
        if is_told_elsewhere(endpoint, path, kind):
            bodies[endpoint] = broken(endpoint, path, kind)
    for question in {question for (question, _, _), _ in faults}:
        assert not wrong(question, bodies)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(BODIES)), st.data())
def test_bytes_that_are_cut_or_turned_are_read_the_same_or_refused(endpoint: str, data: st.DataObject) -> None:
    body = BODIES[endpoint]
    at = data.draw(st.integers(0, len(body) - 1))
    cut = data.draw(st.sampled_from([body[:at], body[at:], body + body[at:], b"[" * 30 + body + b"]" * 30]))
    for question, (_, endpoints) in QUESTIONS.items():
        if endpoint not in endpoints:
            continue
        try:
            told = answered(question, {**BODIES, endpoint: cut})
        except VenueError:
            continue
        assert told == TRUTH[question]
