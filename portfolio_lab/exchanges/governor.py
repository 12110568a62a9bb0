"""The request budget of one venue at one address: nobody asks more than the venue allows.

Venues count by IP address (Binance) or by user and endpoint (OKX), so one governor serves all
accounts of a venue in a process. Its state is plain numbers keyed by budget, which is what
several processes would have to share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

from portfolio_lab.errors import BannedError, RateLimitedError
from portfolio_lab.exchanges.closures import Closure, Closures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[object]]

RESERVE = 0.2
"""Share of each budget left to the user's other programs at the same address."""

PATIENCE = 120.0
"""Seconds that a request stands in line for its weight before it gives up."""

WIDTH = 16
"""Requests under way at one venue at a time; the others stand in line, where no deadline runs."""

BRIEF = 2.0
"""A closure that ends within so many seconds is waited for; a longer one is an error at once."""


class Priority(IntEnum):
    """Who goes first when the budget is short."""

    CORE = 0
    ORDERS = 1
    HISTORY = 2
    SLOW = 3


@dataclass(frozen=True, slots=True)
class Budget:
    """`limit` of weight per `seconds`, counted under `name`.

    `is_sliding`: any window of that length counts (OKX); otherwise the venue's counter starts
    anew each full minute (Binance).
    """

    name: str
    limit: int
    seconds: float = 60.0
    is_sliding: bool = False

    @property
    def usable(self) -> float:
        """What we allow ourselves."""
        return self.limit * (1 - RESERVE)


@dataclass(slots=True)
class _Counter:
    """Weight spent in one fixed window."""

    window: int = -1
    reported: int = 0
    spent: int = 0
    in_flight: int = 0

    def wait(self, budget: Budget, weight: int, now: float) -> float:
        window = int(now // budget.seconds)
        if window != self.window:
            self.window, self.reported, self.spent = window, 0, self.in_flight
        if self.spent + weight <= budget.usable or self.spent == 0:
            return 0.0
        return (window + 1) * budget.seconds - now

    def take(self, weight: int, now: float) -> None:  # noqa: ARG002 - as _Slider has it
        self.spent += weight
        self.in_flight += weight

    def give_back(self, weight: int) -> None:
        self.in_flight -= weight

    def learn(self, used: int) -> None:
        self.reported = max(self.reported, used)
        self.spent = self.reported + self.in_flight

    def forget(self) -> None:
        self.window = -1


@dataclass(slots=True)
class _Slider:
    """Weight spent within the last seconds."""

    taken: deque[tuple[float, int]] = field(default_factory=deque)

    def wait(self, budget: Budget, weight: int, now: float) -> float:
        while self.taken and not now - budget.seconds < self.taken[0][0] <= now:
            self.taken.popleft()
        if not self.taken or sum(spent for _, spent in self.taken) + weight <= budget.usable:
            return 0.0
        return self.taken[0][0] + budget.seconds - now

    def take(self, weight: int, now: float) -> None:
        self.taken.append((now, weight))

    def give_back(self, weight: int) -> None:
        """Nothing: a request counts from when it was sent."""

    def learn(self, used: int) -> None:
        """Nothing: OKX does not say what was used."""

    def forget(self) -> None:
        self.taken.clear()


class Governor:
    """Keeps the budgets of one venue; `clock` tells the time, `sleep` waits.

    Closures outlive the process where `closures` has a file; `name` tells addresses apart there.
    """

    def __init__(
        self,
        *,
        venue: str,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        closures: Closures | None = None,
        name: str = "",
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._sleep = sleep
        self._counters: dict[str, _Counter | _Slider] = {}
        self._closures = closures or Closures(None, clock)
        self._name = name or venue
        self._closure = self._closures.read(self._name)
        self._gate = asyncio.Semaphore(WIDTH)

    @asynccontextmanager
    async def admitted(self, budget: Budget, weight: int) -> AsyncIterator[None]:
        """Stand in line, then let the block ask once.

        Raises RateLimitedError or BannedError at once while the venue is closed to us, and
        RateLimitedError when the line does not move within PATIENCE.
        """
        await self._pass_budget(budget, weight)
        try:
            async with self._gate:
                await self._pass_closure(budget)
                yield
        finally:
            self._counter(budget).give_back(weight)

    def learn(self, budget: Budget, used: int) -> None:
        """Correct the count by what the venue says was used in this window."""
        counter = self._counter(budget)
        counter.wait(budget, 0, self._clock().timestamp())
        counter.learn(used)

    def close(self, seconds: float, *, is_ban: bool) -> None:
        """Close the venue to everybody for so many seconds; a longer closure is never shortened."""
        until = self._clock() + timedelta(seconds=seconds)
        if self._closure is None or until > self._closure.until:
            self._closure = Closure(until, is_ban)
            self._closures.write(self._name, self._closure)

    @property
    def closed_until(self) -> datetime | None:
        """The end of the present closure, None when open."""
        if self._closure is None or self._closure.until <= self._clock():
            return None
        return self._closure.until

    async def _pass_closure(self, budget: Budget) -> None:
        until = self.closed_until
        if until is None or self._closure is None:
            return
        seconds = (until - self._clock()).total_seconds()
        if seconds > BRIEF:
            kind = BannedError if self._closure.is_ban else RateLimitedError
            text = f"{self._venue} told us to wait; nothing is asked for another {seconds:.0f} s."
            raise kind(text, venue=self._venue, endpoint=budget.name, retry_after=seconds)
        await self._sleep(seconds)

    async def _pass_budget(self, budget: Budget, weight: int) -> None:
        counter = self._counter(budget)
        waited = 0.0
        while seconds := counter.wait(budget, weight, self._clock().timestamp()):
            if waited > PATIENCE:
                text = f"Too many requests stand in line for {self._venue}; sync fewer accounts, or less often."
                raise RateLimitedError(text, venue=self._venue, endpoint=budget.name, retry_after=seconds)
            before = self._clock()
            await self._sleep(seconds)
            waited += seconds
            if self._clock() <= before:  # a clock that stands still would keep the line standing for ever
                counter.forget()
        counter.take(weight, self._clock().timestamp())

    def _counter(self, budget: Budget) -> _Counter | _Slider:
        counter = self._counters.get(budget.name)
        if counter is None:
            counter = self._counters[budget.name] = _Slider() if budget.is_sliding else _Counter()
        return counter
