"""Binance's reads, with the instruments that all accounts share."""

# ruff: noqa: D102 - the protocol tells what each of them returns

from __future__ import annotations

from datetime import date, datetime
from weakref import WeakKeyDictionary

from portfolio_lab.exchanges.binance import (
    activity,
    closes,
    endpoints,
    futures,
    identity,
    orders,
    portfolio,
    prices,
    streams,
    totals,
)
from portfolio_lab.exchanges.binance.portfolio_margin import KnownMode
from portfolio_lab.exchanges.binance.usd_m_positions import KnownPositions
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.daily_closes import DailyCloses
from portfolio_lab.models.accounts import Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote


class BinanceReads:
    """Binance's reads, with the instruments that all accounts share."""

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self._instruments = prices.Instruments(client)
        self._closes = DailyCloses()
        self._positions: WeakKeyDictionary[VenueClient, KnownPositions] = WeakKeyDictionary()
        self._modes: WeakKeyDictionary[VenueClient, KnownMode] = WeakKeyDictionary()

    async def time(self) -> datetime:
        return await prices.fetch_time(self._client)

    async def quotes(self) -> tuple[Quote, ...]:
        return await prices.fetch_quotes(self._client, self._instruments)

    async def wallet(self, client: VenueClient, wallet: Wallet) -> WalletReading:
        if wallet is Wallet.USD_M:
            known = self._positions.setdefault(client, KnownPositions())
            return await futures.fetch_usd_m(client, self._instruments, known)
        return await portfolio.fetch_wallet(client, self._instruments, wallet)

    def core(self, wallets: tuple[Wallet, ...], *, with_identity: bool) -> tuple[Endpoint, ...]:
        asked = tuple(endpoint for wallet in wallets for endpoint in endpoints.FIRST.get(wallet, ()))
        return (*asked, endpoints.SPOT_ACCOUNT) if with_identity else asked

    async def open_orders(self, client: VenueClient, wallets: tuple[Wallet, ...]) -> tuple[OpenOrder, ...]:
        return await orders.fetch_open_orders(client, self._instruments, wallets)

    async def cash_flows(self, client: VenueClient, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        return await activity.fetch_cash_flows(client, since=since, until=until)

    async def closes(self, assets: frozenset[str], since: date, until: date) -> tuple[Quote, ...]:
        return await closes.fetch_closes(self._client, self._instruments, self._closes, assets, since, until)

    async def identity(self, client: VenueClient) -> Identity:
        return await identity.fetch_identity(client, self._modes.setdefault(client, KnownMode()))

    async def totals(self, client: VenueClient) -> VenueTotals:
        return await totals.fetch_totals(client, self._modes.setdefault(client, KnownMode()))

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
        return streams.streams(wallets)

    async def step(
        self, client: VenueClient, stream: str, cursor: str, *, now: datetime, assets: frozenset[str]
    ) -> ActivityStep:
        return await streams.step(client, self._instruments, stream, cursor, now=now, assets=assets)
