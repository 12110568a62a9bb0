"""Ask every venue and every account at once, each guarded, so that one in trouble stays alone.

A venue's error becomes a `Failure` beside the readings that worked. Anything else that an
account raises is a fault of ours: it is logged with its traceback and becomes the code
"internal", because one account's bad luck must not cost the others their slot.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from portfolio_lab.errors import VenueError
from portfolio_lab.models.accounts import Account, Credentials, Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, VenueTotals
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote
from portfolio_lab.sync import amounts
from portfolio_lab.sync.doors import AccountReader, Hub, Market
from portfolio_lab.sync.report import Failure
from portfolio_lab.sync.resting import OrdersByGroup, by_wallet, groups, judged

logger = logging.getLogger(__name__)

ACCOUNTS_AT_ONCE = 64
HISTORIES_AT_ONCE = 16
LARGEST_OFFSET = timedelta(seconds=1)
LEFT_TO_STORE = 0.45
"""Share of a cycle's time at whose beginning nothing but wallets is asked any more: what was read should be stored."""

FLOW_STREAMS = frozenset({"deposits", "withdrawals"})
_HOPELESS = frozenset({"credentials", "banned", "rate_limited", "maintenance", "unreachable", "timeout"})
"""After one of these, the account's other streams are not asked in this cycle."""

Origin = tuple[str, str | None]
AccountKey = tuple[str, str, str]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Steps:
    """What a cycle read along an account's streams: the steps in order, and the streams that failed."""

    steps: tuple[ActivityStep, ...] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountReading:
    """What one account said, or why it said nothing, part by part.

    `wallets` has an entry for each wallet that was asked. `orders`, `flows`, `totals` and
    `identity` are None where they were not asked this time. `orders_read` are the resting orders
    by wallet, as far as they were read this time; `orders` is a failure when some could not be.
    `flows` are the cash flows from the account's cursor up to `flows_until`; where the venue tells
    them by streams, they are in `activity`.
    """

    account: Account
    wallets: Mapping[Wallet, WalletReading | Failure]
    orders: tuple[OpenOrder, ...] | Failure | None
    flows: tuple[CashFlow, ...] | Failure | None
    flows_until: datetime
    totals: VenueTotals | Failure | None = None
    identity: Identity | Failure | None = None
    activity: Steps = Steps()
    orders_read: Mapping[Wallet, tuple[OpenOrder, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BookReading:
    """Everything that one cycle read: quotes by origin, and one reading an account."""

    quotes: Mapping[Origin, tuple[Quote, ...] | Failure]
    accounts: tuple[AccountReading, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One account to read: its key where the vault has one, and what is wanted of it.

    `wallets` are asked at once, `held_back` ones only when `moves` says that the others have
    changed so that money may have gone into them; `resting` tells from what was read whose orders
    to ask for. `refused` is a failure known beforehand: then nobody is asked anything. `absent`
    are wallets that the account does not have. `cursors` continue the account's streams, `is_due`
    says which to look at, in `most_steps` steps at most. The lowest `turn` of a venue goes first.
    """

    account: Account
    credentials: Credentials | None
    flows_since: datetime
    wallets: tuple[Wallet, ...] = ()
    held_back: tuple[Wallet, ...] = ()
    moves: Callable[[Mapping[Wallet, WalletReading | Failure]], bool] = lambda _: False
    resting: Callable[[Mapping[Wallet, WalletReading | Failure]], tuple[Wallet, ...]] = lambda _: ()
    wants_totals: bool = False
    wants_identity: bool = False
    refused: Failure | None = None
    absent: Container[Wallet] = ()
    cursors: Mapping[str, str] = field(default_factory=dict)
    is_due: Callable[[str], bool] = lambda _: True
    assets: frozenset[str] = frozenset()
    most_steps: int = 0
    turn: tuple[int, float] = (0, 0.0)


class ReadBook(Protocol):
    """Whoever reads a whole book: this process (`read_book`), or many machines."""

    async def __call__(self, hub: Hub, asks: Sequence[Ask], *, until: datetime, deadline: float) -> BookReading:
        """Return what all accounts and their venues say, within `deadline` seconds in all."""
        ...


async def read_quotes(
    hub: Hub, origins: Iterable[Origin], *, until: datetime, deadline: float
) -> dict[Origin, tuple[Quote, ...] | Failure]:
    """Return the quotes of each origin, or why there are none, and ask no account anything."""
    round_ = _Round(hub, until=until, deadline=deadline)
    distinct = tuple(dict.fromkeys(origins))
    answers = await asyncio.gather(*(round_.read_origin(origin, ()) for origin in distinct))
    return {origin: found for origin, (found, _) in zip(distinct, answers, strict=True)}


async def read_accounts(
    hub: Hub, asks: Sequence[Ask], *, until: datetime, deadline: float
) -> tuple[AccountReading, ...]:
    """Return what the accounts say, in the order of `asks`, and ask no venue for its quotes."""
    book = await _book(hub, asks, until=until, deadline=deadline, with_quotes=False)
    return book.accounts


async def read_book(hub: Hub, asks: Sequence[Ask], *, until: datetime, deadline: float) -> BookReading:
    """Return what all accounts and their venues say, within `deadline` seconds in all.

    What has not answered by then is a Failure with the code "timeout".
    """
    return await _book(hub, asks, until=until, deadline=deadline, with_quotes=True)


def not_read(ask: Ask, failure: Failure, *, until: datetime) -> AccountReading:
    """Return the reading of an account that nobody could ask: the failure in each of its parts."""
    wallets = dict.fromkeys((*ask.wallets, *ask.held_back), failure)
    return AccountReading(ask.account, wallets, failure, failure, until)


async def _book(hub: Hub, asks: Sequence[Ask], *, until: datetime, deadline: float, with_quotes: bool) -> BookReading:
    round_ = _Round(hub, until=until, deadline=deadline)
    by_origin: dict[Origin, list[Ask]] = {}
    for ask in asks:
        by_origin.setdefault(ask.account.origin, []).append(ask)
    answers = await asyncio.gather(
        *(round_.read_origin(origin, group, with_quotes=with_quotes) for origin, group in by_origin.items())
    )
    readings = {reading.account.key: reading for _, group in answers for reading in group}
    quotes = {origin: found for origin, (found, _) in zip(by_origin, answers, strict=True)}
    return BookReading(quotes, tuple(readings[ask.account.key] for ask in asks))


class _Round:
    """One cycle's asking: the shared deadline, and the bound on how many accounts are asked at once."""

    def __init__(self, hub: Hub, *, until: datetime, deadline: float) -> None:
        self._hub = hub
        self._until = until
        self._ends = asyncio.get_running_loop().time() + deadline
        self._asks_until = self._ends - LEFT_TO_STORE * deadline
        self._core = _places(ACCOUNTS_AT_ONCE)
        self._rest = _places(ACCOUNTS_AT_ONCE)
        self._past = _places(HISTORIES_AT_ONCE)

    async def read_origin(
        self, origin: Origin, asks: Sequence[Ask], *, with_quotes: bool = True
    ) -> tuple[tuple[Quote, ...] | Failure, Sequence[AccountReading]]:
        """Measure the venue's clock first, since it signs everything after it; then ask all at once."""
        market = await self._guarded(self._hub.market(*origin), f"{origin[0]} market")
        if not isinstance(market, Failure):
            await self._measure_clock(origin[0], market)
            market.expect((ask.wallets, ask.wants_identity) for ask in asks if ask.refused is None and ask.credentials)
        quotes = self._quotes(origin[0], market) if with_quotes else asyncio.sleep(0, ())
        # What is not served before the time is up is served first in the next cycle.
        accounts = asyncio.gather(*(self._account(ask) for ask in sorted(asks, key=lambda ask: ask.turn)))
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
        if ask.refused is not None:
            return self._refused(ask, ask.refused)
        if ask.credentials is None:
            return self._refused(ask, _no_credentials(ask.account))
        async with self._core[ask.account.origin]:
            reader = await self._guarded(self._hub.reader(ask.account, ask.credentials), _name(ask.account))
            if isinstance(reader, Failure):
                return self._refused(ask, reader)
            wallets = await self._wallets(ask, reader)
        # Places of their own: nobody's wallets wait until another one's orders or past have been read.
        async with self._rest[ask.account.origin]:
            reading = await self._parts(ask, reader, wallets)
        async with self._past[ask.account.origin]:
            return replace(reading, activity=await self._activity(ask, reader, reading))

    async def _parts(
        self, ask: Ask, reader: AccountReader, wallets: dict[Wallet, WalletReading | Failure]
    ) -> AccountReading:
        name = _name(ask.account)
        by_stream, has_time = _tells_flows_by_stream(reader, ask.account.wallets), self.has_time()
        orders, flows, totals, identity = await asyncio.gather(
            self._orders(ask, reader, wallets),
            self._if(not by_stream, _flows(reader, ask.flows_since, self._until), f"{name} cash flows"),
            self._if(ask.wants_totals and has_time, reader.fetch_totals(in_background=True), f"{name} totals"),
            self._if(ask.wants_identity, reader.fetch_identity(in_background=True), f"{name} identity"),
        )
        return AccountReading(
            ask.account,
            wallets,
            judged(orders),
            flows,
            self._until,
            totals,
            identity,
            orders_read=by_wallet(orders),
        )

    async def _orders(
        self, ask: Ask, reader: AccountReader, wallets: Mapping[Wallet, WalletReading | Failure]
    ) -> OrdersByGroup:
        """What the wallets hold back for orders tells whose orders to ask for."""
        if not self.has_time():
            return {}
        wanted, what = groups(ask.resting(wallets), wallets), f"{_name(ask.account)} open orders"
        asked = (self._guarded(_orders(reader, group), what) for group in wanted)
        return dict(zip(wanted, await asyncio.gather(*asked), strict=True))

    async def _wallets(self, ask: Ask, reader: AccountReader) -> dict[Wallet, WalletReading | Failure]:
        found = await self._each(ask, reader, ask.wallets)
        if ask.held_back and ask.moves(found):
            found |= await self._each(ask, reader, ask.held_back)
        return found

    async def _each(
        self, ask: Ask, reader: AccountReader, wallets: Sequence[Wallet]
    ) -> dict[Wallet, WalletReading | Failure]:
        name = _name(ask.account)
        read = await asyncio.gather(*(self._guarded(_wallet(reader, one), f"{name} {one}") for one in wallets))
        return dict(zip(wallets, read, strict=True))

    async def _if(self, wanted: bool, asked: Coroutine[object, object, Answer], what: str) -> Answer | Failure | None:  # noqa: FBT001
        """Ask where it is wanted; None where it is not, or where there is no room for it in the budget now."""
        if wanted:
            found = await self._guarded(asked, what)
            return None if isinstance(found, Failure) and found.is_postponed else found
        asked.close()
        return None

    async def _activity(self, ask: Ask, reader: AccountReader, known: AccountReading) -> Steps:
        """Step along the streams that are due until they are current, then backfill with what is left."""
        absent = known.totals.absent if isinstance(known.totals, VenueTotals) else ask.absent
        wallets = tuple(wallet for wallet in ask.account.wallets if wallet not in absent)
        # A new account's coins are known only now, and its markets are found by them.
        ask = replace(ask, assets=ask.assets | _assets_of(known.wallets.values()))
        walk = _Walk(self, ask, reader)
        due = [stream.name for stream in reader.streams(wallets) if ask.is_due(stream.name)]
        for name in due:
            while await walk.step(name) and not walk.last[name].is_current:
                pass
        for name in due:
            while name in walk.last and not walk.last[name].is_backfilled and await walk.step(name):
                pass
        return Steps(tuple(walk.steps), walk.failures)

    def has_time(self) -> bool:
        """True while there is time to begin something that can be asked in the next cycle as well."""
        return asyncio.get_running_loop().time() < self._asks_until

    async def step(self, ask: Ask, reader: AccountReader, stream: str, cursor: str) -> ActivityStep | Failure:
        """Take one step along a stream of an account."""
        asked = reader.fetch_step(stream, cursor, now=self._until, assets=ask.assets, in_background=True)
        return await self._guarded(_checked_step(asked), f"{_name(ask.account)} {stream}")

    def _refused(self, ask: Ask, failure: Failure) -> AccountReading:
        return not_read(ask, failure, until=self._until)

    async def _guarded(self, asked: Coroutine[object, object, Answer], what: str) -> Answer | Failure:
        task = asyncio.ensure_future(asked)
        left = max(0.0, self._ends - asyncio.get_running_loop().time())
        await asyncio.wait({task}, timeout=left)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
            if task.done() and not task.cancelled():
                task.exception()  # it ended by itself meanwhile: looked at, or it is logged as forgotten
            return Failure("timeout", f"{what} had not answered when the cycle's time was up")
        return _outcome(task, what)


def _places(count: int) -> defaultdict[Origin, asyncio.Semaphore]:
    """Places for accounts, by origin: a venue that is crowded or hangs keeps the other one from nothing."""
    return defaultdict(lambda: asyncio.Semaphore(count))


class _Walk:
    """One account's steps in one cycle."""

    def __init__(self, round_: _Round, ask: Ask, reader: AccountReader) -> None:
        self._round, self._ask, self._reader = round_, ask, reader
        self.steps: list[ActivityStep] = []
        self.failures: dict[str, Failure] = {}
        self.postponed: set[str] = set()
        self.last: dict[str, ActivityStep] = {}

    async def step(self, stream: str) -> bool:
        """Take one more step along a stream; False when there is no room, no time, or the step failed."""
        if (
            stream in self.postponed
            or stream in self.failures
            or len(self.steps) >= self._ask.most_steps
            or not self._round.has_time()
        ):
            return False
        if any(failure.code in _HOPELESS for failure in self.failures.values()):
            return False
        known = self.last.get(stream)
        cursor = known.cursor if known is not None else self._ask.cursors.get(stream, "")
        found = await self._round.step(self._ask, self._reader, stream, cursor)
        if isinstance(found, Failure):
            # No room in the budget is no failure: the cursor stays, and a later cycle goes on.
            if found.is_postponed:
                self.postponed.add(stream)
            else:
                self.failures[stream] = found
            return False
        self.last[stream] = found
        self.steps.append(found)
        return True


def _assets_of(found: Iterable[WalletReading | Failure]) -> frozenset[str]:
    readings = (one for one in found if isinstance(one, WalletReading))
    return frozenset(balance.asset for reading in readings for balance in reading.balances)


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


async def _checked_step(asked: Coroutine[object, object, ActivityStep]) -> ActivityStep:
    return amounts.check_step(await asked)


def _tells_flows_by_stream(reader: AccountReader, wallets: tuple[Wallet, ...]) -> bool:
    return {stream.name for stream in reader.streams(wallets)} >= FLOW_STREAMS


async def _orders(reader: AccountReader, wallets: tuple[Wallet, ...]) -> tuple[OpenOrder, ...]:
    return amounts.check_orders(await reader.fetch_open_orders(wallets, in_background=True))


async def _flows(reader: AccountReader, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
    return amounts.check_flows(await reader.fetch_cash_flows(since=since, until=until))


def _name(account: Account) -> str:
    return f"{account.user} {account.name}"


def _no_credentials(account: Account) -> Failure:
    return Failure(
        "credentials", f"the vault has no credentials for {_name(account)}: run `portfolio-lab accounts add`"
    )
