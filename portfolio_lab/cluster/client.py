"""The scheduler's client: it cuts a book into shards, collects their readings, and is the only one to commit.

A shard may be read twice (a worker died); it is counted once, because the readings come back here and the
slot is stored by one commit. A shard that has not come back when the cycle's time is up is
cancelled, each of its accounts is a failure with the code "timeout", and its worker is restarted,
because a worker that is alive gives up a little earlier by itself.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from types import ModuleType
from typing import Any

from portfolio_lab.cluster.loading import READING_PARTS, Loading
from portfolio_lab.cluster.roll import Crew
from portfolio_lab.cluster.shards import sharded
from portfolio_lab.cluster.worker import Hours, Place, read_shard
from portfolio_lab.errors import BadInputError
from portfolio_lab.sync.doors import Hub
from portfolio_lab.sync.reading import AccountReading, Ask, BookReading, ReadBook, not_read, read_quotes
from portfolio_lab.sync.report import Failure

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
SHARE_FOR_THE_WAY = 0.1
"""Of the cycle's time: workers end so much earlier, so that what they have read is back in time."""

SHARE_FOR_THE_FIRST = 0.5
"""Of the cycle's time: how long it waits for a first worker that has loaded the lab."""

CUT_SECONDS = 1.0
"""Seconds that each step of giving up a late shard may take: the commit waits for it."""


@asynccontextmanager
async def reading_workers(address: str, place: Place) -> AsyncIterator[ReadBook]:
    """Give what reads a book on the workers of the scheduler at `address`.

    Raises:
        BadInputError: dask is not installed, nothing answers at the address, or it has no workers
            that answer and run our version of the lab.
        ClusterError: no worker has loaded the lab within a bounded time.
    """
    parts = READING_PARTS[:1] if place.hubs else READING_PARTS
    async with connected(address) as client:
        loading = Loading(client, parts)
        await loading.joined()
        yield _Workers(client, place, loading).read


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Any]:
    """Give a client of the scheduler at `address`; BadInputError when dask is missing or nothing answers there."""
    distributed = _distributed()
    try:
        client = await distributed.Client(
            address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False, direct_to_workers=False
        )
    except (OSError, ValueError) as error:
        # An address may carry what nobody should read: the kind of error is enough.
        msg = (
            f"no Dask scheduler answers at the address given ({type(error).__name__}): "
            "start `dask scheduler` there, and give its address as tcp://host:8786"
        )
        raise BadInputError(msg) from None
    try:
        yield client
    finally:
        await client.close()


def _distributed() -> ModuleType:
    try:
        import distributed  # noqa: PLC0415  an extra: only a cluster needs it
    except ModuleNotFoundError:
        msg = 'a cluster needs dask, which is not installed: pip install "portfolio-lab[cluster]"'
        raise BadInputError(msg) from None
    module: ModuleType = distributed
    return module


class _Workers:
    """Reads a book on the workers of one client."""

    def __init__(self, client: Any, place: Place, loading: Loading) -> None:  # noqa: ANN401  distributed has no types
        self._client = client
        self._place = place
        self._loading = loading

    async def read(self, hub: Hub, asks: Sequence[Ask], *, until: datetime, deadline: float) -> BookReading:
        """Read quotes here, once, and all accounts there; the order of accounts is that of `asks`."""
        origins = [ask.account.origin for ask in asks]
        quotes, readings = await asyncio.gather(
            read_quotes(hub, origins, until=until, deadline=deadline),
            self._accounts(asks, until=until, deadline=deadline),
        )
        found = {reading.account.key: reading for reading in readings}
        return BookReading(quotes, tuple(found[ask.account.key] for ask in asks))

    async def _accounts(self, asks: Sequence[Ask], *, until: datetime, deadline: float) -> list[AccountReading]:
        # The roll call is paid out of the cycle's time, too.
        began, now = time.monotonic(), time.time()
        crew = await self._loading.crew(soon=SHARE_FOR_THE_WAY * deadline, at_last=SHARE_FOR_THE_FIRST * deadline)
        if not crew.threads:
            cold = f" ({len(crew.cold)} had not loaded the lab yet)" if crew.cold else ""
            nobody = Failure("unreachable", f"no worker of the cluster answered when the cycle began{cold}")
            return [not_read(ask, ask.refused or nobody, until=until) for ask in asks]
        hours = Hours(now + (1.0 - SHARE_FOR_THE_WAY) * deadline, now + (1.0 - SHARE_FOR_THE_WAY / 2) * deadline)
        # The vault is opened where the account is read: no key is in a task, a graph or a worker's state.
        shards = sharded([replace(ask, credentials=None) for ask in asks], lambda ask: ask.account.user, crew.places)
        futures = self._given(shards, crew, until, hours)
        waiting = [asyncio.ensure_future(future.result()) for future in futures]
        if waiting:
            await asyncio.wait(waiting, timeout=max(0.0, deadline - (time.monotonic() - began)))
        late = [future for future, task in zip(futures, waiting, strict=True) if not task.done()]
        pairs = zip(shards, waiting, strict=True)
        found = [reading for shard, task in pairs for reading in _readings(shard, task, until=until)]
        await self._cut(late)
        return found

    def _given(self, shards: Sequence[Sequence[Ask]], crew: Crew, until: datetime, hours: Hours) -> list[Any]:
        cycle = secrets.token_hex(4)
        return [
            self._client.submit(
                read_shard,
                self._place,
                shard,
                until,
                hours,
                key=f"read-shard-{cycle}-{number}",
                pure=False,
                workers=crew.only,
            )
            for number, shard in enumerate(shards)
        ]

    async def _cut(self, late: Sequence[Any]) -> None:
        if not late:
            return
        keys = {future.key for future in late}
        # A scheduler that does not answer either must not cost the cycle its commit.
        held = await answer_of(self._client.processing()) or {}
        await answer_of(self._client.cancel(list(late), force=True))
        stuck = [address for address, tasks in held.items() if keys & set(tasks)]
        logger.warning("shards_late count=%d workers=%d", len(late), len(stuck))
        if stuck:
            # Else it would keep its place, and the next cycle's shards with it.
            await answer_of(self._client.restart_workers(stuck, timeout=CUT_SECONDS, raise_for_error=False))


async def answer_of(asked: Awaitable[Any], seconds: float = CUT_SECONDS) -> Any:  # noqa: ANN401
    """Return what the scheduler answers within `seconds`; None when it does not or cannot."""
    task = asyncio.ensure_future(asked)
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        task.cancel()
        return None
    # A worker without a nanny cannot be restarted: its scheduler drops it in its own time.
    return None if task.cancelled() or task.exception() else task.result()


def _readings(
    shard: Sequence[Ask], task: asyncio.Task[tuple[AccountReading, ...]], *, until: datetime
) -> tuple[AccountReading, ...]:
    failure = _failure_of(task)
    if failure is None:
        return task.result()
    return tuple(not_read(ask, ask.refused or failure, until=until) for ask in shard)


def _failure_of(task: asyncio.Task[tuple[AccountReading, ...]]) -> Failure | None:
    if not task.done():
        task.cancel()
        return Failure("timeout", "its worker had not answered when the cycle's time was up")
    if task.cancelled():
        return Failure("internal", "its shard was cancelled at the scheduler")
    error = task.exception()
    if error is None:
        return None
    # The text of a worker's error is not repeated: only we know what must not be shown.
    return Failure("internal", f"its shard failed at the workers ({type(error).__name__}); their logs say more")
