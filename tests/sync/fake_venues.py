"""Venues made of plain values: what a test wants them to say, they say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from portfolio_lab.models.accounts import Account, Credentials, Identity, Wallet
from portfolio_lab.models.activity import ActivityRow, ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import AnswerMark, Balance, OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote

MIDNIGHT = datetime(2026, 8, 3, tzinfo=UTC)
LAB_TOML = """
interval_seconds = 60

[[accounts]]
user = "alice"
venue = "binance"
label = "main"
wallets = ["spot", "usd_m"]

[[accounts]]
user = "bob"
venue = "okx"
label = "desk"
wallets = ["trading", "funding"]
"""


class Died(BaseException):
    """The process ended here: no code of ours may catch it."""


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class FakeVenue:
    """What the venues hold. A fault is an exception to raise, or "hang"; keyed by (user, part)."""

    clock: Hand
    holdings: dict[tuple[str, Wallet], tuple[Balance, ...]]
    flows: dict[str, list[CashFlow]] = field(default_factory=dict)
    flows_by_account: dict[str, list[CashFlow]] = field(default_factory=dict)
    orders: dict[str, tuple[OpenOrder, ...]] = field(default_factory=dict)
    locks: dict[tuple[str, Wallet], frozenset[str]] = field(default_factory=dict)
    faults: dict[tuple[str, str], Exception | str] = field(default_factory=dict)
    late: timedelta = timedelta(0)
    identities: dict[str, Identity] = field(default_factory=dict)
    totals: dict[str, VenueTotals] = field(default_factory=dict)
    streams: dict[str, dict[str, list[ActivityRow]]] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=lambda: {"BTC": Decimal(50_000), "ETH": Decimal(2_000)})
    own_prices: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    page: int = 2
    lives: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    flow_windows: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    async def answer(self, who: str, part: str) -> None:
        self.asked.append((who, part))
        await asyncio.sleep(0)
        fault = self.faults.get((who, part))
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "die":
            self.lives -= 1
            if not self.lives:
                raise Died
        if isinstance(fault, Exception):
            raise fault


class FakeMarket:
    def __init__(self, venue: str, state: FakeVenue) -> None:
        self.venue = venue
        self._state = state

    async def measure_clock(self) -> timedelta:
        await self._state.answer(self.venue, "clock")
        return timedelta(0)

    def expect(self, asked: Iterable[tuple[tuple[Wallet, ...], bool]]) -> None:
        """Nothing is counted here."""

    async def fetch_quotes(self) -> tuple[Quote, ...]:
        await self._state.answer(self.venue, "quotes")
        at = self._state.clock()
        return (
            *(
                Quote(coin, "USDT", price, f"spot {coin}USDT last", at)
                for coin, price in {**self._state.prices, **self._state.own_prices.get(self.venue, {})}.items()
            ),
            Quote("USDT", "USD", Decimal(1), "spot USDT-USD", at),
        )

    async def fetch_closes(self, assets: frozenset[str], *, since: date, until: date) -> tuple[Quote, ...]:
        """A coin's close is its price now, whatever the day."""
        await self._state.answer(self.venue, "closes")
        ends = [since + timedelta(days=number + 1) for number in range((until - since).days)]
        instants = [datetime.combine(end, time(), UTC) for end in ends]
        coins = {coin: price for coin, price in self._state.prices.items() if coin in assets}
        dollars = [Quote("USDT", "USD", Decimal(1), "spot USDT-USD 1d close", at) for at in instants]
        return (
            *(Quote(coin, "USDT", coins[coin], f"spot {coin}USDT 1d close", at) for coin in coins for at in instants),
            *dollars,
        )


class FakeReader:
    def __init__(self, account: Account, state: FakeVenue) -> None:
        self._account = account
        self._state = state

    async def fetch_identity(self, *, in_background: bool = False) -> Identity:
        await self._state.answer(self._account.user, "identity")
        name = f"{self._account.user} {self._account.name}"
        return self._state.identities.get(self._account.name, Identity(uid=name))

    async def fetch_totals(self, *, in_background: bool = False) -> VenueTotals:
        await self._state.answer(self._account.user, "totals")
        return self._state.totals.get(self._account.user, VenueTotals(()))

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
        return tuple(Stream(name, None) for name in self._state.streams.get(self._account.user, {}))

    async def fetch_step(
        self, stream: str, cursor: str, *, now: datetime, assets: frozenset[str], in_background: bool = False
    ) -> ActivityStep:
        """The rows in the order in which the venue lists them, a page a step; the cursor counts them."""
        await self._state.answer(self._account.user, f"stream {stream}")
        rows = self._state.streams[self._account.user][stream]
        first = int(cursor or 0)
        page = tuple(rows[first : first + self._state.page])
        is_current = first + len(page) == len(rows)
        since = now - timedelta(days=90)
        return ActivityStep(
            stream, page, str(first + len(page)), since, now if is_current else None, is_current, is_current, 1.0
        )

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        await self._state.answer(self._account.user, str(wallet))
        mark = AnswerMark(f"/{wallet}", "0" * 64, self._state.clock() - self._state.late)
        held = self._state.holdings.get((self._account.user, wallet), ())
        return WalletReading(wallet, held, (), (mark,), locks=self._state.locks.get((self._account.user, wallet)))

    async def fetch_open_orders(
        self, wallets: tuple[Wallet, ...] = (), *, in_background: bool = False
    ) -> tuple[OpenOrder, ...]:
        await self._state.answer(self._account.user, "open_orders")
        orders = self._state.orders.get(self._account.user, ())
        return tuple(order for order in orders if not wallets or order.wallet in wallets)

    async def fetch_cash_flows(self, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        await self._state.answer(self._account.user, "cash_flows")
        self._state.flow_windows.append((self._account.user, since, until))
        flows = self._state.flows_by_account.get(self._account.name, self._state.flows.get(self._account.user, []))
        return tuple(flow for flow in flows if since <= flow.at < until)


class FakeHub:
    """The door to the fake venues."""

    def __init__(self, state: FakeVenue) -> None:
        self.state = state

    async def __aenter__(self) -> FakeHub:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def market(self, venue: str, base_url: str | None) -> FakeMarket:
        await self.state.answer(venue, f"market {base_url or ''}".strip())
        return FakeMarket(venue, self.state)

    async def reader(self, account: Account, credentials: Credentials) -> FakeReader:
        await self.state.answer(account.user, "reader")
        assert credentials.key
        return FakeReader(account, self.state)


def btc(quantity: str) -> tuple[Balance, ...]:
    return (Balance("BTC", Decimal(quantity)),)


def usdt_margin(settled: str, unrealised: str) -> tuple[Balance, ...]:
    cash, pnl = Decimal(settled), Decimal(unrealised)
    return (Balance("USDT", cash + pnl, cash, pnl),)
