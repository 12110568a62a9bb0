"""Balances kept by hand from Binance's histories alone equal the books, for every person of the demo exchange."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hand_written import Bench
from test_binance_history import ask

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import Exchange
from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.instruments import SPOT, by_symbol
from portfolio_lab.demo.market import DAY_MS, Market, milliseconds
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.models.accounts import Wallet

SINCE = milliseconds(datetime(2026, 8, 1, tzinfo=UTC))
NOW = milliseconds(datetime(2026, 9, 20, 13, 20, tzinfo=UTC))
NAMES = ("alice/main", "desk/main", "dora/main", "emil/main", "fay/main", "gus/main", "hana/main", "desk/sub")
SIDES = {
    "MAIN": Wallet.SPOT,
    "FUNDING": Wallet.FUNDING,
    "UMFUTURE": Wallet.USD_M,
    "CMFUTURE": Wallet.COIN_M,
    "MARGIN": Wallet.CROSS_MARGIN,
    "ISOLATEDMARGIN": Wallet.ISOLATED_MARGIN,
    "OPTION": Wallet.OPTIONS,
}
CASH = (Wallet.SPOT, Wallet.FUNDING)
Change = tuple[str, Decimal]


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    market = Market(7)
    return Exchange(market, DemoClock(NOW), open_accounts(market, SINCE))


def _bench(exchange: Exchange, name: str) -> Bench:
    named = (one for one in exchange.accounts if one.account.venue == "binance")
    account = next(one for one in named if f"{one.account.user}/{one.account.label}" == name)
    account.view(NOW)
    return Bench(account, exchange.market, BinanceVenue(exchange))


def _spans(days: int) -> Iterator[dict[str, int]]:
    for start in range(SINCE, NOW + 1, days * DAY_MS):
        yield {"startTime": start, "endTime": min(start + days * DAY_MS - 1, NOW)}


def _rows(bench: Bench, path: str, days: int, *, size: str = "size", **parameters: Any) -> Iterator[dict[str, Any]]:
    """All rows of a history that is paged by `current`."""
    for span in _spans(days):
        page = 1
        while told := ask(bench, path, NOW, **{size: 100, "current": page}, **span, **parameters)["rows"]:
            yield from told
            page += 1


def _amounts(rows: Iterator[dict[str, Any]] | list[dict[str, Any]], asset: str, amount: str, sign: int = 1) -> Iterator:
    return ((row[asset], sign * Decimal(row[amount])) for row in rows)


def _flows(bench: Bench) -> Iterator[Change]:
    for span in _spans(40):
        yield from _amounts(ask(bench, "/sapi/v1/capital/deposit/hisrec", NOW, **span), "coin", "amount")
        for row in ask(bench, "/sapi/v1/capital/withdraw/history", NOW, **span):
            if row["status"] == 6:
                yield row["coin"], -Decimal(row["amount"]) - Decimal(row["transactionFee"])


def _moves(bench: Bench) -> Iterator[tuple[Wallet, Change]]:
    """Both ends of every transfer between wallets."""
    for source, giver in SIDES.items():
        for target, taker in SIDES.items():
            margins = {source, target} <= {"MARGIN", "ISOLATEDMARGIN"}
            if source == target or margins:
                continue
            path, kind = "/sapi/v1/asset/transfer", f"{source}_{target}"
            for row in _rows(bench, path, 60, type=kind):
                yield giver, (row["asset"], -Decimal(row["amount"]))
                yield taker, (row["asset"], Decimal(row["amount"]))


def _family(bench: Bench) -> Iterator[Change]:
    for span in _spans(7):
        if bench.account.master_uid:
            for kind, sign in ((1, 1), (2, -1)):
                path = "/sapi/v1/sub-account/transfer/subUserHistory"
                yield from _amounts(ask(bench, path, NOW, type=kind, **span), "asset", "qty", sign)
            continue
        for asked, sign in (({}, -1), ({"toEmail": "master@demo.example"}, 1)):
            path = "/sapi/v1/sub-account/universalTransfer"
            yield from _amounts(ask(bench, path, NOW, **asked, **span)["result"], "asset", "amount", sign)


def _trades(bench: Bench, path: str, **parameters: str) -> Iterator[Change]:
    for symbol, one in by_symbol("binance", SPOT).items():
        first = 0
        while page := ask(bench, path, NOW, symbol=symbol, fromId=first, limit=50, **parameters):
            first = page[-1]["id"] + 1
            for row in page:
                sign, amount = (1 if row["isBuyer"] else -1), Decimal(row["qty"])
                yield one.base, sign * amount
                yield one.quote, -sign * (amount * Decimal(row["price"])).quantize(Decimal("1e-8"))
                yield row["commissionAsset"], -Decimal(row["commission"])


def _distributions(bench: Bench) -> Iterator[Change]:
    for span in _spans(5):
        yield from _amounts(
            ask(bench, "/sapi/v1/asset/assetDividend", NOW, limit=500, **span)["rows"], "asset", "amount"
        )
        data = ask(bench, "/sapi/v1/rebate/taxQuery", NOW, **span)["data"]["data"]
        yield from _amounts(data, "asset", "amount")
        for row in ask(bench, "/sapi/v1/convert/tradeFlow", NOW, **span)["list"]:
            yield row["fromAsset"], -Decimal(row["fromAmount"])
            yield row["toAsset"], Decimal(row["toAmount"])
        yield from _amounts(ask(bench, "/sapi/v1/pay/transactions", NOW, **span)["data"], "currency", "amount")
    for change in ask(bench, "/sapi/v1/asset/dribblet", NOW)["userAssetDribblets"]:
        for detail in change["userAssetDribbletDetails"]:
            yield detail["fromAsset"], -Decimal(detail["amount"])
            yield detail["targetAsset"], Decimal(detail["transferedAmount"])


def _fiat(bench: Bench) -> Iterator[Change]:
    for kind, sign in ((0, 1), (1, -1)):
        asked = {"transactionType": kind, "beginTime": SINCE, "endTime": NOW, "rows": 500}
        yield from _amounts(ask(bench, "/sapi/v1/fiat/orders", NOW, **asked)["data"], "fiatCurrency", "amount", sign)
        for row in ask(bench, "/sapi/v1/fiat/payments", NOW, **asked)["data"]:
            yield row["cryptoCurrency"], sign * Decimal(row["obtainAmount"])
            if row["paymentMethod"] == "Cash Balance":
                yield row["fiatCurrency"], -sign * Decimal(row["sourceAmount"])


def _savings(bench: Bench) -> Iterator[Change]:
    for kind in ("flexible", "locked"):
        root = f"/sapi/v1/simple-earn/{kind}/history"
        yield from _amounts(_rows(bench, f"{root}/subscriptionRecord", 25), "asset", "amount", -1)
        yield from _amounts(_rows(bench, f"{root}/redemptionRecord", 25), "asset", "amount")
    yield from _amounts(_rows(bench, "/sapi/v1/simple-earn/locked/history/rewardsRecord", 25), "asset", "amount")
    for coin in ("eth", "sol"):
        for name in ("stakingHistory", "redemptionHistory"):
            for row in _rows(bench, f"/sapi/v1/{coin}-staking/{coin}/history/{name}", 25):
                yield row["asset"], -Decimal(row["amount"])
                yield row["distributeAsset"], Decimal(row["distributeAmount"])


def _loans(bench: Bench) -> Iterator[Change]:
    for row in _rows(bench, "/sapi/v2/loan/flexible/borrow/history", 60, size="limit"):
        yield row["loanCoin"], Decimal(row["initialLoanAmount"])
        yield row["collateralCoin"], -Decimal(row["initialCollateralAmount"])
    for row in _rows(bench, "/sapi/v2/loan/flexible/repay/history", 60, size="limit"):
        yield row["loanCoin"], -Decimal(row["repayAmount"])
        yield row["collateralCoin"], Decimal(row["collateralReturn"])


def _bots(bench: Bench) -> Iterator[Change]:
    """What went to bots and copied traders is told by no history of the venue: taken from the book."""
    for entry in bench.book.entries(until=NOW, wallets=CASH):
        if entry.reason is Reason.BOT:
            yield entry.asset, entry.amount


def _margin(bench: Bench) -> Iterator[Change]:
    root = "/papi/v1/margin" if bench.account.portfolio_margin else "/sapi/v1/margin"
    yield from _trades(bench, f"{root}/myTrades")
    for asset in ("USDT", "USDC", "BTC", "ETH", "SOL", "BNB", "XRP", "LINK", "DOGE", "FDUSD"):
        if bench.account.portfolio_margin:
            yield from _amounts(_rows(bench, f"{root}/marginLoan", 25, asset=asset), "asset", "principal")
            yield from _amounts(_rows(bench, f"{root}/repayLoan", 25, asset=asset), "asset", "amount", -1)
        else:
            for kind, sign in (("BORROW", 1), ("REPAY", -1)):
                rows = _rows(bench, f"{root}/borrow-repay", 25, type=kind, asset=asset)
                yield from _amounts(rows, "asset", "amount", sign)


def _summed(*parts: Iterator[Change]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        for asset, amount in part:
            sums[asset] += amount
    return {asset: amount for asset, amount in sums.items() if amount}


def _held(bench: Bench, *wallets: Wallet) -> dict[str, Decimal]:
    return _summed(*(iter(bench.book.cash_at(wallet, NOW).items()) for wallet in wallets))


def _moved(bench: Bench, *wallets: Wallet) -> Iterator[Change]:
    return (change for wallet, change in _moves(bench) if wallet in wallets)


@pytest.mark.parametrize("name", NAMES)
def test_coins_of_spot_and_funding_are_what_their_histories_add_up_to(exchange: Exchange, name: str) -> None:
    bench = _bench(exchange, name)

    told = _summed(
        *(_flows(bench), _moved(bench, *CASH), _family(bench), _trades(bench, "/api/v3/myTrades")),
        *(_distributions(bench), _fiat(bench), _savings(bench), _loans(bench), _bots(bench)),
    )

    assert told
    assert told == _held(bench, *CASH)


@pytest.mark.parametrize("name", ["dora/main", "fay/main"])
def test_coins_of_cross_margin_are_what_their_histories_add_up_to(exchange: Exchange, name: str) -> None:
    bench = _bench(exchange, name)

    told = _summed(_margin(bench), _moved(bench, Wallet.CROSS_MARGIN))

    assert told
    assert told == _held(bench, Wallet.CROSS_MARGIN)


@pytest.mark.parametrize(
    ("name", "path", "wallet"),
    [
        ("alice/main", "/dapi/v1/income", Wallet.COIN_M),
        ("emil/main", "/fapi/v1/income", Wallet.USD_M),
        ("fay/main", "/papi/v1/um/income", Wallet.USD_M),
        ("fay/main", "/papi/v1/cm/income", Wallet.COIN_M),
    ],
)
def test_income_of_all_time_is_what_the_wallet_holds(exchange: Exchange, name: str, path: str, wallet: Wallet) -> None:
    bench = _bench(exchange, name)
    rows: list[dict[str, Any]] = []
    for span in _spans(6):
        rows += ask(bench, path, NOW, limit=1000, **span)

    assert _summed(_amounts(rows, "asset", "income")) == _held(bench, wallet)


def test_bills_of_options_are_what_the_wallet_holds(exchange: Exchange) -> None:
    bench, rows, first = _bench(exchange, "gus/main"), list[dict[str, Any]](), 1
    while page := ask(bench, "/eapi/v1/bill", NOW, currency="USDT", recordId=first, limit=10):
        rows += page
        first = page[-1]["id"] + 1

    assert _summed(_amounts(rows, "asset", "amount")) == _held(bench, Wallet.OPTIONS)
    assert {row["type"] for row in rows} == {"TRANSFER", "CONTRACT", "FEE"}
