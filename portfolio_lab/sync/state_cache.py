"""The states after the last commit, kept beside the runs, so that a fresh process reads one small file.

A scheduled run is a new process each minute; folding every commit of the store for a handful
of rows would cost more each day. The store stays the record: a cache that is missing, damaged
or not of the store's last slot is passed over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from portfolio_lab.models.tables import USERS_PORTFOLIO_STATE
from portfolio_lab.security.private_files import write_private
from portfolio_lab.sync.rows import Row, table_of

if TYPE_CHECKING:
    from portfolio_lab.store import Store

logger = logging.getLogger(__name__)

FILE_NAME = "states.arrow"
MOST_SLOTS = 20_000
_SLOT = b"slot"

NameOf = Callable[[datetime], str]
"""The sync id of a slot."""


class StateCache:
    """The cache of one lab; `interval` is its cadence, `name_of` gives the sync id of a slot."""

    def __init__(self, runs_path: Path, *, interval: timedelta, name_of: NameOf) -> None:
        self._path = runs_path / FILE_NAME
        self._interval = interval
        self._name_of = name_of

    def load(self, store: Store, *, before: datetime) -> dict[str, Row] | None:
        """Return the states by user when they are of the store's last slot before `before`, else None."""
        try:
            rows = pa.ipc.open_file(pa.py_buffer(self._path.read_bytes())).read_all()
            slot = datetime.fromisoformat((rows.schema.metadata or {})[_SLOT].decode())
        except (FileNotFoundError, pa.ArrowInvalid, KeyError, ValueError):
            return None
        if not rows.schema.equals(USERS_PORTFOLIO_STATE.schema) or not self._is_last(store, slot, before):
            return None
        return {row["user"]: row for row in rows.to_pylist()}

    def save(self, states: Mapping[str, Row], *, slot: datetime) -> None:
        """Keep the states as they are after the commit of `slot`. A disk that refuses costs only time."""
        rows = table_of(USERS_PORTFOLIO_STATE, states.values()).replace_schema_metadata(
            {_SLOT: slot.isoformat().encode()}
        )
        buffer = pa.BufferOutputStream()
        with pa.ipc.new_file(buffer, rows.schema) as writer:
            writer.write_table(rows)
        try:
            write_private(self._path, buffer.getvalue().to_pybytes())
        except OSError as error:
            logger.warning("state_cache_not_written reason=%s", error.strerror)

    def _is_last(self, store: Store, slot: datetime, before: datetime) -> bool:
        # A crash between commit and cache leaves a later slot in the store: then the cache is old.
        between = int((before - slot) / self._interval)
        if not 0 <= between <= MOST_SLOTS or not store.has(self._name_of(slot), slot):
            return False
        later = (slot + number * self._interval for number in range(1, between + 1))
        return not any(store.has(self._name_of(each), each) for each in later)
