"""One cycle: read every account, grade, value, and commit all tables of all users in one step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.models.snapshot import PortfolioSnapshot
from portfolio_lab.models.tables import (
    CASH_FLOWS,
    PERFORMANCE_HISTORY,
    PORTFOLIO_SNAPSHOTS,
    USERS_PORTFOLIO_STATE,
    WALLETS,
)
from portfolio_lab.settings import Settings
from portfolio_lab.sync.cash_flow_rows import flows_since, flows_until, new_flow_rows
from portfolio_lab.sync.grading import Moment, VenuePrices, grade_user, price_book
from portfolio_lab.sync.performance_rows import closed_day_rows
from portfolio_lab.sync.reading import AccountKey, AccountReading, Ask, BookReading, Hub, Origin, read_book
from portfolio_lab.sync.report import CycleReport, Failure, UserLine, WalletLine
from portfolio_lab.sync.rows import Row, snapshot_tables, table_of
from portfolio_lab.sync.state_cache import StateCache
from portfolio_lab.sync.state_rows import Progress, load_states, progress_of, state_row

if TYPE_CHECKING:
    from portfolio_lab.store import Store

logger = logging.getLogger(__name__)

WRITER = "sync"
SHARE_OF_INTERVAL = 0.75
LONGEST_CYCLE = 120.0

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present instant, aware UTC."""
    return datetime.now(UTC)


def slot_at(instant: datetime, interval_seconds: int) -> datetime:
    """Return the slot that an instant falls into: the multiple of the interval, in UTC, at or before it."""
    seconds = int(instant.timestamp())
    return datetime.fromtimestamp(seconds - seconds % interval_seconds, UTC)


def sync_id_of(slot: datetime) -> str:
    """Return the id under which a slot is stored: the same slot is the same id, whoever runs it."""
    return f"sync-{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def time_for(interval_seconds: int) -> float:
    """Return how many seconds a cycle may take to read everything: well inside its interval."""
    return min(SHARE_OF_INTERVAL * interval_seconds, LONGEST_CYCLE)


@dataclass(slots=True)
class Memory:
    """What a syncer need not read from the store again: the state of each user after the last commit."""

    states: dict[str, Row] | None = None
    cache: StateCache | None = None

    def recall(self, store: Store, *, slot: datetime) -> dict[str, Row]:
        """Return the states by user, from memory, else from the cache, else from the store."""
        if self.states is None and self.cache is not None:
            self.states = self.cache.load(store, before=slot)
        if self.states is None:
            self.states = load_states(store)
        return self.states

    def keep(self, states: dict[str, Row], *, slot: datetime) -> None:
        """Keep the states as they are after the commit of `slot`."""
        self.states = states
        if self.cache is not None:
            self.cache.save(states, slot=slot)


async def run_cycle(
    settings: Settings,
    vault_credentials: Mapping[AccountKey, Credentials],
    store: Store,
    hub: Hub,
    *,
    slot: datetime,
    clock: Clock,
    memory: Memory | None = None,
) -> CycleReport:
    """Run one slot for all users and commit it; return what became of each user and wallet.

    A slot that is stored already asks nobody anything. What a venue refuses, delays or garbles
    is in the report and in the grades; it is never raised.

    Args:
        settings: users, accounts, currency and cadence.
        vault_credentials: by (user, venue, label); an account without any fails with "credentials".
        store: where all tables go, in one commit.
        hub: where markets and readers come from.
        slot: aware UTC, a whole second: the place on the time axis.
        clock: gives the present instant.
        memory: given by a caller of many cycles, so that the states are read once.

    Raises:
        StoreError: the store is damaged or the disk refused; nothing was stored.
    """
    sync_id = sync_id_of(slot)
    if store.has(sync_id, slot):
        return _stored_report(store, slot, sync_id)
    started = time.monotonic()
    memory = memory or Memory()
    states = memory.recall(store, slot=slot)
    book = await _read(settings, vault_credentials, hub, states, now=clock())
    cycle = _Cycle(settings, store, book, states, slot=slot, at=clock())
    commit = store.commit(cycle.tables(), slot=slot, writer=WRITER, sync_id=sync_id)
    if not commit.is_new:
        memory.states = None
        return _stored_report(store, slot, sync_id)
    memory.keep({**states, **cycle.states}, slot=slot)
    return cycle.report(sync_id, seconds=time.monotonic() - started)


async def _read(
    settings: Settings,
    vault_credentials: Mapping[AccountKey, Credentials],
    hub: Hub,
    states: Mapping[str, Row],
    *,
    now: datetime,
) -> BookReading:
    asks = [
        Ask(account, vault_credentials.get(account.key), _since(account, states, now)) for account in settings.accounts
    ]
    return await read_book(hub, asks, until=now, deadline=time_for(settings.interval_seconds))


def _since(account: Account, states: Mapping[str, Row], now: datetime) -> datetime:
    return flows_since(progress_of(states.get(account.user)).flows_until, now=now)


class _Cycle:
    """One cycle after everything was read: pure but for what a closing day needs from the store."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        book: BookReading,
        before: Mapping[str, Row],
        *,
        slot: datetime,
        at: datetime,
    ) -> None:
        self._store = store
        self._book = book
        self._before = before
        self._at = at
        self._moment = Moment(slot, timedelta(seconds=settings.interval_seconds), settings.reporting_currency)
        self._by_user = _by_user(book.accounts)
        self._priced: dict[Origin, VenuePrices] = price_book(book, at=at, moment=self._moment)
        self._snapshots = [self._graded(user) for user in self._by_user]
        self.states: dict[str, Row] = {}

    def _graded(self, user: str) -> PortfolioSnapshot:
        return grade_user(user, self._by_user[user], self._priced, at=self._at, moment=self._moment)

    def tables(self) -> dict[str, pa.Table]:
        """Return every table of this cycle's commit, and leave each user's new state in `states`."""
        tables = snapshot_tables(self._snapshots, self._priced, moment=self._moment, known_at=self._at)
        flows = new_flow_rows(self._store, self._book.accounts, self._priced, moment=self._moment, known_at=self._at)
        snapshots = tables[PORTFOLIO_SNAPSHOTS.name]
        days: list[Row] = []
        for snapshot in self._snapshots:
            progress, closed = self._progress(snapshot.user, snapshots, flows)
            days += closed
            self._carry_forward(snapshot, progress)
        tables[CASH_FLOWS.name] = table_of(CASH_FLOWS, flows)
        tables[PERFORMANCE_HISTORY.name] = table_of(PERFORMANCE_HISTORY, days)
        tables[USERS_PORTFOLIO_STATE.name] = table_of(USERS_PORTFOLIO_STATE, self.states.values())
        return tables

    def _progress(self, user: str, snapshots: pa.Table, flows: Sequence[Row]) -> tuple[Progress, list[Row]]:
        before = self._before.get(user)
        known_until = flows_until(self._by_user[user], progress_of(before).flows_until)
        return closed_day_rows(
            self._store,
            user,
            before,
            snapshots=snapshots,
            flows=[flow for flow in flows if flow["user"] == user],
            flows_until=known_until,
            moment=self._moment,
            known_at=self._at,
        )

    def _carry_forward(self, snapshot: PortfolioSnapshot, progress: Progress) -> None:
        before = self._before.get(snapshot.user)
        if before is not None and before["slot"] > snapshot.slot:  # type: ignore[operator]
            return  # an older slot, run late, does not turn the newest state back
        self.states[snapshot.user] = state_row(
            snapshot, before, progress=progress, currency=self._moment.currency, known_at=self._at
        )

    def report(self, sync_id: str, *, seconds: float) -> CycleReport:
        """Return what became of each user and wallet."""
        return CycleReport(
            slot=self._moment.slot,
            sync_id=sync_id,
            is_new=True,
            users=tuple(
                UserLine(snapshot.user, str(snapshot.grade), snapshot.reason, snapshot.equity.total)
                for snapshot in self._snapshots
            ),
            wallets=tuple(line for snapshot in self._snapshots for line in _wallet_lines(snapshot)),
            activity=tuple(line for reading in self._book.accounts for line in _activity_lines(reading)),
            seconds=seconds,
        )


def _by_user(readings: Sequence[AccountReading]) -> dict[str, list[AccountReading]]:
    by_user: dict[str, list[AccountReading]] = {}
    for reading in readings:
        by_user.setdefault(reading.account.user, []).append(reading)
    return by_user


def _wallet_lines(snapshot: PortfolioSnapshot) -> list[WalletLine]:
    return [
        WalletLine(snapshot.user, state.account.name, str(state.wallet), str(state.grade), state.code, state.reason)
        for state in snapshot.wallets
    ]


def _activity_lines(reading: AccountReading) -> list[WalletLine]:
    return [
        _activity_line(reading.account, "open_orders", reading.orders),
        _activity_line(reading.account, "cash_flows", reading.flows),
    ]


def _activity_line(account: Account, part: str, found: object) -> WalletLine:
    if isinstance(found, Failure):
        return WalletLine(account.user, account.name, part, "failed", found.code, found.reason)
    return WalletLine(account.user, account.name, part, "ok", "", "")


def _stored_report(store: Store, slot: datetime, sync_id: str) -> CycleReport:
    after = slot + timedelta(seconds=1)
    users = store.read(PORTFOLIO_SNAPSHOTS.name, columns=["user", "grade", "reason", "equity"], since=slot, until=after)
    columns = ["user", "account", "wallet", "grade", "code", "reason"]
    wallets = store.read(WALLETS.name, columns=columns, since=slot, until=after)
    return CycleReport(
        slot=slot,
        sync_id=sync_id,
        is_new=False,
        users=tuple(UserLine(**row) for row in users.to_pylist()),
        wallets=tuple(WalletLine(**row) for row in wallets.to_pylist()),
    )
