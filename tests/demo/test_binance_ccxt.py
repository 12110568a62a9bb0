"""Unmodified ccxt, sync and async, through every endpoint of the Binance face."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import orjson
import pytest

from portfolio_lab.demo.binance import ENDPOINTS
from portfolio_lab.demo.binance_ask import Endpoint, Need

Client = Callable[..., Any]
DAY_MS = 86_400_000
HOSTS = ("api/v3", "fapi/v1", "dapi/v1", "eapi/v1", "papi/v1")

PARAMETERS: dict[str, dict[str, Any]] = {
    "/api/v3/klines": {"symbol": "BTCUSDT", "interval": "1h"},
    "/fapi/v1/klines": {"symbol": "BTCUSDT", "interval": "1h"},
    "/dapi/v1/klines": {"symbol": "BTCUSD_PERP", "interval": "1h"},
    "/dapi/v1/indexPriceKlines": {"pair": "BTCUSD", "interval": "1h"},
    "/api/v3/myTrades": {"symbol": "BTCUSDT"},
    "/api/v3/allOrders": {"symbol": "BTCUSDT"},
    "/fapi/v1/userTrades": {"symbol": "BTCUSDT"},
    "/dapi/v1/userTrades": {"symbol": "ETHUSD_PERP"},
    "/sapi/v1/asset/transfer": {"type": "MAIN_UMFUTURE"},
    "/sapi/v1/accountSnapshot": {"type": "FUTURES"},
    "/sapi/v1/convert/tradeFlow": {"startTime": 1_791_000_000_000, "endTime": 1_791_200_000_000},
    "/sapi/v1/fiat/orders": {"transactionType": 0},
    "/sapi/v1/fiat/payments": {"transactionType": 0},
    "/sapi/v1/margin/borrow-repay": {"type": "BORROW"},
    "/sapi/v1/margin/myTrades": {"symbol": "BTCUSDT"},
    "/eapi/v1/bill": {"currency": "USDT"},
    "/eapi/v1/index": {"underlying": "BTCUSDT"},
    "/papi/v1/um/userTrades": {"symbol": "BTCUSDT"},
    "/papi/v1/cm/userTrades": {"symbol": "BTCUSD_PERP"},
    "/papi/v1/margin/myTrades": {"symbol": "BTCUSDT"},
    "/papi/v1/margin/marginLoan": {"asset": "USDT"},
    "/papi/v1/margin/repayLoan": {"asset": "USDT"},
}
PUBLIC = [endpoint for endpoint in ENDPOINTS.values() if endpoint.needs is Need.NOTHING]
SIGNED = [endpoint for endpoint in ENDPOINTS.values() if endpoint.needs is not Need.NOTHING]
PORTFOLIO_MARGIN = [endpoint for endpoint in ENDPOINTS.values() if endpoint.needs is Need.PORTFOLIO_MARGIN]


def _address(endpoint: Endpoint) -> tuple[str, str]:
    """(path, section) by which ccxt knows an endpoint."""
    _, family, version, path = endpoint.path.split("/", 3)
    suffix = "" if version == "v1" or family == "api" else version.upper()
    if family in {"sapi", "papi"}:
        return path, family + suffix
    section = "Public" if endpoint.needs is Need.NOTHING else "Private"
    return path, section.lower() if family == "api" else f"{family}{section}{suffix}"


def _asker(endpoint: Endpoint) -> tuple[str, str]:
    """(user, label) of an account that has what an endpoint tells."""
    if endpoint.needs is Need.PORTFOLIO_MARGIN:
        return "fay", "main"
    if "subUserHistory" in endpoint.path:
        return "desk", "sub"
    if "/margin/" in endpoint.path:
        return "dora", "main"
    if endpoint.path.startswith("/eapi/"):
        return "gus", "main"
    return "desk", "main"


def _arguments(endpoint: Endpoint) -> tuple[str, list[str], str, dict[str, Any]]:
    path, section = _address(endpoint)
    return path, [section], endpoint.method, dict(PARAMETERS.get(endpoint.path, {}))


@pytest.fixture
def client_of(binance: Client) -> Client:
    """The client of the account that should ask an endpoint, one for each account."""
    return cache(lambda endpoint_asker: binance(*endpoint_asker))


def test_every_endpoint_answers_sync(client_of: Client) -> None:
    answers = {
        endpoint.path: client_of(_asker(endpoint)).request(*_arguments(endpoint)) for endpoint in [*PUBLIC, *SIGNED]
    }

    assert len(answers) == len(PUBLIC) + len(SIGNED)
    assert all(isinstance(answer, dict | list) for answer in answers.values())
    silent = {path for path, answer in answers.items() if not answer}
    assert silent <= {endpoint.path for endpoint in SIGNED} | {f"/{name}/ping" for name in HOSTS}


async def test_every_endpoint_answers_async(binance: Client) -> None:
    client = binance("desk", twin=ccxt.async_support)
    await client.load_time_difference()
    theirs = [endpoint for endpoint in [*PUBLIC, *SIGNED] if _asker(endpoint) == ("desk", "main")]
    try:
        answers = [await client.request(*_arguments(endpoint)) for endpoint in theirs]
    finally:
        await client.close()

    assert all(isinstance(answer, dict | list) for answer in answers)


def test_portfolio_margin_was_never_opened(binance: Client) -> None:
    client = binance("desk")
    for endpoint in PORTFOLIO_MARGIN:
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            client.request(*_arguments(endpoint))


# Fields that only some rows of the real venue have, or that stand for features nobody here uses.
RARE = {
    "/api/v3/openOrders": {
        *("preventedMatchId", "preventedQuantity", "strategyId", "strategyType", "trailingDelta", "trailingTime"),
        *("usedSor", "workingFloor", "pegPriceType", "pegOffsetType", "pegOffsetValue", "peggedPrice", "expiryReason"),
    },
    "/fapi/v1/openOrders": {"activatePrice", "priceRate"},
    "/dapi/v1/openOrders": {"activatePrice", "priceRate"},
    "/api/v3/exchangeInfo": {"sors", "count", "priceExponent"},
    # The example shows the fields of all three types at once.
    "/sapi/v1/accountSnapshot": {
        *("balances", "userAssets", "marginLevel"),
        *("totalAssetOfBtc", "totalLiabilityOfBtc", "totalNetAssetOfBtc"),
    },
    "/sapi/v1/capital/config/getall": {"specialWithdrawTips", "denomination"},
    # Names of steps by coin.
    "/sapi/v1/simple-earn/flexible/position": {"0-5BTC", "5-10BTC"},
    # Rows of isolated pairs alone have it.
    "/sapi/v1/margin/borrow-repay": {"isolatedSymbol"},
    "/sapi/v1/margin/interestHistory": {"isolatedSymbol"},
}


def test_rows_carry_every_documented_field(client_of: Client, recorded_answers: Path) -> None:
    compared, lacking = 0, {}
    for endpoint in [*PUBLIC, *SIGNED]:
        recorded = recorded_answers / f"binance_{endpoint.path[1:].replace('/', '-')}_binance-connector-js.json"
        if recorded.exists():
            compared += 1
            answer = client_of(_asker(endpoint)).request(*_arguments(endpoint))
            missing = _missing(orjson.loads(recorded.read_bytes()), answer)
            lacking[endpoint.path] = missing - RARE.get(endpoint.path, set())

    assert compared > 60
    assert {path: missing for path, missing in lacking.items() if missing} == {}


def _missing(documented: Any, ours: Any) -> set[str]:
    """Names of documented fields that our answer lacks; an empty list of ours lacks nothing."""
    if isinstance(documented, list):
        rows = ours if isinstance(ours, list) else [ours]
        return _missing(documented[0], rows[0]) if documented and rows else set()
    if not isinstance(documented, dict):
        return set()
    if isinstance(ours, list):
        return _missing(documented, ours[0]) if ours else set()
    shared = documented.keys() & ours.keys()
    inner = set[str]().union(*(_missing(documented[name], ours[name]) for name in shared))
    return (set(documented) - set(ours)) | inner


# ---------------------------------------------------------------- the unified methods


def test_markets_load_without_keys(binance: Client) -> None:
    client = binance()
    markets = client.load_markets()

    assert markets["BTC/USDT"]["spot"]
    assert markets["BTC/USDT:USDT"]["linear"]
    assert (markets["BTC/USD:BTC"]["inverse"], markets["BTC/USD:BTC"]["contractSize"]) == (True, "100")
    assert markets["ETH/USDT:USDT"]["precision"]["amount"] == "0.001"


def test_markets_load_with_keys_and_margin_pairs(binance: Client) -> None:
    markets = binance("desk").load_markets()

    assert markets["BTC/USDT"]["marginModes"] == {"cross": True, "isolated": True}


@pytest.mark.parametrize(
    "parameters",
    [{}, {"type": "funding"}, {"type": "swap"}, {"type": "swap", "subType": "inverse"}],
    ids=["spot", "funding", "usd_m", "coin_m"],
)
def test_balances_add_up(binance: Client, parameters: dict[str, str]) -> None:
    balance = binance("desk").fetch_balance(parameters)

    assert any(Decimal(total) > 0 for total in balance["total"].values())
    if parameters.get("type") == "swap":
        rows = [row for row in balance["info"]["assets"] if row["updateTime"]]
        assert all(
            Decimal(row["marginBalance"]) == Decimal(row["walletBalance"]) + Decimal(row["unrealizedProfit"])
            for row in rows
        )


def test_margin_wallets_that_were_never_opened(binance: Client) -> None:
    client = binance("carol")

    with pytest.raises(ccxt.ExchangeError, match="-3003"):
        client.fetch_balance({"type": "margin"})
    assert client.fetch_balance({"marginMode": "isolated"})["total"] == {}


@pytest.mark.parametrize("family", ["linear", "inverse"])
@pytest.mark.parametrize("version", [{}, {"useV2": True}], ids=["v3", "v2"])
def test_positions_tell_side_and_size(binance: Client, family: str, version: dict[str, bool]) -> None:
    positions = binance("desk", "hedge").fetch_positions(None, {"subType": family, **version})

    assert positions
    for position in positions:
        assert position["hedged"]
        assert position["side"] == position["info"]["positionSide"].lower()
        assert Decimal(position["contracts"]) > 0
        assert Decimal(position["maintenanceMargin"]) > 0


def test_conditional_orders_live_in_algo_orders_alone(binance: Client) -> None:
    client = binance("desk")
    resting = client.fetch_open_orders(None, None, None, {"type": "swap"})
    waiting = client.fetch_open_orders(None, None, None, {"type": "swap", "trigger": True})

    assert resting
    assert waiting
    assert all(order["triggerPrice"] is None for order in resting)
    assert all(Decimal(order["triggerPrice"]) > 0 for order in waiting)


def test_spot_orders_lock_what_the_balance_says(binance: Client) -> None:
    client = binance("desk")
    orders = client.fetch_open_orders()
    locked = {row["asset"]: Decimal(row["locked"]) for row in client.fetch_balance()["info"]["balances"]}

    assert orders
    sold = [order for order in orders if order["side"] == "sell"]
    for asset in {order["symbol"].split("/")[0] for order in sold}:
        remaining = sum(Decimal(order["remaining"]) for order in sold if order["symbol"].startswith(f"{asset}/"))
        assert locked[asset] == remaining


def test_histories_are_read(binance: Client) -> None:
    client = binance("desk")
    since = client.milliseconds() - client.options["timeDifference"] - 64 * DAY_MS

    assert client.fetch_my_trades("BTC/USDT")
    assert client.fetch_orders("BTC/USDT")
    assert client.fetch_deposits(None, since)[0]["status"] == "ok"
    assert Decimal(client.fetch_withdrawals(None, since)[0]["fee"]["cost"]) > 0
    assert client.fetch_transfers(None, since, None, {"fromAccount": "spot", "toAccount": "swap"})
    week = {"type": "swap"}
    assert client.fetch_ledger(None, since + 59 * DAY_MS, None, week)
    assert client.fetch_ledger(None, since + 59 * DAY_MS, None, week | {"subType": "inverse"})
    assert client.fetch_my_trades("BTC/USDT:USDT", since + 58 * DAY_MS)


def test_prices_are_read(binance: Client) -> None:
    client = binance("desk")

    assert len(client.fetch_tickers()) == len(client.fetch_last_prices())
    assert client.fetch_mark_prices(None, {"subType": "linear"})["BTC/USDT:USDT"]["markPrice"]
    assert len(client.fetch_ohlcv("BTC/USDT", "1d", None, 100)) == 100
    assert len(client.fetch_funding_rate_history("BTC/USDT:USDT", None, 10)) == 10


async def test_a_cycle_of_unified_calls_async(binance: Client) -> None:
    client = binance("desk", twin=ccxt.async_support)
    await client.load_time_difference()
    try:
        balance = await client.fetch_balance({"type": "swap"})
        positions = await client.fetch_positions(None, {"subType": "linear"})
        orders = await client.fetch_open_orders()
    finally:
        await client.close()

    assert Decimal(balance["total"]["USDT"]) > 0
    assert positions
    assert orders
