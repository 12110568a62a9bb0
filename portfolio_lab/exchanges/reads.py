"""What every venue can be asked for: the one protocol behind all accounts.

Each venue has a class of these reads in a file of its own (`binance/reads.py` ...). It keeps
what all accounts of the venue share (instruments); the account's own client comes with each
question. Every method succeeds as a whole or raises the VenueError family.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote


class Reads(Protocol):
    """One venue's questions."""

    async def time(self) -> datetime:
        """Return the venue's clock."""

    async def quotes(self) -> tuple[Quote, ...]:
        """Return all prices."""

    async def closes(self, assets: frozenset[str], since: date, until: date) -> tuple[Quote, ...]:
        """Return daily closing prices of the UTC days [since, until) that price these assets."""

    async def identity(self, client: VenueClient) -> Identity:
        """Return who the account is, and what its key may do."""

    async def totals(self, client: VenueClient) -> VenueTotals:
        """Return the venue's own totals, and which wallets the account does not have."""

    async def wallet(self, client: VenueClient, wallet: Wallet) -> WalletReading:
        """Return one wallet."""

    def core(self, wallets: tuple[Wallet, ...], *, with_identity: bool) -> tuple[Endpoint, ...]:
        """Return what is asked of one account before anything else: its wallets, and who it is."""

    async def open_orders(self, client: VenueClient, wallets: tuple[Wallet, ...]) -> tuple[OpenOrder, ...]:
        """Return the resting orders of the wallets."""

    async def cash_flows(self, client: VenueClient, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        """Return the flows of [since, until)."""

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
        """Return the streams of activity of an account with these wallets, most precious first."""

    async def step(
        self, client: VenueClient, stream: str, cursor: str, *, now: datetime, assets: frozenset[str]
    ) -> ActivityStep:
        """Take one bounded step along a stream.

        `cursor` is the text of the last step, "" at the very first. New rows at the new end come
        first, then the backfill, newest first. `assets` are all assets ever seen in the account:
        where a venue tells fills only by symbol, they say which symbols to ask for.
        """
