"""The door to the venues: one hub per process, one market per venue and address, one reader per account."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver

from portfolio_lab.errors import VenueError, WalletRefusedError
from portfolio_lab.exchanges import binance, okx
from portfolio_lab.exchanges.binance.reads import BinanceReads
from portfolio_lab.exchanges.breaker import Breaker
from portfolio_lab.exchanges.client import ClockOffset, Venue, VenueClient, named, open_exchange
from portfolio_lab.exchanges.generic import GenericReads
from portfolio_lab.exchanges.generic_client import GenericVenue, JudgingSession, UnifiedClient
from portfolio_lab.exchanges.generic_venues import BYBIT, KRAKEN
from portfolio_lab.exchanges.governor import Budget, Governor, Sleep, hurried
from portfolio_lab.exchanges.ledger import Ledger, file_name, state_folder
from portfolio_lab.exchanges.okx.reads import OkxReads
from portfolio_lab.exchanges.reads import Reads
from portfolio_lab.exchanges.session import Clock, SafeSession
from portfolio_lab.models.accounts import KNOWN_WALLETS, VENUE_WALLETS, Account, Credentials, Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote

STEP_PATIENCE, STEP_TIME = 2.0, 8.0
"""Seconds that a step along a stream may stand in line before it begins, and before each further question."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
REGION = "region:"


VENUES: dict[str, tuple[Venue, Callable[[VenueClient], Reads]]] = {
    "binance": (binance.VENUE, BinanceReads),
    "okx": (okx.VENUE, OkxReads),
    "bybit": (BYBIT, GenericReads),
    "kraken": (KRAKEN, GenericReads),
}
"""Every supported venue. Another venue is a package like `binance` and a line here."""


class Market:
    """One venue at one address, without a key: its clock, its prices, and what all accounts share."""

    def __init__(self, venue: Venue, base_url: str | None, hub: Hub) -> None:
        self.venue = venue.name
        self._offset = ClockOffset()
        self._offset.measure = self.measure_clock
        self._governor = Governor(
            venue=venue.name,
            clock=hub.clock,
            sleep=hub.sleep,
            ledger=hub.ledger(venue, base_url),
            lag=lambda: self._offset.milliseconds / 1000,
        )
        self._hub = hub
        self._wire = venue
        self._base_url = base_url
        self._first: Any = None
        self.reads = VENUES[venue.name][1](self.client(None, owner="public"))

    async def measure_clock(self) -> timedelta:
        """Return venue time - our clock, and correct the time stamps of all accounts by it."""
        ours, machine = self._hub.clock(), time.time()
        theirs = await self.reads.time()
        flight = (time.time() - machine) / 2
        self._offset.milliseconds = round((machine + flight - theirs.timestamp()) * 1000)
        return theirs - ours - timedelta(seconds=flight)

    def expect(self, asked: Iterable[tuple[tuple[Wallet, ...], bool]]) -> None:
        """Keep room for accounts that are about to be asked: for their wallets, and who they are where that is asked.

        Without it those that are read first would spend on their orders what the others' wallets need.
        """
        weights = Counter[Budget]()
        for wallets, with_identity in asked:
            for endpoint in self.reads.core(wallets, with_identity=with_identity):
                weights[endpoint.budget] += endpoint.weight
        for budget, weight in weights.items():
            self._governor.expect(budget, weight)

    async def fetch_quotes(self) -> tuple[Quote, ...]:
        """Return everything that is needed to price coins; raises the VenueError family."""
        with named(self.venue, "quotes"):
            return await self.reads.quotes()

    async def fetch_closes(self, assets: frozenset[str], *, since: date, until: date) -> tuple[Quote, ...]:
        """Return daily closing prices of the UTC days [since, until) that price these assets.

        Always in the background of the budget: PostponedError where there is no room now. What was
        fetched before is kept, and not asked for again.
        """
        with named(self.venue, "daily closes"), hurried(first=STEP_PATIENCE, rest=STEP_TIME):
            return await self.reads.closes(assets, since, until)

    def client(self, credentials: Credentials | None, *, owner: str) -> VenueClient:
        """Return a client that signs with the credentials, or asks without a key."""
        hub = self._hub
        session: Any = hub.session
        if isinstance(self._wire, GenericVenue):
            session = JudgingSession(hub.session, self._wire, self._governor, owner)
        exchange = open_exchange(self._wire, self._base_url, session, credentials, self._first)
        if not isinstance(self._wire, GenericVenue):  # a unified client loads markets, and keeps them to itself
            self._first = self._first or exchange
        kind = UnifiedClient if isinstance(self._wire, GenericVenue) else VenueClient
        return kind(
            self._wire,
            exchange,
            owner=owner,
            governor=self._governor,
            offset=self._offset,
            deadline=hub.deadline,
            sleep=hub.sleep,
            breaker=None if credentials is None else Breaker(hub.clock),
        )


class AccountReader:
    """Reads one account. Each method is one door: it succeeds as a whole or raises the VenueError family."""

    def __init__(self, account: Account, credentials: Credentials, market: Market) -> None:
        self.account = account
        self.market = market
        self._credentials = credentials
        self._client = market.client(credentials, owner="/".join(account.key))

    def is_for(self, account: Account, credentials: Credentials) -> bool:
        """True while neither the account's configuration nor its key has changed."""
        return self.account == account and self._credentials == credentials

    async def fetch_identity(self, *, in_background: bool = False) -> Identity:
        """Return who the account is at the venue, and what its key may do.

        In the background of the budget it is a PostponedError where there is no room now.
        """
        with named(self.account.venue, "identity"), _patience(in_background):
            return await self.market.reads.identity(self._client)

    async def fetch_totals(self, *, in_background: bool = False) -> VenueTotals:
        """Return the venue's own totals, and which wallets the account does not have.

        In the background of the budget it is a PostponedError where there is no room now.
        """
        with named(self.account.venue, "totals"), _patience(in_background):
            return await self.market.reads.totals(self._client)

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
        """Return the streams of activity of an account that has these wallets, most precious first."""
        return self.market.reads.streams(wallets)

    async def fetch_step(
        self, stream: str, cursor: str, *, now: datetime, assets: frozenset[str], in_background: bool = False
    ) -> ActivityStep:
        """Take one bounded step along a stream; `cursor` is the text of the last one, "" at first.

        In the background of the budget a step that has no room now is a PostponedError, instead
        of standing in line.
        """
        with named(self.account.venue, f"{stream} stream"), _patience(in_background):
            return await self.market.reads.step(self._client, stream, cursor, now=now, assets=assets)

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        """Return one wallet; an empty wallet is a reading without rows."""
        if wallet not in KNOWN_WALLETS[self.account.venue]:
            text = f"{self.account.venue} has no wallet {wallet.value}: correct `wallets` in lab.toml."
            raise WalletRefusedError(text, venue=self.account.venue)
        with named(self.account.venue, f"{wallet.value} wallet"):
            return await self.market.reads.wallet(self._client, wallet)

    async def fetch_open_orders(
        self, wallets: tuple[Wallet, ...] = (), *, in_background: bool = False
    ) -> tuple[OpenOrder, ...]:
        """Return the resting orders of the wallets, of all configured ones where none is named.

        In the background of the budget it is a PostponedError where there is no room now.
        """
        wallets = wallets or self.account.wallets or VENUE_WALLETS[self.account.venue]
        with named(self.account.venue, "open orders"), _patience(in_background):
            return await self.market.reads.open_orders(self._client, wallets)

    async def fetch_cash_flows(self, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        """Return completed deposits and withdrawals of [since, until), oldest first."""
        with named(self.account.venue, "cash flows"):
            return await self.market.reads.cash_flows(self._client, since, until)


class Hub:
    """One per process: the shared session, markets, clock offsets and governors.

    Use it as `async with Hub(clock=...) as hub:`. `deadline` in seconds bounds each question
    with its retries, not the time in line for its weight. `ssl_context` and `resolver` replace
    the machine's own, for proxies with their own authority and for tests. `governor_path` is a folder that the
    request budgets of venues on this machine itself (the demo exchange) are kept in; those of real venues are
    kept in the user's own state folder, because all labs of the machine share its address. None keeps all of
    them in this process.
    """

    def __init__(
        self,
        *,
        clock: Clock = lambda: datetime.now(UTC),
        deadline: float = 20.0,
        governor_path: Path | None = None,
        ssl_context: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.clock = clock
        self.deadline = deadline
        self.governor_path = governor_path
        self.sleep: Callable[[float], Awaitable[Any]] = sleep
        self._ssl_context = ssl_context
        self._resolver = resolver
        self._session: SafeSession | None = None
        self._markets: dict[tuple[str, str | None], Market] = {}
        self._readers: dict[tuple[str, str, str], AccountReader] = {}
        self._ledgers: list[Ledger] = []

    async def __aenter__(self) -> Self:
        self._session = SafeSession(
            clock=self.clock, deadline=self.deadline, ssl_context=self._ssl_context, resolver=self._resolver
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        self._session = None
        for ledger in self._ledgers:
            ledger.close()
        self._ledgers.clear()
        self._markets.clear()
        self._readers.clear()

    @property
    def session(self) -> SafeSession:
        """The shared session; only inside `async with`."""
        if self._session is None:
            raise RuntimeError("A hub is used inside `async with Hub(...) as hub:`.")
        return self._session

    def ledger(self, venue: Venue, base_url: str | None) -> Ledger:
        """Return the ledger of a venue's address."""
        if self.governor_path is None:
            return Ledger()
        is_near = base_url is not None and urlsplit(base_url).hostname in LOOPBACK
        folder = self.governor_path if is_near else state_folder()
        ledger = Ledger(folder / file_name(f"{venue.name} {base_url or min(venue.hosts.values())}"))
        self._ledgers.append(ledger)
        return ledger

    async def market(self, venue: str, base_url: str | None) -> Market:
        """Return the market of a venue at an address, "region:eea" or None; the same one for all accounts."""
        key = (venue, base_url)
        if key not in self._markets:
            wire, address = _in_region(VENUES[venue][0], base_url)
            _refuse_unsafe(address)
            for endpoint in wire.endpoints:
                self.session.allow(endpoint.http, wire.address(endpoint, address), max_bytes=endpoint.max_bytes)
            self._markets[key] = Market(wire, address, self)
        return self._markets[key]

    async def reader(self, account: Account, credentials: Credentials) -> AccountReader:
        """Return the reader of an account; a new one when its key or configuration has changed."""
        reader = self._readers.get(account.key)
        if reader is None or not reader.is_for(account, credentials):
            market = await self.market(*account.origin)
            reader = self._readers[account.key] = AccountReader(account, credentials, market)
        return reader


def _patience(in_background: bool) -> AbstractContextManager[None]:  # noqa: FBT001 - says itself what it means
    return hurried(first=STEP_PATIENCE, rest=STEP_TIME) if in_background else nullcontext()


def _in_region(venue: Venue, address: str | None) -> tuple[Venue, str | None]:
    """Return the venue with the hosts of a region, and the address that replaces all hosts, if any."""
    if address is None or not address.startswith(REGION):
        return venue, address
    region = address.removeprefix(REGION)
    if region not in venue.regions:
        known = ", ".join(sorted(venue.regions)) or "none"
        raise VenueError(f"{venue.name} has no region {region!r} (known: {known}): correct `region` in lab.toml.")
    return replace(venue, hosts=venue.regions[region]), None


def _refuse_unsafe(base_url: str | None) -> None:
    """Raise unless keys travel under TLS, or stay on this machine."""
    if base_url is None:
        return
    parts = urlsplit(base_url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise VenueError("base_url must begin with https:// (http:// only for 127.0.0.1): keys would travel in clear.")
