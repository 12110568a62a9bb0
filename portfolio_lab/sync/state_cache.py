"""What a fresh process must know, kept beside the runs, so that it need not read the whole store.

A scheduled run is a new process each minute; folding every commit of the store for a handful
of rows would cost more each day. The store stays the record: a cache that is missing, damaged
or not of the store's last slot is passed over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from portfolio_lab.models.columns import ACCOUNT, USER, column
from portfolio_lab.models.tables import ACCOUNTS, CURSORS, SUSPICIONS, USERS_PORTFOLIO_STATE, Table
from portfolio_lab.security.private_files import write_private
from portfolio_lab.sync.rows import Row, table_of

if TYPE_CHECKING:
    from portfolio_lab.store import Store

logger = logging.getLogger(__name__)

CACHED = (CURSORS, SUSPICIONS, ACCOUNTS, USERS_PORTFOLIO_STATE)
"""The tables that are kept, each in a file of its own."""

SEEN_ASSETS = Table(
    "seen_assets",
    1,
    ("user", "account"),
    pa.schema([USER, ACCOUNT, column("assets", pa.list_(pa.string()), "asset codes that the account ever showed")]),
)
"""What no table of the store says in one place: it is gathered from all of them where the cache is missing."""

_FILES = (*CACHED, SEEN_ASSETS)

MOST_SLOTS = 20_000
_SLOT = b"slot"

NameOf = Callable[[datetime], str]
"""The sync id of a slot."""

Rows = Mapping[str, Sequence[Row]]
"""Rows by the name of their table."""


class StateCache:
    """The cache of one lab; `interval` is its cadence, `name_of` gives the sync id of a slot."""

    def __init__(self, runs_path: Path, *, interval: timedelta, name_of: NameOf) -> None:
        self._folder = runs_path
        self._interval = interval
        self._name_of = name_of

    def load(self, store: Store, *, before: datetime) -> Rows | None:
        """Return the cached rows by table when all are of the store's last slot before `before`, else None."""
        found: dict[str, Sequence[Row]] = {}
        slots = set()
        for table in _FILES:
            try:
                rows = pa.ipc.open_file(pa.py_buffer(self._path(table).read_bytes())).read_all()
                slots.add(datetime.fromisoformat((rows.schema.metadata or {})[_SLOT].decode()))
            except (FileNotFoundError, pa.ArrowInvalid, KeyError, ValueError):
                return None
            if not rows.schema.equals(table.schema):
                return None
            found[table.name] = rows.to_pylist()
        is_whole = len(slots) == 1 and self._is_last(store, slots.pop(), before)
        return found if is_whole else None

    def save(self, rows: Rows, *, slot: datetime) -> None:
        """Keep the rows as they are after the commit of `slot`. A disk that refuses costs only time."""
        try:
            for table in _FILES:
                write_private(self._path(table), _encoded(table_of(table, rows[table.name]), slot))
        except OSError as error:
            logger.warning("state_cache_not_written reason=%s", error.strerror)

    def _path(self, table: Table) -> Path:
        return self._folder / f"{table.name}.arrow"

    def _is_last(self, store: Store, slot: datetime, before: datetime) -> bool:
        # A crash between commit and cache leaves a later slot in the store: then the cache is old.
        between = int((before - slot) / self._interval)
        if not 0 <= between <= MOST_SLOTS or not store.has(self._name_of(slot), slot):
            return False
        later = (slot + number * self._interval for number in range(1, between + 1))
        return not any(store.has(self._name_of(each), each) for each in later)


def _encoded(rows: pa.Table, slot: datetime) -> bytes:
    dated = rows.replace_schema_metadata({_SLOT: slot.isoformat().encode()})
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_file(buffer, dated.schema) as writer:
        writer.write_table(dated)
    content: bytes = buffer.getvalue().to_pybytes()
    return content
