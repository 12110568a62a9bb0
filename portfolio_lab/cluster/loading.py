"""Workers load the lab before they are given work, and beside any deadline.

A fresh process imports for seconds, on an overloaded machine for minutes. Were a shard its first task, the
shard would be late, its worker restarted, and so cold again: for ever. A worker that is cold gets no shard;
where none gets warm within a bounded time (its nanny may be restarting it again and again), that is told.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import secrets
import time
from dataclasses import replace
from typing import Any

from portfolio_lab.cluster.roll import Crew, checked, crew_of
from portfolio_lab.errors import ClusterError

logger = logging.getLogger(__name__)

LOADING_SECONDS = 180.0
"""How long the first worker may take to load the lab before that is an error."""

TOGETHER_SECONDS = 20.0
"""How long those that are warm wait for the others when a cluster is joined."""

LOOK_SECONDS = 2.0
"""Between two looks at who is there: a worker that is born again has another address."""

READING_PARTS = ("portfolio_lab.cluster.worker", "portfolio_lab.exchanges")
FIGURE_PARTS = ("portfolio_lab.cluster.figures",)


class Loading:
    """Which workers of one client have loaded `parts` of the lab: asked for once per worker process."""

    def __init__(self, client: Any, parts: tuple[str, ...]) -> None:  # noqa: ANN401  distributed has no types
        self._client = client
        self._parts = parts
        self._asked: dict[str, tuple[Any, ...]] = {}
        self._born: dict[str, set[str]] = {}

    async def joined(self) -> Crew:
        """Return the crew that is warm when a cluster is joined, at least one of it.

        Raises:
            BadInputError: nobody answers, or all run another version of the lab.
            ClusterError: nobody has loaded the lab within LOADING_SECONDS.
        """
        crew = await self.crew(soon=TOGETHER_SECONDS, at_last=LOADING_SECONDS)
        if crew.threads or not self._born:
            return checked(crew)
        raise ClusterError(self._why_cold(crew), workers=crew.cold or tuple(self._born))

    async def crew(self, *, soon: float, at_last: float) -> Crew:
        """Return who is warm: everybody within `soon` seconds, else whoever is then, else the first within `at_last`.

        Workers that are not warm are `cold` and have no threads in the crew.
        """
        began, seen = time.monotonic(), False
        while True:
            crew = await crew_of(self._client)
            self._ask(crew)
            seen = seen or bool(crew.threads)
            await self._settled(crew, LOOK_SECONDS if seen else 0.0)
            warm = [address for address in crew.threads if self._is(address, "finished")]
            # A worker may be away just now because its nanny restarts it: that is no end.
            all_told = not self._pending(crew) and bool(warm or crew.threads or not seen)
            if all_told or time.monotonic() - began >= (soon if warm else at_last):
                return _only(crew, warm)

    def _ask(self, crew: Crew) -> None:
        # Forgotten futures let the scheduler forget the tasks of workers that are gone, or that it lost.
        self._asked = {
            address: told
            for address, told in self._asked.items()
            if address in crew.threads and not {one.status for one in told} & {"cancelled", "lost"}
        }
        for address in crew.threads:
            self._born.setdefault(crew.homes.get(address, address), set()).add(address)
            if address not in self._asked:
                self._asked[address] = tuple(self._told_to_load(address, part) for part in self._parts)

    def _told_to_load(self, address: str, part: str) -> Any:  # noqa: ANN401
        # Python's own function, in the worker's thread: one of ours would be imported by its loop, heartbeat and all.
        key = f"load-{part}-{secrets.token_hex(4)}"
        return self._client.submit(importlib.import_module, part, key=key, pure=False, workers=[address])

    async def _settled(self, crew: Crew, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and (self._pending(crew) or not crew.threads):  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.05)

    def _pending(self, crew: Crew) -> list[str]:
        return [
            address for address in crew.threads if not self._is(address, "finished") and not self._is_broken(address)
        ]

    def _is(self, address: str, status: str) -> bool:
        return all(one.status == status for one in self._asked[address])

    def _is_broken(self, address: str) -> bool:
        return any(one.status == "error" for one in self._asked[address])

    def _why_cold(self, crew: Crew) -> str:
        if crew.cold and all(map(self._is_broken, crew.cold)):
            return (
                f"the workers {', '.join(crew.cold)} cannot import portfolio-lab: their logs say why; install it anew"
            )
        again = sum(len(addresses) - 1 for addresses in self._born.values())
        restarted = f", and were restarted {again} times meanwhile" if again else ""
        return (
            f"no worker of the cluster could load portfolio-lab within {LOADING_SECONDS:.0f} s{restarted} "
            f"({', '.join(sorted(self._born))}): look into their logs; they may be busy with other work, "
            "their machine overloaded, their --memory-limit too small, or the installation broken"
        )


def _only(crew: Crew, warm: list[str]) -> Crew:
    cold = tuple(address for address in crew.threads if address not in warm)
    if cold:
        logger.warning("workers_cold count=%d of=%d", len(cold), len(crew.threads))
    return replace(crew, threads={address: crew.threads[address] for address in warm}, cold=cold)
