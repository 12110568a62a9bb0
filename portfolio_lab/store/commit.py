"""The commit protocol: all tables of one cycle become visible, and durable, in one step.

1. Each table's rows go into a new parquet file under a name nobody else can choose; it is
   written and synced under a temporary name, then renamed.
2. The folders of those files are synced, new parent folders too.
3. The record that names all of them (rows, bytes, SHA-256, schema version) is written and
   synced under a temporary name in the day's log folder.
4. The record is linked under its final name, which only the first writer of this sync id and
   slot can have. The folder is synced. That is the acknowledgement.

Before step 4 nothing is visible, after it everything is. What a crash leaves behind is never
named by a record, so no reader sees it. Writers share no lock and no counter.
See docs/decisions/0001-commit-protocol.md.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.files import Files
from portfolio_lab.store.log import Log, append_name, day_of
from portfolio_lab.store.parquet import checked, encoded, span
from portfolio_lab.store.records import Commit, Fold, StoredFile, record_bytes
from portfolio_lab.store.revisions import keys_digest

FENCE = timedelta(hours=1)
"""A commit that took longer is refused: a sweep may count its files as left behind."""

_SYNC_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_sync_id(sync_id: str) -> str:
    """Return `sync_id` if it can be part of a file name; BadInputError otherwise."""
    if not _SYNC_ID.fullmatch(sync_id):
        raise BadInputError(
            f"sync id {sync_id!r}: use 1 to 100 letters, digits, '.', '_' or '-', starting with a letter or digit"
        )
    return sync_id


def check_slot(slot: datetime) -> datetime:
    """Return `slot` in UTC; BadInputError when it has no zone or is no whole second."""
    if slot.utcoffset() is None:
        raise BadInputError(f"slot {slot.isoformat()} has no time zone; give an instant in UTC")
    if slot.microsecond:
        raise BadInputError(f"slot {slot.isoformat()} is not a whole second")
    return slot.astimezone(UTC)


def check_finite(table: str, rows: pa.Table) -> None:
    """Raise StoreError where a float is NaN or infinite.

    Unknown is null here. A NaN would be counted as known, and make every sum over it NaN; who
    builds the rows says which of the two he means, the store does not guess.
    """
    for column in rows.schema:
        if pa.types.is_floating(column.type):
            strange = pc.sum(pc.invert(pc.is_finite(rows.column(column.name))).cast(pa.int64())).as_py()
            if strange:
                raise StoreError(
                    f"{table}: column {column.name!r} has {strange} value(s) that are NaN or infinite; "
                    "what is unknown is stored as null"
                )


@dataclass(slots=True)
class Committer:
    """Writes records for one open store. `clock` gives aware UTC instants."""

    files: Files
    log: Log
    tables: Mapping[str, Table]
    clock: Callable[[], datetime]
    _last_record: tuple[str, str] = field(init=False, default=("", ""))
    _last_known: datetime = field(init=False, default=datetime.min.replace(tzinfo=UTC))

    def commit(self, tables: Mapping[str, pa.Table], *, slot: datetime, writer: str, sync_id: str) -> Commit:
        """Make `tables` durable and visible together; see `Store.commit`."""
        slot = check_slot(slot)
        path = self.log.path(slot, check_sync_id(sync_id))
        rows = {name: checked(self._table(name), tables[name]) for name in sorted(tables)}
        for name, part in rows.items():
            check_finite(name, part)
        try:
            if self.files.exists(path):
                return self._first(path)
            return self._append(rows, slot=slot, writer=writer, sync_id=sync_id)
        except OSError as error:
            raise StoreError(_failure(error, self.files)) from error

    def _append(self, rows: Mapping[str, pa.Table], *, slot: datetime, writer: str, sync_id: str) -> Commit:
        started, started_at, known_at = time.monotonic(), self.clock(), self._now()
        stem = f"{slot.strftime('%H%M%S')}-{sync_id}-{secrets.token_hex(6)}"
        stored: list[StoredFile] = []
        try:
            for name, part in rows.items():
                if part.num_rows:
                    folder = f"hot/{name}/day={day_of(slot)}"
                    stored.append(self.add_file(folder, stem, self.tables[name], part, known_at=known_at))
            self.sync_folders(stored)
            counts = {name: part.num_rows for name, part in rows.items()}
            day, previous = self._last_record
            previous = previous if day == day_of(slot) else ""
            commit = Commit(sync_id, slot, writer, known_at, counts, tuple(stored), previous=previous)
            self.check_fence(started, started_at)
            acknowledged = self.acknowledge(day_of(slot), append_name(slot, sync_id), commit)
        except BaseException:
            # Nothing names these files unless the link was made, and then they must stay.
            if not self.is_linked(self.log.path(slot, sync_id)):
                self.discard(stored)
            raise
        if acknowledged:
            self._last_record = (day_of(slot), append_name(slot, sync_id))
            return commit
        self.discard(stored)
        return self._first(self.log.path(slot, sync_id))

    def add_file(
        self,
        folder: str,
        stem: str,
        table: Table,
        rows: pa.Table,
        *,
        known_at: datetime,
        known_from: datetime | None = None,
    ) -> StoredFile:
        """Write `rows` durably as `folder/stem.parquet`; its name still waits for `sync_folders`."""
        content = encoded(table, rows)
        path = f"{folder}/{stem}.parquet"
        self.files.put(path, content)
        first, last = span(table, rows)
        return StoredFile(
            table=table.name,
            path=path,
            rows=rows.num_rows,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            schema_version=table.version,
            first=first,
            last=last,
            keys=keys_digest(table, rows),
            known_from=known_from or known_at,
            known_at=known_at,
        )

    def sync_folders(self, stored: list[StoredFile]) -> None:
        """Make the names of the files durable."""
        self.files.see_names({one.path.rpartition("/")[0] for one in stored})

    def acknowledge(self, day: str, name: str, record: Commit | Fold) -> bool:
        """Put the record under its name, durably; False when another writer has that name."""
        return self.files.put_if_absent(f"{self.log.folder(day)}/{name}", record_bytes(record))

    def discard(self, stored: list[StoredFile]) -> None:
        """Remove files of ours that no record names; what cannot be removed is swept later."""
        for one in stored:
            with contextlib.suppress(OSError):
                self.files.remove(one.path)

    def _first(self, path: str) -> Commit:
        # Whoever put it may have died before its name was durable: an answer is a promise too.
        self.files.see_names([path.rpartition("/")[0]])
        return self.log.load(path).repeated()

    def is_linked(self, record: str) -> bool:
        """Return whether a record that failed may be there, or come; True when nobody can say."""
        if not self.files.is_certain:
            return True
        try:
            return self.files.exists(record)
        except OSError:
            return True

    def _table(self, name: str) -> Table:
        if name not in self.tables:
            raise StoreError(f"there is no table {name!r}; the tables are {', '.join(sorted(self.tables))}")
        return self.tables[name]

    def _now(self) -> datetime:
        # Strictly later than this process's last commit, so that a clock set back reorders nothing of ours.
        self._last_known = max(self.clock(), self._last_known + timedelta(microseconds=1))
        return self._last_known

    def check_fence(self, started: float, started_at: datetime) -> None:
        """Raise StoreError when work begun then took so long that its files may have been swept."""
        took = max(timedelta(seconds=time.monotonic() - started), self.clock() - started_at)
        if took > FENCE:
            raise StoreError(f"this commit took {took}; it was given up, nothing was stored. Run the cycle again.")


def _failure(error: OSError, files: Files) -> str:
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "free some space"
    elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        remedy = "give this user the right to write there"
    else:
        remedy = files.advice
    return (
        f"the store at {files.root} could not commit: {reason}. "
        f"Nothing was acknowledged; {remedy}, then run the cycle again."
    )
