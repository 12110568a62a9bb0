"""Hand-worked wallets, positions, orders, flows and quotes, read over real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import AccountReader, payloads
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import ContractKind, Position

Open = Callable[[str], Awaitable[AccountReader]]

D = Decimal
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)


async def test_spot_counts_what_is_locked_frozen_and_leaving(reader_of: Open) -> None:
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.SPOT)
    (row,) = reading.balances
    assert (row.asset, row.quantity, row.available) == ("BTC", D("1.875"), D(1))
    assert (row.wallet_balance, row.unrealised_pnl) == (None, None)


async def test_usd_m_is_wallet_balance_and_open_pnl(reader_of: Open) -> None:
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.USD_M)
    (row,) = reading.balances
    assert (row.quantity, row.wallet_balance, row.unrealised_pnl) == (D(500), D(1000), D(-500))
    (position,) = reading.positions
    assert position == Position(
        "BTCUSDT", "BTC", ContractKind.LINEAR, "net", D("-0.5"), D("0.5"), D(1), D(60000), D(61000), D(-500), "USDT"
    )


async def test_hedge_mode_has_two_books(reader_of: Open, wire: Any) -> None:
    row = wire.answers["/fapi/v3/positionRisk"][0]
    held = wire.answers["/fapi/v3/account"]["positions"][0]
    wire.answers["/fapi/v3/account"]["positions"] = [
        {**held, "positionSide": "LONG", "positionAmt": "2", "unrealizedProfit": "100"},
        {**held, "positionSide": "SHORT", "positionAmt": "-3", "unrealizedProfit": "-600"},
    ]
    wire.answers["/fapi/v3/positionRisk"] = [
        {**row, "positionSide": "LONG", "positionAmt": "2", "entryPrice": "60950", "unRealizedProfit": "100"},
        {**row, "positionSide": "SHORT", "positionAmt": "-3", "entryPrice": "60800", "unRealizedProfit": "-600"},
        {**row, "symbol": "ETHUSDT", "positionAmt": "0.000", "markPrice": "0"},
    ]
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.USD_M)
    assert [(row.side, row.quantity) for row in reading.positions] == [("long", D(2)), ("short", D(-3))]


async def test_inverse_contracts_are_worth_dollars(reader_of: Open) -> None:
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.COIN_M)
    assert reading.balances[0].quantity == D("2.1")
    (position,) = reading.positions
    assert position.kind is ContractKind.INVERSE
    assert (position.contracts, position.contract_size, position.quantity) == (D(122), D(100), D("-0.2"))
    assert (position.settle_asset, position.leverage_setting) == ("BTC", D(20))


async def test_okx_equity_holds_the_open_pnl(reader_of: Open) -> None:
    reading = await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)
    (row,) = reading.balances
    assert (row.quantity, row.wallet_balance, row.unrealised_pnl) == (D(900), D(1000), D(-100))
    (position,) = reading.positions
    assert (position.contracts, position.contract_size, position.quantity) == (D(50), D("0.01"), D("-0.5"))
    assert position.liquidation_price is None


@pytest.mark.parametrize(
    ("side", "pos", "quantity"), [("net", "-61", "-0.1"), ("long", "61", "0.1"), ("short", "61", "-0.1")]
)
async def test_okx_inverse_contracts(reader_of: Open, wire: Any, side: str, pos: str, quantity: str) -> None:
    row = wire.answers["/api/v5/account/positions"]["data"][0]
    row.update({"instId": "BTC-USD-SWAP", "posSide": side, "pos": pos, "ccy": "BTC"})
    reading = await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)
    assert reading.positions[0].quantity == D(quantity)
    assert reading.positions[0].settle_asset == "BTC"


async def test_a_debt_stays_negative(reader_of: Open, wire: Any) -> None:
    row = wire.answers["/api/v5/account/balance"]["data"][0]["details"][0]
    row.update({"eq": "-0.5", "cashBal": "-0.5", "upl": "", "availEq": "", "availBal": "0"})
    reading = await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)
    assert reading.balances[0].quantity == D("-0.5")


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_an_empty_funding_wallet_is_a_reading_without_rows(reader_of: Open, wire: Any, venue: str) -> None:
    wire.answers["/sapi/v1/asset/get-funding-asset"] = []
    wire.answers["/api/v5/asset/balances"]["data"] = []
    reading = await (await reader_of(venue)).fetch_wallet(Wallet.FUNDING)
    assert (reading.balances, reading.positions, len(reading.answers)) == ((), (), 1)


async def test_zero_rows_are_left_out_but_a_zero_sum_is_not(reader_of: Open, wire: Any) -> None:
    row = wire.answers["/fapi/v3/account"]["assets"][0]
    zero = dict.fromkeys(("walletBalance", "unrealizedProfit", "marginBalance", "availableBalance"), "0.00000000")
    wire.answers["/fapi/v3/account"]["assets"] = [
        {**row, "walletBalance": "500", "marginBalance": "0"},
        {**row, "asset": "USDC", **zero},
    ]
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.USD_M)
    assert [(row.asset, row.quantity, row.wallet_balance) for row in reading.balances] == [("USDT", D(0), D(500))]


async def test_each_reading_says_which_raw_answers_it_came_from(reader_of: Open, wire: Any) -> None:
    body = json.dumps(wire.answers["/sapi/v1/asset/get-funding-asset"]).encode()
    wire.say("/sapi/v1/asset/get-funding-asset", 200, body)
    before = datetime.now(UTC)
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.FUNDING)
    (mark,) = reading.answers
    assert (mark.endpoint, mark.sha256) == ("/sapi/v1/asset/get-funding-asset", hashlib.sha256(body).hexdigest())
    assert before <= mark.received_at <= datetime.now(UTC)


async def test_an_unlisted_contract_is_an_error(reader_of: Open, wire: Any) -> None:
    wire.answers["/fapi/v3/positionRisk"][0]["symbol"] = "NEWUSDT"
    wire.answers["/fapi/v3/account"]["positions"][0]["symbol"] = "NEWUSDT"
    with pytest.raises(AnswerShapeError, match="not listed"):
        await (await reader_of("binance")).fetch_wallet(Wallet.USD_M)


# ---------------------------------------------------------------- quotes


async def test_binance_prices_dollars_by_the_index(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v3/ticker/price"] += [
        {"symbol": "DEADUSDT", "price": "1"},
        {"symbol": "BTCUSDC", "price": "0.00000000"},
    ]
    quotes = await (await reader_of("binance")).market.fetch_quotes()
    assert [(row.base, row.quote, row.price) for row in quotes] == [
        ("BTC", "USDT", D("61000.5")),
        ("BTC", "USD", D(61010)),
    ]
    assert quotes[0].source == "binance spot BTCUSDT last"


async def test_okx_prices_are_as_old_as_their_trade(reader_of: Open, wire: Any) -> None:
    row = wire.answers["/api/v5/market/tickers"]["data"][0]
    row["ts"] = "1770531541509"
    wire.answers["/api/v5/market/tickers"]["data"].append({**row, "instId": "USDT-USD", "last": ""})
    (quote,) = await (await reader_of("okx")).market.fetch_quotes()
    assert (quote.base, quote.quote, quote.price) == ("BTC", "USDT", D("61000.5"))
    assert quote.at == datetime(2026, 2, 8, 6, 19, 1, 509000, tzinfo=UTC)


# ---------------------------------------------------------------- cash flows


def deposit(number: int, at: datetime, status: int = 1) -> dict[str, Any]:
    row = {"id": str(number), "amount": "1.5", "coin": "BTC", "txId": f"t{number}"}
    return {**row, "status": status, "insertTime": payloads.milliseconds(at)}


async def test_binance_flows_are_asked_by_windows_and_pages(reader_of: Open, wire: Any) -> None:
    rows = [deposit(i, SINCE + timedelta(hours=i)) for i in range(2_500)]
    rows += [deposit(9_000, SINCE + timedelta(days=1), status=0), deposit(9_001, UNTIL)]
    spans: list[int] = []

    async def hisrec(request: web.Request) -> web.Response:
        start, end, offset, limit = (int(request.query[name]) for name in ("startTime", "endTime", "offset", "limit"))
        spans.append(end - start)
        inside = [row for row in rows if start <= row["insertTime"] <= end]
        return web.json_response(inside[offset : offset + limit])

    wire.answers["/sapi/v1/capital/deposit/hisrec"] = hisrec
    wire.answers["/sapi/v1/capital/withdraw/history"] = [
        {
            "id": "w1",
            "amount": "8.91",
            "transactionFee": "0.09",
            "coin": "USDT",
            "status": 6,
            "applyTime": "2026-03-01 23:59:00",
            "completeTime": "2026-03-02 00:05:00",
        },
        {
            "id": "w2",
            "amount": "1",
            "transactionFee": "0",
            "coin": "USDT",
            "status": 4,
            "applyTime": "2026-03-01 1:1:1",
        },
    ]
    flows = await (await reader_of("binance")).fetch_cash_flows(since=SINCE, until=UNTIL)
    assert [flow.flow_id for flow in flows if flow.kind == "deposit"] == [str(i) for i in range(2_500)]
    (withdrawal,) = [flow for flow in flows if flow.kind == "withdrawal"]
    assert (withdrawal.quantity, withdrawal.fee) == (D("-9.00"), D("0.09"))
    assert withdrawal.at == datetime(2026, 3, 2, 0, 5, tzinfo=UTC)
    assert max(spans) < 90 * 86_400_000
    assert list(flows) == sorted(flows, key=lambda flow: flow.at)


async def test_a_deposit_counts_when_it_is_completed(reader_of: Open, wire: Any) -> None:
    late = {**deposit(1, SINCE - timedelta(days=2)), "completeTime": payloads.milliseconds(SINCE + timedelta(hours=1))}
    early = {**deposit(2, SINCE - timedelta(days=2)), "completeTime": payloads.milliseconds(SINCE - timedelta(hours=1))}
    wire.answers["/sapi/v1/capital/deposit/hisrec"] = [late, early]
    wire.answers["/sapi/v1/capital/withdraw/history"] = []
    (flow,) = await (await reader_of("binance")).fetch_cash_flows(since=SINCE, until=SINCE + timedelta(days=1))
    assert (flow.flow_id, flow.at) == ("1", SINCE + timedelta(hours=1))


@pytest.mark.parametrize("together", [1, 60, 99])
async def test_okx_flows_that_share_a_millisecond_are_all_found(reader_of: Open, wire: Any, together: int) -> None:
    times = [payloads.milliseconds(SINCE) + (i // together) * 1000 for i in range(350)]
    rows = [{"depId": str(i), "ccy": "BTC", "amt": "1", "state": "2", "ts": str(ts)} for i, ts in enumerate(times)]

    async def history(request: web.Request) -> web.Response:
        before, after = int(request.query["before"]), int(request.query["after"])
        inside = [row for row in reversed(rows) if before < int(row["ts"]) < after]
        return web.json_response({"code": "0", "msg": "", "data": inside[:100]})

    wire.answers["/api/v5/asset/deposit-history"] = history
    wire.answers["/api/v5/asset/withdrawal-history"] = {
        "code": "0",
        "data": [{"wdId": "7", "ccy": "ETH", "amt": "0.094", "fee": "0.006", "state": "2", "ts": str(times[-1])}],
    }
    flows = await (await reader_of("okx")).fetch_cash_flows(since=SINCE, until=UNTIL)
    assert {flow.flow_id for flow in flows if flow.kind == "deposit"} == {str(i) for i in range(350)}
    assert [flow.quantity for flow in flows if flow.kind == "withdrawal"] == [D("-0.100")]


# ---------------------------------------------------------------- orders


async def test_binance_orders_of_all_wallets(reader_of: Open, wire: Any) -> None:
    resting = {"orderId": 7, "origQty": "122", "executedQty": "61", "type": "LIMIT", "side": "BUY", "stopPrice": "0"}
    resting |= {"time": payloads.milliseconds(SINCE), "price": "61000"}
    waiting = {"algoId": 8, "side": "SELL", "orderType": "STOP_MARKET", "quantity": "0.5", "triggerPrice": "50000"}
    waiting |= {"price": "0", "reduceOnly": True, "createTime": payloads.milliseconds(SINCE)}
    wire.answers |= {
        "/api/v3/openOrders": [{**resting, "symbol": "BTCUSDT"}],
        "/fapi/v1/openOrders": [],
        "/fapi/v1/openAlgoOrders": [{**waiting, "symbol": "BTCUSDT"}],
        "/dapi/v1/openOrders": [{**resting, "symbol": "BTCUSD_PERP", "reduceOnly": False}],
        "/dapi/v1/openAlgoOrders": [],
    }
    spot, algo, coin = await (await reader_of("binance")).fetch_open_orders()
    assert (spot.wallet, spot.quantity, spot.filled, spot.side) == (Wallet.SPOT, D(122), D(61), "buy")
    assert (algo.order_id, algo.price, algo.trigger_price) == ("algo-8", None, D(50000))
    assert (algo.reduce_only, algo.order_type) == (True, "stop_market")
    assert (coin.wallet, coin.quantity, coin.filled) == (Wallet.COIN_M, D("0.2"), D("0.1"))


async def test_okx_orders_are_turned_page_by_page(reader_of: Open, wire: Any) -> None:
    row = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "buy", "ordType": "limit", "px": "60000"}
    row |= {"sz": "5", "accFillSz": "1", "reduceOnly": "false", "cTime": "1770531541509"}
    ids = [str(i) for i in range(250, 0, -1)]

    async def pending(request: web.Request) -> web.Response:
        after = request.query.get("after")
        rest = ids if after is None else ids[ids.index(after) + 1 :]
        return web.json_response({"code": "0", "data": [{**row, "ordId": one} for one in rest[:100]]})

    async def waiting(request: web.Request) -> web.Response:
        algo = {**row, "algoId": "9", "ordType": "trigger", "ordPx": "-1", "triggerPx": "100"}
        rows = [algo] if request.query["ordType"] == "trigger" else []
        return web.json_response({"code": "0", "data": rows})

    wire.answers["/api/v5/trade/orders-pending"] = pending
    wire.answers["/api/v5/trade/orders-algo-pending"] = waiting
    orders = await (await reader_of("okx")).fetch_open_orders()
    assert [order.order_id for order in orders] == [*ids, "algo-9"]
    assert (orders[0].quantity, orders[0].filled) == (D("0.05"), D("0.01"))
    assert (orders[-1].price, orders[-1].trigger_price) == (None, D(100))


async def test_a_size_that_binance_does_not_state_is_unknown(reader_of: Open, wire: Any) -> None:
    row = {"side": "SELL", "triggerPrice": "50000", "price": "0", "createTime": payloads.milliseconds(SINCE)}
    closing = {**row, "algoId": 8, "orderType": "STOP_MARKET", "quantity": "0", "reduceOnly": True}
    resting = {"orderId": 7, "origQty": "122", "executedQty": "0", "type": "MARKET", "side": "BUY", "stopPrice": "0"}
    resting |= {"time": payloads.milliseconds(SINCE), "price": "0", "reduceOnly": False}
    wire.answers |= {path: [] for path in ("/api/v3/openOrders", "/fapi/v1/openOrders", "/dapi/v1/openAlgoOrders")}
    wire.answers["/fapi/v1/openAlgoOrders"] = [{**closing, "symbol": "BTCUSDT"}]
    wire.answers["/dapi/v1/openOrders"] = [{**resting, "symbol": "BTCUSD_PERP"}]
    whole_position, inverse_at_market = await (await reader_of("binance")).fetch_open_orders()
    assert whole_position.quantity is None
    assert inverse_at_market.quantity is None


async def test_a_size_that_okx_does_not_state_is_unknown(reader_of: Open, wire: Any) -> None:
    row = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "sell", "ordType": "conditional", "algoId": "9"}
    row |= {"sz": "", "ordPx": "-1", "slTriggerPx": "100", "reduceOnly": "true", "cTime": "1770531541509"}

    async def waiting(request: web.Request) -> web.Response:
        return web.json_response({"code": "0", "data": [row] if request.query["ordType"] == "conditional" else []})

    wire.answers["/api/v5/trade/orders-pending"] = {"code": "0", "data": []}
    wire.answers["/api/v5/trade/orders-algo-pending"] = waiting
    (order,) = await (await reader_of("okx")).fetch_open_orders()
    assert order.quantity is None


# ---------------------------------------------------------------- amounts


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20), max_value=10**20))
def test_every_plain_amount_is_read_exactly(number: Decimal) -> None:
    assert payloads.amount(f"{number:f}", "x") == number


@given(st.text(max_size=30))
def test_a_text_is_a_plain_number_or_refused(text: str) -> None:
    number = None
    with contextlib.suppress(AnswerShapeError):
        number = payloads.amount(text, "x")
    if number is not None:
        assert number.is_finite()
        assert set(text) <= set("-.0123456789")


def test_digits_after_the_eighteenth_are_rounded_half_even() -> None:
    assert payloads.amount("0.0000000000000000005", "x") == 0
    assert payloads.amount("0.0000000000000000015", "x") == D("2e-18")
    assert payloads.amount("9" * 24 + ".1234567890123456789", "x") == D("9" * 24 + ".123456789012345679")
