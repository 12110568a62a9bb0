"""When Python looks for unreachable cycles while a large book is read: once, when the cycle is over.

What a cycle reads lives until its commit. Left alone, the collector walks through all of it time
and again while it grows, which costs more the more accounts there are, and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

LARGE = 50
"""Accounts; a smaller book is left to the collector's own rhythm."""

_SELDOM, _NEVER = 10_000, 1_000_000


@contextmanager
def collected_once(accounts: int) -> Iterator[None]:
    """Hold back walks through everything inside the block, and take one after it, when the book is large.

    Young objects are looked through now and then. Of two books that are read at once the first one
    to end gives the collector its rhythm back.
    """
    young, middle, old = gc.get_threshold()
    if accounts < LARGE or old == _NEVER or not gc.isenabled():
        yield
        return
    gc.set_threshold(max(young, _SELDOM), middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
        gc.collect()
