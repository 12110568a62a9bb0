"""A demo exchange in a thread, frozen sixty days into its history, and unmodified ccxt pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import ccxt
import ccxt.async_support
import pytest

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange, serve_in_thread
from portfolio_lab.models.accounts import Account

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
