"""Two clocks: one that ticks for the wire, one that stands still for the books."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

BOOK_STEP_MS = 5_000


def _real() -> int:
    return time.time_ns() // 1_000_000


def read_instant(text: str) -> datetime:
    """An aware instant from ISO text; a text without a zone means UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class DemoClock:
    """Time at the demo exchange, in whole milliseconds since 1970.

    The wire clock (request stamps, rate limits) always ticks in real time; a scripted clock
    starts it anew from each set instant. The book clock (prices, balances, histories) stands
    at the set instant while scripted, so that one sync cycle sees one frozen book, and is
    the wire clock floored to five seconds while live.
    """

    def __init__(self, start: int | None = None, *, real: Callable[[], int] = _real) -> None:
        """Live when `start` is None, else scripted and set to `start`."""
        self._real = real
        self._frozen = start
        self._offset = 0 if start is None else start - real()

    @property
    def scripted(self) -> bool:
        """True while the book clock stands still."""
        return self._frozen is not None

    def wire(self) -> int:
        """What the exchange's servers say the time is."""
        return self._real() + self._offset

    def book(self) -> int:
        """The instant that prices, balances and histories are shown at."""
        if self._frozen is not None:
            return self._frozen
        now = self.wire()
        return now - now % BOOK_STEP_MS

    def set(self, now: int) -> None:
        """Scripted: freeze the books at an instant and let the wire clock start from it."""
        self._frozen = now
        self._offset = now - self._real()

    def run(self, *, real: bool = False) -> None:
        """Live: go on from the set instant, or jump to the real time when `real`."""
        self._frozen = None
        if real:
            self._offset = 0
