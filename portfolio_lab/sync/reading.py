"""Ask every venue and every account at once, each guarded, so that one in trouble stays alone.

A venue's error becomes a `Failure` beside the readings that worked. Anything else that an
account raises is a fault of ours: it is logged with its traceback and becomes the code
"internal", because one account's bad luck must not cost the others their slot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from portfolio_lab.errors import VenueError
from portfolio_lab.models.accounts import Account, Credentials, Wallet
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote
from portfolio_lab.sync import amounts
from portfolio_lab.sync.report import Failure

logger = logging.getLogger(__name__)

ACCOUNTS_AT_ONCE = 64
LARGEST_OFFSET = timedelta(seconds=1)

Origin = tuple[str, str | None]
AccountKey = tuple[str, str, str]
Answer = TypeVar("Answer")


class Market(Protocol):
    """One venue's public side, shared by all its accounts."""

    async def measure_clock(self) -> timedelta:
        """Return the venue's time minus ours."""
        ...

    async def fetch_quotes(self) -> tuple[Quote, ...]:
        """Return everything that is needed to price coins."""
        ...


class AccountReader(Protocol):
    """One account's private side. Every call raises only the VenueError family."""

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        """Return what one wallet holds."""
        ...

    async def fetch_open_orders(self) -> tuple[OpenOrder, ...]:
        """Return the resting orders of all wallets."""
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


@dataclass(frozen=True, slots=True)
class AccountReading:
    """What one account said, or why it said nothing, part by part.

    `flows` are the cash flows from the account's cursor up to `flows_until`.
    """

    account: Account
    wallets: Mapping[Wallet, WalletReading | Failure]
    orders: tuple[OpenOrder, ...] | Failure
    flows: tuple[CashFlow, ...] | Failure
    flows_until: datetime


@dataclass(frozen=True, slots=True)
class BookReading:
    """Everything that one cycle read: quotes by (venue, base_url), and one reading an account."""

    quotes: Mapping[Origin, tuple[Quote, ...] | Failure]
    accounts: tuple[AccountReading, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One account to read: its key where the vault has one, and since when its cash flows are wanted."""

    account: Account
    credentials: Credentials | None
    flows_since: datetime


async def read_book(hub: Hub, asks: Sequence[Ask], *, until: datetime, deadline: float) -> BookReading:
    """Return what all accounts and their venues say, within `deadline` seconds in all.

    What has not answered by then is a Failure with the code "timeout".
    """
    round_ = _Round(hub, until=until, ends=asyncio.get_running_loop().time() + deadline)
    by_origin: dict[Origin, list[Ask]] = {}
    for ask in asks:
        by_origin.setdefault((ask.account.venue, ask.account.base_url), []).append(ask)
    answers = await asyncio.gather(*(round_.read_origin(origin, group) for origin, group in by_origin.items()))
    readings = {reading.account.key: reading for _, group in answers for reading in group}
    quotes = {origin: found for origin, (found, _) in zip(by_origin, answers, strict=True)}
    return BookReading(quotes, tuple(readings[ask.account.key] for ask in asks))


class _Round:
    """One cycle's asking: the shared deadline, and the bound on how many accounts are asked at once."""

    def __init__(self, hub: Hub, *, until: datetime, ends: float) -> None:
        self._hub = hub
        self._until = until
        self._ends = ends
        self._places = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

    async def read_origin(
        self, origin: Origin, asks: Sequence[Ask]
    ) -> tuple[tuple[Quote, ...] | Failure, Sequence[AccountReading]]:
        """Measure the venue's clock first, since it signs everything after it; then ask all at once."""
        market = await self._guarded(self._hub.market(*origin), f"{origin[0]} market")
        if not isinstance(market, Failure):
            await self._measure_clock(origin[0], market)
        quotes = self._quotes(origin[0], market)
        accounts = asyncio.gather(*(self._account(ask) for ask in asks))
        found, readings = await asyncio.gather(quotes, accounts)
        return found, readings

    async def _measure_clock(self, venue: str, market: Market) -> None:
        offset = await self._guarded(market.measure_clock(), f"{venue} clock")
        if not isinstance(offset, Failure) and abs(offset) > LARGEST_OFFSET:
            logger.warning("clock_offset venue=%s seconds=%.3f", venue, offset.total_seconds())

    async def _quotes(self, venue: str, market: Market | Failure) -> tuple[Quote, ...] | Failure:
        if isinstance(market, Failure):
            return market
        return await self._guarded(market.fetch_quotes(), f"{venue} quotes")

    async def _account(self, ask: Ask) -> AccountReading:
        if ask.credentials is None:
            return self._refused(ask.account, _no_credentials(ask.account))
        async with self._places:
            reader = await self._guarded(self._hub.reader(ask.account, ask.credentials), _name(ask.account))
            if isinstance(reader, Failure):
                return self._refused(ask.account, reader)
            return await self._parts(ask, reader)

    async def _parts(self, ask: Ask, reader: AccountReader) -> AccountReading:
        name, wallets = _name(ask.account), ask.account.wallets
        read = asyncio.gather(*(self._guarded(_wallet(reader, wallet), f"{name} {wallet}") for wallet in wallets))
        orders, flows, readings = await asyncio.gather(
            self._guarded(_orders(reader), f"{name} open orders"),
            self._guarded(_flows(reader, ask.flows_since, self._until), f"{name} cash flows"),
            read,
        )
        return AccountReading(ask.account, dict(zip(wallets, readings, strict=True)), orders, flows, self._until)

    def _refused(self, account: Account, failure: Failure) -> AccountReading:
        return AccountReading(account, dict.fromkeys(account.wallets, failure), failure, failure, self._until)

    async def _guarded(self, asked: Coroutine[object, object, Answer], what: str) -> Answer | Failure:
        task = asyncio.ensure_future(asked)
        left = max(0.0, self._ends - asyncio.get_running_loop().time())
        await asyncio.wait({task}, timeout=left)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
            return Failure("timeout", f"{what} had not answered when the cycle's time was up")
        return _outcome(task, what)


def _outcome(task: asyncio.Future[Answer], what: str) -> Answer | Failure:
    if task.cancelled():
        return Failure("internal", f"{what}: the reading was cancelled from inside; see the log")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, VenueError):
        return Failure.from_error(error)
    if not isinstance(error, Exception):
        raise error
    logger.error("internal_error part=%r", what, exc_info=error)
    return Failure("internal", f"{what}: a fault of ours ({type(error).__name__}); the log has its traceback")


async def _wallet(reader: AccountReader, wallet: Wallet) -> WalletReading:
    return amounts.check_reading(await reader.fetch_wallet(wallet))


async def _orders(reader: AccountReader) -> tuple[OpenOrder, ...]:
    return amounts.check_orders(await reader.fetch_open_orders())


async def _flows(reader: AccountReader, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
    return amounts.check_flows(await reader.fetch_cash_flows(since=since, until=until))


def _name(account: Account) -> str:
    return f"{account.user} {account.name}"


def _no_credentials(account: Account) -> Failure:
    return Failure(
        "credentials", f"the vault has no credentials for {_name(account)}: run `portfolio-lab accounts add`"
    )
