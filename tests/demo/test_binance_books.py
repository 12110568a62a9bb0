"""What Binance says on the wire adds up to what the accounts are worth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.market import milliseconds
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.models.accounts import Wallet

Client = Callable[..., Any]
ACCOUNTS = [("alice", "main"), ("desk", "main"), ("desk", "hedge"), ("carol", "main")]
INSTANTS = [datetime(2026, 8, 1, 12, tzinfo=UTC) + timedelta(days=days, minutes=7 * days) for days in (0, 3, 29, 61)]
DAY_MS = 86_400_000
HALF_CENT_OF_A_CENT = Decimal("1e-9")


def _account(demo: DemoExchange, user: str, label: str) -> DemoAccount:
    found = (user, f"binance:{label}")
    return next(one for one in demo.exchange.accounts if (one.account.user, one.account.name) == found)


def _prices(client: Any) -> dict[str, Decimal]:
    """USD prices by asset from what the venue publishes and nothing else."""
    last = {row["symbol"]: Decimal(row["price"]) for row in client.public_get_ticker_price()}
    index = {row["symbol"]: Decimal(row["indexPrice"]) for row in client.dapipublic_get_premiumindex()}
    usdt = index["BTCUSD_PERP"] / last["BTCUSDT"]
    prices = {symbol.removesuffix("USDT"): price * usdt for symbol, price in last.items() if symbol.endswith("USDT")}
    return prices | {"USDT": usdt}


def _spot(client: Any) -> dict[str, Decimal]:
    """Spot with what is being withdrawn, and without the coins that stand for savings."""
    rows, saved = client.sapiv3_post_asset_getuserasset(), {f"LD{asset}" for asset in _earn(client)}
    parts = ("free", "locked", "freeze", "withdrawing")
    return {row["asset"]: sum(Decimal(row[part]) for part in parts) for row in rows if row["asset"] not in saved}


def _earn(client: Any) -> dict[str, Decimal]:
    """Flexible savings; nobody here has locked ones."""
    assert client.sapi_get_simple_earn_locked_position()["total"] == 0
    rows = client.sapi_get_simple_earn_flexible_position({"size": 100})["rows"]
    return {row["asset"]: Decimal(row["totalAmount"]) for row in rows}


def _funding(client: Any) -> dict[str, Decimal]:
    return {row["asset"]: Decimal(row["free"]) for row in client.sapi_post_asset_get_funding_asset()}


def _usd_m(client: Any) -> dict[str, Decimal]:
    return {row["asset"]: Decimal(row["marginBalance"]) for row in client.fapiprivatev3_get_account()["assets"]}


def _coin_m(client: Any) -> dict[str, Decimal]:
    return {row["asset"]: Decimal(row["marginBalance"]) for row in client.dapiprivate_get_account()["assets"]}


READ = {
    Wallet.SPOT: _spot,
    Wallet.FUNDING: _funding,
    Wallet.USD_M: _usd_m,
    Wallet.COIN_M: _coin_m,
    Wallet.EARN: _earn,
}


@pytest.mark.parametrize("at", INSTANTS, ids=lambda at: f"{at:%d %b}")
@pytest.mark.parametrize(("user", "label"), ACCOUNTS)
def test_wallets_on_the_wire_are_worth_the_truth(
    binance: Client, rested: DemoExchange, user: str, label: str, at: datetime
) -> None:
    rested.set_clock(at)
    client, account = binance(user, label), _account(rested, user, label)
    prices = _prices(client)

    truth = account_truth(account, rested.exchange.market, milliseconds(at))
    for wallet in truth.wallets:
        amounts = READ[wallet.wallet](client)
        worth = sum((amount * prices[asset] for asset, amount in amounts.items() if amount), Decimal(0))
        assert wallet.equity is not None
        assert abs(worth - wallet.equity) <= abs(wallet.equity) * HALF_CENT_OF_A_CENT


@pytest.mark.parametrize(("user", "label"), ACCOUNTS)
def test_the_wallet_map_adds_up_to_the_truth(binance: Client, rested: DemoExchange, user: str, label: str) -> None:
    rows = binance(user, label).sapi_get_asset_wallet_balance({"quoteAsset": "USDT"})
    truth = account_truth(_account(rested, user, label), rested.exchange.market, rested.exchange.clock.book())

    assert truth.equity_usdt is not None
    assert abs(sum(Decimal(row["balance"]) for row in rows) - truth.equity_usdt) < Decimal("0.000001")


@pytest.mark.parametrize("label", ["main", "hedge"])
def test_positions_sum_to_the_unrealised_pnl_of_the_account(binance: Client, label: str) -> None:
    client = binance("desk", label)
    account, risks = client.fapiprivatev3_get_account(), client.fapiprivatev3_get_positionrisk()
    summed = sum(Decimal(row["unRealizedProfit"]) for row in risks)

    assert summed == Decimal(account["totalUnrealizedProfit"])
    assert summed == sum(Decimal(row["unrealizedProfit"]) for row in account["positions"])
    assert Decimal(account["totalMarginBalance"]) == Decimal(account["totalWalletBalance"]) + summed
    assert sum(Decimal(row["maintMargin"]) for row in risks) == Decimal(account["totalMaintMargin"])


def test_linear_and_inverse_pnl_by_hand(binance: Client) -> None:
    client = binance("desk", "hedge")
    linear = client.fapiprivatev3_get_positionrisk()[0]
    inverse = next(row for row in client.dapiprivate_get_positionrisk() if Decimal(row["positionAmt"]))

    gained = Decimal(linear["positionAmt"]) * (Decimal(linear["markPrice"]) - Decimal(linear["entryPrice"]))
    assert abs(gained - Decimal(linear["unRealizedProfit"])) <= Decimal("5e-9")
    usd = Decimal(inverse["positionAmt"]) * 100
    gained = usd / Decimal(inverse["entryPrice"]) - usd / Decimal(inverse["markPrice"])
    assert abs(gained - Decimal(inverse["unRealizedProfit"])) <= Decimal("5e-9")


def test_marks_of_positions_are_the_published_marks(binance: Client) -> None:
    client = binance("desk")
    published = {row["symbol"]: row["markPrice"] for row in client.fapipublic_get_premiumindex()}

    for row in client.fapiprivatev3_get_positionrisk():
        assert row["markPrice"] == published[row["symbol"]]


@pytest.mark.parametrize("wallet", ["fapi", "dapi"])
def test_income_of_all_time_is_the_wallet_balance(binance: Client, wallet: str) -> None:
    client = binance("desk")
    income = getattr(client, f"{wallet}private_get_income")
    account = client.fapiprivatev3_get_account() if wallet == "fapi" else client.dapiprivate_get_account()
    asset = "USDT" if wallet == "fapi" else "ETH"
    everything = {"startTime": client.milliseconds() - client.options["timeDifference"] - 89 * DAY_MS, "limit": 1000}

    rows, page = [], 1
    while chunk := income({**everything, "page": page}):
        rows += chunk
        page += 1

    balance = next(Decimal(row["walletBalance"]) for row in account["assets"] if row["asset"] == asset)
    assert sum(Decimal(row["income"]) for row in rows if row["asset"] == asset) == balance
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_flows_and_fills_of_all_time_are_the_spot_balance(binance: Client) -> None:
    """A book kept by hand from the histories alone: deposits, withdrawals, transfers and fills."""
    client = binance("alice")
    now = client.milliseconds() - client.options["timeDifference"]
    book: dict[str, Decimal] = {}

    def add(asset: str, amount: Decimal) -> None:
        book[asset] = book.get(asset, Decimal(0)) + amount

    window = {"startTime": now - 89 * DAY_MS, "endTime": now}
    for row in client.sapi_get_capital_deposit_hisrec(window):
        add(row["coin"], Decimal(row["amount"]))
    for row in client.sapi_get_capital_withdraw_history(window):
        add(row["coin"], -Decimal(row["amount"]) - Decimal(row["transactionFee"]))
    for kind, sign in _TRANSFERS.items():
        for row in _all_transfers(client, kind, now - 89 * DAY_MS):
            add(row["asset"], sign * Decimal(row["amount"]))
    for base in ("BTC", "ETH", "SOL"):
        for row in client.private_get_mytrades({"symbol": f"{base}USDT", "fromId": 0, "limit": 1000}):
            sign = 1 if row["isBuyer"] else -1
            add(base, sign * Decimal(row["qty"]))
            add("USDT", -sign * Decimal(row["quoteQty"]))
            add(row["commissionAsset"], -Decimal(row["commission"]))

    assert {asset: amount for asset, amount in _spot(client).items() if amount} == book


_TRANSFERS = {
    **dict.fromkeys(("MAIN_FUNDING", "MAIN_UMFUTURE", "MAIN_CMFUTURE"), -1),
    **dict.fromkeys(("FUNDING_MAIN", "UMFUTURE_MAIN", "CMFUTURE_MAIN"), 1),
}


def _all_transfers(client: Any, kind: str, since: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page = 1
    while chunk := client.sapi_get_asset_transfer({"type": kind, "startTime": since, "size": 7, "current": page})[
        "rows"
    ]:
        rows += chunk
        page += 1
    return rows
