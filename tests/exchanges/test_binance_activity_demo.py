"""Binance's streams over real sockets tell exactly what is in the demo exchange's book."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portfolio_lab.demo import people
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.exchanges.streams import row_key
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.activity import ActivityRow, CashFlow, Fill, Income, Transfer

sys.path.insert(0, str(Path(__file__).parents[1] / "sync"))

from demo_lab_files import at_once, lift_limits

SINCE, NOW = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 10, 20, 12, tzinfo=UTC)
ASSETS = frozenset({"BTC", "ETH", "SOL", "BNB", "XRP", "LINK", "DOGE", "USDT", "USDC", "EUR", "WBETH"})
END = int(NOW.timestamp() * 1000)


@dataclass
class Desk:
    """The busiest account of Binance, its book and its reader."""

    reader: AccountReader
    book: Any

    async def rows(self, stream: str, *, seed: int = 1) -> list[ActivityRow]:
        """What a stream adds to a store, its process dying now and then before the commit."""
        chance, cursor, now = random.Random(seed), "", NOW - timedelta(hours=3)
        stored: dict[tuple[str, ...], ActivityRow] = {}
        for _ in range(200):
            step = await self.reader.fetch_step(stream, cursor, now=now, assets=ASSETS)
            if chance.random() < 0.3:
                continue
            stored |= {row_key(row): row for row in step.rows}
            cursor = step.cursor
            is_whole = step.is_backfilled or (step.known_since is not None and step.known_since <= SINCE)
            if step.is_current and is_whole:
                if now == NOW:
                    return list(stored.values())
                now = NOW
        raise AssertionError(f"{stream} does not end")


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desk_of("desk") as found:
        yield found


@asynccontextmanager
async def desk_of(name: str) -> AsyncIterator[Desk]:
    user = next(user for user in people.cast() if user.user == name)
    account = next(one for one in user.accounts if one.name == "binance:main")
    async with DemoExchange(since=SINCE, now=NOW) as exchange, Hub(clock=lambda: NOW, sleep=at_once) as hub:
        lift_limits(exchange)
        exchange.set_clock(NOW)
        reader = await hub.reader(replace(account, base_url=exchange.url), user.credentials[account.key])
        await reader.market.measure_clock()
        book = next(one for one in exchange.exchange.accounts if same(one.account, account)).view(END).book
        yield Desk(reader, book)


def same(one: Account, other: Account) -> bool:
    return (one.user, one.venue, one.label) == (other.user, other.venue, other.label)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


async def test_flows_are_the_books(desk: Desk) -> None:
    told = [*await desk.rows("deposits"), *await desk.rows("withdrawals")]
    rows = sorted((r.kind, r.asset, r.quantity, r.fee, r.txid, r.wallet) for r in told if isinstance(r, CashFlow))
    assert len(rows) == len(told) > 5
    sign = {"deposit": 1, "withdrawal": -1}
    assert rows == sorted(
        (f.kind, f.asset, sign[f.kind] * (f.amount + f.fee), f.fee, f.txid, f.wallet)
        for f in desk.book.flows(until=END)
        if f.done_at <= END
    )


async def test_transfers_are_the_books(desk: Desk) -> None:
    told = [*await desk.rows("transfers"), *await desk.rows("family_transfers")]
    rows = sorted(
        (ms(r.at), r.asset, r.quantity, r.source or "", r.target or "") for r in told if isinstance(r, Transfer)
    )
    assert len(rows) == len(told) > 5
    assert rows == sorted(
        (t.at, t.asset, t.amount, t.source or "", t.target or "") for t in desk.book.transfers(until=END)
    )


@pytest.mark.parametrize(
    ("stream", "wallet"),
    [("spot_fills", Wallet.SPOT), ("usd_m_fills", Wallet.USD_M), ("coin_m_fills", Wallet.COIN_M)],
)
async def test_trades_are_the_books(desk: Desk, stream: str, wallet: Wallet) -> None:
    told = await desk.rows(stream)
    rows = sorted((ms(r.at), r.fill_id.rsplit("-", 1)[1], r.side, r.price, -r.fee) for r in told if isinstance(r, Fill))
    assert len(rows) == len(told) > 5
    assert rows == sorted(
        (f.at, str(f.fill_id), f.side, f.price, f.fee) for f in desk.book.fills(until=END) if f.wallet is wallet
    )


async def test_trades_of_coins_that_nobody_ever_saw_are_found(desk: Desk) -> None:
    """Knowing of no coin but USDT, the search alone tells every market that was traded."""
    cursor, told = "", set()
    for _ in range(100):
        step = await desk.reader.fetch_step("fills_search", cursor, now=NOW, assets=frozenset({"USDT"}))
        cursor, told = step.cursor, told | {row.fill_id.rsplit("-", 1)[1] for row in step.rows if isinstance(row, Fill)}
        if step.is_backfilled:
            break
    assert told == {str(f.fill_id) for f in desk.book.fills(until=END) if f.wallet is Wallet.SPOT}


@pytest.mark.parametrize(("stream", "wallet"), [("usd_m_income", Wallet.USD_M), ("coin_m_income", Wallet.COIN_M)])
async def test_income_is_every_change_of_cash_that_is_no_transfer(desk: Desk, stream: str, wallet: Wallet) -> None:
    told = await desk.rows(stream)
    rows = sorted((ms(r.at), r.asset, r.instrument, r.quantity) for r in told if isinstance(r, Income))
    assert len(rows) == len(told) > 20
    entries = desk.book.entries(until=END, wallets={wallet})
    moves = {"TRANSFER", "DEPOSIT", "WITHDRAWAL"}
    assert rows == sorted(
        (e.at, e.asset, e.instrument.symbol if e.instrument else "", e.amount.quantize(Decimal("1e-8")))
        for e in entries
        if e.reason.name not in moves
    )


def effects(row: ActivityRow) -> list[tuple[str, Decimal]]:
    """How a row changes the cash of spot, funding and options together, by asset."""
    if isinstance(row, CashFlow | Income):
        return [(row.asset, row.quantity)]
    if isinstance(row, Fill) and row.wallet is Wallet.SPOT:
        sign = 1 if row.side == "buy" else -1
        legs = [(row.underlying, sign * row.quantity), (row.settle_asset, -sign * row.quantity * row.price)]
        return [*legs, (row.fee_asset, row.fee)]
    return []  # transfers stay inside; trades of options are in the bills of their wallet


async def test_all_streams_together_explain_every_coin_of_an_options_writer() -> None:
    """Nothing is missing, nothing is told twice: the rows add up to what the book holds."""
    async with desk_of("gus") as gus:
        told: Counter[str] = Counter()
        for stream in gus.reader.streams(gus.reader.account.wallets):
            if stream.name not in {"estimates", "transfers"}:
                for row in await gus.rows(stream.name):
                    for asset, quantity in effects(row):
                        told[asset] += quantity  # type: ignore[assignment] - a counter of decimals
        held: Counter[str] = Counter()
        for entry in gus.book.entries(until=END):
            held[entry.asset] += entry.amount
        assert {asset: told[asset] for asset in held} == pytest.approx(dict(held), abs=Decimal("1e-6"))
        assert set(told) == set(held)
