"""Closed months by user: the sealed days of a month in few large files, so that one user's year is twelve short reads.

    months/<table>/month=YYYY-MM/<digest of its sources>-<number>-<SHA-256 of itself>.parquet   rows of some users
    months/<table>/month=YYYY-MM/<digest of its sources>-<SHA-256 of itself>.json               whose rows lie where

These files are derived: no record names them. The index tells the sealed files that it was made
from, and it is used only while exactly those are what the store holds of that month. Whatever is
missing, damaged or out of date is passed over, and the days are read instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.files import Files
from portfolio_lab.store.parquet import COMMITTED_AT
from portfolio_lab.store.ranges import RangeFile
from portfolio_lab.store.records import StoredFile, instant

FOLDER = "months"

LAID = ("portfolio_snapshots",)
"""The tables whose months are laid: asked for by user over long periods, and with user and slot as their key."""

MOST_USERS = 16
"""A question about more users than this is answered by the days: they lie there side by side."""

_FORMAT = 1
_DIGEST = 32
_MOST_OPEN = 512
"""So many footers are remembered; that of one file takes some hundred kB."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a laid month: the rows of its users one after the other, each in the order of time."""

    name: str
    size: int
    sha256: str
    users: Mapping[str, tuple[int, int]]
    """Place of the first row, and number of rows."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where the rows of a laid month lie, by user; `name` is that of its own file."""

    name: str
    parts: tuple[Part, ...]
    part_of: Mapping[str, Part]


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a table as the log tells it now; `first` and `last` are the month's bounds, half-open.

    `is_closed_up` says that no file beside the sealed `sources` holds rows of the month.
    """

    name: str
    first: datetime
    last: datetime
    sources: tuple[StoredFile, ...]
    is_closed_up: bool
    digest: str

    def overlaps(self, since: datetime | None, until: datetime | None) -> bool:
        """Return whether the month and [since, until) have an instant in common."""
        return (until is None or self.first < until) and (since is None or self.last > since)

    def is_inside(self, since: datetime | None, until: datetime | None) -> bool:
        """Return whether all of the month lies in [since, until)."""
        return (since is None or since <= self.first) and (until is None or self.last <= until)


def folder_of(table: str, month: str) -> str:
    """Return where the files of a laid month stand."""
    return f"{FOLDER}/{table}/month={month}"


def months_of(table: Table, files: Iterable[StoredFile]) -> tuple[Month, ...]:
    """Return the months that sealed files lie in whole, oldest first."""
    inside: dict[str, list[StoredFile]] = {}
    open_months: set[str] = set()
    for stored in files:
        if not stored.first:
            return ()  # nobody knows where its rows belong
        first, last = instant(stored.first), instant(stored.last)
        if stored.path.startswith("sealed/") and (first.year, first.month) == (last.year, last.month):
            inside.setdefault(f"{first:%Y-%m}", []).append(stored)
        else:
            open_months |= _months_between(first, last)
    return tuple(_month(table, name, inside[name], name not in open_months) for name in sorted(inside))


def _months_between(first: datetime, last: datetime) -> set[str]:
    names, month = set[str](), first.replace(day=1)
    while month <= last:
        names.add(f"{month:%Y-%m}")
        month = (month + timedelta(days=31)).replace(day=1)
    return names


def _month(table: Table, name: str, sources: list[StoredFile], is_closed_up: bool) -> Month:  # noqa: FBT001 - built in one place
    first = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC)
    last = (first + timedelta(days=31)).replace(day=1)
    told = sorted(f"{one.path} {one.sha256}" for one in sources)
    whole = "\n".join([f"{_FORMAT} {table.name} {table.version}", *told])
    return Month(name, first, last, tuple(sources), is_closed_up, hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST])


def index_bytes(month: Month, parts: Sequence[Part]) -> bytes:
    """Return the index of a laid month as it is stored."""
    told = [
        {
            "name": one.name,
            "size": one.size,
            "sha256": one.sha256,
            "users": {name: rows for name, (_, rows) in one.users.items()},
        }
        for one in parts
    ]
    whole = {"format": _FORMAT, "month": month.name, "sources": _sources(month), "parts": told}
    return json.dumps(whole).encode() + b"\n"


def _sources(month: Month) -> list[list[str]]:
    return sorted([one.path, one.sha256] for one in month.sources)


def index_from_bytes(name: str, content: bytes, month: Month) -> Index | None:
    """Return the index that `content` holds; None when it is not what its name says, or made from other files."""
    if name.rpartition("-")[2] != f"{hashlib.sha256(content).hexdigest()}.json":
        return None
    told = json.loads(content)
    if told["month"] != month.name or told["sources"] != _sources(month):
        return None
    parts = tuple(Part(one["name"], one["size"], one["sha256"], places(one["users"])) for one in told["parts"])
    return Index(name, parts, {user: part for part in parts for user in part.users})


def places(counts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return where the rows of each user begin and how many they are, given how many there are of each in turn."""
    found, begins = {}, 0
    for user, rows in counts.items():
        found[user] = (begins, rows)
        begins += rows
    return found


@dataclass(slots=True)
class LaidMonths:
    """The laid months of one open store, for reading. What was found damaged is remembered in `bad`, by path."""

    files: Files
    bad: set[str] = field(default_factory=set)
    _indexes: dict[tuple[str, str], Index] = field(default_factory=dict)
    _missing: set[tuple[str, str]] = field(default_factory=set)
    _verified: set[str] = field(default_factory=set)
    _footers: dict[str, pq.FileMetaData] = field(default_factory=dict)

    def index(self, table: str, month: Month) -> Index | None:
        """Return the index of a month that was made from what counts now; None when there is none."""
        key = (table, month.digest)
        if key not in self._indexes and key not in self._missing:
            found = self._found(folder_of(table, month.name), month)
            if found is None:
                self._missing.add(key)
            else:
                self._indexes[key] = found
        return self._indexes.get(key)

    def forget(self) -> None:
        """Look anew for what was not there; what was found damaged may have been made anew."""
        self._missing.clear()
        self._indexes.clear()
        self.bad.clear()

    def look_again(self) -> None:
        """Look anew for what was not there."""
        self._missing.clear()

    def rows(self, table: Table, month: Month, user: str, columns: Sequence[str]) -> pa.Table | None:
        """Return one user's rows of a month in the order of time, those columns; None when the days must be read."""
        index = self.index(table.name, month)
        if index is None:
            return None
        part = index.part_of.get(user)
        if part is None:
            return pa.schema([*table.schema, COMMITTED_AT]).empty_table().select(list(columns))
        path = f"{folder_of(table.name, month.name)}/{part.name}"
        if path in self.bad:
            return None
        try:
            return self._read(table, part, path, user, columns)
        except (OSError, StoreError, pa.ArrowException):
            self.bad.add(path)  # damaged or gone: the days tell the same
        return None

    def _read(self, table: Table, part: Part, path: str, user: str, columns: Sequence[str]) -> pa.Table:
        source = self._opened(part, path)
        file = pq.ParquetFile(
            source, metadata=self._footers.get(path), page_checksum_verification=True, pre_buffer=True
        )
        self._remember(path, file.metadata)
        begins, count = part.users[user]
        groups, skipped = _groups(file.metadata, begins, count)
        stored = [name for name in columns if name != "user"]
        rows = file.read_row_groups(groups, columns=stored, use_threads=False).slice(begins - skipped, count)
        if rows.num_rows != count:
            raise StoreError(f"{path} holds fewer rows than its index tells")
        return _fitted(table, rows, user, columns)

    def _opened(self, part: Part, path: str) -> pa.NativeFile:
        if path in self._verified:
            # Seen whole once in this process; its pages carry checksums, which are verified as they are read.
            return pa.PythonFile(RangeFile(self.files, path, part.size), mode="r")
        content = self.files.read(path)
        if len(content) != part.size or hashlib.sha256(content).hexdigest() != part.sha256:
            raise StoreError(f"{path} is damaged")
        self._verified.add(path)
        return pa.BufferReader(content)

    def _remember(self, path: str, footer: pq.FileMetaData) -> None:
        if len(self._footers) >= _MOST_OPEN:
            self._footers.clear()
        self._footers[path] = footer

    def _found(self, folder: str, month: Month) -> Index | None:
        try:
            for name in self.files.names(folder):
                if name.startswith(f"{month.digest}-") and name.endswith(".json"):
                    index = index_from_bytes(name, self.files.read(f"{folder}/{name}"), month)
                    if index is not None:
                        return index
                    self.bad.add(f"{folder}/{name}")
        except OSError:
            return None  # the days are read, and tell what is wrong with the disk
        return None


def _groups(footer: pq.FileMetaData, begins: int, count: int) -> tuple[list[int], int]:
    """Return the row groups that hold these rows, and how many rows lie before them."""
    chosen: list[int] = []
    place = skipped = 0
    for number in range(footer.num_row_groups):
        ends = place + footer.row_group(number).num_rows
        if ends <= begins:
            skipped = ends
        elif place < begins + count:
            chosen.append(number)
        place = ends
    return chosen, skipped


def _fitted(table: Table, rows: pa.Table, user: str, columns: Sequence[str]) -> pa.Table:
    arrays, fields = [], []
    for name in columns:
        if name == "user":
            arrays.append(pa.chunked_array([pa.repeat(pa.scalar(user, pa.string()), rows.num_rows)]))
            fields.append(table.schema.field(name))
        else:
            known = COMMITTED_AT if name == COMMITTED_AT.name else table.schema.field(name)
            arrays.append(rows.column(name))
            fields.append(known.with_nullable(rows.schema.field(name).nullable))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
