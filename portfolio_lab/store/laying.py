"""Laying closed months: the rows that count, of sealed days, sorted anew by user; see `store.months`."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.files import Files
from portfolio_lab.store.fold import ORPHAN_AGE
from portfolio_lab.store.months import FOLDER, LAID, Month, Part, folder_of, index_bytes, places
from portfolio_lab.store.parquet import joined
from portfolio_lab.store.reading import Reader
from portfolio_lab.store.records import StoredFile
from portfolio_lab.store.revisions import newest, stamped

PART_ROWS = 500_000
"""About so many rows a file: made in little memory, and hashed in some 20 ms when it is first read."""

GROUP_ROWS = 16_384
"""Users with fewer rows share a row group; one with more has his own."""

MOST_GROUP_ROWS = 65_536

LEAST_SOURCES = 2
"""The month of a store with one file in it is as quick to read from that."""

_USERS_KEY = b"portfolio_lab.users"


@dataclass(slots=True)
class Laying:
    """Lays and sweeps the months of one open store; `ends_at` (monotonic seconds) is when no further file is begun."""

    files: Files
    reader: Reader
    tables: Mapping[str, Table]
    ends_at: float = field(default=float("inf"))

    def lay(self, today: date, *, is_whole: bool = True) -> int:
        """Write what is missing of each month that was over before `today`, and return how many were laid.

        What a damaged or a former file tells is removed; unless it `is_whole`, only of the months that are laid now.
        """
        is_thorough = is_whole or bool(self.reader.months.bad)
        for path in sorted(self.reader.months.bad):
            self.files.remove(path)
        self.reader.months.forget()
        count = 0
        for table in self._tables():
            for month in self.reader.view(table.name).months:
                if self._has_time() and month.last.date() <= today and self._is_worth(month):
                    count += self._laid(table, month, is_thorough=is_thorough)
        if is_whole:
            self.sweep()
        return count

    def sweep(self) -> int:
        """Remove what was made from files that no longer count, and return how many files that were."""
        return sum(self._sweep_table(table) for table in self._tables())

    def _sweep_table(self, table: Table) -> int:
        current = {month.name: month.digest for month in self.reader.view(table.name).months}
        swept = 0
        for name in self.files.names(f"{FOLDER}/{table.name}"):
            month = name.removeprefix("month=")
            swept += self._sweep_month(folder_of(table.name, month), current.get(month, "no such month"))
        return swept

    def _sweep_month(self, folder: str, digest: str) -> int:
        stale = [name for name in self.files.names(folder) if not name.startswith(f"{digest}-")]
        stale = [name for name in stale if not name.startswith(".") or self._is_forgotten(f"{folder}/{name}")]
        # The index first: a part without one is never read.
        for name in sorted(stale, key=lambda one: not one.endswith(".json")):
            self.files.remove(f"{folder}/{name}")
        return len(stale)

    def _is_forgotten(self, path: str) -> bool:
        """Return whether an unfinished file was left behind by a crash: nobody writes one for so long."""
        try:
            return self.files.modified_ns(path) < (time.time() - ORPHAN_AGE.total_seconds()) * 1e9
        except FileNotFoundError:
            return False

    def _tables(self) -> Iterator[Table]:
        return (self.tables[name] for name in LAID if name in self.tables)

    def _has_time(self) -> bool:
        return time.monotonic() < self.ends_at

    def _is_worth(self, month: Month) -> bool:
        return month.is_closed_up and len(month.sources) >= LEAST_SOURCES

    def _laid(self, table: Table, month: Month, *, is_thorough: bool) -> bool:
        index = self.reader.months.index(table.name, month)
        if index is not None and not is_thorough:
            return False
        folder = folder_of(table.name, month.name)
        names = self.files.names(folder)
        if index is not None and {part.name for part in index.parts} <= set(names):
            return False
        try:
            parts = self._parts(table, month, names)
        except (FileNotFoundError, StoreError):
            return False  # a fold took a day away meanwhile, or one is damaged, which its readers are told
        if parts is None:
            return False
        content = index_bytes(month, parts)
        self.files.put_if_absent(f"{folder}/{month.digest}-{hashlib.sha256(content).hexdigest()}.json", content)
        self.reader.months.forget()
        self._sweep_month(folder, month.digest)
        return True

    def _parts(self, table: Table, month: Month, names: Sequence[str]) -> list[Part] | None:
        """Return all files of a month, written where they are missing; None when there is no time for the rest."""
        parts = []
        for number, users in enumerate(shares(self._rows_by_user(month))):
            part = self._known(folder_of(table.name, month.name), f"{month.digest}-{number:05d}-", names)
            if part is None:
                if not self._has_time():
                    return None
                part = self._written(table, month, number, users)
            parts.append(part)
        return parts

    def _known(self, folder: str, stem: str, names: Sequence[str]) -> Part | None:
        for name in names:
            if name.startswith(stem):
                content = self.files.read(f"{folder}/{name}")
                if name == f"{stem}{hashlib.sha256(content).hexdigest()}.parquet":
                    return _part(name, content)
                self.files.remove(f"{folder}/{name}")
        return None

    def _written(self, table: Table, month: Month, number: int, users: Sequence[str]) -> Part:
        content = laid_bytes(rows_of(self.reader, table, month.sources, users))
        name = f"{month.digest}-{number:05d}-{hashlib.sha256(content).hexdigest()}.parquet"
        self.files.put_if_absent(f"{folder_of(table.name, month.name)}/{name}", content)
        return _part(name, content)

    def _rows_by_user(self, month: Month) -> Counter[str]:
        rows = Counter[str]()
        for stored in month.sources:
            counts = pc.value_counts(self.reader.load(stored, columns=["user"]).column("user"))
            rows.update({one["values"].as_py(): one["counts"].as_py() for one in counts})
        return rows


def shares(rows: Mapping[str, int]) -> list[list[str]]:
    """Return the users in their order, in lots of about `PART_ROWS` rows."""
    lots: list[list[str]] = []
    room = 0
    for user in sorted(rows):
        if not lots or rows[user] > room:
            lots.append([])
            room = PART_ROWS
        lots[-1].append(user)
        room -= rows[user]
    return lots


def rows_of(reader: Reader, table: Table, sources: Sequence[StoredFile], users: Sequence[str]) -> pa.Table:
    """Return the rows of these files that count, of users that follow each other in order, with `committed_at`."""
    wanted = (pc.field("user") >= users[0]) & (pc.field("user") <= users[-1])
    parts = [stamped(reader.load(one, wanted, table.schema.names), one).filter(wanted) for one in sources]
    return newest(table, joined(table, [part for part in parts if part.num_rows], stamped=True))


def laid_bytes(rows: pa.Table) -> bytes:
    """Return the parquet file of rows by user: no two users with many rows share a row group."""
    sink = pa.BufferOutputStream()
    counts = {one["values"].as_py(): one["counts"].as_py() for one in pc.value_counts(rows.column("user"))}
    texts = [one.name for one in rows.schema if pa.types.is_string(one.type)]
    instants = [one.name for one in rows.schema if pa.types.is_timestamp(one.type)]
    with pq.ParquetWriter(
        sink,
        rows.schema.remove_metadata(),
        compression="zstd",
        use_dictionary=texts,  # type: ignore[arg-type]  # a list of columns is documented, the stubs lag behind
        column_encoding=dict.fromkeys(instants, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
        write_page_index=True,
        store_schema=False,
    ) as writer:
        for begins, count in _lots(counts):
            writer.write_table(rows.slice(begins, count), row_group_size=MOST_GROUP_ROWS)
        writer.add_key_value_metadata({_USERS_KEY.decode(): json.dumps(counts)})
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _lots(counts: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    begins = waiting = 0
    for rows in counts.values():
        waiting += rows
        if waiting >= GROUP_ROWS:
            yield begins, waiting
            begins, waiting = begins + waiting, 0
    if waiting:
        yield begins, waiting


def _part(name: str, content: bytes) -> Part:
    footer = pq.ParquetFile(pa.BufferReader(content)).metadata.metadata or {}
    counts = json.loads(footer[_USERS_KEY])
    return Part(name, len(content), hashlib.sha256(content).hexdigest(), places(counts))
