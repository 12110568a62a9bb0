"""Folding: the many small files of an hour become one, and those of a closed day one sealed file a table.

A fold is a record like a commit: it adds the new files and removes those that are inside.
Everything that folds a day, hour or day, competes for the same sequence of record names, so of
two folders at once one wins and the other throws its work away. Nothing is deleted but what a
committed record supersedes, and that only after a grace in which slow readers finish.

Folding keeps every row that was ever committed, and when it was: sealed files hold the rows that
count, `revisions/` those that they supersede.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.commit import Committer
from portfolio_lab.store.files import Files
from portfolio_lab.store.log import Log, LogDay, fold_name
from portfolio_lab.store.parquet import COMMITTED_AT, joined, time_column
from portfolio_lab.store.reading import Reader
from portfolio_lab.store.records import Fold, StoredFile
from portfolio_lab.store.revisions import FOLDER as REVISIONS
from portfolio_lab.store.revisions import in_order, split, stamped
from portfolio_lab.store.versions import tell_schemas

GRACE = timedelta(minutes=10)
ORPHAN_AGE = timedelta(hours=24)
"""Much longer than the fence of a commit, so that no live writer's file is ever an orphan."""

HOUR_CLOSES_AFTER = timedelta(minutes=5)
"""How long after its end an hour is rolled: cycles that run late are mostly in by then."""

WORTH_ROLLING = 12
"""Fewer small commits than this are left for a later fold: one more file would spare little."""

UNSEALED = ("hot/", "warm/")
"""Where the files of a day lie until it is sealed."""

MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Step:
    """What one fold takes in: append records and files of one day, and whether that seals the day."""

    names: tuple[str, ...]
    inputs: tuple[StoredFile, ...]
    seals: bool


@dataclass(slots=True)
class Folding:
    """Folds and sweeps one open store."""

    files: Files
    log: Log
    reader: Reader
    committer: Committer
    tables: Mapping[str, Table]
    _ends_at: float = field(init=False, default=float("inf"))

    def fold(self, today: date, *, now: datetime, budget_seconds: float | None = None) -> list[Fold]:
        """Return the folds made: closed days are sealed, then the closed hours of open days rolled.

        Args:
            today: a day is closed when it is before this one.
            now: an hour is closed when it was over a few minutes before.
            budget_seconds: no step is begun later than this; None for no limit.
        """
        self._ends_at = float("inf") if budget_seconds is None else time.monotonic() + budget_seconds
        days = [day.day for day in self.log.days()]
        closed = [day for day in days if day < today.isoformat()]
        return [*self._sealed(closed), *self._rolled([day for day in days if day not in closed], now)]

    def _sealed(self, days: list[str]) -> Iterator[Fold]:
        for name in days:
            if not self._has_time():
                return
            sequence, step = self._step(name, None)
            if step is not None and (fold := self._fold(name, sequence, step)) is not None:
                yield fold

    def _rolled(self, days: list[str], now: datetime) -> Iterator[Fold]:
        for name in days:
            lost = 0
            while self._has_time() and lost < MOST_TRIES:
                sequence, step = self._step(name, now)
                if step is None:
                    break
                fold = self._fold(name, sequence, step)
                lost += fold is None
                if fold is not None:
                    yield fold

    def _has_time(self) -> bool:
        return time.monotonic() < self._ends_at

    def _step(self, name: str, now: datetime | None) -> tuple[int, Step | None]:
        """Return the number that the day's next fold must win, and what it takes in; without `now` it seals."""
        day = self.log.day(name)
        # The number first: whoever folds meanwhile takes it, and what is read below is thrown away.
        sequence = day.next_sequence()
        return sequence, self._seal_step(day) if now is None else self._roll_step(day, now)

    def _seal_step(self, day: LogDay) -> Step | None:
        names = tuple(day.uncovered())
        inputs = tuple(stored for stored in day.live if stored.path.startswith(UNSEALED))
        return Step(names, inputs, seals=True) if names or inputs else None

    def _roll_step(self, day: LogDay, now: datetime) -> Step | None:
        """Return the oldest hours that are worth a fold: whole ones, until there are enough commits."""
        limit = (now - HOUR_CLOSES_AFTER).strftime("%Y-%m-%dT%H")
        chosen: list[str] = []
        hour = ""
        for name in day.uncovered():
            if name[2:4] != hour and len(chosen) >= WORTH_ROLLING:
                break
            hour = name[2:4]
            if f"{day.day}T{hour}" >= limit:
                break
            chosen.append(name)
        if len(chosen) < WORTH_ROLLING:
            return None
        removed = day.removed()  # by a repair: what is damaged stands in quarantine
        inputs = [one for name in chosen for one in self.log.commit(day, name).files if one.path not in removed]
        return Step(tuple(chosen), tuple(inputs), seals=False)

    def _fold(self, day: str, sequence: int, step: Step) -> Fold | None:
        try:
            return self._attempt(day, sequence, step)
        except FileNotFoundError:
            if self.log.day(day).next_sequence() == sequence:
                raise
            return None  # another process folded the day and swept its files meanwhile

    def _attempt(self, day: str, sequence: int, step: Step) -> Fold | None:
        started, started_at = time.monotonic(), self.committer.clock()
        adds: list[StoredFile] = []
        try:
            for name in sorted({stored.table for stored in step.inputs}):
                inputs = [stored for stored in step.inputs if stored.table == name]
                # Each file is in `adds` as soon as it is written, for the clearing up below.
                adds.extend(self._written(day, sequence, inputs, seals=step.seals))
            self.committer.sync_folders(adds)
            removes = tuple(stored.path for stored in step.inputs)
            fold = Fold(day, sequence, started_at, step.names, removes, tuple(adds))
            self.committer.check_fence(started, started_at)
            won = self.committer.acknowledge(day, fold_name(sequence), fold)
        except BaseException:
            if not self.committer.is_linked(f"{self.log.folder(day)}/{fold_name(sequence)}"):
                self.committer.discard(adds)
            raise
        if not won:
            self.committer.discard(adds)
            return None
        if step.seals:
            tell_schemas(self.files, [self.tables[name] for name in sorted({one.table for one in adds})])
        return fold

    def _written(self, day: str, sequence: int, inputs: list[StoredFile], *, seals: bool) -> Iterator[StoredFile]:
        table = self.tables[inputs[0].table]
        rows = folded_rows(table, inputs, [self.reader.load(stored) for stored in inputs])
        if not seals:
            yield self._file(f"warm/{table.name}/day={day}", sequence, table, rows, inputs)
            return
        counts, superseded = split(table, rows) if table.latest else (rows, rows.slice(0, 0))
        check_split(table, rows, counts, superseded)
        yield self._file(f"sealed/{table.name}/date={day}", sequence, table, by_owner_and_time(table, counts), inputs)
        if superseded.num_rows:
            folder = f"{REVISIONS}/{table.name}/day={day}"
            yield self._file(folder, sequence, table, by_owner_and_time(table, superseded), inputs)

    def _file(self, folder: str, sequence: int, table: Table, rows: pa.Table, inputs: list[StoredFile]) -> StoredFile:
        stamps = rows.column(COMMITTED_AT.name)
        known_from, known_at = pc.min(stamps).as_py(), pc.max(stamps).as_py()
        stem = f"f-{sequence:06d}-{secrets.token_hex(6)}"
        stored = self.committer.add_file(folder, stem, table, rows, known_at=known_at, known_from=known_from)
        if fault := self.reader.check(stored):
            self.committer.discard([stored])
            raise StoreError(f"folding {_days_of(inputs)} was given up: {fault}")
        return stored

    def sweep(
        self, now: datetime, *, grace: timedelta = GRACE, orphan_age: timedelta = ORPHAN_AGE, is_whole: bool = True
    ) -> int:
        """Delete superseded and forgotten files, and return how many there were.

        Unless it `is_whole`, days are passed over that nobody has folded for two days: looking
        into all folders of many years would take longer than a cycle has.
        """
        days = (day for day in self.log.days() if is_whole or _is_fresh(day, now))
        return sum(self._sweep_day(day, now, grace, orphan_age) for day in days)

    def _sweep_day(self, day: LogDay, now: datetime, grace: timedelta, orphan_age: timedelta) -> int:
        ripe = {path for fold in day.folds.values() if now - fold.known_at >= grace for path in fold.removes}
        named = {stored.path for stored in day.live} | {path for fold in day.folds.values() for path in fold.removes}
        private = ("hot", "warm", REVISIONS)
        folders = [f"{room}/{name}/day={day.day}" for name in self.tables for room in private]
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


def _is_fresh(day: LogDay, now: datetime) -> bool:
    return bool(day.uncovered()) or any(now - fold.known_at < 2 * ORPHAN_AGE for fold in day.folds.values())


def folded_rows(table: Table, inputs: list[StoredFile], parts: list[pa.Table]) -> pa.Table:
    """Return all rows of the inputs by owner and time, each with the time of its commit.

    StoreError when a row went missing.
    """
    rows = joined(table, [stamped(part, stored) for part, stored in zip(parts, inputs, strict=True)])
    expected = sum(stored.rows for stored in inputs)
    if rows.num_rows != expected:
        raise StoreError(f"folding {table.name} was given up: {expected} rows went in, {rows.num_rows} came out")
    return by_owner_and_time(table, rows)


def by_owner_and_time(table: Table, rows: pa.Table) -> pa.Table:
    """Return `rows` sorted by user, then by time, then by the rest of the key, then by commit."""
    names = [*(["user"] if "user" in table.schema.names else []), time_column(table), *table.key, COMMITTED_AT.name]
    return in_order(rows, list(dict.fromkeys(names)))


def check_split(table: Table, rows: pa.Table, counts: pa.Table, superseded: pa.Table) -> None:
    """Raise StoreError unless every row is in one of the two parts, and each key once in `counts`."""
    keys = rows.group_by(list(table.key)).aggregate([]).num_rows if table.latest else rows.num_rows
    if counts.num_rows != keys or counts.num_rows + superseded.num_rows != rows.num_rows:
        raise StoreError(
            f"folding {table.name} was given up: {rows.num_rows} rows of {keys} keys went in, "
            f"{counts.num_rows} and {superseded.num_rows} superseded ones came out"
        )


def _days_of(inputs: list[StoredFile]) -> str:
    return inputs[0].path.split("/")[2].partition("=")[2]
