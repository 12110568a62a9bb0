"""Values that change at known instants, and facts in order of time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Generic, Protocol, TypeVar

V = TypeVar("V")


class _Dated(Protocol):
    @property
    def at(self) -> int: ...


F = TypeVar("F", bound=_Dated)


class Steps(Generic[V]):
    """A value that changes at known instants: what it was at any of them."""

    __slots__ = ("_times", "_values")

    def __init__(self) -> None:
        self._times: list[int] = []
        self._values: list[V] = []

    def change(self, at: int, value: V) -> None:
        """Record a new value from `at` on; instants never go back."""
        self._times.append(at)
        self._values.append(value)

    def at(self, now: int, default: V) -> V:
        """The value at an instant; `default` before the first change."""
        place = bisect_right(self._times, now)
        return self._values[place - 1] if place else default


class History(Generic[F]):
    """Facts in order of time."""

    __slots__ = ("_facts", "_times")

    def __init__(self) -> None:
        self._times: list[int] = []
        self._facts: list[F] = []

    def append(self, fact: F) -> None:
        """Put a fact in its place: behind all that is no younger than it."""
        place = bisect_right(self._times, fact.at)
        self._times.insert(place, fact.at)
        self._facts.insert(place, fact)

    def between(self, since: int | None, until: int) -> list[F]:
        """Facts with since <= at <= until, oldest first; from the beginning when since is None."""
        first = 0 if since is None else bisect_left(self._times, since)
        return self._facts[first : bisect_right(self._times, until)]

    def __len__(self) -> int:
        return len(self._facts)
