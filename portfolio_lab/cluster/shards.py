"""How a book is cut into shards: whole users, and few enough tasks that each is worth its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

MOST_USERS = 250
"""Users in one shard: what is read again when a worker dies, and what is late when one hangs."""

SHARDS_PER_PLACE = 2
"""Shards for each thread of the workers, so that a quick one takes over what a slow one has not begun."""


def sharded(rows: Sequence[T], user_of: Callable[[T], str], places: int) -> list[tuple[T, ...]]:
    """Return the rows in shards of about equal numbers of users; a user is never in two.

    Args:
        rows: of many users, in any order; each shard keeps theirs.
        user_of: names the user of a row.
        places: how many tasks can run at once on all workers; at least 1.
    """
    by_user: dict[str, list[T]] = {}
    for row in rows:
        by_user.setdefault(user_of(row), []).append(row)
    users = list(by_user.values())
    size = min(MOST_USERS, max(1, -(-len(users) // (max(1, places) * SHARDS_PER_PLACE))))
    chosen = (users[first : first + size] for first in range(0, len(users), size))
    return [tuple(row for group in groups for row in group) for groups in chosen]
