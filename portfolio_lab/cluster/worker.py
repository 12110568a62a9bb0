"""What runs inside a worker: its own vault, its own hub, and one shard's readings on the way back.

A task carries accounts and what to ask of them, never a key. The worker opens the vault of its own
lab folder with its own passphrase, once, and keeps it and its connections from cycle to cycle.
All workers of a machine share the request budget that lies in its user's state folder, as any
other process of that machine does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from portfolio_lab.errors import PortfolioLabError
from portfolio_lab.models.accounts import Credentials
from portfolio_lab.security.redaction import RedactingFormatter, redact, register_credentials
from portfolio_lab.settings import Settings, load_settings
from portfolio_lab.sync.cycle import utc_now
from portfolio_lab.sync.doors import Hub
from portfolio_lab.sync.reading import AccountKey, AccountReading, Ask, not_read, read_accounts
from portfolio_lab.sync.report import Failure

Keys = Callable[[], Mapping[AccountKey, Credentials]]
Hubs = Callable[[], AbstractAsyncContextManager[Hub]]

logger = logging.getLogger(__name__)

_desks: dict[Place, tuple[object, _Desk]] = {}
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker finds its lab: PORTFOLIO_LAB_DIR of its own machine, else the folder `lab`.

    `hubs` and `keys` stand in for the real hub and the vault; they must be importable there.
    """

    lab: str
    hubs: Hubs | None = None
    keys: Keys | None = None


@dataclass(frozen=True, slots=True)
class Hours:
    """When a shard's reading ends and, where it does not keep to that, is given up: seconds of the wall clock."""

    ends_at: float
    cut_at: float


def read_shard(place: Place, asks: Sequence[Ask], until: datetime, hours: Hours) -> tuple[AccountReading, ...]:
    """Return the readings of one shard's accounts, in their order, by the wall clock's second `hours.cut_at`.

    A vault or lab that cannot be opened here is a failure of each account, told without any secret.
    A reading that hangs beyond `hours.ends_at` is given up with the code "timeout", so that
    the worker's place is free for the next cycle; that one begins with new connections.
    """
    try:
        desk = _desk_of(place)
    except PortfolioLabError as error:
        failure = Failure("credentials", f"a worker cannot open its lab or vault: {redact(str(error))}")
        return tuple(not_read(ask, failure, until=until) for ask in asks)
    try:
        return desk.read(asks, until, hours)
    except TimeoutError:
        _leave(place, desk)
        failure = Failure("timeout", "its worker hung, and was given up when the cycle's time was up")
        return tuple(not_read(ask, ask.refused or failure, until=until) for ask in asks)


class _Desk:
    """The loop, the hub and the keys of one worker process for one lab."""

    def __init__(self, place: Place, settings: Settings) -> None:
        # Read and registered before anything can be logged.
        self._keys = place.keys() if place.keys else _vault_keys(settings)
        for one in self._keys.values():
            register_credentials(one)
        self._hubs = place.hubs or (lambda: _venue_hub(settings))
        self._hub: Hub | None = None
        self._stack: AbstractAsyncContextManager[Hub] | None = None
        self._loop = asyncio.new_event_loop()
        self._opening = asyncio.Lock()
        # Beside the worker's own loop, so that a busy shard never costs the worker its heartbeat.
        threading.Thread(target=self._loop.run_forever, name="portfolio-lab-desk", daemon=True).start()

    def read(self, asks: Sequence[Ask], until: datetime, hours: Hours) -> tuple[AccountReading, ...]:
        reading = asyncio.run_coroutine_threadsafe(self._read(asks, until, hours.ends_at), self._loop)
        try:
            return reading.result(timeout=max(0.0, hours.cut_at - time.time()))
        finally:
            reading.cancel()

    def close(self) -> None:
        """Let go of the hub once it is idle; the loop's thread ends after it."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop)

    async def _read(self, asks: Sequence[Ask], until: datetime, ends_at: float) -> tuple[AccountReading, ...]:
        async with self._opening:
            if self._hub is None:
                self._stack = self._hubs()
                self._hub = await self._stack.__aenter__()
        own = [replace(ask, credentials=self._keys.get(ask.account.key)) for ask in asks]
        return await read_accounts(self._hub, own, until=until, deadline=max(0.0, ends_at - time.time()))

    async def _close(self) -> None:
        if self._stack is not None:
            await self._stack.__aexit__(None, None, None)
        self._loop.call_soon(self._loop.stop)


def _desk_of(place: Place) -> _Desk:
    with _opening:
        root = Path(os.environ.get("PORTFOLIO_LAB_DIR", place.lab))
        settings = load_settings(root)
        stamp = None if place.keys else _stamp(settings.vault_path)
        known = _desks.get(place)
        if known is not None and known[0] == stamp:
            return known[1]
        _quieten()
        desk = _Desk(place, settings)
        _desks[place] = (stamp, desk)
        if known is not None:
            known[1].close()
        return desk


def _leave(place: Place, desk: _Desk) -> None:
    """Forget a desk whose loop hangs; should it ever go on, it closes its connections and ends."""
    logger.warning("desk_given_up")
    with _opening:
        if place in _desks and _desks[place][1] is desk:
            del _desks[place]
    desk.close()


def _stamp(vault: Path) -> tuple[int, int] | None:
    """What changes when an account is added to the vault."""
    try:
        told = vault.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_ino


def _vault_keys(settings: Settings) -> Mapping[AccountKey, Credentials]:
    from portfolio_lab.sync.syncer import credentials_from_vault  # noqa: PLC0415  it imports this room lazily

    return credentials_from_vault(settings)


def _venue_hub(settings: Settings) -> AbstractAsyncContextManager[Hub]:
    from portfolio_lab.exchanges import Hub as VenueHub  # noqa: PLC0415  ccxt costs seconds to import

    return VenueHub(clock=utc_now, governor_path=settings.runs_path / "governor")


def _quieten() -> None:
    """Clean our log lines of secrets here too: a worker's log is somebody else's file."""
    ours = logging.getLogger("portfolio_lab")
    if not any(isinstance(one.formatter, RedactingFormatter) for one in ours.handlers):
        lines = logging.StreamHandler(sys.stderr)
        lines.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        ours.addHandler(lines)
        ours.propagate = False
