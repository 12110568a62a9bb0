"""Figures of all users, a shard of users a task, over the same committed files that one machine reads.

Each figure is one function of a lab and some users. Embedded, it is called once with all of them;
on workers once a shard: a user's rows are reckoned by the same code from the same
files, so the frames are equal to the last bit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from portfolio_lab.cluster.client import connected
from portfolio_lab.cluster.collecting import PATIENCE_SECONDS, Collecting, Progress
from portfolio_lab.cluster.loading import FIGURE_PARTS, Loading
from portfolio_lab.cluster.shards import sharded
from portfolio_lab.errors import BadInputError
from portfolio_lab.lab import Lab, open_lab

Figure = Callable[[Lab, Sequence[str]], pd.DataFrame]


def performance_of(lab: Lab, users: Sequence[str]) -> pd.DataFrame:
    """Return `lab.performance` of each user: one row a user, a column a figure; NaN where it is unknown."""
    rows = [lab.performance(user) for user in users]
    return pd.DataFrame(rows, index=pd.Index(list(users), name="user"))


def days_of(lab: Lab, users: Sequence[str]) -> pd.DataFrame:
    """Return `lab.pnl` by UTC day of each user, index (`user`, the day)."""
    frames = {user: lab.pnl(user) for user in users}
    return pd.concat(frames, names=["user"])


def everybody_on_workers(
    address: str,
    lab: Path | str,
    figure: Figure,
    *,
    patience: float = PATIENCE_SECONDS,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return a figure of all users of a lab, reckoned on the workers of the scheduler at `address`.

    Works inside a notebook too; where a loop is your own, await `everybody_reckoned` instead.
    It is all users or an error: a frame without some of them would look like a whole one.

    Args:
        address: of the scheduler.
        lab: the lab's folder, for a worker whose PORTFOLIO_LAB_DIR names none; its store may be a bucket.
        figure: one of this module, or any other that the workers can import.
        patience: seconds that may pass without any shard of users coming back; long work that goes on is not cut.
        progress: told how many users are reckoned, and of how many, whenever a shard has come back.

    Raises:
        BadInputError: dask is missing, nobody answers at the address, there are no workers that answer
            and run our version of the lab, `patience` is not above 0, or the lab has no users.
        ClusterError: nothing came back for `patience` seconds, a shard's workers died again and again,
            or no worker could load the lab; it names the workers to look at.
    """

    def reckoned() -> pd.DataFrame:
        return asyncio.run(everybody_reckoned(address, lab, figure, patience=patience, progress=progress))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return reckoned()
    # A notebook's kernel runs a loop of its own in this thread: the question gets another.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(reckoned).result()


async def everybody_reckoned(
    address: str,
    lab: Path | str,
    figure: Figure,
    *,
    patience: float = PATIENCE_SECONDS,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return what `everybody_on_workers` returns, and leave the running loop free meanwhile; same errors."""
    if not patience > 0:
        raise BadInputError(f"patience is {patience} s: give more than 0")
    root, users = await asyncio.to_thread(_users_of, Path(lab))
    if not users:
        raise BadInputError(f"the lab in {root} has no users yet: add an account and sync first")
    async with connected(address) as client:
        crew = await Loading(client, FIGURE_PARTS).joined()
        shards = sharded(users, lambda user: user, crew.places)
        futures = [client.submit(_of_shard, root, figure, shard, pure=False, workers=crew.only) for shard in shards]
        frames = await Collecting(client, futures, [len(shard) for shard in shards], patience, progress).frames()
        return pd.concat(frames)


def _users_of(lab: Path) -> tuple[str, list[str]]:
    return str(lab.absolute()), list(open_lab(lab).users().index)


def _of_shard(lab: str, figure: Figure, users: Sequence[str]) -> pd.DataFrame:
    return figure(open_lab(os.environ.get("PORTFOLIO_LAB_DIR", lab)), users)
