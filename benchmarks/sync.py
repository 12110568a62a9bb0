"""One sync cycle of many Binance accounts against three peers, side by side in one run.

Ours is the whole of it: shapes, grades, valuation, plausibility and the commit, with open orders each second
cycle and the cash flows each cycle. Three wallets an account, answers padded with zeros to 700 assets, as
Binance sends them; all from one local server, a process of its own. Peers: (a) synchronous ccxt, an
instance per account, load_markets and fetch_balance in a loop; (b) ccxt async with shared markets and
gather; (c) ccxt's raw endpoints with one shared session, which is the client's floor.

    python benchmarks/sync.py [--accounts 1000]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ccxt as ccxt_sync
import ccxt.async_support as ccxt
import psutil
from aiohttp import web

from portfolio_lab.exchanges import Hub
from portfolio_lab.exchanges.binance import endpoints
from portfolio_lab.exchanges.governor import Budget
from portfolio_lab.models.accounts import Account, Credentials, Wallet
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store
from portfolio_lab.sync import run_cycle
from portfolio_lab.sync.memory import Memory
from portfolio_lab.sync.report import CycleReport, WalletLine

SPOT_SYMBOLS, CONTRACTS, LISTED_COINS, HELD_COINS, MARGIN_ASSETS, POSITIONS = 3_500, 700, 700, 40, 25, 5
NAIVE_ACCOUNTS = 3
MOST_CYCLES_OF_HISTORY = 100
ACCOUNTS_AT_ONCE = 64
SHARED_ACCOUNTS = 200
MOST_OF_THE_FLOOR, LEAST_BELOW_SHARED, MOST_MEGABYTES = 3.0, 3.0, 0.5
ROUNDS = 3
MOST_WARM_UPS = 3
PATIENT = {"interval_seconds": 180}
"""A machine that is busy with other things may answer late: nobody's time is up for that, ours nor a peer's."""
PEER_TIMEOUT = 300_000
EXPECTED = (LISTED_COINS, LISTED_COINS, MARGIN_ASSETS, POSITIONS)
FAPI_WEIGHT = 10
WALLETS = (Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M)
_NO_ROWS: dict[str, Any] = {"total": 0, "rows": []}
_NO_DATA = {"code": "000000", "message": "success", "data": [], "total": 0, "success": True}
NO_HISTORY: dict[str, Any] = {
    "asset/transfer": _NO_ROWS,
    "asset/assetDividend": _NO_ROWS,
    "convert/tradeFlow": {"list": [], "startTime": 1, "endTime": 2, "limit": 1000, "moreData": False},
    "asset/dribblet": {"total": 0, "userAssetDribblets": []},
    "fiat/orders": _NO_DATA,
    "fiat/payments": _NO_DATA,
    "pay/transactions": _NO_DATA,
    **{
        f"simple-earn/{kind}/history/{name}": _NO_ROWS
        for kind in ("flexible", "locked")
        for name in ("subscriptionRecord", "redemptionRecord", "rewardsRecord")
    },
    **{
        f"{coin}-staking/{coin}/history/{name}": _NO_ROWS
        for coin in ("eth", "sol")
        for name in (
            "stakingHistory",
            "redemptionHistory",
            "rewardsHistory",
            "wbethRewardsHistory",
            "bnsolRewardsHistory",
        )
    },
    "rebate/taxQuery": {
        "status": "OK",
        "type": "GENERAL",
        "code": "000000000",
        "data": {"page": 1, "totalRecords": 0, "totalPageNum": 0, "data": []},
    },
    "sub-account/list": {"subAccounts": []},
    "accountSnapshot": {"code": 200, "msg": "", "snapshotVos": []},
}
NOT_PM = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}


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
    rows.append({**rows[0], "symbol": "BTCUSDT", "pair": "BTCUSDT", "baseAsset": "BTC"}) if rows else None
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
    held = [{**coin, "freeze": "0", "withdrawing": "0", "btcValuation": "0"} for coin in coins]
    cash = {
        "walletBalance": "100", "unrealizedProfit": "0", "marginBalance": "100", "maintMargin": "0",
        "initialMargin": "0", "availableBalance": "90", "updateTime": 1_700_000_000_000, "crossUnPnl": "0",
    }  # fmt: skip
    positions = [
        {
            "symbol": f"C{i}USDT", "positionSide": "BOTH", "positionAmt": "2.5", "entryPrice": "10", "markPrice": "9.8",
            "unRealizedProfit": "-0.5", "unrealizedProfit": "-0.5", "liquidationPrice": "0", "marginAsset": "USDT",
            "notional": "24.5",
            "isolatedMargin": "0", "initialMargin": "1", "maintMargin": "1", "updateTime": 1_700_000_000_000,
        }
        for i in range(POSITIONS)
    ]  # fmt: skip
    premium = {
        "symbol": "BTCUSD_PERP", "pair": "BTCUSD", "markPrice": "100000", "indexPrice": "99950",
        "lastFundingRate": "0", "nextFundingTime": 0, "interestRate": "0", "time": round(time.time() * 1000),
        "estimatedSettlePrice": "0",
    }  # fmt: skip
    usdt = {**cash, "asset": "USDT", "unrealizedProfit": "-2.5", "marginBalance": "97.5"}
    others = [{"asset": f"C{i}", **cash} for i in range(1, MARGIN_ASSETS)]
    margin = {"assets": [usdt, *others], "positions": positions}
    said: dict[str, Any] = {
        "/api/v3/exchangeInfo": symbols(SPOT_SYMBOLS, {}),
        "/fapi/v1/exchangeInfo": symbols(CONTRACTS, contract),
        "/dapi/v1/exchangeInfo": symbols(0, {}),
        "/api/v3/time": {"serverTime": round(time.time() * 1000)},
        "/api/v3/account": {"balances": coins, "accountType": "SPOT", "updateTime": 1_700_000_000_000, "uid": 1},
        "/api/v3/ticker/price": [{"symbol": f"C{i}USDT", "price": "2.5"} for i in range(SPOT_SYMBOLS)]
        + [{"symbol": "BTCUSDT", "price": "100000"}],
        "/dapi/v1/premiumIndex": [premium],
        "/sapi/v1/account/apiRestrictions": {"ipRestrict": True, "enableReading": True, "createTime": 1},
        "/sapi/v1/asset/wallet/balance": [
            {"activate": True, "balance": balance, "walletName": name}
            for name, balance in {"Spot": "200", "Funding": "200", "USDⓈ-M Futures": "6097.5"}.items()
        ],
        "/sapi/v3/asset/getUserAsset": held,
        "/sapi/v1/asset/get-funding-asset": held,
        "/fapi/v3/account": margin,
        "/fapi/v3/positionRisk": positions,
    }
    said |= {f"/sapi/v1/{path}": nothing for path, nothing in NO_HISTORY.items()}
    return {path: json.dumps(value).encode() for path, value in said.items()}


async def serve() -> None:
    """Answer until killed; the port is the first line of output."""
    said = answers()
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/asked":
            return web.json_response(dict(asked))
        asked[request.path] += 1
        if request.path.startswith("/papi/"):
            return web.json_response(NOT_PM, status=401)
        body = said.get(request.path, b"[]")
        if request.path == "/api/v3/account":
            body = body.replace(b'"uid": 1', b'"uid": ' + str(100 + int(request.headers["X-MBX-APIKEY"][1:])).encode())
        return web.Response(body=body, content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


# ---------------------------------------------------------------- ours: whole cycles, with everything in them


class Clock:
    """Our clock in the benchmark: it moves by a minute from cycle to cycle, and on with real time between."""

    def __init__(self) -> None:
        self.base, self.since = datetime.now(UTC).replace(second=0, microsecond=0), time.monotonic()

    def __call__(self) -> datetime:
        return self.base + timedelta(seconds=time.monotonic() - self.since)

    def next_minute(self) -> datetime:
        self.base, self.since = self.base + timedelta(minutes=1), time.monotonic()
        return self.base


async def ours(url: str, accounts: int, folder: Path) -> tuple[float, float, float]:
    """CPU ms and wall ms of a steady cycle per account, and MB of memory per account."""
    Budget.usable = property(lambda _: 1e15)  # type: ignore[assignment, method-assign]  # the server has no limits
    clock, store = Clock(), Store.create(folder / "store")
    configured = tuple(Account(f"u{i}", "binance", "main", url, WALLETS) for i in range(accounts))
    settings = Settings(folder, accounts=configured, users=tuple(one.user for one in configured), **PATIENT)
    keys = {one.key: Credentials(f"k{i}", "s") for i, one in enumerate(configured)}
    memory = Memory()
    gc.collect()
    before = psutil.Process().memory_info().rss
    spent = []
    async with Hub(clock=clock, deadline=60.0) as hub:
        await read_history(settings, keys, store, hub, clock, memory)
        # The first cycle reads what is read once (identity, savings, totals, history): the steady ones count.
        for _ in range(MOST_WARM_UPS):
            report = await run_cycle(settings, keys, store, hub, slot=clock.next_minute(), clock=clock, memory=memory)
            if not failed(report):
                break
        for _ in range(ROUNDS):
            slot, cpu, wall = clock.next_minute(), time.process_time(), time.perf_counter()
            report = await run_cycle(settings, keys, store, hub, slot=slot, clock=clock, memory=memory)
            spent.append(
                ((time.process_time() - cpu) / accounts * 1000, (time.perf_counter() - wall) / accounts * 1000)
            )
            assert not failed(report), failed(report)
        gc.collect()
        grown = (psutil.Process().memory_info().rss - before) / accounts / 1e6
    return min(cpu for cpu, _ in spent), min(wall for _, wall in spent), grown


def failed(report: CycleReport) -> list[WalletLine]:
    """The first few lines of a report that are not ok; a cycle with any is no measurement."""
    return [line for line in (*report.wallets, *report.activity) if not line.is_ok][:5]


async def read_history(
    settings: Settings, keys: dict[Any, Credentials], store: Store, hub: Hub, clock: Clock, memory: Memory
) -> None:
    """Let the first account read its whole (empty) history, and all others stand where it stands then."""
    alone = replace(settings, accounts=settings.accounts[:1], users=settings.users[:1])
    for _ in range(MOST_CYCLES_OF_HISTORY):
        report = await run_cycle(alone, keys, store, hub, slot=clock.next_minute(), clock=clock, memory=memory)
        if report.backfill == 1.0:
            break
    done = list(memory.cursors.values())
    stand = {(one.user, str(row["stream"])): {**row, "user": one.user} for one in settings.accounts for row in done}
    memory.take_cursors({(user, "binance:main", stream): row for (user, stream), row in stand.items()})
    known = memory.account(settings.accounts[0]).streams_at
    for one in settings.accounts:
        memory.account(one).streams_at |= known


# ---------------------------------------------------------------- the peers


def instance(url: str, place: int, library: Any = ccxt, **config: object) -> Any:  # noqa: ANN401 - made at run time
    """A ccxt instance that asks our server."""
    exchange = library.binance(
        {"apiKey": f"k{place}", "secret": "s", "enableRateLimit": False, "timeout": PEER_TIMEOUT, **config}
    )
    exchange.urls["api"] = {name: url + urlsplit(address).path for name, address in exchange.urls["api"].items()}
    exchange.options |= {"fetchMargins": False, "fetchCurrencies": False}
    exchange.has["fetchCurrencies"] = False
    return exchange


async def raw(url: str, accounts: int) -> float:
    """(c) raw endpoints over one shared session: the questions of our steady core, nothing checked or kept."""
    async with aiohttp.ClientSession() as session:
        exchanges = [instance(url, i, session=session, number=str) for i in range(accounts)]

        places = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

        async def read(exchange: Any) -> None:  # noqa: ANN401 - a ccxt instance
            async with places:
                await questions(exchange)

        async def questions(exchange: Any) -> None:  # noqa: ANN401 - the same
            spot = await exchange.sapiV3PostAssetGetUserAsset({"needBtcValuation": "false"})
            funding = await exchange.sapiPostAssetGetFundingAsset({"needBtcValuation": "false"})
            futures = await exchange.fapiPrivateV3GetAccount()
            positions = await exchange.fapiPrivateV3GetPositionRisk()
            await exchange.sapiGetCapitalDepositHisrec({"limit": 1000})
            await exchange.sapiGetCapitalWithdrawHistory({"limit": 1000})
            assert (len(spot), len(funding), len(futures["assets"]), len(positions)) == EXPECTED

        rounds = []
        for _ in range(ROUNDS):
            before = time.process_time()
            await asyncio.gather(*(read(exchange) for exchange in exchanges))
            rounds.append((time.process_time() - before) / accounts * 1000)
        for exchange in exchanges:
            exchange.session = None
        return min(rounds)


async def shared(url: str) -> float:
    """(b) ccxt async: one instance an account, markets loaded once and shared, fetch_balance by gather."""
    markets = instance(url, 0)
    await markets.load_markets()
    exchanges = [instance(url, i) for i in range(SHARED_ACCOUNTS)]
    for exchange in exchanges:
        exchange.set_markets_from_exchange(markets)
    before = time.process_time()
    for kind in ("spot", "funding", "swap"):
        found = await asyncio.gather(*(exchange.fetch_balance({"type": kind}) for exchange in exchanges))
        assert all(len(balance["total"]) >= MARGIN_ASSETS for balance in found)
    spent = (time.process_time() - before) / SHARED_ACCOUNTS * 1000
    await asyncio.gather(*(exchange.close() for exchange in (*exchanges, markets)))
    return spent


def naive(url: str) -> float:
    """(a) the script one writes first: synchronous, an instance per account, markets and all."""
    before = time.process_time()
    for number in range(NAIVE_ACCOUNTS):
        exchange = instance(url, number, ccxt_sync)
        exchange.load_markets()
        for kind in ("spot", "funding", "swap"):
            assert len(exchange.fetch_balance({"type": kind})["total"]) >= MARGIN_ASSETS
    return (time.process_time() - before) / NAIVE_ACCOUNTS * 1000


def main() -> int:
    """Print the milliseconds, and the three promises with what was measured; 1 when one is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--serve", action="store_true", help="be the server")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return 0
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with tempfile.TemporaryDirectory() as folder:
            cpu, wall, megabytes = asyncio.run(ours(url, options.accounts, Path(folder)))
        floor, gathered, first = asyncio.run(raw(url, options.accounts)), asyncio.run(shared(url)), naive(url)
    finally:
        server.kill()
        server.wait()
    print(f"sync: {options.accounts} accounts of three wallets: {cpu:.2f} ms CPU, {wall:.2f} ms wall, each and a cycle")
    print(
        f"sync: that is {60_000 / wall:.0f} accounts a minute by our own pace; the governor allows fewer: "
        f"{int(endpoints.FAPI.limit * 0.8 / FAPI_WEIGHT)} a minute and address at fapi's weights"
    )
    print(f"sync: (a) the first script        {first:10.2f} ms CPU; (a) / ours = {first / cpu:.0f}")
    print(f"sync: (b) ccxt async, shared markets {gathered:7.2f} ms CPU")
    print(f"sync: (c) ccxt raw, shared session {floor:9.2f} ms CPU")
    promises = [
        ("CPU an account, ours / (c)", cpu / floor, "<=", MOST_OF_THE_FLOOR),
        ("CPU an account, (b) / ours", gathered / cpu, ">=", LEAST_BELOW_SHARED),
        ("MB of memory an account", megabytes, "<=", MOST_MEGABYTES),
    ]
    broken = 0
    for what, found, sign, bound in promises:
        is_kept = found <= bound if sign == "<=" else found >= bound
        print(f"sync: promise: {what} {sign} {bound}: measured {found:.3f}, {'kept' if is_kept else 'BROKEN'}")
        broken += not is_kept
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
