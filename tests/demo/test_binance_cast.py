"""Every book of the cast: what Binance says of each wallet adds up to the exchange's own truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from hand_written import Bench

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import Exchange
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.demo.truth import AccountTruth, account_truth
from portfolio_lab.models.accounts import Wallet

SINCE = milliseconds(datetime(2026, 8, 1, tzinfo=UTC))
DAY_MS = 86_400_000
CLOSE = Decimal("1e-9")
MAP = "/sapi/v1/asset/wallet/balance"
BOOKS = [
    *(("dora", "main"), ("emil", "main"), ("fay", "main"), ("gus", "main"), ("hana", "main")),
    *(("desk", "main"), ("desk", "sub")),
]
Units = dict[str, Decimal]
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    market = Market(7)
    return Exchange(market, DemoClock(SINCE), open_accounts(market, SINCE))


@pytest.fixture(params=BOOKS, ids="/".join)
def owner(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


def _bench(exchange: Exchange, owner: tuple[str, str], at: int) -> Bench:
    user, label = owner
    found = (user, f"binance:{label}")
    one = next(one for one in exchange.accounts if (one.account.user, one.account.name) == found)
    return Bench(one, exchange.market, BinanceVenue(exchange), at)


def _truth(bench: Bench) -> AccountTruth:
    return account_truth(bench.account, bench.market, bench.now)


# ---------------------------------------------------------------- what each wallet's rows add up to


def _summed(rows: Iterable[dict[str, Any]], *fields: str) -> Units:
    """Units by asset: the fields of each row added, or taken off where the name has a minus."""
    units: Units = defaultdict(Decimal)
    for row in rows:
        for field in fields:
            sign = -1 if field.startswith("-") else 1
            units[row["asset"]] += sign * Decimal(row[field.removeprefix("-")])
    return units


def _spot(bench: Bench) -> Units:
    rows = bench.ask("/sapi/v3/asset/getUserAsset", "POST")
    saved = {f"LD{row['asset']}" for row in bench.ask("/sapi/v1/simple-earn/flexible/position", size="100")["rows"]}
    assert {row["asset"] for row in rows if row["asset"].startswith("LD")} == saved
    kept = [row for row in rows if row["asset"] not in saved]
    return _summed(kept, "free", "locked", "freeze", "withdrawing")


def _funding(bench: Bench) -> Units:
    rows = bench.ask("/sapi/v1/asset/get-funding-asset", "POST")
    return _summed(rows, "free", "locked", "freeze", "withdrawing")


def _cross(bench: Bench) -> Units:
    rows = bench.ask("/sapi/v1/margin/account")["userAssets"]
    net = _summed(rows, "free", "locked", "-borrowed", "-interest")
    assert net == _summed(rows, "netAsset")
    return net


def _isolated(bench: Bench) -> Units:
    pairs = bench.ask("/sapi/v1/margin/isolated/account")["assets"]
    return _summed((pair[side] for pair in pairs for side in ("baseAsset", "quoteAsset")), "netAsset")


def _usd_m(bench: Bench) -> Units:
    return _summed(bench.ask("/fapi/v3/account")["assets"], "walletBalance", "unrealizedProfit")


def _coin_m(bench: Bench) -> Units:
    return _summed(bench.ask("/dapi/v1/account")["assets"], "walletBalance", "unrealizedProfit")


def _options(bench: Bench) -> Units:
    return _summed(bench.ask("/eapi/v1/marginAccount")["asset"], "equity")


def _unified(bench: Bench) -> Units:
    fields = (
        "totalWalletBalance",
        "umUnrealizedPNL",
        "cmUnrealizedPNL",
        "-crossMarginBorrowed",
        "-crossMarginInterest",
    )
    return _summed(bench.ask("/papi/v1/balance"), *fields)


def _earn(bench: Bench) -> Units:
    flexible = bench.ask("/sapi/v1/simple-earn/flexible/position", size="100")["rows"]
    locked = bench.ask("/sapi/v1/simple-earn/locked/position", size="100")["rows"]
    units = _summed(flexible, "totalAmount")
    for asset, amount in _summed(locked, "amount").items():
        units[asset] += amount
    return units


def _loans(bench: Bench) -> Units:
    units: Units = defaultdict(Decimal)
    for row in bench.ask("/sapi/v2/loan/flexible/ongoing/orders")["rows"]:
        units[row["collateralCoin"]] += Decimal(row["collateralAmount"])
        units[row["loanCoin"]] -= Decimal(row["totalDebt"])
    return units


READ: dict[Wallet, Callable[[Bench], Units]] = {
    Wallet.SPOT: _spot,
    Wallet.FUNDING: _funding,
    Wallet.CROSS_MARGIN: _cross,
    Wallet.ISOLATED_MARGIN: _isolated,
    Wallet.USD_M: _usd_m,
    Wallet.COIN_M: _coin_m,
    Wallet.OPTIONS: _options,
    Wallet.PORTFOLIO_MARGIN: _unified,
    Wallet.EARN: _earn,
    Wallet.LOANS: _loans,
}
NAMES: dict[Wallet, tuple[str, ...]] = {
    Wallet.SPOT: ("Spot",),
    Wallet.FUNDING: ("Funding",),
    Wallet.CROSS_MARGIN: ("Cross Margin",),
    Wallet.ISOLATED_MARGIN: ("Isolated Margin",),
    Wallet.USD_M: ("USDⓈ-M Futures",),
    Wallet.COIN_M: ("COIN-M Futures",),
    Wallet.OPTIONS: ("Options",),
    Wallet.PORTFOLIO_MARGIN: ("Cross Margin (PM)", "USDⓈ-M Futures", "COIN-M Futures"),
    Wallet.EARN: ("Earn",),
    Wallet.BOTS: ("Trading Bots",),
    Wallet.COPY_TRADING: ("Copy Trading",),
}


def _worth(bench: Bench, units: Units) -> Decimal:
    """USD by the venue's own prices; every asset held here has one."""
    total = Decimal(0)
    for asset, amount in units.items():
        price = bench.market.coin_usd("binance", asset, bench.now)
        assert price is not None or not amount, asset
        total += amount * (price or 0)
    return total


# ---------------------------------------------------------------- rows, map and truth


@pytest.mark.parametrize("days", [0.9, 9.3, 33.7, 65.55])
def test_rows_are_worth_the_truth(exchange: Exchange, owner: tuple[str, str], days: float) -> None:
    bench = _bench(exchange, owner, SINCE + round(days * DAY_MS))

    for wallet in _truth(bench).wallets:
        if wallet.wallet in READ:
            assert wallet.equity is not None
            worth = _worth(bench, READ[wallet.wallet](bench))
            # Rows are rounded to eight decimals of a coin.
            assert abs(worth - wallet.equity) <= CLOSE * max(abs(wallet.equity), 1000), wallet.wallet


@pytest.mark.parametrize("days", [0.9, 9.3, 33.7, 65.55])
def test_the_wallet_map_is_the_truth(exchange: Exchange, owner: tuple[str, str], days: float) -> None:
    bench = _bench(exchange, owner, SINCE + round(days * DAY_MS))
    told, dollar = bench.told(MAP), bench.market.usdt_usd("binance", bench.now)

    claimed = set[str]()
    for wallet in _truth(bench).wallets:
        if wallet.wallet in NAMES:
            assert wallet.equity is not None
            names = NAMES[wallet.wallet]
            claimed |= set(names)
            summed = sum(Decimal(told[name]) for name in names)
            assert abs(summed - wallet.equity / dollar) <= Decimal("1e-7"), wallet.wallet
    assert {name for name, worth in told.items() if Decimal(worth)} <= claimed


def test_actual_equity_is_the_truth_of_portfolio_margin(exchange: Exchange) -> None:
    bench = _bench(exchange, ("fay", "main"), SINCE + 40 * DAY_MS)
    (truth,) = (one for one in _truth(bench).wallets if one.wallet is Wallet.PORTFOLIO_MARGIN)

    assert truth.equity is not None
    assert abs(Decimal(bench.ask("/papi/v1/account")["actualEquity"]) - truth.equity) < Decimal("1e-7")


def test_the_special_books_are_special(exchange: Exchange) -> None:
    """Each of the cast has what it is there for: without that, the laws above prove nothing."""
    at = SINCE + DAY_MS * 9 // 10
    dora, emil, fay, gus, hana, desk, sub = (_bench(exchange, owner, at) for owner in BOOKS)

    assert any(Decimal(row["borrowed"]) for row in dora.ask("/sapi/v1/margin/account")["userAssets"])
    assert dora.ask("/sapi/v1/margin/isolated/account")["assets"]
    assert emil.ask("/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": True}
    assert sum(bool(Decimal(row["walletBalance"])) for row in emil.ask("/fapi/v3/account")["assets"]) >= 3
    assert Decimal(fay.ask("/papi/v1/account")["actualEquity"]) > 0
    assert any(Decimal(row["quantity"]) < 0 for row in gus.ask("/eapi/v1/position"))
    assert hana.ask("/sapi/v1/simple-earn/flexible/position")["total"] > 0
    assert hana.ask("/sapi/v1/simple-earn/locked/position")["total"] > 0
    assert hana.ask("/sapi/v2/loan/flexible/ongoing/orders")["total"] > 0
    assert all(Decimal(hana.told(MAP)[name]) for name in ("Trading Bots", "Copy Trading", "Earn"))
    assert [row["subUserId"] for row in desk.ask("/sapi/v1/sub-account/list")["subAccounts"]] == [sub.account.uid]


# ---------------------------------------------------------------- unmodified ccxt


@pytest.mark.parametrize(
    ("user", "parameters"),
    [
        ("dora", {"type": "margin"}),
        ("dora", {"marginMode": "isolated"}),
        ("emil", {"type": "swap"}),
        ("fay", {"portfolioMargin": True}),
        ("fay", {"type": "papi", "subType": "linear"}),
        ("hana", {"type": "spot"}),
    ],
    ids=["margin", "isolated", "multi_asset", "papi", "papi_linear", "savings"],
)
def test_ccxt_reads_the_balances(binance: Client, user: str, parameters: dict[str, Any]) -> None:
    totals = binance(user).fetch_balance(parameters)["total"]

    assert any(Decimal(total) > 0 for total in totals.values() if total is not None)


def test_ccxt_reads_positions_and_orders_of_portfolio_margin(binance: Client) -> None:
    client = binance("fay")
    linear = client.fetch_positions(None, {"portfolioMargin": True, "subType": "linear"})
    for parameters in ({"type": "swap"}, {"type": "swap", "trigger": True}):
        client.fetch_open_orders(None, None, None, parameters | {"portfolioMargin": True})

    assert any(Decimal(position["contracts"]) > 0 for position in linear)
    with pytest.raises(ccxt.BaseError, match="-2015"):
        client.fetch_balance({"type": "swap"})


def test_ccxt_reads_option_positions(binance: Client) -> None:
    client = binance("gus", options={"fetchMarkets": {"types": ["spot", "linear", "option"]}})
    positions = client.fetch_positions(None, {"method": "option"})

    # ccxt turns the sign of a written option's quantity.
    assert any(position["side"] == "short" and Decimal(position["contracts"]) > 0 for position in positions)
    assert all(client.markets[position["symbol"]]["option"] for position in positions)
