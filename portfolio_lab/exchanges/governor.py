"""The request budget of one venue at one address: nobody asks more than the venue allows.

Venues count by IP address (Binance) or by user and endpoint (OKX). One governor serves all
accounts of a venue in a process; what is counted by address lies in a `Ledger`, which all
processes of the machine share. Whoever waits stands in a line of his class: the core goes
before orders, orders before history, and a fixed share stays for the lower ones when they wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from portfolio_lab.errors import BannedError, PostponedError, RateLimitedError
from portfolio_lab.exchanges.gate import Gate
from portfolio_lab.exchanges.ledger import Closure, Ledger, State
from portfolio_lab.exchanges.tally import LEASE, RESERVE, Budget, Priority, Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["LEASE", "RESERVE", "Budget", "Governor", "Priority", "Turn"]

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[object]]

PATIENCE = 120.0
"""Seconds that a request stands in line for its weight before it gives up."""

WIDTH = 32
"""Requests under way at one venue at a time; the others stand in line, where no deadline runs."""

BRIEF = 2.0
"""A closure that ends within so many seconds is waited for; a longer one is an error at once."""

LONGEST_CLOSURE = 4 * 86_400.0
"""No venue bans for longer; a later end comes from a clock that was wrong."""

PROBE_LEASE = 30.0
"""Seconds that the first request after a ban goes alone; then another one may try."""

SHORTEST_WAIT = 0.01
"""Seconds; a shorter one could pass between two ticks of a clock, which would seem to stand still."""

YIELD = 0.05
"""Seconds that a lower class lets a higher one, that sleeps until the same instant, go ahead."""


@dataclass(slots=True)
class _Hurry:
    """Seconds that the questions of one step may stand in line: little before the first, more between them."""

    first: float
    rest: float

    def take(self) -> float:
        patience, self.first = self.first, self.rest
        return patience


_hurry: ContextVar[_Hurry | None] = ContextVar("hurry", default=None)


@contextmanager
def hurried(*, first: float, rest: float) -> Iterator[None]:
    """Let the questions of the block give up early, with PostponedError, instead of standing in line."""
    token = _hurry.set(_Hurry(first, rest))
    try:
        yield
    finally:
        _hurry.reset(token)


@dataclass(slots=True)
class Turn:
    """One admitted request. Who asked sets `used` to what the venue says was used, and `is_answered`."""

    flight: int
    sent: float = 0.0
    used: int | None = None
    is_answered: bool = False


Waiter = tuple[int, asyncio.Event]


class Governor:
    """Keeps the budgets of one venue; `clock` tells the time, `sleep` waits.

    `lag` returns our clock minus the venue's in seconds: the venue's minute is what counts.
    Without a `ledger` the count stays in this process.
    """

    def __init__(
        self,
        *,
        venue: str,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        ledger: Ledger | None = None,
        lag: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._sleep = sleep
        self._lag = lag
        self._ledger = ledger or Ledger()
        self._own = State()
        self._closure: Closure | None = None
        self._lines: dict[tuple[str, Priority], deque[Waiter]] = {}
        self._gate = Gate(WIDTH)

    @asynccontextmanager
    async def admitted(self, budget: Budget, weight: int, priority: Priority = Priority.CORE) -> AsyncIterator[Turn]:
        """Stand in line, then let the block ask once.

        Raises RateLimitedError or BannedError at once while the venue is closed to us, and
        RateLimitedError when the line does not move within PATIENCE.
        """
        turn = Turn(await self._stand(budget, weight, priority))
        try:
            async with self._gate.passed(priority):
                await self._pass_closure(budget, turn)
                turn.sent = self._venue_now()
                yield turn
        finally:
            self._land(budget, turn)

    def expect(self, budget: Budget, weight: int) -> None:
        """Say how much of the core is about to be asked, before others take the room of those who come last.

        Only a budget that is counted by address in fixed windows keeps room.
        """
        if budget.is_sliding or budget.is_personal:
            return
        with self._ledger.opened(self._now()) as state:
            state.tally(budget, self._venue_now()).expect(budget, weight, self._venue_now())

    def close(self, seconds: float, *, is_ban: bool) -> None:
        """Close the venue to everybody for so many seconds; a longer closure is never shortened."""
        now = self._now()
        closure = Closure(now + min(seconds, LONGEST_CLOSURE), is_ban)
        with self._ledger.opened(now) as state:
            if state.closure is None or closure.until > state.closure.until:
                state.closure = closure
            self._closure = state.closure

    def forget(self) -> None:
        """Forget closures and counts, here and in the ledger."""
        with self._ledger.opened(self._now()) as state:
            state.closure = None
            state.tallies.clear()
        self._closure, self._own = None, State()

    @property
    def closed_until(self) -> datetime | None:
        """The end of the present closure, None when open."""
        with self._ledger.opened(self._now()) as state:
            closure = self._closure = state.closure
        if closure is None or closure.until <= self._now():
            return None
        return datetime.fromtimestamp(closure.until, UTC)

    # ------------------------------------------------------------ the line

    async def _stand(self, budget: Budget, weight: int, priority: Priority) -> int:
        """Wait for the weight, behind those of the same class, and return the flight."""
        place, hurry = (budget.name, priority), _hurry.get()
        line = self._lines.setdefault(place, deque())
        if line and hurry is not None and hurry.first <= 0:
            raise self._postponed(budget, YIELD)
        waiter = (weight, asyncio.Event())
        line.append(waiter)
        joined = self._now()
        try:
            if line[0] is not waiter:
                await waiter[1].wait()
            return await self._first_in_line(budget, weight, priority, joined)
        finally:
            line.remove(waiter)
            if line:
                line[0][1].set()
            else:
                self._lines.pop(place, None)

    async def _first_in_line(self, budget: Budget, weight: int, priority: Priority, joined: float) -> int:
        slept, hurry = 0.0, _hurry.get()
        patience = hurry.take() if hurry is not None else None
        while True:
            flight, seconds = self._try(budget, weight, priority)
            if flight:
                return flight
            if patience is not None and max(slept, self._now() - joined) + seconds > patience:
                raise self._postponed(budget, seconds)
            seconds, before = max(seconds, SHORTEST_WAIT), self._now()
            if max(slept, before - joined) > PATIENCE:
                text = f"Too many requests stand in line for {self._venue}; sync fewer accounts, or less often."
                raise RateLimitedError(text, venue=self._venue, endpoint=budget.name, retry_after=seconds)
            await self._sleep(seconds)
            slept += seconds
            if self._now() <= before:  # a clock that stands still would keep the line standing for ever
                self._forget(budget)

    def _postponed(self, budget: Budget, seconds: float) -> PostponedError:
        text = f"The budget of {self._venue} has no room for it now; it is asked for again later."
        return PostponedError(text, venue=self._venue, endpoint=budget.name, retry_after=seconds)

    def _try(self, budget: Budget, weight: int, priority: Priority) -> tuple[int, float]:
        """Take the weight now and return the flight, or 0 and the seconds to wait."""
        now, venue_now = self._now(), self._venue_now()
        with self._ledger.opened(now) as state:
            self._closure = state.closure
            wait = self._wait_for_door(state, budget, now)
            if wait:
                return 0, wait
            tally = (self._own if budget.is_personal else state).tally(budget, venue_now)
            wait = self._wait_for_betters(tally, budget, priority, venue_now)
            wait = wait or tally.wait(budget, weight, priority, venue_now)
            if wait:
                return 0, wait
            flight = tally.take(budget, weight, priority, venue_now)
            if state.closure is not None:
                self._after_closure(state, flight, now)
            return flight, 0.0

    def _wait_for_betters(self, tally: Tally, budget: Budget, priority: Priority, now: float) -> float:
        """Return 0 unless somebody of a higher class waits, whom a small request would keep overtaking."""
        for higher in Priority:
            line = self._lines.get((budget.name, higher)) if higher < priority else None
            if line:
                wait = tally.wait(budget, line[0][0], higher, now)
                if not tally.is_capped(budget, line[0][0], higher):
                    tally.hungry[priority] = tally.window
                    return wait + YIELD
        return 0.0

    def _land(self, budget: Budget, turn: Turn) -> None:
        now = self._now()
        if budget.is_personal:
            self._own.tally(budget, now).land(budget, turn.flight, turn.used, sent=turn.sent, now=self._venue_now())
            if self._closure is None or self._closure.probe != turn.flight:
                return
        with self._ledger.opened(now) as state:
            if not budget.is_personal:
                tally = state.tally(budget, now)
                tally.land(budget, turn.flight, turn.used, sent=turn.sent, now=self._venue_now())
            if state.closure is not None and state.closure.probe == turn.flight:
                state.closure.probe = 0
                if turn.is_answered:
                    state.closure = None
            self._closure = state.closure

    def _forget(self, budget: Budget) -> None:
        with self._ledger.opened(self._now()) as state:
            (self._own if budget.is_personal else state).tally(budget, self._venue_now()).forget()

    # ------------------------------------------------------------ the door

    def _wait_for_door(self, state: State, budget: Budget, now: float) -> float:
        """Return 0 when the venue is open, the seconds of a brief closure, or raise for a longer one."""
        closure = state.closure
        if closure is None:
            return 0.0
        left = closure.until - now
        if left > LONGEST_CLOSURE:  # written by a clock that was wrong
            state.closure = None
            return 0.0
        if left > BRIEF:
            raise self._closed(closure, budget, left)
        if left > 0:
            return left
        is_probed = closure.is_ban and closure.probe and now < closure.probe_until
        return YIELD * 4 if is_probed else 0.0

    @staticmethod
    def _after_closure(state: State, flight: int, now: float) -> None:
        """The door may open: after a ban, one request goes ahead and the others wait for its answer."""
        if state.closure is not None and state.closure.is_ban:
            state.closure.probe, state.closure.probe_until = flight, now + PROBE_LEASE
        else:
            state.closure = None

    async def _pass_closure(self, budget: Budget, turn: Turn) -> None:
        """The venue may have closed while we stood at the gate."""
        closure = self._closure
        if closure is None or closure.probe == turn.flight:
            return
        left = closure.until - self._now()
        if left > BRIEF:
            raise self._closed(closure, budget, left)
        if left > 0:
            await self._sleep(left)

    def _closed(self, closure: Closure, budget: Budget, seconds: float) -> RateLimitedError:
        kind = BannedError if closure.is_ban else RateLimitedError
        text = f"{self._venue} told us to wait; nothing is asked for another {seconds:.0f} s."
        return kind(text, venue=self._venue, endpoint=budget.name, retry_after=seconds)

    def _now(self) -> float:
        return self._clock().timestamp()

    def _venue_now(self) -> float:
        return self._now() - self._lag()
