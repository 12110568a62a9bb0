"""Every OKX account of the demo exchange's cast: wallets and totals equal its truth, and the streams explain them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, CashFlow, EquityEstimate, Fill, Income, Transfer
from portfolio_lab.models.holdings import WalletReading

people = pytest.importorskip("portfolio_lab.demo.people", reason="the demo exchange is not there")
server = pytest.importorskip("portfolio_lab.demo.server", reason="the demo exchange is not there")
truths = pytest.importorskip("portfolio_lab.demo.truth", reason="the demo exchange is not there")

NOW = datetime(2026, 10, 20, 12, 34, 56, tzinfo=UTC)
ACCOUNTS = [account for user in people.cast() for account in user.accounts if account.venue == "okx"]
NAMES = [f"{account.user}-{account.label}" for account in ACCOUNTS]
CASH = (Wallet.TRADING, Wallet.FUNDING)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@asynccontextmanager
async def opened(name: str, *, since: datetime, now: datetime = NOW) -> AsyncIterator[tuple[Any, Any, AccountReader]]:
    """The exchange, the account and its reader."""
    async with server.DemoExchange(since=since, now=now) as exchange, Hub(clock=lambda: now) as hub:
        known = {f"{one.account.user}-{one.account.label}": one for one in exchange.exchange.accounts if is_okx(one)}
        reader = await hub.reader(replace(known[name].account, base_url=exchange.url), known[name].credentials)
        await reader.market.measure_clock()
        yield exchange, known[name], reader


def is_okx(one: Any) -> bool:
    return bool(one.account.venue == "okx")


def quantities(reading: WalletReading) -> dict[str, Decimal]:
    return {row.asset: row.quantity for row in reading.balances if row.quantity}


def sums(told: Any) -> dict[str, Decimal]:
    assets = {*told.balances, *told.unrealised}
    both = {name: told.balances.get(name, Decimal(0)) + told.unrealised.get(name, Decimal(0)) for name in assets}
    return {name: total for name, total in both.items() if total}


async def check_book(name: str, since: datetime, now: datetime) -> None:
    async with opened(name, since=since, now=now) as (exchange, account, reader):
        truth = truths.account_truth(account, exchange.exchange.market, ms(now))
        worths = {}
        for told in truth.wallets:
            reading = await reader.fetch_wallet(told.wallet)
            assert quantities(reading) == sums(told), told.wallet
            assert all("residual" not in dict(row.components) for row in reading.balances)
            worths[told.wallet.value] = told.equity
        usdt = exchange.exchange.market.usdt_usd("okx", ms(now))
        totals = {(one.scope, one.asset): float(one.quantity) for one in (await reader.fetch_totals()).totals}
        for scope in ("trading", "funding", "earn"):
            expected = float(worths.get(scope, Decimal(0)) / usdt)
            assert totals[scope, "USDT"] == pytest.approx(expected, rel=1e-9, abs=1e-6)
        assert totals["trading", "USD"] == pytest.approx(float(worths["trading"]), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
async def test_every_book_of_the_cast_is_read_as_it_is(name: str) -> None:
    await check_book(name, NOW - timedelta(days=40), NOW)


@pytest.mark.long
@pytest.mark.parametrize("days", range(2, 62, 3))
@pytest.mark.parametrize("name", NAMES)
async def test_every_book_is_read_as_it_is_on_many_days(name: str, days: int) -> None:
    since = datetime(2026, 8, 20, tzinfo=UTC)
    await check_book(name, since, since + timedelta(days=days, hours=5 * days % 24, minutes=days))


# ---------------------------------------------------------------- streams explain the wallets


async def rows_of(reader: AccountReader, now: datetime) -> list[ActivityRow]:
    """Everything that all streams tell, each row once."""
    rows: dict[Any, ActivityRow] = {}
    for stream in reader.streams(reader.account.wallets):
        cursor, step = "", None
        while step is None or not (step.is_current and step.is_backfilled):
            step = await reader.fetch_step(stream.name, cursor, now=now, assets=frozenset())
            cursor = step.cursor
            rows |= {repr(row): row for row in step.rows}
    return list(rows.values())


def explained(rows: list[ActivityRow]) -> dict[str, Decimal]:
    """The cash of trading and funding together, by coin, as the rows tell it."""
    cash: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        match row:
            case CashFlow() | Income():
                if row.wallet in {*CASH, None}:
                    cash[row.asset] += row.quantity
            case Transfer():
                cash[row.asset] += row.quantity * ((row.target in CASH) - (row.source in CASH))
            case Fill():
                trade(cash, row)
            case EquityEstimate():
                pass
    return cash


def trade(cash: dict[str, Decimal], fill: Fill) -> None:
    cash[fill.fee_asset] += fill.fee
    if fill.settle_asset:
        cash[fill.settle_asset] += fill.realised_pnl or 0
        return
    signed = fill.quantity if fill.side == "buy" else -fill.quantity
    cash[fill.underlying] += signed
    cash[fill.instrument.split("-")[1]] -= signed * fill.price


async def check_streams(name: str, since: datetime) -> None:
    async with opened(name, since=since) as (_, account, reader):
        rows = await rows_of(reader, NOW + timedelta(milliseconds=1))
        view = account.view(ms(NOW))
        expected: dict[str, Decimal] = defaultdict(Decimal)
        for wallet in CASH:
            for asset, amount in view.cash(wallet).items():
                expected[asset] += amount
        for asset, debt in view.debts(Wallet.TRADING).items():
            expected[asset] -= debt.borrowed + debt.interest
        for entry in account.book.entries(until=ms(NOW), wallets=(Wallet.TRADING,)):
            if entry.reason == "bot":  # what bots take and give back stays inside the account's equity: no row
                expected[entry.asset] -= entry.amount
        found = explained(rows)
        differences = {asset: found[asset] - expected[asset] for asset in {*found, *expected}}
        assert {asset: gap for asset, gap in differences.items() if abs(gap) > Decimal("1e-8")} == {}


async def test_the_streams_of_a_debtor_explain_his_cash() -> None:
    await check_streams("ivan-main", NOW - timedelta(days=3))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
async def test_the_streams_explain_the_cash_of_months(name: str) -> None:
    await check_streams(name, NOW - timedelta(days=80))
