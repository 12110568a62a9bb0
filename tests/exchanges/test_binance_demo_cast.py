"""The special Binance accounts of the demo exchange, over real sockets: every wallet equals its truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.models.accounts import KNOWN_WALLETS, Account, Credentials, Wallet
from portfolio_lab.models.holdings import Holding, WalletReading

people = pytest.importorskip("portfolio_lab.demo.people", reason="the demo exchange is not there")
server = pytest.importorskip("portfolio_lab.demo.server", reason="the demo exchange is not there")

SINCE, NOW = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 20, 12, tzinfo=UTC)
LABELS = {("dora", "main"), ("emil", "main"), ("fay", "main"), ("gus", "main"), ("hana", "main"), ("desk", "sub")}
ACCOUNTS = [
    (account, user.credentials[account.key])
    for user in getattr(people, "cast", people.users)()
    for account in user.accounts
    if account.venue == "binance" and (account.user, account.label) in LABELS
]
ROUNDED = Decimal("5e-8")
"""The venue states eight decimals, and a sum of several such."""


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[Any]:
    async with server.DemoExchange(since=SINCE, now=NOW) as running:
        running.set_clock(NOW)
        yield running


async def truth_of(exchange: Any, account: Account) -> dict[str, Any]:
    query = {"user": account.user, "account": account.name, "since": SINCE.isoformat()}
    async with aiohttp.ClientSession() as http, http.get(f"{exchange.control_url}/truth", params=query) as answer:
        assert answer.status == 200, await answer.text()
        told = (await answer.json())["accounts"][account.name]
        return {row["wallet"]: row for row in told["wallets"]}


def ours(reading: WalletReading) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in reading.balances:
        if row.holding is not Holding.LD_FALLBACK:
            found[row.asset] += row.quantity
    return {asset: size for asset, size in found.items() if abs(size) > ROUNDED}


def theirs(told: dict[str, Any]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for part in (told["balances"], told["unrealised"]):
        for asset, text in part.items():
            found[asset] += Decimal(text)
    return {asset: size for asset, size in found.items() if abs(size) > ROUNDED}


async def check(reader: AccountReader, wallet: Wallet, told: dict[str, Any]) -> None:
    reading = await reader.fetch_wallet(wallet)
    if not any(row.holding is Holding.OPAQUE for row in reading.balances):
        assert ours(reading) == pytest.approx(theirs(told), rel=Decimal("1e-9"), abs=ROUNDED), wallet


@pytest.mark.skipif(not ACCOUNTS, reason="the demo exchange has no special accounts")
@pytest.mark.parametrize(
    ("account", "credentials"), ACCOUNTS or [(None, None)], ids=[f"{a.user}-{a.label}" for a, _ in ACCOUNTS] or ["none"]
)
async def test_every_wallet_equals_the_truth(exchange: Any, account: Account, credentials: Credentials) -> None:
    async with Hub(clock=lambda: NOW) as hub:
        reader = await hub.reader(replace(account, base_url=exchange.url), credentials)
        await reader.market.measure_clock()
        truth = await truth_of(exchange, account)
        totals = await reader.fetch_totals()
        for wallet in account.wallets:
            await check(reader, wallet, truth[wallet.value])
            assert wallet not in totals.absent
        assert not [total for total in totals.totals if not total.is_known]
        assert (await reader.fetch_identity()).is_read_only
        for order in await reader.fetch_open_orders():
            assert order.placed_at <= NOW


@pytest.mark.skipif(not ACCOUNTS, reason="the demo exchange has no special accounts")
async def test_opaque_wallets_are_worth_what_the_exchange_knows(exchange: Any) -> None:
    account, credentials = next((one, keys) for one, keys in ACCOUNTS if Wallet.BOTS in one.wallets)
    async with Hub(clock=lambda: NOW) as hub:
        reader = await hub.reader(replace(account, base_url=exchange.url), credentials)
        await reader.market.measure_clock()
        truth = await truth_of(exchange, account)
        for wallet in (Wallet.BOTS, Wallet.COPY_TRADING):
            (row,) = (await reader.fetch_wallet(wallet)).balances
            assert float(row.quantity) == pytest.approx(float(truth[wallet.value]["equity"]), rel=0.01)


@pytest.mark.skipif(not ACCOUNTS, reason="the demo exchange has no special accounts")
async def test_identities_are_all_different(exchange: Any) -> None:
    async with Hub(clock=lambda: NOW) as hub:
        uids = []
        for account, credentials in ACCOUNTS:
            reader = await hub.reader(replace(account, base_url=exchange.url), credentials)
            await reader.market.measure_clock()
            uids.append((await reader.fetch_identity()).uid)
    assert len(set(uids)) == len(ACCOUNTS)


@pytest.mark.skipif(not ACCOUNTS, reason="the demo exchange has no special accounts")
async def test_all_wallets_at_once_are_read_or_refused_by_name(exchange: Any) -> None:
    """Asked for every wallet there is, an account has those of its truth, and nothing in any other."""
    for account, credentials in ACCOUNTS:
        async with Hub(clock=lambda: NOW) as hub:
            everything = replace(account, base_url=exchange.url, wallets=KNOWN_WALLETS["binance"])
            reader = await hub.reader(everything, credentials)
            await reader.market.measure_clock()
            absent = (await reader.fetch_totals()).absent
            for wallet in KNOWN_WALLETS["binance"]:
                if wallet in account.wallets or wallet in absent:
                    continue
                assert (await reader.fetch_wallet(wallet)).balances == ()


@pytest.mark.long
@pytest.mark.skipif(not ACCOUNTS, reason="the demo exchange has no special accounts")
async def test_every_wallet_equals_the_truth_on_every_day(exchange: Any) -> None:
    """Forty-nine days, each at an hour of its own, and all special accounts."""
    for day in range(49):
        now = SINCE + timedelta(days=day, hours=7 * day % 24, minutes=day)
        exchange.set_clock(now)
        async with Hub(clock=lambda now=now: now) as hub:
            for account, credentials in ACCOUNTS:
                reader = await hub.reader(replace(account, base_url=exchange.url), credentials)
                await reader.market.measure_clock()
                truth = await truth_of(exchange, account)
                for wallet in account.wallets:
                    await check(reader, wallet, truth[wallet.value])
