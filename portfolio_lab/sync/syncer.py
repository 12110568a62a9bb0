"""A syncer of one lab: opened once, for one cycle or for many, never two at a time."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from filelock import FileLock, Timeout

from portfolio_lab.errors import LockHeldError, StoreError
from portfolio_lab.models.accounts import Credentials
from portfolio_lab.security.private_files import make_private_folder, write_private
from portfolio_lab.security.redaction import register_credentials
from portfolio_lab.security.vault import Vault, passphrase_from_environment
from portfolio_lab.settings import Settings, load_settings
from portfolio_lab.sync.alerts import Alerts, Send
from portfolio_lab.sync.cycle import Clock, run_cycle, slot_at, sync_id_of, utc_now
from portfolio_lab.sync.doors import Hub
from portfolio_lab.sync.journal import journal, write_failures
from portfolio_lab.sync.memory import Memory
from portfolio_lab.sync.reading import AccountKey, ReadBook, read_book
from portfolio_lab.sync.report import CycleReport
from portfolio_lab.sync.state_cache import StateCache

if TYPE_CHECKING:
    from portfolio_lab.store import Store

logger = logging.getLogger(__name__)

LOCK_NAME = "sync.lock"
PID_NAME = "sync.pid"

SHARE_FOR_FOLDS = 0.2
"""Of the interval: so much of it the store's files are folded for, after a cycle that closes an hour or a day."""

LONGEST_FOLDING = 30.0
HOUR_CLOSES_AFTER = timedelta(minutes=5)
"""As the store has it: an hour that is over is rolled once late cycles are in."""

Hubs = Callable[[], AbstractAsyncContextManager[Hub]]
"""Makes a hub that lives as long as its block."""

Books = Callable[[], AbstractAsyncContextManager[ReadBook]]
"""Makes who reads the accounts, for as long as its block lasts."""


def is_time_to_fold(slot: datetime, interval: timedelta) -> bool:
    """Return whether a slot is the first of its day, or the first once the hour before counts as closed."""
    midnight = slot.replace(hour=0, minute=0, second=0, microsecond=0)
    closes = slot.replace(minute=0, second=0, microsecond=0) + HOUR_CLOSES_AFTER
    return slot - midnight < interval or timedelta(0) <= slot - closes < interval


class Syncer:
    """Runs cycles of one lab.

    Use it as an asynchronous context: it holds the lab's lock, the opened vault's credentials,
    the store and one hub, so that a replay of many slots loads markets once.

        async with Syncer(lab) as syncer:
            report = await syncer.cycle(slot)
    """

    def __init__(
        self,
        lab: Path,
        *,
        clock: Clock = utc_now,
        store: Store | None = None,
        hubs: Hubs | None = None,
        credentials: Mapping[AccountKey, Credentials] | None = None,
        send: Send | None = None,
        dask: str | None = None,
        books: Books | None = None,
    ) -> None:
        """Read the lab's settings and vault; nothing is asked of any venue yet.

        Args:
            lab: the lab's folder.
            clock: gives the present instant; a replay passes its own.
            store: instead of the lab's own.
            hubs: makes the hub, instead of the real one.
            credentials: instead of the vault's.
            send: delivers one alert, instead of apprise.
            dask: a scheduler's address, instead of the lab's own `dask_address`: its workers read the accounts.
            books: makes who reads the accounts, instead of this process or that scheduler's workers.

        Raises:
            ConfigError: lab.toml cannot be used.
            VaultError: the vault or its passphrase cannot be used.
            StoreError: there is no store; the message says what to run.
        """
        self.settings = load_settings(lab)
        self._clock = clock
        self._hubs = hubs or (lambda: _real_hub(self.settings, clock))
        self._credentials = credentials_from_vault(self.settings) if credentials is None else credentials
        for one in self._credentials.values():
            register_credentials(one)
        self._store = _open_store(self.settings) if store is None else store
        self._books = books or _books(self.settings, dask or self.settings.dask_address)
        self._read: ReadBook = read_book
        self._alerts = Alerts(self.settings.runs_path, self.settings.alert_channels, send=send)
        self._memory = Memory(cache=_state_cache(self.settings))
        self._held = AsyncExitStack()
        self._hub: Hub | None = None
        self._owes_a_fold = False

    async def __aenter__(self) -> Self:
        """Take the lab's lock and open the hub; LockHeldError when another syncer has the lab."""
        async with AsyncExitStack() as stack:
            stack.enter_context(_held_lab(self.settings.runs_path))
            stack.enter_context(journal(self.settings.runs_path))
            self._read = await stack.enter_async_context(self._books())
            self._hub = await stack.enter_async_context(self._hubs())
            self._held = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the hub and let the lab go."""
        await self._held.aclose()
        self._hub = None

    async def cycle(self, slot: datetime | None = None) -> CycleReport:
        """Run one slot (the present one when none is given), log its failures, tell the alert channels.

        Raises:
            StoreError: nothing was stored.
        """
        if self._hub is None:
            msg = "a Syncer runs cycles inside `async with`"
            raise RuntimeError(msg)
        due = slot or slot_at(self._clock(), self.settings.interval_seconds)
        report = await run_cycle(
            self.settings,
            self._credentials,
            self._store,
            self._hub,
            slot=due,
            clock=self._clock,
            memory=self._memory,
            read=self._read,
        )
        write_failures(report)
        # Delivery blocks; the hub's connections must stay alive meanwhile.
        alerts = await asyncio.to_thread(self._told, report)
        if self._owes_a_fold or is_time_to_fold(due, timedelta(seconds=self.settings.interval_seconds)):
            await asyncio.to_thread(self.fold)
        return replace(report, alerts=alerts)

    def fold(self) -> None:
        """Roll the closed hours and seal the closed days of the store, in a part of the interval.

        What cannot be folded now, or in that time, is folded after a later cycle.
        """
        budget_seconds = min(SHARE_FOR_FOLDS * self.settings.interval_seconds, LONGEST_FOLDING)
        began = time.monotonic()
        try:
            self._store.fold(today=self._clock().date(), budget_seconds=budget_seconds)
        except StoreError as error:
            # The cycle is stored and readable; only its files stay small and many.
            logger.error("store_not_folded reason=%s", error)  # noqa: TRY400
            self._owes_a_fold = False
        else:
            self._owes_a_fold = time.monotonic() - began >= budget_seconds

    def _told(self, report: CycleReport) -> tuple[str, ...]:
        try:
            return self._alerts.tell(report)
        except OSError as error:
            # The cycle is stored; that its alerts could not be noted is said, and does not undo it.
            logger.error("alerts_not_noted reason=%s", error.strerror)  # noqa: TRY400
            return ()


def sync_once(
    lab: Path,
    *,
    slot: datetime | None = None,
    clock: Clock = utc_now,
    store: Store | None = None,
    hubs: Hubs | None = None,
    dask: str | None = None,
) -> CycleReport:
    """Run one cycle of the lab in folder `lab` and return its report. Works inside a notebook too.

    Args:
        lab: the lab's folder.
        slot: the slot to run, aware UTC; None for the present one.
        clock: gives the present instant.
        store: instead of the lab's own.
        hubs: makes the hub, instead of the real one.
        dask: address of a Dask scheduler whose workers read the accounts; else as lab.toml says.

    Raises:
        BadInputError: dask is not installed, or no scheduler with workers answers at that address.
        ConfigError: lab.toml cannot be used.
        VaultError: the vault or its passphrase cannot be used.
        StoreError: the store is missing or damaged, or the disk refused.
        LockHeldError: another process syncs this lab now.
    """

    async def once() -> CycleReport:
        async with Syncer(Path(lab), clock=clock, store=store, hubs=hubs, dask=dask) as syncer:
            return await syncer.cycle(slot)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(once())
    # A notebook's kernel runs a loop of its own in this thread: the cycle gets another.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(once())).result()


def _real_hub(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Hub]:
    from portfolio_lab.exchanges import Hub as VenueHub  # noqa: PLC0415  ccxt costs seconds to import

    return VenueHub(clock=clock, governor_path=settings.runs_path / "governor")


def _books(settings: Settings, dask: str) -> Books:
    if not dask:
        return lambda: nullcontext(read_book)
    from portfolio_lab.cluster import Place, reading_workers  # noqa: PLC0415  one machine needs no dask

    return lambda: reading_workers(dask, Place(str(settings.root.absolute())))


def _state_cache(settings: Settings) -> StateCache:
    interval = timedelta(seconds=settings.interval_seconds)
    return StateCache(settings.runs_path, interval=interval, name_of=sync_id_of)


def _open_store(settings: Settings) -> Store:
    from portfolio_lab.store import Store as StoreOnDisk  # noqa: PLC0415  not paid where a store is given

    return StoreOnDisk.open(settings.store_path)


def credentials_from_vault(settings: Settings) -> dict[AccountKey, Credentials]:
    """Return the lab's credentials from its vault, opened with this process's own passphrase; raises VaultError."""
    vault = Vault.open(settings.vault_path, passphrase_from_environment())
    held = set(vault.accounts())
    return {account.key: vault.credentials(account) for account in settings.accounts if account.key in held}


def _held_lab(runs_path: Path) -> ExitStack:
    make_private_folder(runs_path)
    lock = FileLock(runs_path / LOCK_NAME, timeout=0, mode=0o600, thread_local=False)
    held = ExitStack()
    try:
        held.enter_context(lock)
    except Timeout:
        msg = f"another process ({_holder(runs_path)}) syncs this lab now: wait until it has ended, or stop it"
        raise LockHeldError(msg) from None
    with suppress(OSError):  # it only tells whom to wait for
        write_private(runs_path / PID_NAME, f"{os.getpid()}\n".encode())
    return held


def _holder(runs_path: Path) -> str:
    try:
        return f"pid {int((runs_path / PID_NAME).read_text())}"
    except (OSError, ValueError):
        return "pid unknown"
