"""What a venue lists, fetched once and shared by all accounts; fetched anew when it is old or lacks a name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from portfolio_lab.errors import AnswerShapeError

Item = TypeVar("Item")

LIFETIME = 24 * 3600.0
"""Seconds after which a listing is fetched anew."""

PATIENCE = 600.0
"""Seconds that must pass before an unknown name may trigger another fetch."""


class Listing(Generic[Item]):
    """Items by name. `fetch` returns all of them and raises the VenueError family."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Item]]]) -> None:
        self._fetch = fetch
        self._items: dict[str, Item] = {}
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    async def all(self) -> dict[str, Item]:
        """Return all items; an empty listing is an AnswerShapeError."""
        return await self._younger_than(LIFETIME)

    async def one(self, name: str) -> Item | None:
        """Return the item, None when the venue does not list it."""
        items = await self._younger_than(LIFETIME)
        if name not in items:
            items = await self._younger_than(PATIENCE)
        return items.get(name)

    async def _younger_than(self, seconds: float) -> dict[str, Item]:
        async with self._lock:
            if time.monotonic() - self._fetched > seconds:
                items = await self._fetch()
                if not items:
                    raise AnswerShapeError("The venue lists nothing at all.")
                self._items, self._fetched = items, time.monotonic()
        return self._items
