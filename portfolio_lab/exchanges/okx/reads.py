"""OKX's reads, with the instruments that all accounts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime

from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.daily_closes import DailyCloses
from portfolio_lab.exchanges.okx import activity, closes, earn, identity, orders, portfolio, prices, streams
from portfolio_lab.models.accounts import Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote

_PLAIN: dict[Wallet, Callable[[VenueClient], Awaitable[WalletReading]]] = {
    Wallet.FUNDING: portfolio.fetch_funding,
    Wallet.EARN: earn.fetch_earn,
    Wallet.LOANS: earn.fetch_loans,
}
"""Wallets that are read without knowing any instrument."""


class OkxReads:
    """OKX's reads, with the instruments that all accounts share; see `Reads` for what each returns."""

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self._instruments = prices.Instruments(client)
        self._closes = DailyCloses()

    async def time(self) -> datetime:
        """Return OKX's clock."""
        return await prices.fetch_time(self._client)

    async def quotes(self) -> tuple[Quote, ...]:
        """Return the last price of every spot pair."""
        return await prices.fetch_quotes(self._client)

    async def closes(self, assets: frozenset[str], since: date, until: date) -> tuple[Quote, ...]:
        """Return daily closing prices."""
        return await closes.fetch_closes(self._client, self._closes, assets, since, until)

    async def identity(self, client: VenueClient) -> Identity:
        """Return uid, master, mode, and what the key may do."""
        return await identity.fetch_identity(client)

    async def totals(self, client: VenueClient) -> VenueTotals:
        """Return OKX's valuation of its accounts."""
        return await identity.fetch_totals(client)

    async def wallet(self, client: VenueClient, wallet: Wallet) -> WalletReading:
        """Return one wallet."""
        if wallet is Wallet.TRADING:
            return await portfolio.fetch_trading(client, self._instruments)
        return await _PLAIN[wallet](client)

    def core(self, wallets: tuple[Wallet, ...], *, with_identity: bool) -> tuple[Endpoint, ...]:  # noqa: ARG002
        """Return nothing: OKX counts by account, so that nobody takes another one's room."""
        return ()

    async def open_orders(self, client: VenueClient, wallets: tuple[Wallet, ...]) -> tuple[OpenOrder, ...]:
        """Return the resting orders; only the trading account has any."""
        if Wallet.TRADING not in wallets:
            return ()
        return await orders.fetch_open_orders(client, self._instruments)

    async def cash_flows(self, client: VenueClient, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        """Return deposits and withdrawals of [since, until)."""
        return await activity.fetch_cash_flows(client, since=since, until=until)

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
        """Return the streams of activity, most precious first."""
        return streams.streams(wallets)

    async def step(
        self,
        client: VenueClient,
        stream: str,
        cursor: str,
        *,
        now: datetime,
        assets: frozenset[str],  # noqa: ARG002 - OKX tells fills of all instruments at once
    ) -> ActivityStep:
        """Take one bounded step along a stream."""
        return await streams.fetch_step(client, self._instruments, stream, cursor, now=now)
