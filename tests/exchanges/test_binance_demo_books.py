"""One book for each kind of Binance account: what we read is what it holds, and what the venue says of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import pytest

from portfolio_lab.errors import WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance.reads import BinanceReads
from portfolio_lab.exchanges.client import refusal_by_status
from portfolio_lab.exchanges.refusals import binance_refusal
from portfolio_lab.exchanges.session import Answer
from portfolio_lab.models.accounts import KNOWN_WALLETS, Account, Wallet
from portfolio_lab.models.activity import VenueTotals
from portfolio_lab.models.holdings import AnswerMark, Holding, WalletReading

pytest.importorskip("portfolio_lab.demo.earning", reason="the demo exchange keeps no such books")

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.binance_auth import signature_of
from portfolio_lab.demo.book import Book
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.instruments import INVERSE, LINEAR, OPTION, SPOT, by_symbol
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.wire import Asked

D = Decimal

OPENED, NOW = (milliseconds(datetime(2026, 8, 3, 9 + hour, tzinfo=UTC)) for hour in (0, 2))
NO_FEE = D(0)
MARKET = Market(7)


class Quiet:
    """A story in which nothing happens by itself."""

    def tell(self, now: int) -> None:
        """Write nothing."""


class Bench:
    """An account, its book, and a client that asks the demo exchange about it without a socket."""

    def __init__(self, *wallets: Wallet, **traits: Any) -> None:
        account = Account("hand", "binance", "main", wallets=(Wallet.SPOT, Wallet.FUNDING, *wallets))
        self.book = Book("hand/binance/main", MARKET)
        self.keys = credentials_of(account)
        quiet: Any = Quiet()
        one = DemoAccount(account, self.keys, self.book, account.wallets, 77, quiet, **traits)
        self.venue = BinanceVenue(Exchange(MARKET, DemoClock(NOW), (one,)))
        client: Any = self
        self.reads, self.client = BinanceReads(client), client

    async def ask(
        self, endpoint: Any, shape: Any, params: Mapping[str, object] = MappingProxyType({})
    ) -> tuple[Any, AnswerMark]:
        query = urlencode({**params, "timestamp": NOW})
        signed = f"{query}&signature={signature_of(self.keys.secret, query.encode())}"
        told = self.venue.answer(
            Asked(endpoint.http, endpoint.path, signed, {"X-MBX-APIKEY": self.keys.key}, b"", "::1", NOW, NOW)
        )
        at = datetime.fromtimestamp(NOW / 1000, UTC)
        answer = Answer(told.status, {}, told.encoded(), at)
        value = payloads.read_json(answer.body, shape)
        refusal = binance_refusal(answer, value) or refusal_by_status(answer)
        if refusal is not None and refusal.venue_code == "-2015":  # the key of the bench is good
            raise WalletRefusedError(refusal.args[0], venue_code="-2015")
        if refusal is not None:
            raise refusal
        return payloads.shaped(value, shape), AnswerMark(endpoint.path, answer.sha256, at)

    def fund(self, wallet: Wallet, asset: str, amount: str, pair: str = "") -> None:
        self.book.deposit(OPENED, Wallet.SPOT, asset, D(amount), network="DEMO", txid=f"in-{wallet}-{asset}-{pair}")
        if wallet is not Wallet.SPOT:
            self.book.transfer(OPENED, asset, D(amount), Wallet.SPOT, wallet, pair=pair)

    def trade(self, wallet: Wallet, one: Any, side: str, size: str, price: str) -> None:
        self.book.trade(OPENED, wallet, one, side, D(size), D(price), fee_rate=NO_FEE)

    async def read(self, wallet: Wallet) -> WalletReading:
        return await self.reads.wallet(self.client, wallet)


def usdt(asset: str) -> Decimal:
    worth, unit = (MARKET.coin_usd("binance", one, NOW) for one in (asset, "USDT"))
    assert worth is not None
    assert unit is not None
    return worth / unit


def held(reading: WalletReading) -> dict[str, Decimal]:
    summed: dict[str, Decimal] = defaultdict(Decimal)
    for row in reading.balances:
        if row.holding is not Holding.LD_FALLBACK:
            summed[row.asset] += row.quantity
    return {asset: quantity for asset, quantity in summed.items() if quantity}


async def attest(bench: Bench) -> VenueTotals:
    """Hold every wallet of the account against the venue's own total of it."""
    told = await bench.reads.totals(bench.client)
    compared = 0
    for total in told.totals:
        assert total.is_known
        if Wallet(total.scope) in told.absent:
            continue
        ours = sum((size * usdt(asset) for asset, size in held(await bench.read(Wallet(total.scope))).items()), D(0))
        theirs = total.quantity * usdt("USD") if total.asset == "USD" else total.quantity
        assert abs(ours - theirs) <= max(D("1e-5"), D("1e-8") * abs(theirs)), total
        compared += 1
    assert compared
    return told


async def test_a_margin_debtor() -> None:
    bench = Bench(Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN)
    bench.fund(Wallet.CROSS_MARGIN, "USDT", "1000")
    bench.book.borrow(OPENED, Wallet.CROSS_MARGIN, "ETH", D(2))
    bench.book.accrue(OPENED, Wallet.CROSS_MARGIN, "ETH", D("0.01"))
    bench.fund(Wallet.ISOLATED_MARGIN, "USDT", "500", "BTCUSDT")
    bench.book.borrow(OPENED, Wallet.ISOLATED_MARGIN, "USDT", D(300), pair="BTCUSDT")
    cross, isolated = await bench.read(Wallet.CROSS_MARGIN), await bench.read(Wallet.ISOLATED_MARGIN)
    assert held(cross) == {"USDT": D(1000), "ETH": D("-0.01")}
    assert {row.pair for row in isolated.balances} == {"BTCUSDT"}
    (row,) = isolated.balances
    assert (row.asset, row.quantity, dict(row.components)["borrowed"]) == ("USDT", D(500), D(300))
    await attest(bench)


async def test_a_multi_asset_futures_account() -> None:
    bench = Bench(Wallet.USD_M, Wallet.COIN_M, multi_asset=True)
    for asset, amount in (("USDT", "1000"), ("USDC", "700"), ("BTC", "0.1")):
        bench.fund(Wallet.USD_M, asset, amount)
    bench.fund(Wallet.COIN_M, "BTC", "0.5")
    linear, inverse = by_symbol("binance", LINEAR), by_symbol("binance", INVERSE)
    bench.trade(Wallet.USD_M, linear["BTCUSDT"], "sell", "0.05", "95000")
    bench.trade(Wallet.COIN_M, inverse["BTCUSD_PERP"], "sell", "30", "95000")
    reading = await bench.read(Wallet.USD_M)
    mark = MARKET.mark("binance", "BTCUSDT", LINEAR, NOW)
    assert held(reading) == {"USDT": 1000 - D("0.05") * (mark - 95_000), "USDC": D(700), "BTC": D("0.1")}
    assert [(one.instrument, one.quantity) for one in reading.positions] == [("BTCUSDT", D("-0.05"))]
    assert [one.contracts for one in (await bench.read(Wallet.COIN_M)).positions] == [D(30)]
    await attest(bench)


async def test_a_portfolio_margin_account() -> None:
    inside = (Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M)
    bench = Bench(*inside, portfolio_margin=True)
    bench.fund(Wallet.CROSS_MARGIN, "USDT", "10000")
    bench.fund(Wallet.USD_M, "USDT", "2000")
    bench.fund(Wallet.COIN_M, "BTC", "0.5")
    bench.book.borrow(OPENED, Wallet.CROSS_MARGIN, "ETH", D(1))
    bench.book.accrue(OPENED, Wallet.CROSS_MARGIN, "ETH", D("0.002"))
    bench.trade(Wallet.USD_M, by_symbol("binance", LINEAR)["BTCUSDT"], "buy", "0.1", "95000")
    bench.trade(Wallet.COIN_M, by_symbol("binance", INVERSE)["BTCUSD_PERP"], "sell", "30", "95000")
    reading = await bench.read(Wallet.PORTFOLIO_MARGIN)
    mark = MARKET.mark("binance", "BTCUSDT", LINEAR, NOW)
    rows = held(reading)
    assert rows["USDT"] == 12_000 + D("0.1") * (mark - 95_000)
    assert rows["ETH"] == D("-0.002")
    assert len(reading.positions) == 2
    told = await attest(bench)
    assert told.absent.keys() >= set(inside)
    assert (await bench.reads.identity(bench.client)).mode == "portfolio_margin"
    for wallet in inside:
        with pytest.raises(WalletRefusedError):
            await bench.read(wallet)
    assert await bench.reads.open_orders(bench.client, (Wallet.SPOT, Wallet.PORTFOLIO_MARGIN)) == ()


async def test_an_options_writer() -> None:
    bench = Bench(Wallet.OPTIONS)
    bench.fund(Wallet.OPTIONS, "USDT", "10000")
    listed = by_symbol("binance", OPTION)
    call, put = listed["BTC-260828-120000-C"], listed["BTC-260828-80000-P"]
    bench.trade(Wallet.OPTIONS, call, "sell", "0.5", "300")
    bench.trade(Wallet.OPTIONS, put, "buy", "0.2", "250")
    reading = await bench.read(Wallet.OPTIONS)
    value = MARKET.option_mark(put, NOW) / 5 - MARKET.option_mark(call, NOW) / 2
    (row,) = reading.balances
    assert row.quantity == 10_100 + value
    assert row.quantity == row.wallet_balance + row.unrealised_pnl
    sizes = {one.instrument: (one.quantity, one.delta) for one in reading.positions}
    assert sizes[call.symbol][0] == D("-0.5")
    assert sizes[put.symbol][0] == D("0.2")
    assert -1 < sizes[put.symbol][1] < 0 < sizes[call.symbol][1] < 1
    await attest(bench)


async def test_a_saver_with_a_loan_and_a_bot() -> None:
    bench = Bench(Wallet.EARN, Wallet.LOANS, Wallet.BOTS, Wallet.COPY_TRADING)
    bench.fund(Wallet.SPOT, "USDT", "5000")
    bench.fund(Wallet.SPOT, "ETH", "4")
    bench.book.subscribe(OPENED, Wallet.SPOT, "USDT", D(1000))
    bench.book.lock(OPENED, Wallet.SPOT, "ETH", D(1), days=60, apr=D("0.04"))
    bench.book.open_loan(OPENED, Wallet.SPOT, ("USDT", D(500)), ("ETH", D("0.5")))
    bench.book.open_bot(OPENED, Wallet.SPOT, "grid", "USDT", D(800))
    bench.book.open_bot(OPENED, Wallet.SPOT, "copy", "USDT", D(250))
    spot = await bench.read(Wallet.SPOT)
    assert held(spot) == {"USDT": D(3450), "ETH": D("2.5")}
    assert [(row.asset, row.holding) for row in spot.balances if row.asset.startswith("LD")] == [
        ("LDUSDT", Holding.LD_FALLBACK)
    ]
    assert held(await bench.read(Wallet.EARN)) == {"USDT": D(1000), "ETH": D(1)}
    assert held(await bench.read(Wallet.LOANS)) == {"USDT": D(-500), "ETH": D("0.5")}
    assert held(await bench.read(Wallet.BOTS)) == {"USDT": D(800)}
    assert held(await bench.read(Wallet.COPY_TRADING)) == {"USDT": D(250)}
    told = await attest(bench)
    assert told.absent.keys() >= {Wallet.OPTIONS, Wallet.PORTFOLIO_MARGIN}


async def test_wbeth_has_the_ratio_of_the_venue() -> None:
    bench = Bench(Wallet.EARN)
    bench.fund(Wallet.SPOT, "WBETH", "3")
    (ratio,) = (await bench.read(Wallet.EARN)).ratios
    assert (ratio.base, ratio.quote) == ("WBETH", "ETH")
    assert ratio.price == pytest.approx(MARKET.ratio("WBETH", NOW), rel=D("1e-7"))


async def test_orders_of_every_wallet_that_has_some() -> None:
    bench = Bench(Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M)
    bench.fund(Wallet.SPOT, "USDT", "5000")
    bench.fund(Wallet.CROSS_MARGIN, "USDT", "5000")
    one = by_symbol("binance", SPOT)["BTCUSDT"]
    bench.book.place(OPENED, Wallet.SPOT, one, "buy", D("0.01"), price=D(50_000))
    bench.book.place(OPENED, Wallet.CROSS_MARGIN, one, "buy", D("0.02"), price=D(50_000))
    orders = await bench.reads.open_orders(bench.client, KNOWN_WALLETS["binance"])
    assert [(order.wallet, order.quantity, order.price) for order in orders] == [
        (Wallet.SPOT, D("0.01"), D(50_000)),
        (Wallet.CROSS_MARGIN, D("0.02"), D(50_000)),
    ]


@pytest.mark.parametrize(
    "wallet", [Wallet.BOTS, Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M, Wallet.PORTFOLIO_MARGIN]
)
async def test_a_wallet_that_was_never_opened_is_refused_not_empty(wallet: Wallet) -> None:
    bench = Bench()
    with pytest.raises(WalletRefusedError):
        await bench.read(wallet)
    assert wallet in (await bench.reads.totals(bench.client)).absent


async def test_a_read_only_key_of_the_demo_exchange_is_one() -> None:
    told = await Bench().reads.identity(Bench().client)
    assert (told.uid, told.permissions, told.mode) == ("77", (), "")
