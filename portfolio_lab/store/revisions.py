"""Knowledge time: which rows of a key supersede which, and what was known at an instant.

Every row is known from the commit that brought it: `known_at` of its file, or its own
`committed_at` once a fold has put the rows of many commits into one file. Of a `latest` table
the row of a key that was committed last counts. Those that it supersedes are kept for ever, in
`revisions/<table>/day=D/` once they are folded: only a question of what was known then reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.models.tables import Table
from portfolio_lab.store.parquet import COMMITTED_AT
from portfolio_lab.store.records import StoredFile

FOLDER = "revisions"


def is_revisions(stored: StoredFile) -> bool:
    """Return whether a file holds nothing but rows that others supersede."""
    return stored.path.startswith(f"{FOLDER}/")


def stamped(rows: pa.Table, stored: StoredFile) -> pa.Table:
    """Return `rows` with the column that says when each was committed."""
    if COMMITTED_AT.name in rows.column_names:
        return rows
    stamps = pa.repeat(pa.scalar(stored.known_at, COMMITTED_AT.type), rows.num_rows)
    return rows.append_column(COMMITTED_AT, stamps)


def counting(files: Iterable[StoredFile], known: datetime | None = None) -> list[StoredFile]:
    """Return the files that may hold a row which counts, or counted at `known`.

    Two files of a `latest` table with the same set of keys: where every row of one was
    committed after every row of the other, the older one cannot matter.
    """
    newest_from: dict[str, datetime] = {}
    ordered = sorted(files, key=lambda stored: (stored.known_at, stored.path))
    kept = []
    for stored in reversed(ordered):
        if stored.known_from > known if known is not None else is_revisions(stored):
            continue
        later = newest_from.get(stored.keys) if stored.keys else None
        if later is not None and later > stored.known_at:
            continue
        # A file of which only a part was known by then supersedes nothing as a whole.
        if stored.keys and (known is None or stored.known_at <= known):
            newest_from[stored.keys] = max(stored.known_from, later or stored.known_from)
        kept.append(stored)
    return kept[::-1]


def keys_digest(table: Table, rows: pa.Table) -> str:
    """Return a digest of the set of keys in rows of a `latest` table; empty for other tables."""
    if not table.latest:
        return ""
    keys = in_order(rows.select(list(table.key)), table.key)
    keys = keys.filter(pa.array(_ends_key(keys, table.key)))
    told = hashlib.sha256(b"%d " % keys.num_rows)
    for column in keys.columns:
        for part in _content(column):
            told.update(part)
    return told.hexdigest()


def _content(column: pa.ChunkedArray[Any]) -> tuple[bytes, bytes | memoryview]:
    """Return the bytes that tell the values of a column without nulls: lengths and letters of text."""
    if not pa.types.is_string(column.type):
        return column.to_numpy().tobytes(), b""
    text: Any = column.cast(pa.large_string()).combine_chunks()
    _, places, letters = text.buffers()
    offsets = np.frombuffer(places, np.int64)[text.offset : text.offset + len(text) + 1]
    return np.diff(offsets).tobytes(), memoryview(letters or b"")[offsets[0] : offsets[-1]]


def in_order(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return `rows` sorted by these columns; as they are when they lie so already."""
    if _is_sorted(rows, names):
        return rows
    return rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in names]))


def newest(table: Table, rows: pa.Table) -> pa.Table:
    """Return of each key the row that was committed last, sorted by key, with its stamp."""
    return split(table, rows)[0]


def split(table: Table, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return of each key the row that was committed last, and all the others; both sorted by key."""
    ordered = in_order(rows, [*table.key, COMMITTED_AT.name])
    is_last = pa.array(_ends_key(ordered, table.key))
    if pc.all(is_last).as_py() is not False:
        return ordered, ordered.slice(0, 0)
    return ordered.filter(is_last), ordered.filter(pc.invert(is_last))


def told_again(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows of the keys that have more than one row, by key and then by commit."""
    ordered = in_order(rows, [*table.key, COMMITTED_AT.name])
    ends = _ends_key(ordered, table.key)
    begins = np.concatenate([np.ones(min(len(ends), 1), dtype=bool), ends[:-1]])
    return ordered.filter(pa.array(~(begins & ends)))


def _is_sorted(rows: pa.Table, names: Sequence[str]) -> bool:
    undecided = np.ones(max(rows.num_rows - 1, 0), dtype=bool)
    for name in names:
        if not undecided.any():
            break
        before, after = _neighbours(rows, name)
        if (undecided & np.asarray(pc.greater(before, after))).any():
            return False
        undecided &= np.asarray(pc.equal(before, after))
    return True


def _ends_key(ordered: pa.Table, key: Sequence[str]) -> np.ndarray:
    ends = np.zeros(ordered.num_rows, dtype=bool)
    ends[-1:] = True
    for name in key:
        before, after = _neighbours(ordered, name)
        ends[:-1] |= np.asarray(pc.not_equal(before, after))
    return ends


def _neighbours(rows: pa.Table, name: str) -> tuple[pa.ChunkedArray[Any], pa.ChunkedArray[Any]]:
    column = rows.column(name)
    return column.slice(0, max(len(column) - 1, 0)), column.slice(1)
