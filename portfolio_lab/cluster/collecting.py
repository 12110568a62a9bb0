"""Figures on their way back from the workers: waited for as long as some arrive, and all of them or none.

A shard that never comes (its worker hangs, or dies again and again) would leave a frame that lacks users
and looks whole. So the question is refused, and the error names the workers to look at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from portfolio_lab.cluster.client import answer_of
from portfolio_lab.errors import ClusterError

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

PATIENCE_SECONDS = 300.0
"""Seconds without any news from the workers until a question is given up."""

NAMES_SECONDS = 10.0
"""How long the scheduler may take to say which workers hold what did not come back."""


class Collecting:
    """The shards of one question: their futures, and how many users each is for."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401  distributed has no types
        futures: Sequence[Any],
        users: Sequence[int],
        patience: float,
        progress: Progress | None,
    ) -> None:
        self._client = client
        self._users = {future.key: count for future, count in zip(futures, users, strict=True)}
        self._futures = futures
        self._patience = patience
        self._progress = progress or _logged

    async def frames(self) -> list[pd.DataFrame]:
        """Return every shard's frame, in the order of the shards.

        An error that the figure itself raised at a worker is raised here as it is.

        Raises:
            ClusterError: no shard came back within `patience`, or one could not be reckoned by any worker.
        """
        tasks = {asyncio.ensure_future(future.result()): future for future in self._futures}
        try:
            await self._all_back(tasks)
            return [task.result() for task in tasks]
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Else they would go on at the workers, and the next question would stand in line behind them.
            await answer_of(self._client.cancel(list(self._futures), force=True))
            raise

    async def _all_back(self, tasks: dict[asyncio.Task[pd.DataFrame], Any]) -> None:
        open_ones, done = set(tasks), 0
        while open_ones:
            back, open_ones = await asyncio.wait(open_ones, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
            if not back:
                raise await self._silence([tasks[task] for task in open_ones], done)
            for task in back:
                _check(task)
                done += self._users[tasks[task].key]
            self._progress(done, sum(self._users.values()))

    async def _silence(self, late: Sequence[Any], done: int) -> ClusterError:
        held = await answer_of(self._client.processing(), NAMES_SECONDS)
        keys = {future.key for future in late}
        stuck = tuple(sorted(address for address, tasks in (held or {}).items() if keys & set(tasks)))
        where = f"at {', '.join(stuck)}" if stuck else "with no worker that could take them"
        if held is None:
            where = "and the scheduler does not answer either"
        return ClusterError(
            f"nothing came back for {self._patience:g} s: {done} of {sum(self._users.values())} users were reckoned, "
            f"the rest is {where}. No figures are given, because some would be missing: restart what is named "
            "(a task that hangs keeps its place), or give more `patience` if it is only slow",
            workers=stuck,
        )


def _check(task: asyncio.Task[pd.DataFrame]) -> None:
    """Raise what a shard ended with; the words of Dask's own errors are replaced by ours."""
    if task.cancelled():
        raise ClusterError("a shard was cancelled at the scheduler, which may have been restarted: ask again")
    error = task.exception()
    if error is None:
        return
    kind = type(error).__name__
    if kind == "KilledWorker":
        last = str(getattr(getattr(error, "last_worker", None), "address", "unknown"))
        msg = (
            f"the workers that reckoned one shard died one after another, the last at {last}. No figures are given: "
            "look into their logs; most often --memory-limit is too small"
        )
        raise ClusterError(msg, workers=(last,)) from None
    if kind in {"FutureCancelledError", "CancelledError"}:
        raise ClusterError("a shard was cancelled at the scheduler, which may have been restarted: ask again") from None
    raise error


def _logged(done: int, of: int) -> None:
    logger.info("figures_reckoned users=%d of=%d", done, of)
