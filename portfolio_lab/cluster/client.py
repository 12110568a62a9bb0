"""The scheduler's client: it cuts a book into shards, collects their readings, and is the only one to commit.

A shard may be read twice (a worker died); it is counted once, because the readings come back here and the
slot is stored by one commit. A shard that has not come back when the cycle's time is up is
cancelled, and each of its accounts is a failure with the code "timeout".
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from types import ModuleType
from typing import Any

from portfolio_lab.cluster.shards import sharded
from portfolio_lab.cluster.worker import Place, read_shard
from portfolio_lab.errors import BadInputError
from portfolio_lab.sync.doors import Hub
from portfolio_lab.sync.reading import AccountReading, Ask, BookReading, ReadBook, not_read, read_quotes
from portfolio_lab.sync.report import Failure

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
SHARE_FOR_THE_WAY = 0.1
"""Of the cycle's time: workers end so much earlier, so that what they have read is back in time."""


@asynccontextmanager
async def reading_workers(address: str, place: Place) -> AsyncIterator[ReadBook]:
    """Give what reads a book on the workers of the scheduler at `address`.

    Raises:
        BadInputError: dask is not installed, nothing answers at the address, or it has no workers.
    """
    async with connected(address) as client:
        yield _Workers(client, place).read


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Any]:
    """Give a client of the scheduler at `address`; errors are those of `reading_workers`."""
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
        if not await places_of(client):
            msg = "the Dask scheduler has no workers: start `dask worker` with its address on each machine"
            raise BadInputError(msg)
        yield client
    finally:
        await client.close()


async def places_of(client: Any) -> int:  # noqa: ANN401  distributed has no types
    """Return how many tasks the workers can run at once."""
    # Asked, not what the client happens to know: workers come and go.
    told = await client.scheduler.identity(n_workers=-1)
    return sum(worker["nthreads"] for worker in told["workers"].values())


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

    def __init__(self, client: Any, place: Place) -> None:  # noqa: ANN401  distributed has no types
        self._client = client
        self._place = place

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
        # The vault is opened where the account is read: no key is in a task, a graph or a worker's state.
        bare = [replace(ask, credentials=None) for ask in asks]
        ends_at = time.time() + (1.0 - SHARE_FOR_THE_WAY) * deadline
        shards = sharded(bare, lambda ask: ask.account.user, await places_of(self._client))
        cycle = secrets.token_hex(4)
        futures = [
            self._client.submit(
                read_shard, self._place, shard, until, ends_at, key=f"read-shard-{cycle}-{number}", pure=False
            )
            for number, shard in enumerate(shards)
        ]
        waiting = [asyncio.ensure_future(future.result()) for future in futures]
        if waiting:
            await asyncio.wait(waiting, timeout=deadline)
        late = [future for future, task in zip(futures, waiting, strict=True) if not task.done()]
        found = [
            reading
            for shard, task in zip(shards, waiting, strict=True)
            for reading in _readings(shard, task, until=until)
        ]
        await self._cut(late)
        return found

    async def _cut(self, late: Sequence[Any]) -> None:
        if late:
            logger.warning("shards_late count=%d", len(late))
            # A scheduler that does not answer either must not cost the cycle its commit.
            await asyncio.wait({asyncio.ensure_future(self._client.cancel(list(late), force=True))}, timeout=1.0)


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
