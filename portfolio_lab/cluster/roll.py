"""The roll call: which workers answer now, and run the same version of the lab as we do.

A cycle's shards go only to those. A worker that is stopped, cut off or of another version is left out
and told in the log: it must cost its neighbours neither their readings nor their time.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
from dataclasses import dataclass, field, replace
from typing import Any

from portfolio_lab.errors import BadInputError

logger = logging.getLogger(__name__)

ROLL_SECONDS = 10.0
"""Seconds that the roll call waits for an answer; what answers later is not asked in this cycle."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers that can be given work: the threads of each by address, and those left out by why.

    `strangers` run another version, `silent` do not answer, `cold` have not loaded the lab yet. `homes` is
    where each worker lives: its nanny's address, which stays when the worker is born again.
    """

    threads: dict[str, int] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    cold: tuple[str, ...] = ()
    homes: dict[str, str] = field(default_factory=dict)

    @property
    def places(self) -> int:
        """How many tasks can run at once."""
        return sum(self.threads.values())

    @property
    def only(self) -> list[str] | None:
        """The workers that tasks must stay on; None where every worker will do, a reborn one too."""
        return list(self.threads) if self.strangers or self.silent or self.cold else None


PACKAGE = "portfolio-lab"


def version_here() -> str:
    """Return the version of the lab in this process."""
    return importlib.metadata.version(PACKAGE)


async def crew_of(client: Any) -> Crew:  # noqa: ANN401  distributed has no types
    """Return the crew of a scheduler; an empty one where the scheduler does not answer any more."""
    try:
        # Asked, not what the client happens to know: workers come and go.
        told = await asyncio.wait_for(client.scheduler.identity(n_workers=-1), ROLL_SECONDS)
    except (OSError, TimeoutError) as error:
        logger.warning("scheduler_silent kind=%s", type(error).__name__)
        return Crew()
    threads = {address: worker["nthreads"] for address, worker in told["workers"].items()}
    homes = {address: worker.get("nanny") or address for address, worker in told["workers"].items()}
    return replace(_sorted_out(threads, await _versions(client, list(threads))), homes=homes)


def checked(crew: Crew) -> Crew:
    """Return the crew; BadInputError says why there is nobody in it."""
    if crew.threads:
        return crew
    if crew.strangers:
        found = ", ".join(sorted(set(crew.strangers.values())))
        msg = f"the workers run another version of portfolio-lab ({found}) than this one ({version_here()})"
        raise BadInputError(f"{msg}: install the same on each")
    if crew.silent:
        raise BadInputError("none of the Dask scheduler's workers answers: restart them")
    raise BadInputError("the Dask scheduler has no workers: start `dask worker` with its address on each machine")


async def _versions(client: Any, addresses: list[str]) -> dict[str, str | None]:  # noqa: ANN401
    asked = {address: asyncio.ensure_future(_version_at(client, address)) for address in addresses}
    if asked:
        await asyncio.wait(asked.values(), timeout=ROLL_SECONDS)
    for task in asked.values():
        task.cancel()
    return {address: task.result() if task.done() and not task.cancelled() else None for address, task in asked.items()}


async def _version_at(client: Any, address: str) -> str | None:  # noqa: ANN401
    try:
        # Nothing of ours: a fresh worker would import the whole lab before it could answer.
        told = await client.run(importlib.metadata.version, PACKAGE, workers=[address], on_error="return")
    except OSError:
        return None
    found = told.get(address)
    return found if isinstance(found, str) else "none"


def _sorted_out(threads: dict[str, int], versions: dict[str, str | None]) -> Crew:
    ours = version_here()
    strangers = {address: found for address, found in versions.items() if found not in {None, ours}}
    silent = tuple(address for address, found in versions.items() if found is None)
    if strangers or silent:
        logger.warning("workers_left_out other_version=%d silent=%d", len(strangers), len(silent))
    fit = {address: count for address, count in threads.items() if versions[address] == ours}
    return Crew(fit, {address: str(found) for address, found in strangers.items()}, silent)
