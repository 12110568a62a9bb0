"""Unmodified ccxt reads every OKX endpoint of the demo exchange, sync and async, and is refused where OKX refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from portfolio_lab.demo.control import find_account
from portfolio_lab.demo.market import DAY_MS, milliseconds
from portfolio_lab.demo.okx import ENDPOINTS, OkxVenue
from portfolio_lab.demo.okx_wire import OkxRefusalError, RequestLimits
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.models.accounts import Account, Wallet

NOW = datetime(2026, 10, 5, 13, 20, tzinfo=UTC)
OkxOf = Callable[..., Any]


def okx_settings(demo: DemoExchange, user: str | None = None, label: str = "main") -> dict[str, Any]:
    settings: dict[str, Any] = {"enableRateLimit": False, "number": str, "urls": {"api": {"rest": demo.url}}}
    if user is not None:
        keys = credentials_of(Account(user, "okx", label))
        settings |= {"apiKey": keys.key, "secret": keys.secret, "password": keys.passphrase}
    return settings


@pytest.fixture
def okx(demo: DemoExchange) -> OkxOf:
    """A ccxt okx client of one account: `okx("desk", "carry")`; without a user it has no key."""

    def build(user: str | None = None, label: str = "main") -> Any:
        client = ccxt.okx(okx_settings(demo, user, label))
        client.load_time_difference()
        return client

    return build


NOW_MS = milliseconds(NOW)
PARAMETERS: dict[str, dict[str, str]] = {
    "public/instruments": {"instType": "SWAP"},
    "public/mark-price": {"instType": "SWAP"},
    "public/funding-rate": {"instId": "BTC-USDT-SWAP"},
    "public/funding-rate-history": {"instId": "BTC-USDT-SWAP"},
    "market/tickers": {"instType": "SPOT"},
    "market/ticker": {"instId": "USDT-USD"},
    "market/index-tickers": {"quoteCcy": "USD"},
    "market/candles": {"instId": "BTC-USDT"},
    "market/history-candles": {"instId": "BTC-USDT"},
    "trade/orders-algo-pending": {"ordType": "conditional"},
    "trade/fills-history": {"instType": "SPOT"},
    "trade/orders-history": {"instType": "SPOT"},
    "trade/orders-history-archive": {"instType": "SPOT"},
    "tradingBot/grid/orders-algo-pending": {"algoOrdType": "grid"},
}


OF_MASTERS = {"account/subaccount/balances", "asset/subaccount/balances"}
"""Asked about a sub-account by name: this desk has none."""


@pytest.fixture(autouse=True)
def fresh_windows(demo: DemoExchange) -> None:
    """Each test starts at the same instant, without faults, and with no request counted yet."""
    demo.set_clock(NOW)
    demo.faults.clear()
    demo._venues["okx"] = OkxVenue(demo.exchange)


def test_markets_are_spot_linear_and_inverse(okx: OkxOf) -> None:
    markets = okx().load_markets()
    assert markets["BTC/USDT"]["spot"]
    assert markets["BTC/USDT:USDT"]["contractSize"] == "0.01"
    assert markets["BTC/USD:BTC"]["inverse"]
    assert markets["BTC/USD:BTC"]["contractSize"] == "100"


def test_the_servers_tell_the_wire_time(okx: OkxOf) -> None:
    assert 0 <= okx().fetch_time() - NOW_MS < 60_000


@pytest.mark.parametrize("label", ["main", "carry"])
def test_the_trading_balance_is_equity(okx: OkxOf, demo: DemoExchange, label: str) -> None:
    balance = okx("desk", label).fetch_balance()
    detail = {row["ccy"]: row for row in balance["info"]["data"][0]["details"]}
    assert balance["total"]["USDT"] == detail["USDT"]["eq"]
    for row in detail.values():
        assert Decimal(row["eq"]) == Decimal(row["cashBal"]) + Decimal(row["upl"])


def test_the_funding_balance(okx: OkxOf) -> None:
    assert Decimal(okx("desk").fetch_balance({"type": "funding"})["total"]["USDT"]) > 0


def test_positions_have_sign_size_and_mark(okx: OkxOf) -> None:
    positions = {one["symbol"]: one for one in okx("desk", "carry").fetch_positions()}
    short = positions["BTC/USD:BTC"]
    assert (short["side"], short["marginMode"], short["hedged"]) == ("short", "cross", False)
    assert Decimal(short["info"]["pos"]) < 0


def test_open_orders_are_limit_and_algo(okx: OkxOf) -> None:
    client = okx("desk")
    client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    resting = client.fetch_open_orders()
    waiting = [
        order for kind in ("conditional", "trigger") for order in client.fetch_open_orders(params={"ordType": kind})
    ]
    assert resting
    assert waiting
    assert all(Decimal(order["amount"]) > 0 for order in resting + waiting)
    assert all(order["status"] == "open" for order in resting)
    with pytest.raises(ccxt.BadRequest, match="50014"):
        client.private_get_trade_orders_algo_pending()


def test_fills_carry_fees_and_page_by_bill(okx: OkxOf, demo: DemoExchange) -> None:
    client = okx("desk")
    whole = client.fetch_my_trades(params={"type": "swap"})
    assert whole
    assert all(Decimal(trade["fee"]["cost"]) > 0 for trade in whole)
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(20):
        rows = client.private_get_trade_fills_history({"instType": "SPOT", "limit": "37", **after})["data"]
        if not rows:
            break
        seen += [row["billId"] for row in rows]
        after = {"after": rows[-1]["billId"]}
        demo._venues["okx"] = OkxVenue(demo.exchange)
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen, reverse=True)
    assert len(seen) > 100


def test_history_windows_are_three_days_seven_days_and_three_months(okx: OkxOf) -> None:
    client = okx("desk")
    reaches = {
        3: client.private_get_trade_fills()["data"],
        7: client.private_get_account_bills()["data"],
        90: client.private_get_trade_fills_history({"instType": "SWAP"})["data"],
        30: client.private_get_asset_bills()["data"],
    }
    for days, rows in reaches.items():
        assert rows
        assert all(NOW_MS - days * DAY_MS <= int(row["ts"]) <= NOW_MS for row in rows)


def test_ledgers_deposits_withdrawals_and_transfers(okx: OkxOf) -> None:
    client = okx("desk")
    assert client.fetch_ledger()
    assert client.fetch_ledger(params={"method": "privateGetAccountBillsArchive"})
    assert client.fetch_ledger(params={"method": "privateGetAssetBills"})
    transfers = client.fetch_transfers()
    assert {transfer["fromAccount"] for transfer in transfers} <= {"funding", "trading"}
    since = NOW_MS - 30 * DAY_MS
    deposits, withdrawals = client.fetch_deposits("USDT", since), client.fetch_withdrawals(None)
    assert all(one["timestamp"] >= since and one["status"] == "ok" for one in deposits)
    assert len({one["txid"] for one in deposits + withdrawals}) == len(deposits + withdrawals)
    assert all(Decimal(one["fee"]["cost"]) == 1 for one in withdrawals)


def test_prices_and_candles(okx: OkxOf) -> None:
    client = okx()
    tickers = client.fetch_tickers()
    assert 0.998 < Decimal(tickers["USDT/USD"]["last"]) < 1.002
    bars = client.fetch_ohlcv("BTC/USDT", "1d", NOW_MS - 40 * DAY_MS)
    assert [bar[0] for bar in bars] == sorted(bar[0] for bar in bars)
    assert float(bars[-1][4]) == float(tickers["BTC/USDT"]["last"])
    for _, opening, high, low, closing, _ in (tuple(map(float, bar)) for bar in bars):
        assert low <= min(opening, closing) <= max(opening, closing) <= high
    assert client.fetch_mark_price("BTC/USDT:USDT")["markPrice"]
    assert client.fetch_funding_rate("BTC/USDT:USDT")["fundingRate"] is not None
    old = client.fetch_ohlcv("BTC/USDT", "1m", NOW_MS - 30 * DAY_MS, 10)
    assert len(old) == 10


def test_the_key_is_read_only(okx: OkxOf) -> None:
    client = okx("carol")
    assert client.fetch_accounts()[0]["id"]
    assert client.private_get_account_config()["data"][0]["perm"] == "read_only"
    with pytest.raises(ccxt.ExchangeError, match="50120"):
        client.private_post_account_set_position_mode({"posMode": "net_mode"})


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - OF_MASTERS))
def test_every_endpoint_answers_in_the_envelope(okx: OkxOf, name: str) -> None:
    client = okx("desk")
    api = "private" if ENDPOINTS[name].private else "public"
    answer = client.request(name, [api], "GET", PARAMETERS.get(name, {}))
    assert answer["code"] == "0"
    assert isinstance(answer["data"], list)


@pytest.mark.asyncio
async def test_async_ccxt_reads_the_same(demo: DemoExchange, okx: OkxOf) -> None:
    client = ccxt_async.okx(okx_settings(demo, "desk"))
    try:
        await client.load_time_difference()
        assert len(await client.load_markets()) == len(okx().load_markets())
        assert (await client.fetch_balance())["total"] == okx("desk").fetch_balance()["total"]
        assert len(await client.fetch_positions()) == len(okx("desk").fetch_positions())
        assert await client.fetch_tickers()
        assert await client.fetch_my_trades()
        assert await client.fetch_deposits()
    finally:
        await client.close()


def test_an_unknown_key_does_not_exist(okx: OkxOf) -> None:
    client = okx("desk")
    client.apiKey = "nobody"
    with pytest.raises(ccxt.ExchangeError, match="50119"):
        client.fetch_balance()


def test_a_wrong_secret_is_a_wrong_signature(okx: OkxOf) -> None:
    client = okx("desk")
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError, match="50113"):
        client.fetch_balance()


def test_a_wrong_passphrase(okx: OkxOf) -> None:
    client = okx("desk")
    client.password = "wrong"
    with pytest.raises(ccxt.AuthenticationError, match="50105"):
        client.fetch_balance()


def test_a_clock_half_a_minute_off_has_expired(okx: OkxOf, demo: DemoExchange) -> None:
    """Skewed servers refuse a client that did not measure them: 31 s is over the 30 s window."""
    client = okx("desk")
    demo.faults.add({"path": "/api/v5/account/balance", "skew_seconds": 31, "times": 1})
    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        client.fetch_balance()


def test_a_revoked_key_is_invalid_until_it_is_restored(okx: OkxOf, demo: DemoExchange) -> None:
    account = find_account(demo, "desk", "okx:main")
    account.revoked_by_control = True
    with pytest.raises(ccxt.AuthenticationError, match="50111"):
        okx("desk").fetch_balance()
    account.revoked_by_control = None
    assert okx("desk").fetch_balance()


def test_a_missing_header_is_named(okx: OkxOf) -> None:
    client = okx("desk")
    base = client.urls["api"]["rest"]
    with pytest.raises(ccxt.AuthenticationError, match="50103"):
        client.fetch(f"{base}/api/v5/account/balance", "GET", {}, None)


def test_an_instrument_that_is_not_listed(okx: OkxOf) -> None:
    with pytest.raises(ccxt.BadSymbol, match="51001"):
        okx().public_get_market_ticker({"instId": "NONE-USDT"})


def test_too_many_requests_within_two_seconds() -> None:
    """Two in 2 s are allowed here: the third is refused, and welcome again when the first is 2 s old."""
    limits = RequestLimits()
    for now in (0, 100):
        limits.check("7", "account/config", 2, 2_000, now)
    with pytest.raises(OkxRefusalError, match="Too Many"):
        limits.check("7", "account/config", 2, 2_000, 1_999)
    limits.check("8", "account/config", 2, 2_000, 1_999)
    limits.check("7", "account/config", 2, 2_000, 2_001)


def test_ccxt_sees_the_limit(okx: OkxOf) -> None:
    client = okx("desk")
    client.private_get_asset_asset_valuation()
    client.private_get_asset_asset_valuation()
    with pytest.raises(ccxt.RateLimitExceeded, match="50011"):
        client.private_get_asset_asset_valuation()


# ------------------------------------------------------------ an account with everything


def test_ccxt_reads_a_multi_currency_debtor(okx: OkxOf, demo: DemoExchange) -> None:
    """Net equity is negative where more is owed than held, and the savings are nowhere in the balance."""
    client = okx("ivan")
    balance, rows = client.fetch_balance(), client.private_get_account_balance()["data"][0]["details"]
    debts = find_account(demo, "ivan", "okx:main").view(NOW_MS).debts(Wallet.TRADING)
    assert debts
    assert all(balance["total"][row["ccy"]] == row["eq"] for row in rows)
    assert {row["ccy"] for row in rows if Decimal(row["liab"])} == set(debts)
    positions = client.fetch_positions()
    assert len(positions) == len(client.private_get_account_positions()["data"]) > 0
    assert all(Decimal(one["liquidationPrice"]) > 0 for one in positions if one["liquidationPrice"])


def test_ccxt_reads_all_that_has_happened_to_it(okx: OkxOf) -> None:
    client = okx("ivan")
    assert client.fetch_ledger()
    assert client.fetch_my_trades(params={"type": "swap"})
    assert client.fetch_deposits()
    assert client.fetch_withdrawals()
    assert client.fetch_transfers()
    assert client.fetch_convert_trade_history()
    assert client.fetch_borrow_interest()
    assert client.fetch_positions_history()
    assert client.fetch_closed_orders("BTC/USDT:USDT") is not None
    assert client.fetch_accounts()[0]["type"] == "3"


# ------------------------------------------------------------ the wire against the truth


@pytest.mark.parametrize("days", [-50, -20, 0, 33])
@pytest.mark.parametrize(("user", "label"), [("desk", "main"), ("desk", "carry"), ("carol", "main")])
def test_equity_on_the_wire_times_published_prices_is_the_truth(
    demo: DemoExchange, okx: OkxOf, user: str, label: str, days: int
) -> None:
    demo.set_clock(NOW + timedelta(days=days))
    client = okx(user, label)
    last = {
        row["instId"]: Decimal(row["last"]) for row in client.public_get_market_tickers({"instType": "SPOT"})["data"]
    }
    usdt = last["USDT-USD"]
    prices = {name.removesuffix("-USDT"): price * usdt for name, price in last.items() if name.endswith("-USDT")}
    prices["USDT"] = usdt
    details = client.private_get_account_balance()["data"][0]["details"]
    trading = sum(Decimal(row["eq"]) * prices[row["ccy"]] for row in details)
    funding = sum(Decimal(row["bal"]) * prices[row["ccy"]] for row in client.private_get_asset_balances()["data"])
    truth = account_truth(find_account(demo, user, f"okx:{label}"), demo.exchange.market, demo.exchange.clock.book())
    assert truth.equity is not None
    assert abs((trading + funding) / truth.equity - 1) < Decimal("1e-12")
    assert [wallet.wallet.value for wallet in truth.wallets] == ["trading", "funding"]


def test_every_bill_is_the_difference_of_its_balances(okx: OkxOf, demo: DemoExchange) -> None:
    """Newest first, per asset: the balance before a bill + its change = the balance after it."""
    client = okx("desk", "carry")
    rows: list[dict[str, str]] = []
    after: dict[str, str] = {}
    while page := client.private_get_account_bills_archive(after)["data"]:
        rows, after = rows + page, {"after": page[-1]["billId"]}
        demo._venues["okx"] = OkxVenue(demo.exchange)
    assert len(rows) > 200
    for asset in {row["ccy"] for row in rows}:
        of_asset = [row for row in rows if row["ccy"] == asset]
        for newer, older in pairwise(of_asset):
            assert Decimal(older["bal"]) + Decimal(newer["balChg"]) == Decimal(newer["bal"])
