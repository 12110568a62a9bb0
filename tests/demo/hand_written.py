"""Books that a test writes by hand, and a venue that answers from them without a socket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.binance_auth import signature_of
from portfolio_lab.demo.book import Book
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.instruments import SPOT, Instrument, by_symbol
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.wire import Asked
from portfolio_lab.models.accounts import Account, Wallet

OPENED = milliseconds(datetime(2026, 8, 3, 9, tzinfo=UTC))
NOW = milliseconds(datetime(2026, 8, 3, 10, 30, tzinfo=UTC))
FREE_OF_CHARGE = Decimal(0)
ALWAYS = (Wallet.SPOT, Wallet.FUNDING)


class _Quiet:
    """A story in which nothing happens by itself."""

    def tell(self, now: int) -> None:
        """Write nothing."""


@dataclass
class Bench:
    """One account whose book the test has in its hands, asked at `now`."""

    account: DemoAccount
    market: Market
    venue: BinanceVenue
    now: int = NOW

    @property
    def book(self) -> Book:
        return self.account.book

    def ask(self, path: str, method: str = "GET", **parameters: str) -> Any:
        """The answer as a client reads it; anything but 200 fails the test."""
        status, content = self.send(path, method, **parameters)
        assert status == 200, content
        return content

    def refusal(self, path: str, **parameters: str) -> tuple[int, int]:
        """(status, code) of a refusal."""
        status, content = self.send(path, **parameters)
        return status, content["code"]

    def send(self, path: str, method: str = "GET", **parameters: str) -> tuple[int, Any]:
        query = urlencode({**parameters, "timestamp": self.now})
        keys = self.account.credentials
        signed = f"{query}&signature={signature_of(keys.secret, query.encode())}"
        asked = Asked(method, path, signed, {"X-MBX-APIKEY": keys.key}, b"", "::1", self.now, self.now)
        answer = self.venue.answer(asked)
        return answer.status, json.loads(answer.encoded())

    def told(self, path: str) -> dict[str, str]:
        """Worth in USDT by name of the wallet map."""
        rows = self.ask(path, quoteAsset="USDT")
        return {row["walletName"]: row["balance"] for row in rows}

    def usdt(self, asset: str) -> Decimal:
        """What one unit of an asset is worth in USDT."""
        worth, unit = (self.market.coin_usd("binance", one, self.now) for one in (asset, "USDT"))
        assert worth is not None
        assert unit is not None
        return worth / unit

    def index(self, coin: str) -> Decimal:
        return self.market.index("binance", coin, "USDT", self.now)


def open_bench(*wallets: Wallet, hedge: bool = False, **traits: Any) -> Bench:
    """An account with these wallets besides spot and funding, and nothing in it."""
    market = Market(7)
    account = Account("hand", "binance", "main", wallets=(*ALWAYS, *wallets))
    book = Book("hand/binance/main", market, hedge=hedge)
    one = DemoAccount(account, credentials_of(account), book, account.wallets, 77, _Quiet(), **traits)
    return Bench(one, market, BinanceVenue(Exchange(market, DemoClock(NOW), (one,))))


def pair(symbol: str) -> Instrument:
    return by_symbol("binance", SPOT)[symbol]


def fund(bench: Bench, wallet: Wallet, asset: str, amount: str, *, isolated: str = "") -> None:
    """Deposit into spot and move on to another wallet."""
    bench.book.deposit(OPENED, Wallet.SPOT, asset, Decimal(amount), network="DEMO", txid=f"in-{wallet}-{asset}")
    if wallet is not Wallet.SPOT:
        bench.book.transfer(OPENED, asset, Decimal(amount), Wallet.SPOT, wallet, pair=isolated)


def row_of(rows: list[dict[str, Any]], **wanted: str) -> dict[str, Any]:
    """The one row with these fields."""
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]
