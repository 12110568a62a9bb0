"""What a cycle needs of the venues: three doors, which the real hub and the tests' fakes both have."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Protocol

from portfolio_lab.models.accounts import Account, Credentials, Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote


class Market(Protocol):
    """One venue's public side, shared by all its accounts."""

    async def measure_clock(self) -> timedelta:
        """Return the venue's time minus ours."""
        ...

    def expect(self, asked: Iterable[tuple[tuple[Wallet, ...], bool]]) -> None:
        """Say of each account that is about to be asked which wallets will be, and whether its identity will."""
        ...

    async def fetch_quotes(self) -> tuple[Quote, ...]:
        """Return everything that is needed to price coins."""
        ...

    async def fetch_closes(self, assets: frozenset[str], *, since: date, until: date) -> tuple[Quote, ...]:
        """Return daily closing prices of the UTC days [since, until)."""
        ...


class AccountReader(Protocol):
    """One account's private side. Every call raises only the VenueError family."""

    async def fetch_identity(self, *, in_background: bool = False) -> Identity:
        """Return who the account is at the venue, and what its key may do."""
        ...

    async def fetch_totals(self, *, in_background: bool = False) -> VenueTotals:
        """Return the venue's own totals, and which wallets the account does not have."""
        ...

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
        """Return the streams of activity of an account that has these wallets, most precious first."""
        ...

    async def fetch_step(
        self, stream: str, cursor: str, *, now: datetime, assets: frozenset[str], in_background: bool = False
    ) -> ActivityStep:
        """Take one bounded step along a stream."""
        ...

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        """Return what one wallet holds."""
        ...

    async def fetch_open_orders(
        self, wallets: tuple[Wallet, ...] = (), *, in_background: bool = False
    ) -> tuple[OpenOrder, ...]:
        """Return the resting orders of the wallets, of all where none is named."""
        ...

    async def fetch_cash_flows(self, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        """Return the deposits and withdrawals in [since, until)."""
        ...


class Hub(Protocol):
    """Where markets and readers come from."""

    async def market(self, venue: str, base_url: str | None) -> Market:
        """Return the market of a venue at an origin."""
        ...

    async def reader(self, account: Account, credentials: Credentials) -> AccountReader:
        """Return the reader of an account."""
        ...
