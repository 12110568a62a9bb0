"""An OKX book with everything in it, over real sockets: wallets, totals and streams equal the book."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, CashFlow, EquityEstimate, Fill, Income, Transfer

server = pytest.importorskip("portfolio_lab.demo.server", reason="the demo exchange is not there")
books = pytest.importorskip("portfolio_lab.demo.book", reason="the demo exchange is not there")
facts = pytest.importorskip("portfolio_lab.demo.facts", reason="the demo exchange is not there")
instruments = pytest.importorskip("portfolio_lab.demo.instruments", reason="the demo exchange is not there")

START, NOW = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 6, 12, tzinfo=UTC)
JUST_AFTER = NOW + timedelta(milliseconds=1)
"""Streams tell what happened before an instant."""

WALLETS = (Wallet.TRADING, Wallet.FUNDING, Wallet.EARN, Wallet.LOANS)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


class Quiet:
    """A story in which nothing happens by itself."""

    def tell(self, now: int) -> None:
        """Write nothing."""


def written(book: Any) -> None:
    """A debtor who trades, saves, stakes, borrows against collateral and converts, hour by hour."""
    hour = 3_600_000
    at = ms(START)
    spot, linear = instruments.by_symbol("okx", "spot"), instruments.by_symbol("okx", "linear")
    for asset, amount in (("USDT", "50000"), ("BTC", "2"), ("ETH", "10")):
        book.deposit(at, Wallet.FUNDING, asset, Decimal(amount), network="ERC20", txid=f"in-{asset}")
    book.transfer(at, "USDT", Decimal(30_000), Wallet.FUNDING, Wallet.TRADING)
    book.transfer(at, "BTC", Decimal(1), Wallet.FUNDING, Wallet.TRADING)
    book.borrow(at + 1, Wallet.TRADING, "ETH", Decimal(3))
    for number in range(130):  # more than a page
        moment = at + hour + number * 20 * 60_000
        book.fund_until(moment)
        side = ("buy", "sell")[number % 3 == 0]
        price = Decimal(60_000 + number)
        book.trade(moment, Wallet.TRADING, linear["BTC-USDT-SWAP"], side, Decimal(3), price, fee_rate=Decimal("0.0005"))
        if number % 10 == 0:
            book.trade(
                moment + 1, Wallet.TRADING, spot["BTC-USDT"], side, Decimal("0.01"), price, fee_rate=Decimal("0.001")
            )
    later = at + 50 * hour
    book.fund_until(later)
    book.subscribe(later, Wallet.FUNDING, "USDT", Decimal(5_000))
    book.stake(later, Wallet.FUNDING, "ETH", Decimal(4))
    loan = book.open_loan(later, Wallet.FUNDING, ("USDC", Decimal(1_000)), ("BTC", Decimal("0.5")))
    book.fund_until(later + 20 * hour)
    book.repay_loan(later + 20 * hour, Wallet.FUNDING, loan, Decimal(200))
    book.redeem(later + 20 * hour, Wallet.FUNDING, "USDT", Decimal(1_000))
    book.swap(later + 21 * hour, Wallet.FUNDING, ("USDT", Decimal(300)), ("ETH", Decimal("0.1")), facts.Reason.CONVERT)
    book.swap(later + 22 * hour, Wallet.TRADING, ("BTC", Decimal("0.001")), ("USDT", Decimal(60)), facts.Reason.DUST)
    book.credit(later + 23 * hour, Wallet.FUNDING, "USDT", Decimal("7.5"), facts.Reason.REBATE)
    book.credit(later + 23 * hour, Wallet.FUNDING, "USDT", Decimal(20), facts.Reason.PROMOTION)
    book.withdraw(later + 24 * hour, Wallet.FUNDING, "USDT", Decimal(500), fee=Decimal(1), network="TRX", txid="out-1")
    book.open_bot(later + 24 * hour, Wallet.TRADING, "grid", "USDT", Decimal(700))
    book.repay(later + 25 * hour, Wallet.TRADING, "ETH", Decimal(0))
    book.fund_until(ms(NOW))


class Desk:
    """The account, its book and its reader."""

    def __init__(self, exchange: Any, account: Any, reader: AccountReader) -> None:
        self.exchange, self.account, self.reader = exchange, account, reader
        self.rows: dict[Any, ActivityRow] = {}

    @property
    def book(self) -> Any:
        return self.account.book

    @property
    def view(self) -> Any:
        return self.account.view(ms(NOW))

    def usd(self, asset: str) -> Decimal:
        price = self.exchange.exchange.market.coin_usd("okx", asset, ms(NOW))
        assert price is not None
        return price

    def told(self, *kinds: type) -> list[Any]:
        """What all streams have told of these kinds, each row once, as the store keeps it."""
        return [row for row in self.rows.values() if isinstance(row, kinds)]

    async def read(self) -> None:
        """Read all streams to their ends."""
        for stream in self.reader.streams(self.reader.account.wallets):
            cursor, step = "", None
            while step is None or not (step.is_current and step.is_backfilled):
                step = await self.reader.fetch_step(stream.name, cursor, now=JUST_AFTER, assets=frozenset())
                cursor = step.cursor
                self.rows |= {(type(row), key(row)): row for row in step.rows}


def key(row: ActivityRow) -> Any:
    match row:
        case CashFlow():
            return row.kind, row.flow_id
        case Transfer():
            return row.transfer_id
        case Fill():
            return row.fill_id
        case Income():
            return row.income_id
        case EquityEstimate():
            return row.day, row.asset


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Desk]:
    async with server.DemoExchange(since=START - timedelta(days=1), now=NOW) as exchange, Hub(clock=lambda: NOW) as hub:
        account = next(one for one in exchange.exchange.accounts if one.account.venue == "okx")
        account.story, account.mode = Quiet(), "3"
        account.book = books.Book("hand/okx", exchange.exchange.market)
        account.opened = (*WALLETS, Wallet.BOTS)
        written(account.book)
        configured = replace(account.account, base_url=exchange.url, wallets=WALLETS)
        reader = await hub.reader(configured, account.credentials)
        await reader.market.measure_clock()
        opened = Desk(exchange, account, reader)
        await opened.read()
        yield opened


# ---------------------------------------------------------------- wallets


def expected_wallets(view: Any) -> dict[Wallet, dict[str, Decimal]]:
    """Every wallet by asset, from the book."""
    sums: dict[Wallet, dict[str, Decimal]] = {wallet: defaultdict(Decimal) for wallet in WALLETS}
    for wallet in (Wallet.TRADING, Wallet.FUNDING):
        for asset, amount in view.cash(wallet).items():
            sums[wallet][asset] += amount
    for asset, debt in view.debts(Wallet.TRADING).items():
        sums[Wallet.TRADING][asset] -= debt.borrowed + debt.interest
    for asset, pnl in view.unrealised(Wallet.TRADING).items():
        sums[Wallet.TRADING][asset] += pnl
    for asset, amount in botted(view).items():
        sums[Wallet.TRADING][asset] += amount
    for asset, amount in view.flexible().items():
        sums[Wallet.EARN][asset] += amount
    for one in view.staked():
        sums[Wallet.EARN][one.asset] += one.amount + one.earned
    for loan in view.loans():
        sums[Wallet.LOANS][loan.collateral_asset] += loan.collateral
        sums[Wallet.LOANS][loan.asset] -= loan.debt
    return {wallet: {asset: amount for asset, amount in held.items() if amount} for wallet, held in sums.items()}


def botted(view: Any) -> dict[str, Decimal]:
    """What bots keep inside the trading account."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for bot in view.bots():
        for asset, amount in bot.holdings.items():
            sums[asset] += amount
    return sums


@pytest.mark.parametrize("wallet", WALLETS)
async def test_every_wallet_equals_the_book(desk: Desk, wallet: Wallet) -> None:
    reading = await desk.reader.fetch_wallet(wallet)
    expected = expected_wallets(desk.view)[wallet]
    assert expected, "the book leaves this wallet empty"
    assert {row.asset: row.quantity for row in reading.balances if row.quantity} == expected


async def test_a_debt_shows_in_the_parts(desk: Desk) -> None:
    reading = await desk.reader.fetch_wallet(Wallet.TRADING)
    (owed,) = (row for row in reading.balances if row.asset == "ETH")
    parts = dict(owed.components)
    assert parts["liability"] > 0
    assert {row.asset: dict(row.components)["bots"] for row in reading.balances if "bots" in dict(row.components)} == {
        "USDT": 700
    }
    assert all("residual" not in dict(row.components) for row in reading.balances)
    assert [one.instrument for one in reading.positions] == ["BTC-USDT-SWAP"]


async def test_totals_equal_the_sum_of_the_wallets(desk: Desk) -> None:
    totals = {(one.scope, one.asset): one for one in (await desk.reader.fetch_totals()).totals}
    assert all(one.is_known for one in totals.values())
    worth = {
        wallet: sum((amount * desk.usd(asset) for asset, amount in held.items()), Decimal(0)) / desk.usd("USDT")
        for wallet, held in expected_wallets(desk.view).items()
    }
    for wallet in (Wallet.TRADING, Wallet.FUNDING, Wallet.EARN):
        assert float(totals[wallet.value, "USDT"].quantity) == pytest.approx(float(worth[wallet]), rel=1e-9)
    ours = float(worth[Wallet.TRADING] * desk.usd("USDT"))
    assert float(totals["trading", "USD"].quantity) == pytest.approx(ours, rel=1e-9)


async def test_identity(desk: Desk) -> None:
    identity = await desk.reader.fetch_identity()
    assert (identity.uid, identity.mode, identity.is_read_only) == (str(desk.account.uid), "multi_currency", True)


# ---------------------------------------------------------------- streams


async def test_flows_equal_the_book(desk: Desk) -> None:
    rows = desk.told(CashFlow)
    assert {(row.kind, row.flow_id, row.asset, row.quantity, row.fee, row.txid) for row in rows} == {
        (
            flow.kind,
            str(flow.flow_id),
            flow.asset,
            flow.amount if flow.kind == "deposit" else -(flow.amount + flow.fee),
            flow.fee,
            flow.txid,
        )
        for flow in desk.book.flows(until=ms(NOW))
    }


async def test_fills_equal_the_book(desk: Desk) -> None:
    rows = desk.told(Fill)
    assert len(rows) > 100
    assert sorted((ms(row.at), row.side, row.quantity, row.price, row.fee, row.realised_pnl or 0) for row in rows) == [
        (
            fill.at,
            fill.side,
            fill.contracts * (fill.instrument.contract_size if fill.instrument.is_contract else 1),
            fill.price,
            -fill.fee,
            fill.realised_pnl,
        )
        for fill in desk.book.fills(until=ms(NOW))
    ]


INCOMES = {
    facts.Reason.FUNDING: "funding",
    facts.Reason.INSURANCE: "liquidation",
    facts.Reason.REBATE: "rebate",
    facts.Reason.PROMOTION: "promotion",
    facts.Reason.CONVERT: "convert",
    facts.Reason.DUST: "dust",
}


async def test_income_equals_the_book(desk: Desk) -> None:
    rows = desk.told(Income)
    expected = [
        (INCOMES[entry.reason], entry.asset, entry.amount)
        for entry in desk.book.entries(until=ms(NOW), wallets=(Wallet.TRADING, Wallet.FUNDING))
        if entry.reason in INCOMES and entry.amount
    ]
    expected += [
        ("interest", event.asset, -event.interest)
        for event in desk.book.debt_events(until=ms(NOW), wallets=(Wallet.TRADING,))
        if event.reason is facts.Reason.INTEREST
    ]
    assert {kind for kind, _, _ in expected} >= {"funding", "interest", "rebate", "promotion", "convert", "dust"}
    assert sorted((row.kind, row.asset, row.quantity) for row in rows) == sorted(expected)


async def test_transfers_equal_the_book(desk: Desk) -> None:
    rows = desk.told(Transfer)
    expected = [(one.asset, one.amount, one.source, one.target) for one in desk.book.transfers(until=ms(NOW))]
    expected += [
        ("USDT", Decimal(5_000), Wallet.FUNDING, Wallet.EARN),
        ("ETH", Decimal(4), Wallet.FUNDING, Wallet.EARN),
        ("BTC", Decimal("0.5"), Wallet.FUNDING, Wallet.LOANS),
        ("USDC", Decimal(1_000), Wallet.LOANS, Wallet.FUNDING),
        ("USDC", Decimal(200), Wallet.FUNDING, Wallet.LOANS),
        ("USDT", Decimal(1_000), Wallet.EARN, Wallet.FUNDING),
    ]
    assert sorted(map(str, ((row.asset, row.quantity, row.source, row.target) for row in rows))) == sorted(
        map(str, expected)
    )


async def test_the_streams_together_explain_every_wallet(desk: Desk) -> None:
    """Nothing is missing and nothing is told twice: what flowed, moved, traded and came in is what is there."""
    sums: dict[Wallet, dict[str, Decimal]] = {wallet: defaultdict(Decimal) for wallet in WALLETS}
    for row in desk.rows.values():
        add(sums, row)
    cash = expected_wallets(desk.view)
    for asset, pnl in desk.view.unrealised(Wallet.TRADING).items():
        cash[Wallet.TRADING][asset] = cash[Wallet.TRADING].get(asset, Decimal(0)) - pnl
    for asset in ("USDT", "BTC", "ETH", "USDC"):
        assert sums[Wallet.TRADING][asset] + sums[Wallet.FUNDING][asset] == cash[Wallet.TRADING].get(
            asset, Decimal(0)
        ) + cash[Wallet.FUNDING].get(asset, Decimal(0))


def add(sums: dict[Wallet, dict[str, Decimal]], row: ActivityRow) -> None:
    """Book a row of activity: a conversion that names no wallet counts as one of funding."""
    match row:
        case CashFlow() | Income():
            sums[row.wallet or Wallet.FUNDING][row.asset] += row.quantity
        case Transfer():
            for wallet, change in ((row.source, -row.quantity), (row.target, row.quantity)):
                if wallet is not None:
                    sums[wallet][row.asset] += change
        case Fill():
            trading = sums[row.wallet]
            trading[row.fee_asset] += row.fee
            if row.settle_asset:
                trading[row.settle_asset] += row.realised_pnl or 0
                return
            sign = 1 if row.side == "buy" else -1
            trading[row.underlying] += sign * row.quantity
            trading[row.instrument.split("-")[1]] -= sign * row.quantity * row.price
        case EquityEstimate():
            pass


async def test_the_last_bills_of_days_state_the_cash_of_then(desk: Desk) -> None:
    estimates = desk.told(EquityEstimate)
    assert {row.day for row in estimates if row.asset == "USDT"} >= {START + timedelta(days=day) for day in range(5)}
    for row in estimates:
        if row.asset == "USDT":
            end = ms(row.day + timedelta(days=1)) - 1
            assert row.quantity == cash_at(desk, "USDT", end)


def cash_at(desk: Desk, asset: str, at: int) -> Decimal:
    entries = desk.book.entries(until=at, wallets=(Wallet.TRADING,))
    return sum((entry.amount for entry in entries if entry.asset == asset), Decimal(0))
