"""Resting orders of Binance's margin, options and portfolio margin accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from portfolio_lab.errors import AnswerShapeError, WalletRefusedError
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import Account, Credentials, Wallet
from portfolio_lab.models.holdings import OpenOrder

Orders = Callable[..., Awaitable[tuple[OpenOrder, ...]]]

D = Decimal

AT = 1_770_531_541_509
RESTING = {"orderId": 7, "symbol": "BTCUSDT", "origQty": "2", "executedQty": "0.5", "type": "LIMIT", "side": "BUY"}
RESTING |= {"stopPrice": "0", "time": AT, "price": "61000"}
CONTRACT = {**RESTING, "symbol": "BTCUSD_PERP", "origQty": "122", "executedQty": "61", "reduceOnly": True}
ALGO = {"algoId": 8, "symbol": "BTCUSDT", "side": "SELL", "orderType": "STOP_MARKET", "quantity": "0.5", "price": "0"}
ALGO |= {"triggerPrice": "50000", "reduceOnly": True, "createTime": AT}
WAITING = {"strategyId": 9, "symbol": "BTCUSD_PERP", "side": "SELL", "strategyType": "STOP", "origQty": "122"}
WAITING |= {"price": "0", "stopPrice": "61000", "reduceOnly": True, "bookTime": AT}


@pytest.fixture
def orders(hub: Hub, wire: Any) -> Orders:
    async def fetch(*wallets: Wallet) -> tuple[OpenOrder, ...]:
        account = Account("ann", "binance", "main", base_url=wire.url)
        credentials = Credentials("canarykey0123456789", "canarysecret0123456789")
        return await (await hub.reader(replace(account, wallets=wallets), credentials)).fetch_open_orders()

    return fetch


def isolated(wire: Any) -> None:
    side = {"free": "0", "borrowed": "0", "interest": "0"}
    quiet = {**side, "asset": "USDT", "locked": "0", "netAsset": "0"}
    pairs = {
        "BTCUSDT": {**side, "asset": "BTC", "locked": "1", "netAsset": "1"},
        "ETHUSDT": {**side, "asset": "ETH", "locked": "0", "netAsset": "0"},
    }
    rows = [{"symbol": symbol, "baseAsset": base, "quoteAsset": quiet} for symbol, base in pairs.items()]
    wire.answers["/sapi/v1/margin/isolated/account"] = {"assets": rows, "totalNetAssetOfBtc": "1"}


async def test_cross_margin_orders(orders: Orders, wire: Any) -> None:
    wire.answers["/sapi/v1/margin/openOrders"] = [RESTING]
    (order,) = await orders(Wallet.CROSS_MARGIN)
    assert (order.wallet, order.quantity, order.filled, order.side) == (Wallet.CROSS_MARGIN, D(2), D("0.5"), "buy")
    assert (order.price, order.trigger_price, order.reduce_only) == (D(61000), None, False)
    assert wire.asked[0].query["isIsolated"] == "FALSE"


async def test_isolated_pairs_are_asked_where_something_is_locked(orders: Orders, wire: Any) -> None:
    isolated(wire)
    asked: list[tuple[str, str]] = []

    async def by_pair(request: web.Request) -> web.Response:
        asked.append((request.query["symbol"], request.query["isIsolated"]))
        return web.json_response([RESTING])

    wire.answers["/sapi/v1/margin/openOrders"] = by_pair
    (order,) = await orders(Wallet.ISOLATED_MARGIN)
    assert asked == [("BTCUSDT", "TRUE")]
    assert order.wallet is Wallet.ISOLATED_MARGIN


async def test_an_order_of_another_pair_is_refused(orders: Orders, wire: Any) -> None:
    isolated(wire)
    wire.answers["/sapi/v1/margin/openOrders"] = [{**RESTING, "symbol": "ETHUSDT"}]
    with pytest.raises(AnswerShapeError, match="another pair"):
        await orders(Wallet.ISOLATED_MARGIN)


async def test_option_orders_are_in_base_units(orders: Orders, wire: Any) -> None:
    family = {"baseAsset": "DOGE", "quoteAsset": "USDT", "underlying": "DOGEUSDT", "settleAsset": "USDT"}
    option = {"symbol": "DOGE-261225-1-C", "underlying": "DOGEUSDT", "unit": 1000}
    wire.answers["/eapi/v1/exchangeInfo"] = {"optionContracts": [family], "optionSymbols": [option]}
    row = {"orderId": 4611875134427365376, "symbol": "DOGE-261225-1-C", "price": "0.1", "quantity": "2"}
    row |= {"executedQty": "1", "side": "SELL", "type": "LIMIT", "reduceOnly": False, "createTime": AT}
    wire.answers["/eapi/v1/openOrders"] = [row]
    (order,) = await orders(Wallet.OPTIONS)
    assert (order.order_id, order.underlying, order.side) == ("4611875134427365376", "DOGE", "sell")
    assert (order.quantity, order.filled, order.price) == (D(2000), D(1000), D("0.1"))


async def test_portfolio_margin_has_orders_in_five_places(orders: Orders, wire: Any) -> None:
    linear = {name: value for name, value in RESTING.items() if name != "stopPrice"}
    wire.answers |= {
        "/papi/v1/margin/openOrders": [RESTING],
        "/papi/v1/um/openOrders": [{**linear, "orderId": 1, "reduceOnly": False}],
        "/papi/v1/cm/openOrders": [{**CONTRACT, "orderId": 2}],
        "/papi/v1/um/algo/openAlgoOrders": [ALGO],
        "/papi/v1/cm/conditional/openOrders": [WAITING],
    }
    told = await orders(Wallet.PORTFOLIO_MARGIN)
    assert [(one.order_id, one.quantity, one.reduce_only) for one in told] == [
        ("7", D(2), False),
        ("1", D(2), False),
        ("2", D("0.2"), True),
        ("algo-8", D("0.5"), True),
        ("strategy-9", D("0.2"), True),
    ]
    assert {one.wallet for one in told} == {Wallet.PORTFOLIO_MARGIN}
    assert [one.trigger_price for one in told] == [None, None, None, D(50000), D(61000)]


async def test_a_wallet_that_was_never_opened_does_not_hide_the_orders_of_others(orders: Orders, wire: Any) -> None:
    wire.answers["/api/v3/openOrders"] = [RESTING]
    wire.say("/sapi/v1/margin/openOrders", 400, b'{"code":-3003,"msg":"Margin account does not exist."}')
    told = await orders(Wallet.SPOT, Wallet.CROSS_MARGIN)
    assert [one.order_id for one in told] == ["7"]
    with pytest.raises(WalletRefusedError):
        await orders(Wallet.CROSS_MARGIN)


async def test_wallets_without_orders_are_not_asked(orders: Orders, wire: Any) -> None:
    assert await orders(Wallet.FUNDING, Wallet.EARN, Wallet.LOANS, Wallet.BOTS, Wallet.COPY_TRADING) == ()
    assert wire.asked == []


async def test_an_order_that_closes_a_position_only_reduces_it(orders: Orders, wire: Any) -> None:
    closing = {**ALGO, "quantity": "0", "reduceOnly": False, "closePosition": True}
    wire.answers |= {"/fapi/v1/openOrders": [], "/fapi/v1/openAlgoOrders": [closing]}
    (order,) = await orders(Wallet.USD_M)
    assert (order.quantity, order.reduce_only) == (None, True)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"side": "HOLD"}, "[BTCUSDT].side"),
        ({"origQty": "-2"}, "[BTCUSDT].origQty"),
        ({"executedQty": "NaN"}, "[BTCUSDT].executedQty"),
        ({"orderId": 10**30}, "[BTCUSDT].orderId"),
        ({"time": 12}, "[BTCUSDT].time"),
        ({"symbol": "MOONUSDT"}, "symbol"),
    ],
)
async def test_an_order_that_means_nothing_is_refused(
    orders: Orders, wire: Any, change: dict[str, Any], path: str
) -> None:
    wire.answers["/sapi/v1/margin/openOrders"] = [{**RESTING, **change}]
    with pytest.raises(AnswerShapeError) as refusal:
        await orders(Wallet.CROSS_MARGIN)
    assert refusal.value.path == path
