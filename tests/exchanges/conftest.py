"""A venue of a few lines over real sockets: each path answers what the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.models.accounts import KNOWN_WALLETS, Account, Credentials, Wallet

KEY, SECRET, PASSPHRASE = "canarykey0123456789", "canarysecret0123456789", "canarypassphrase0123"
CREDENTIALS = Credentials(KEY, SECRET, PASSPHRASE)
OPENED = {
    "binance": (Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M, Wallet.COIN_M),
    "okx": KNOWN_WALLETS["okx"],
}
"""The wallets that the scripted venues answer for."""


BINANCE_POSITION = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "-0.5",
    "entryPrice": "60000",
    "markPrice": "61000",
    "unRealizedProfit": "-500",
    "liquidationPrice": "0",
    "marginAsset": "USDT",
}
MARGIN_ASSET = {
    "asset": "USDT",
    "walletBalance": "1000",
    "unrealizedProfit": "-500",
    "marginBalance": "500",
    "availableBalance": "400",
}
ASSET_ROW = {"asset": "BTC", "free": "1", "locked": "0.5", "freeze": "0.25", "withdrawing": "0.125"}
INSTRUMENT = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT"}
COIN_M_INSTRUMENT = {
    "symbol": "BTCUSD_PERP",
    "baseAsset": "BTC",
    "quoteAsset": "USD",
    "marginAsset": "BTC",
    "contractSize": 100,
}
COIN_BALANCE = {"ccy": "USDT", "eq": "900", "cashBal": "1000", "upl": "-100", "availEq": "800", "availBal": "800"}
OKX_POSITION = {
    "instId": "BTC-USDT-SWAP",
    "instType": "SWAP",
    "posSide": "net",
    "pos": "-50",
    "avgPx": "60000",
    "markPx": "61000",
    "upl": "-500",
    "ccy": "USDT",
    "lever": "5",
    "liqPx": "",
}
SWAPS = [
    {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctType": "linear",
        "ctValCcy": "BTC",
        "settleCcy": "USDT",
        "uly": "BTC-USDT",
    },
    {
        "instId": "BTC-USD-SWAP",
        "instType": "SWAP",
        "ctVal": "100",
        "ctMult": "1",
        "ctType": "inverse",
        "ctValCcy": "USD",
        "settleCcy": "BTC",
        "uly": "BTC-USD",
    },
]


def okx(rows: list[Any]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": rows}


def good_answers() -> dict[str, Any]:
    """What a healthy venue of each kind answers; made anew for each test, which may change it."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    coin_m = {"asset": "BTC", "walletBalance": "2", "unrealizedProfit": "0.1", "marginBalance": "2.1"}
    inverse = {**BINANCE_POSITION, "symbol": "BTCUSD_PERP", "positionAmt": "-122", "leverage": "20"}
    inverse |= {"entryPrice": "122000", "unRealizedProfit": "0.1"}
    inverse.pop("marginAsset")
    held: dict[str, Any] = {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.5"}
    held["unrealizedProfit"] = "-500"
    return json.loads(
        json.dumps(
            {
                "/api/v3/time": {"serverTime": now},
                "/api/v3/exchangeInfo": {"symbols": [INSTRUMENT]},
                "/fapi/v1/exchangeInfo": {"symbols": [INSTRUMENT]},
                "/dapi/v1/exchangeInfo": {"symbols": [COIN_M_INSTRUMENT]},
                "/api/v3/ticker/price": [{"symbol": "BTCUSDT", "price": "61000.5"}],
                "/dapi/v1/premiumIndex": [
                    {"symbol": "BTCUSD_PERP", "pair": "BTCUSD", "indexPrice": "61010", "time": now}
                ],
                "/sapi/v3/asset/getUserAsset": [ASSET_ROW],
                "/api/v3/account": {"balances": [], "accountType": "SPOT", "updateTime": now},
                "/sapi/v1/asset/get-funding-asset": [ASSET_ROW],
                "/fapi/v3/account": {"assets": [MARGIN_ASSET], "positions": [held]},
                "/fapi/v3/positionRisk": [BINANCE_POSITION],
                "/dapi/v1/account": {
                    "assets": [{**coin_m, "availableBalance": "1.5"}],
                    "positions": [{**held, "symbol": "BTCUSD_PERP", "positionAmt": "-122", "unrealizedProfit": "0.1"}],
                },
                "/dapi/v1/positionRisk": [inverse],
                "/api/v5/public/time": okx([{"ts": str(now)}]),
                "/api/v5/public/instruments": okx(SWAPS),
                "/api/v5/market/tickers": okx([{"instId": "BTC-USDT", "last": "61000.5", "ts": str(now)}]),
                "/api/v5/account/balance": okx([{"totalEq": "900", "details": [COIN_BALANCE]}]),
                "/api/v5/account/positions": okx([OKX_POSITION]),
                "/api/v5/asset/balances": okx([{"ccy": "ETH", "bal": "3", "availBal": "2", "frozenBal": "1"}]),
            }
        )
    )


Answerer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Wire:
    """The venue: `answers` by path (a JSON value, or a function of the request)."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=good_answers)
    asked: list[web.Request] = field(default_factory=list)

    def say(self, path: str, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer a path by these bytes."""

        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, body=body, headers=headers or {})

        self.answers[path] = answer

    async def serve(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.asked.append(request)
        answer = self.answers.get(request.path)
        if callable(answer):
            return await answer(request)
        if answer is None:
            return web.Response(status=404, text="no such path")
        return web.json_response(answer)

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.asked)


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[Wire]:
    venue = Wire()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", venue.serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield venue
    await runner.cleanup()


class Haste:
    """A clock that a sleep moves: it is over at once, and its seconds have passed for who waits for a budget."""

    def __init__(self) -> None:
        self._slept = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._slept

    async def sleep(self, seconds: float) -> None:
        self._slept += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Hub]:
    haste = Haste()
    async with Hub(clock=haste.now, deadline=5.0, sleep=haste.sleep) as opened:
        yield opened


@pytest.fixture
def reader_of(hub: Hub, wire: Wire) -> Callable[[str], Awaitable[AccountReader]]:
    """Opens the reader of ann's account at a venue."""

    async def open_reader(venue: str) -> AccountReader:
        return await hub.reader(Account("ann", venue, "main", base_url=wire.url, wallets=OPENED[venue]), CREDENTIALS)

    return open_reader
