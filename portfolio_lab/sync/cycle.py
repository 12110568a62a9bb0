"""One cycle: read every account, grade, value, and commit all tables of all users in one step."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.models.tables import PORTFOLIO_SNAPSHOTS, WALLETS
from portfolio_lab.settings import Settings
from portfolio_lab.sync.cash_flow_rows import flows_since
from portfolio_lab.sync.collecting import collected_once
from portfolio_lab.sync.doors import Hub
from portfolio_lab.sync.estimate_values import value_estimates
from portfolio_lab.sync.harvest import Cycle, duplicates_of
from portfolio_lab.sync.memory import Memory
from portfolio_lab.sync.reading import AccountKey, BookReading, ReadBook, read_book
from portfolio_lab.sync.report import CycleReport, UserLine, WalletLine
from portfolio_lab.sync.restating import WRITER
from portfolio_lab.sync.state_rows import progress_of
from portfolio_lab.sync.tiers import Tiers, asked

if TYPE_CHECKING:
    from portfolio_lab.store import Store

logger = logging.getLogger(__name__)

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


async def run_cycle(
    settings: Settings,
    vault_credentials: Mapping[AccountKey, Credentials],
    store: Store,
    hub: Hub,
    *,
    slot: datetime,
    clock: Clock,
    memory: Memory | None = None,
    read: ReadBook = read_book,
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
        read: who asks the accounts; this process unless a cluster does.

    Raises:
        StoreError: the store is damaged or the disk refused; nothing was stored.
    """
    sync_id = sync_id_of(slot)
    if store.has(sync_id, slot):
        return _stored_report(store, slot, sync_id)
    with collected_once(len(settings.accounts)):
        return await _run(
            settings, vault_credentials, store, hub, slot=slot, clock=clock, memory=memory or Memory(), read=read
        )


async def _run(
    settings: Settings,
    vault_credentials: Mapping[AccountKey, Credentials],
    store: Store,
    hub: Hub,
    *,
    slot: datetime,
    clock: Clock,
    memory: Memory,
    read: ReadBook,
) -> CycleReport:
    started, sync_id = time.monotonic(), sync_id_of(slot)
    memory.recall(store, settings.accounts, slot=slot)
    book = await _read(settings, vault_credentials, hub, memory, now=clock(), read=read)
    cycle = Cycle(settings, store, book, memory, slot=slot, at=clock())
    tables = cycle.tables()
    commit = store.commit(tables, slot=slot, writer=WRITER, sync_id=sync_id)
    if not commit.is_new:
        memory.forget()
        return _stored_report(store, slot, sync_id)
    cycle.remember()
    await value_estimates(
        store,
        hub,
        memory,
        settings.accounts,
        tiers=Tiers.of(settings),
        currency=settings.reporting_currency,
        slot=slot,
        at=clock(),
        seconds=time_for(settings.interval_seconds) - (time.monotonic() - started),
    )
    return cycle.report(sync_id, seconds=time.monotonic() - started)


async def _read(
    settings: Settings,
    vault_credentials: Mapping[AccountKey, Credentials],
    hub: Hub,
    memory: Memory,
    *,
    now: datetime,
    read: ReadBook,
) -> BookReading:
    tiers = Tiers.of(settings)
    duplicates = duplicates_of(settings, memory)
    asks = [
        asked(
            account,
            vault_credentials.get(account.key),
            memory.account(account),
            tiers,
            now=now,
            flows_since=_since(account, memory, now),
            refused=duplicates.get(account.key),
            cursors=memory.cursors_of(account),
            assets=frozenset(memory.assets.get((account.user, account.name), set())),
        )
        for account in settings.accounts
    ]
    book = await read(hub, asks, until=now, deadline=time_for(settings.interval_seconds))
    await asyncio.sleep(0)  # until its next turn the loop holds on to everything that the gathering returned
    return book


def _since(account: Account, memory: Memory, now: datetime) -> datetime:
    return flows_since(progress_of((memory.states or {}).get(account.user)).flows_until, now=now)


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
