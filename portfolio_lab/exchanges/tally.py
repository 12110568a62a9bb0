"""What was spent of one budget: plain numbers that several processes share.

Nothing here knows of files, locks or waiting. Instants are seconds since 1970 on the venue's clock.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum

import msgspec

RESERVE = 0.2
"""Share of each budget left to the user's other programs at the same address."""

LEASE = 120.0
"""Seconds after which a request under way is forgotten: its process has died."""

FADING = 0.95
"""How much of what the core needed is still expected a window later, when it asked for less."""

HEAD_START = 0.1
"""Share of a crowded window that may be spent at its beginning; the rest is spread over it."""

SEAM = 3.0
"""Seconds at a window's beginning in which the venue may still count in the last one.

On a busy machine an answer takes so long that the venue's clock is known to a second or two only, and a count of
the last window that is taken for one of this window stands for a whole minute without room.
"""

CROWD = 2
"""So many windows in a row without room for all of the core make a crowd."""

CEILINGS = (0.85, 0.95, 1.0, 1.0)
"""By priority: the share that a class and its betters may take while a lower class waits."""


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
    anew each full minute (Binance). `is_personal`: counted by account, so that no other
    process of this machine shares it.
    """

    name: str
    limit: int
    seconds: float = 60.0
    is_sliding: bool = False
    is_personal: bool = False

    @property
    def usable(self) -> float:
        """What we allow ourselves."""
        return self.limit * (1 - RESERVE)


class Flight(msgspec.Struct, array_like=True):
    """A request under way; forgotten at `until`, because its process must have died."""

    weight: int
    until: float


class Tally(msgspec.Struct):
    """One budget's count: fixed windows use all fields but `taken`, sliding ones only `taken`."""

    window: int = -1
    reported: int = 0
    spent: int = 0
    by_class: list[int] = msgspec.field(default_factory=lambda: [0] * len(Priority))
    expected: float = 0.0
    hungry: list[int] = msgspec.field(default_factory=lambda: [-9] * len(Priority))
    crowded: int = 0
    before: int = 0
    flights: dict[int, Flight] = msgspec.field(default_factory=dict)
    taken: list[tuple[float, int]] = msgspec.field(default_factory=list)

    def wait(self, budget: Budget, weight: int, priority: Priority, now: float) -> float:
        """Return the seconds until this weight may be taken, 0 for now."""
        if budget.is_sliding:
            return self._slide(budget, weight, now)
        self._roll(budget, now)
        if self.spent == 0:
            return 0.0
        left = (self.window + 1) * budget.seconds - now
        if not self._fits(budget, weight, priority):
            self.hungry[priority] = self.window
            return left
        pause = min(left, self._pause(budget, weight, now))
        if pause > 0 and left < HEAD_START * budget.seconds:
            self.hungry[priority] = self.window
        return pause

    def take(self, budget: Budget, weight: int, priority: Priority, now: float) -> int:
        """Count the weight and return the name of the flight."""
        flight = secrets.randbits(62) + 1
        if budget.is_sliding:
            self.taken.append((now, weight))
            return flight
        self.flights[flight] = Flight(weight, now + LEASE)
        self.spent += weight
        self.by_class[priority] += weight
        return flight

    def land(self, budget: Budget, flight: int, used: int | None, *, sent: float, now: float) -> None:
        """A flight has ended; `used` is what the venue said was used when it counted the request."""
        if budget.is_sliding:
            return
        self._roll(budget, now)
        self.flights.pop(flight, None)
        if used is not None and self._is_of_this_window(budget, used, sent):
            self.reported = max(self.reported, used)
            self.spent = self.reported + self._under_way(now)

    def is_capped(self, budget: Budget, weight: int, priority: Priority) -> bool:
        """True when the rest of the window belongs to lower classes, which wait for it."""
        is_contested = any(seen >= self.window - 1 for seen in self.hungry[priority + 1 :])
        ceiling = CEILINGS[priority] * budget.usable
        return is_contested and sum(self.by_class[: priority + 1]) + weight > ceiling

    def expect(self, budget: Budget, weight: int, now: float) -> None:
        """Keep room for so much more of the core in this window, of which the windows before may tell nothing."""
        self._roll(budget, now)
        self.expected = max(self.expected, self.by_class[Priority.CORE] + weight)

    def forget(self) -> None:
        """Count from nothing: the clock stands still."""
        self.window = -1
        self.taken.clear()
        self.flights.clear()

    def distrust(self, budget: Budget, now: float) -> None:
        """Take this window for used up: what was counted in it has been lost."""
        if budget.is_sliding:
            self.taken = [(now, budget.limit)]
        else:
            self._roll(budget, now)
            self.spent = self.reported = budget.limit

    def _is_of_this_window(self, budget: Budget, used: int, sent: float) -> bool:
        """False for a count of the last window: sent before its end, or before its end on the venue's clock."""
        if int(sent // budget.seconds) != self.window:
            return False
        is_at_seam = sent - self.window * budget.seconds < SEAM
        return not (is_at_seam and 0 < self.before <= used)

    def _slide(self, budget: Budget, weight: int, now: float) -> float:
        self.taken = [(at, spent) for at, spent in self.taken if now - budget.seconds < at <= now]
        if not self.taken or sum(spent for _, spent in self.taken) + weight <= budget.usable:
            return 0.0
        return self.taken[0][0] + budget.seconds - now

    def _roll(self, budget: Budget, now: float) -> None:
        """Turn to the window of `now`. Processes whose clocks differ a little stay in the newer one."""
        window = int(now // budget.seconds)
        if window in {self.window, self.window - 1}:
            return
        passed = window - self.window
        self.crowded = self.crowded + 1 if passed == 1 and self.hungry[Priority.CORE] == self.window else 0
        if passed > 0:
            self.expected = max(self.by_class[Priority.CORE], self.expected * FADING**passed)
        self.before = max(self.reported, self.spent - self._under_way(now)) if passed == 1 else 0
        self.window, self.reported = window, 0
        self.by_class = [0] * len(Priority)
        self.flights = {name: one for name, one in self.flights.items() if now < one.until <= now + LEASE}
        self.spent = self._under_way(now)

    def _under_way(self, now: float) -> int:
        return sum(flight.weight for flight in self.flights.values() if flight.until > now)

    def _fits(self, budget: Budget, weight: int, priority: Priority) -> bool:
        if self.spent + weight > budget.usable - self._kept_for_core(budget, priority):
            return False
        return not self.is_capped(budget, weight, priority)

    def _pause(self, budget: Budget, weight: int, now: float) -> float:
        """Return the seconds to wait so that a crowded window is spent evenly, 0 where there is no crowd.

        Where more is asked than fits, a rush at each beginning would serve some accounts every
        minute and others every second one.
        """
        if self.crowded < CROWD:
            return 0.0
        elapsed = now / budget.seconds - self.window
        return max(0.0, ((self.spent + weight) / budget.usable - HEAD_START - elapsed) * budget.seconds)

    def _kept_for_core(self, budget: Budget, priority: Priority) -> float:
        """What the core will still want of this window, judged by the windows before."""
        if priority is Priority.CORE:
            return 0.0
        wanted = min(self.expected, CEILINGS[Priority.CORE] * budget.usable)
        return max(0.0, wanted - self.by_class[Priority.CORE])
