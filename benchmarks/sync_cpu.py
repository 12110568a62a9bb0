"""CPU time per Binance account: our reader, ccxt's raw endpoints, and the script one writes first.

All three read spot and USD-M of the same accounts from the same local server (a process of its
own), in the same run. The naive script makes an instance per account, loads the markets and
calls `fetch_balance`. Raw ccxt shares a session and checks nothing. Prints milliseconds and ratios.

    python benchmarks/sync_cpu.py [--accounts 100]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ccxt.async_support as ccxt
from aiohttp import web

from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import Account, Credentials, Wallet

SPOT_SYMBOLS, CONTRACTS, LISTED_COINS, HELD_COINS, MARGIN_ASSETS, POSITIONS = 3_500, 700, 700, 40, 25, 5
NAIVE_ACCOUNTS = 3
ROUNDS = 3


# ---------------------------------------------------------------- the server


def filters() -> list[dict[str, str]]:
    """What every symbol carries besides its name."""
    lots = {"minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"}
    prices = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"}
    return [prices, {"filterType": "LOT_SIZE", **lots}, {"filterType": "MARKET_LOT_SIZE", **lots}]


def symbols(count: int, extra: dict[str, Any]) -> dict[str, Any]:
    """An exchangeInfo answer."""
    rows = [
        {
            "symbol": f"C{i}USDT", "pair": f"C{i}USDT", "baseAsset": f"C{i}", "quoteAsset": "USDT", "status": "TRADING",
            "baseAssetPrecision": 8, "quotePrecision": 8, "quoteAssetPrecision": 8, "filters": filters(),
            "orderTypes": ["LIMIT", "MARKET"], "permissionSets": [["SPOT"]], "isSpotTradingAllowed": True, **extra,
        }
        for i in range(count)
    ]  # fmt: skip
    return {"timezone": "UTC", "serverTime": 1, "rateLimits": [], "exchangeFilters": [], "symbols": rows}


def answers() -> dict[str, bytes]:
    """Every answer, rendered once."""
    contract = {
        "contractType": "PERPETUAL", "deliveryDate": 4_133_404_800_000, "onboardDate": 1, "marginAsset": "USDT",
        "pricePrecision": 2, "quantityPrecision": 3, "contractStatus": "TRADING",
    }  # fmt: skip
    zero = {"free": "0.00000000", "locked": "0.00000000"}
    coins = [
        {"asset": f"C{i}", **({"free": "1.5", "locked": "0.5"} if i < HELD_COINS else zero)}
        for i in range(LISTED_COINS)
    ]
    held = [{**coin, "freeze": "0", "withdrawing": "0", "btcValuation": "0"} for coin in coins[:HELD_COINS]]
    cash = {
        "walletBalance": "100.5", "unrealizedProfit": "-0.5", "marginBalance": "100.0", "maintMargin": "0",
        "initialMargin": "0", "availableBalance": "90", "updateTime": 1_700_000_000_000, "crossUnPnl": "0",
    }  # fmt: skip
    positions = [
        {
            "symbol": f"C{i}USDT", "positionSide": "BOTH", "positionAmt": "2.5", "entryPrice": "10", "markPrice": "9.8",
            "unRealizedProfit": "-0.5", "liquidationPrice": "0", "marginAsset": "USDT", "notional": "24.5",
            "isolatedMargin": "0", "initialMargin": "1", "maintMargin": "1", "updateTime": 1_700_000_000_000,
        }
        for i in range(POSITIONS)
    ]  # fmt: skip
    margin = {"assets": [{"asset": f"C{i}", **cash} for i in range(MARGIN_ASSETS)], "positions": positions}
    said: dict[str, Any] = {
        "/api/v3/exchangeInfo": symbols(SPOT_SYMBOLS, {}),
        "/fapi/v1/exchangeInfo": symbols(CONTRACTS, contract),
        "/dapi/v1/exchangeInfo": symbols(0, {}),
        "/api/v3/account": {"balances": coins, "accountType": "SPOT", "updateTime": 1_700_000_000_000},
        "/sapi/v3/asset/getUserAsset": held,
        "/fapi/v3/account": margin,
        "/fapi/v3/positionRisk": positions,
    }
    return {path: json.dumps(value).encode() for path, value in said.items()}


async def serve() -> None:
    """Answer until killed; the port is the first line of output."""
    said = answers()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=said.get(request.path, b"[]"), content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


# ---------------------------------------------------------------- the three ways


def instance(url: str, number: int, **config: object) -> Any:  # noqa: ANN401 - made at run time
    """A ccxt instance that asks our server."""
    exchange = ccxt.binance({"apiKey": f"k{number}", "secret": "s", "number": str, **config})
    exchange.urls["api"] = {name: url + urlsplit(address).path for name, address in exchange.urls["api"].items()}
    return exchange


async def timed(read: Callable[[int], Awaitable[None]], accounts: int) -> float:
    """CPU milliseconds per account, the best of a few rounds after one to warm up."""
    rounds = []
    for _ in range(ROUNDS + 1):
        before = time.process_time()
        for number in range(accounts):
            await read(number)
        rounds.append((time.process_time() - before) / accounts * 1000)
    return min(rounds[1:])


async def ours(url: str, accounts: int) -> float:
    """Our reader: two wallets, checked, as decimals."""
    async with Hub(clock=lambda: datetime.now(UTC)) as hub:
        readers = [
            await hub.reader(Account(f"u{i}", "binance", "main", base_url=url), Credentials(f"k{i}", "s"))
            for i in range(accounts)
        ]

        async def read(number: int) -> None:
            spot = await readers[number].fetch_wallet(Wallet.SPOT)
            futures = await readers[number].fetch_wallet(Wallet.USD_M)
            assert (len(spot.balances), len(futures.balances)) == (HELD_COINS, MARGIN_ASSETS)
            assert len(futures.positions) == POSITIONS

        governor = readers[0].market._governor  # noqa: SLF001 - the server has no limits, so neither has the benchmark
        governor._pass_budget = lambda *_: asyncio.sleep(0)  # type: ignore[method-assign]  # noqa: SLF001
        return await timed(read, accounts)


async def raw(url: str, accounts: int) -> float:
    """Raw ccxt over one shared session: the same three requests, nothing checked."""
    async with aiohttp.ClientSession() as session:
        exchanges = [instance(url, i, session=session, enableRateLimit=False) for i in range(accounts)]

        async def read(number: int) -> None:
            spot = await exchanges[number].sapiV3PostAssetGetUserAsset({"needBtcValuation": "false"})
            futures = await exchanges[number].fapiPrivateV3GetAccount()
            positions = await exchanges[number].fapiPrivateV3GetPositionRisk()
            assert (len(spot), len(futures["assets"]), len(positions)) == (HELD_COINS, MARGIN_ASSETS, POSITIONS)

        spent = await timed(read, accounts)
        for exchange in exchanges:
            exchange.session = None
        return spent


async def naive(url: str) -> float:
    """The script one writes first: an instance per account, markets and all."""
    before = time.process_time()
    for number in range(NAIVE_ACCOUNTS):
        exchange = instance(url, number, enableRateLimit=False)
        exchange.options["fetchMargins"] = exchange.options["fetchCurrencies"] = False
        exchange.has["fetchCurrencies"] = False
        try:
            await exchange.load_markets()
            spot = await exchange.fetch_balance()
            futures = await exchange.fetch_balance({"type": "swap"})
            assert spot["total"]["C0"]
            assert futures["total"]["C0"]
        finally:
            await exchange.close()
    return (time.process_time() - before) / NAIVE_ACCOUNTS * 1000


async def compare(url: str, accounts: int) -> dict[str, float]:
    """CPU milliseconds per account by way."""
    return {"ours": await ours(url, accounts), "ccxt raw": await raw(url, accounts), "naive": await naive(url)}


def main() -> int:
    """Print the milliseconds and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--serve", action="store_true", help="be the server")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return 0
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        spent = asyncio.run(compare(url, options.accounts))
    finally:
        server.kill()
        server.wait()
    for way, cpu in spent.items():
        print(f"sync_cpu: {way:9} {cpu:9.2f} ms CPU per account")
    print(f"sync_cpu: ours / ccxt raw = {spent['ours'] / spent['ccxt raw']:.2f}")
    print(f"sync_cpu: naive / ours = {spent['naive'] / spent['ours']:.0f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
