"""A demo exchange in a thread, frozen sixty days into its history, and unmodified ccxt pointed at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import ccxt
import ccxt.async_support
import pytest

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.book import Book
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.facts import Entry
from portfolio_lab.demo.instruments import Instrument
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.okx import ENDPOINTS
from portfolio_lab.demo.okx_wire import OkxAsk
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange, serve_in_thread
from portfolio_lab.demo.story import Story
from portfolio_lab.demo.wire import Asked
from portfolio_lab.models.accounts import Account, Wallet

sys.path.insert(0, str(Path(__file__).parent))

NOW = datetime(2026, 10, 5, 13, 20, tzinfo=UTC)
OkxOf = Callable[..., Any]
BinanceOf = Callable[..., Any]


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoExchange]:
    with serve_in_thread(now=NOW) as running:
        yield running


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
        return ccxt.okx(okx_settings(demo, user, label))

    return build


@pytest.fixture
def rested(demo: DemoExchange) -> DemoExchange:
    """The demo exchange as on the first morning: clock at NOW, no fault, all keys good, no weight used."""
    demo.set_clock(NOW)
    demo.faults.clear()
    for one in demo.exchange.accounts:
        one.revoked_by_control, one.permissions = None, ()
    demo._venues["binance"] = BinanceVenue(demo.exchange)
    return demo


def binance_settings(user: str | None = None, label: str = "main") -> dict[str, Any]:
    settings: dict[str, Any] = {"enableRateLimit": False, "number": str, "timeout": 30_000}
    if user is not None:
        keys = credentials_of(Account(user, "binance", label))
        settings |= {"apiKey": keys.key, "secret": keys.secret}
    return settings


@pytest.fixture
def binance(rested: DemoExchange) -> BinanceOf:
    """A ccxt binance client of one account: `binance("desk", "hedge")`; `twin=ccxt.async_support` for async."""

    def build(user: str | None = None, label: str = "main", *, twin: Any = ccxt, **options: Any) -> Any:
        client = twin.binance(binance_settings(user, label) | options)
        client.urls["api"] = {name: rested.url + urlsplit(url).path for name, url in client.urls["api"].items()}
        client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
        if twin is ccxt:
            client.load_time_difference()
        return client

    return build


HAND_START = milliseconds(datetime(2026, 9, 1, tzinfo=UTC))


class SilentStory:
    """A story in which nothing happens."""

    def tell(self, now: int) -> None:
        pass


class OkxDesk:
    """One OKX account, its book in our hands, and its answers at any instant."""

    def __init__(self, *, hedge: bool = False, mode: str = "2") -> None:
        self.market = Market(7)
        self.book = Book("hand/okx/main", self.market, hedge=hedge)
        self.book.head = HAND_START
        account = Account("hand", "okx", "main", wallets=(Wallet.TRADING, Wallet.FUNDING))
        story = cast("Story", SilentStory())
        self.account = DemoAccount(account, credentials_of(account), self.book, account.wallets, 77, story, mode=mode)
        self.exchange = Exchange(self.market, DemoClock(HAND_START), (self.account,))
        self.now = HAND_START

    def ask(self, name: str, query: str = "") -> list[dict[str, Any]]:
        asked = Asked("GET", f"/api/v5/{name}", query, {}, b"", "", self.now, self.now)
        return list(ENDPOINTS[name].reply(OkxAsk(self.exchange, asked, self.account)))

    def detail(self, asset: str) -> dict[str, Any]:
        return next(row for row in self.ask("account/balance")[0]["details"] if row["ccy"] == asset)

    def give(self, asset: str, amount: str, wallet: Wallet = Wallet.TRADING) -> None:
        self.book.grant(self.now, wallet, asset, Decimal(amount))

    def trade(self, one: Instrument, side: str, contracts: str, price: str, **options: Any) -> None:
        rate = options.pop("fee_rate", Decimal(0))
        amounts = Decimal(contracts), Decimal(price)
        self.book.trade(self.now, Wallet.TRADING, one, side, *amounts, fee_rate=Decimal(rate), **options)

    def entries(self, wallet: Wallet = Wallet.TRADING) -> list[Entry]:
        return self.book.entries(until=self.now, wallets=(wallet,))


@pytest.fixture(scope="session")
def okx_desk() -> type[OkxDesk]:
    """An OKX account whose book a test writes by hand: `okx_desk(mode="3", hedge=True)`."""
    return OkxDesk
