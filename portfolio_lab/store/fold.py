"""Folding: the many small files of a closed day become one sealed, sorted file a table.

A fold is a record like a commit: it adds the sealed files and removes those that are inside.
Everything that folds a day competes for the same sequence of record names, so of two folders
at once one wins and the other throws its work away. Nothing is deleted but what a committed
record supersedes, and that only after a grace in which slow readers finish.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.commit import Committer
from portfolio_lab.store.files import Files
from portfolio_lab.store.log import Log, LogDay, fold_name
from portfolio_lab.store.parquet import COMMITTED_AT, joined
from portfolio_lab.store.reading import Reader, last_of_key, stamped
from portfolio_lab.store.records import Fold, StoredFile

GRACE = timedelta(minutes=10)
ORPHAN_AGE = timedelta(hours=24)
"""Much longer than the fence of a commit, so that no live writer's file is ever an orphan."""


@dataclass(slots=True)
class Folding:
    """Folds and sweeps one open store."""

    files: Files
    log: Log
    reader: Reader
    committer: Committer
    tables: Mapping[str, Table]

    def fold(self, today: date) -> list[Fold]:
        """Return the folds made of all days before `today` that have unfolded commits."""
        closed = [day for day in self.log.days() if day.day < today.isoformat() and day.uncovered()]
        return [fold for day in closed if (fold := self._fold_day(day)) is not None]

    def _fold_day(self, day: LogDay) -> Fold | None:
        sequence = day.next_sequence()
        try:
            return self._attempt(day, sequence)
        except FileNotFoundError:
            if self.log.day(day.day).next_sequence() == sequence:
                raise
            return None  # another process folded the day and swept its files meanwhile

    def _attempt(self, day: LogDay, sequence: int) -> Fold | None:
        started, started_at = time.monotonic(), self.committer.clock()
        names = tuple(day.uncovered())
        removed = day.removed()  # by a repair: what is damaged stands in quarantine
        inputs = [one for name in names for one in self.log.commit(day, name).files if one.path not in removed]
        adds: list[StoredFile] = []
        try:
            # Each file is in `adds` as soon as it is written, for the clearing up below.
            adds.extend(
                self._seal(day.day, sequence, [stored for stored in inputs if stored.table == name])
                for name in sorted({stored.table for stored in inputs})
            )
            self.committer.sync_folders(adds)
            removes = tuple(stored.path for stored in inputs)
            fold = Fold(day.day, sequence, started_at, names, removes, tuple(adds))
            self.committer.check_fence(started, started_at)
            won = self.committer.acknowledge(day.day, fold_name(sequence), fold)
        except BaseException:
            if not self.committer.is_linked(f"{self.log.folder(day.day)}/{fold_name(sequence)}"):
                self.committer.discard(adds)
            raise
        if not won:
            self.committer.discard(adds)
        return fold if won else None

    def _seal(self, day: str, sequence: int, inputs: list[StoredFile]) -> StoredFile:
        table = self.tables[inputs[0].table]
        rows = sealed_rows(table, inputs, [self.reader.load(stored) for stored in inputs])
        stem = f"f-{sequence:06d}-{secrets.token_hex(6)}"
        folder = f"sealed/{table.name}/date={day}"
        known_from, known_at = min(one.known_from for one in inputs), max(one.known_at for one in inputs)
        if table.latest:
            known_from = pc.min(rows.column(COMMITTED_AT.name)).as_py()
        stored = self.committer.add_file(folder, stem, table, rows, known_at=known_at, known_from=known_from)
        if fault := self.reader.check(stored):
            self.committer.discard([stored])
            raise StoreError(f"folding {day} was given up: {fault}")
        return stored

    def sweep(self, now: datetime, *, grace: timedelta = GRACE, orphan_age: timedelta = ORPHAN_AGE) -> int:
        """Delete superseded and forgotten files, and return how many there were."""
        return sum(self._sweep_day(day, now, grace, orphan_age) for day in self.log.days())

    def _sweep_day(self, day: LogDay, now: datetime, grace: timedelta, orphan_age: timedelta) -> int:
        ripe = {path for fold in day.folds.values() if now - fold.known_at >= grace for path in fold.removes}
        named = {stored.path for stored in day.live} | {path for fold in day.folds.values() for path in fold.removes}
        folders = [f"hot/{name}/day={day.day}" for name in self.tables]
        folders += [f"sealed/{name}/date={day.day}" for name in self.tables]
        swept = 0
        for folder in [*folders, self.log.folder(day.day)]:
            for name in self.files.names(folder):
                path = f"{folder}/{name}"
                forgotten = path not in named and not (folder.startswith("log/") and not name.startswith("."))
                if path in ripe or (forgotten and self._older(path, now - orphan_age)):
                    self.files.remove(path)
                    swept += 1
        return swept

    def _older(self, path: str, limit: datetime) -> bool:
        try:
            return self.files.modified_ns(path) < limit.timestamp() * 1e9
        except FileNotFoundError:
            return False


def sealed_rows(table: Table, inputs: list[StoredFile], parts: list[pa.Table]) -> pa.Table:
    """Return the rows of one sealed file, sorted by key; StoreError when a row went missing.

    Of a `latest` table only the last row of each key is kept, with the time of its commit: an
    older one can never count again.
    """
    if table.latest:
        parts = [stamped(part, stored) for part, stored in zip(parts, inputs, strict=True)]
    rows = joined(table, parts)
    expected = sum(stored.rows for stored in inputs)
    if rows.num_rows != expected:
        raise StoreError(f"folding {table.name} was given up: {expected} rows went in, {rows.num_rows} came out")
    if table.latest:
        keys = rows.group_by(list(table.key)).aggregate([]).num_rows
        rows = last_of_key(table, rows)
        if rows.num_rows != keys:
            raise StoreError(f"folding {table.name} was given up: {keys} keys went in, {rows.num_rows} came out")
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in table.key])
    return rows.take(order)
