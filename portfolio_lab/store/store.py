"""The store: facts on disk, appended atomically, read by whoever needs them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa

from portfolio_lab.errors import BadInputError, MissingStoreError, StoreError
from portfolio_lab.models.tables import PORTFOLIO_SNAPSHOTS, TABLES, Table
from portfolio_lab.store.commit import Committer, check_slot, check_sync_id
from portfolio_lab.store.files import Files, files_at
from portfolio_lab.store.fold import GRACE, Folding
from portfolio_lab.store.hours import HOURLY_COLUMNS, Hours, hours_of
from portfolio_lab.store.laying import Laying
from portfolio_lab.store.log import Log
from portfolio_lab.store.manifest import Chain
from portfolio_lab.store.parts import Parts
from portfolio_lab.store.quarantine import check_known
from portfolio_lab.store.query import Source, answer
from portfolio_lab.store.questions import asked
from portfolio_lab.store.reading import Reader
from portfolio_lab.store.records import Commit, Fold
from portfolio_lab.store.sources import source_of
from portfolio_lab.store.versions import refuse_newer

STORE_FORMAT = 1
_MARKER = "store.json"
_KIND = "portfolio-lab store"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """One folder of immutable parquet files and the log that says which of them count.

    Any number of processes may read and commit at the same time. Reading needs no right to
    write. One object may be shared by threads that read.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        files: Files | None = None,
        tables: Mapping[str, Table] = TABLES,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._files = files or files_at(root)
        self.root = self._files.root
        self._tables = tables
        self._clock = clock
        self._log = Log(self._files)
        self._reader = Reader(self._files, self._log, tables)
        self._committer = Committer(self._files, self._log, tables, clock)
        self._hour_of_versions = ""

    @classmethod
    def create(cls, path: Path | str, *, files: Files | None = None) -> Store:
        """Return a new, empty store at `path`: a folder, made where it is missing, or 's3://bucket/prefix'.

        Raises:
            BadInputError: the folder holds something already.
            StoreError: the folder cannot be written.
        """
        port = files or files_at(path)
        try:
            port.prepare()
            _check_empty(port)
            _write_marker(port)
        except OSError as error:
            raise StoreError(f"cannot create a store at {port.root}: {error.strerror or error}") from error
        return cls(port.root, files=port)

    @classmethod
    def open(cls, path: Path | str, *, files: Files | None = None, tables: Mapping[str, Table] = TABLES) -> Store:
        """Return the store at `path`. Nothing is written.

        Raises:
            MissingStoreError: there is none.
            StoreError: the folder is no store, or one of a newer portfolio-lab.
        """
        port = files or files_at(path)
        try:
            marker = port.read(_MARKER)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingStoreError(f"there is no store at {port.root}; make one with `portfolio-lab init`") from error
        except OSError as error:
            raise StoreError(f"cannot read the store at {port.root}: {error.strerror or error}") from error
        _check_marker(port, marker)
        return cls(port.root, files=port, tables=tables)

    def commit(self, tables: Mapping[str, pa.Table], *, slot: datetime, writer: str, sync_id: str) -> Commit:
        """Make the rows of all `tables` durable and visible together, and return the commit.

        When this returns, the rows survive a power cut. The same `sync_id` and `slot` a second
        time returns the first commit (`is_new` False) and writes nothing, whatever the rows are.

        Raises:
            BadInputError: the sync id cannot be part of a file name, or the slot is naive or
                no whole second.
            StoreError: a table does not match its schema, the store holds a newer schema than this
                portfolio-lab knows, or the disk refused; nothing was acknowledged, and running
                the cycle again is safe.
        """
        hour = f"{check_slot(slot):%Y-%m-%dT%H}"
        if hour != self._hour_of_versions:
            refuse_newer(self._files, self._log, self._tables)
            self._hour_of_versions = hour
        return self._committer.commit(tables, slot=slot, writer=writer, sync_id=sync_id)

    def has(self, sync_id: str, slot: datetime) -> bool:
        """Return whether the commit of `sync_id` at `slot` is there."""
        path = self._log.path(check_slot(slot), check_sync_id(sync_id))
        with _readable(self.root):
            return self._files.exists(path)

    def commits(self) -> list[Commit]:
        """Return every commit, oldest slot first; StoreError when a record is damaged."""
        with _readable(self.root):
            return self._log.commits()

    def files(self, table: str) -> list[Path | str]:
        """Return the committed parquet files of a table; of a `latest` table with all its revisions.

        Paths on a disk, 's3://' URLs in a bucket: pandas, polars and Arrow open both.
        """
        self._table(table)
        with _readable(self.root):
            return [self._files.where(stored.path) for stored in self._reader.live(table)]

    def read(
        self,
        table: str,
        *,
        users: Iterable[str] | str | None = None,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        columns: Iterable[str] | None = None,
        known: datetime | None = None,
    ) -> pa.Table:
        """Return the committed rows of a table, sorted by its key.

        Args:
            table: name in `models.tables.TABLES`.
            users: only rows of these users; None for all.
            since: from this instant on, in `slot`, or `at` or `day` where there is no slot.
            until: before this instant.
            columns: these columns in this order, `committed_at` (when each row became known) too
                if it is named; None for all of the schema.
            known: as the rows were known at this instant: those committed by then. Folding
                changes nothing of that; a commit still under way at that instant may come in.

        Returns:
            The columns of the schema. Of a `latest` table one row a key: the one committed last.

        Raises:
            BadInputError: there is no such table or column, or an instant is naive.
            StoreError: a file is missing, damaged, or of a newer schema.
        """
        return self._reader.rows(asked(self._table(table), users, since, until, columns, known=known))

    def revisions(
        self,
        table: str,
        *,
        users: Iterable[str] | str | None = None,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        columns: Iterable[str] | None = None,
        known: datetime | None = None,
    ) -> pa.Table:
        """Return every row that was ever committed, by key and then by `committed_at`, its last column.

        The arguments and errors are those of `read`. Nothing is left out here: of a `latest` table
        a key has as many rows as it was written, and the last of them is what `read` returns.
        """
        question = asked(self._table(table), users, since, until, columns, known=known, revisions=True)
        return self._reader.rows(question)

    def sql(
        self,
        query: str,
        parameters: Sequence[object] | Mapping[str, object] | None = None,
        *,
        known: datetime | None = None,
    ) -> pd.DataFrame:
        """Return the answer to one SELECT in DuckDB's SQL; every table is a view by its name.

        The views hold committed rows, `latest` tables one row a key, as they were known at
        `known` where it is given. Decimals arrive as float64.

        Raises:
            BadInputError: the query is wrong, or does more than read.
            StoreError: a file is missing, damaged, or of a newer schema.
        """

        def source(name: str) -> Source:
            question = asked(self._table(name), None, None, None, None, known=known)
            return self._reader.retried(question, lambda one: source_of(self._reader, one))

        return answer(query, parameters, list(self._tables), source)

    def hours(
        self,
        *,
        users: Iterable[str] | str | None = None,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        known: datetime | None = None,
    ) -> pa.Table:
        """Return open, high, low and close of equity by hour, of complete snapshots: `store.hours.HOURS`.

        Sealed days are reckoned by the fold and read from few bytes; other days are reckoned here. An hour
        without a complete snapshot has no row. Arguments and errors are those of `read`; asked as of
        `known`, all are reckoned here.
        """
        question = asked(PORTFOLIO_SNAPSHOTS, users, since, until, HOURLY_COLUMNS, known=known)
        if known is not None:
            return hours_of(self._reader.rows(question))
        with _readable(self.root):
            return Hours(self._files, self._reader).rows(question.users, question.since, question.until)

    def verify(self) -> list[str]:
        """Return a sentence for each committed file that is missing or damaged; empty when all is whole."""
        with _readable(self.root):
            return [fault for stored in self._log.live() if (fault := self._reader.check(stored))]

    def fold(
        self, *, today: date | None = None, grace: timedelta = GRACE, budget_seconds: float | None = None
    ) -> list[Fold]:
        """Roll closed hours and seal closed days, each into one file a table; return the folds made.

        A day is closed once it is before `today` (UTC; now by default). A later commit into it
        is sealed by the next fold, beside what is there. Of later days the hours that are over
        are rolled. Files that a fold of at least `grace` ago superseded are deleted; so is what
        a crash left behind more than a day ago. Any number of processes may fold, read and
        commit at the same time. With `budget_seconds` no step is begun later than that, and only
        days that were folded a short while ago are cleared up; the rest is for the next time.

        `pd.read_parquet(store / "sealed" / table)` reads the closed days, sorted by user and
        time, with `committed_at`: when each row became known. Of a `latest` table each day holds
        one row a key, and the newest of all days counts; what those rows supersede is kept in
        `revisions/`. A sealed day is then pinned by a manifest. Of months that are over, snapshots are
        laid out once more by user (`months/`), from which `read` answers for users that are named.

        Raises:
            StoreError: a file is missing or damaged, or the disk refused; what is there stays.
        """
        folding = Folding(self._files, self._log, self._reader, self._committer, self._tables)
        now, ends_at = self._clock(), time.monotonic() + (float("inf") if budget_seconds is None else budget_seconds)
        try:
            folds = folding.fold(today or now.date(), now=now, budget_seconds=budget_seconds)
            Chain(self._files, self._log, self._clock).lengthen(today or now.date())
            Hours(self._files, self._reader).lay(folds if budget_seconds is not None else None)
            folding.sweep(now, grace=grace, is_whole=budget_seconds is None)
            laying = Laying(self._files, self._reader, self._tables, ends_at)
            laying.lay(today or now.date(), is_whole=budget_seconds is None)
        except OSError as error:
            raise StoreError(
                f"cannot fold the store at {self.root}: {error.strerror or error}. Nothing was lost; fold again later."
            ) from error
        return folds

    def check_known(self, table: str, user: str | None, slot: datetime) -> None:
        """Raise StoreError when rows of that table and slot were damaged and set aside: what is left is not all."""
        with _readable(self.root):
            check_known(self._files, table, user, slot)

    def parts(self) -> Parts:
        """Return what the store is made of, for those that look after it."""
        return Parts(self._files, self._log, self._reader, self._committer, self._tables, self._clock)

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            raise BadInputError(f"there is no table {name!r}; the tables are {', '.join(sorted(self._tables))}")
        return self._tables[name]


@contextlib.contextmanager
def _readable(root: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot read the store at {root}: {error.strerror or error}; check the disk") from error


def _check_empty(files: Files) -> None:
    names = files.names("")
    if _MARKER in names:
        raise BadInputError(f"there is a store at {files.root} already; open it")
    if [name for name in names if not name.startswith(".")]:
        raise BadInputError(f"{files.root} is not empty; give a new folder for the store")


def _write_marker(files: Files) -> None:
    content = json.dumps({"kind": _KIND, "format": STORE_FORMAT}).encode() + b"\n"
    if not files.put_if_absent(_MARKER, content):
        raise BadInputError(f"there is a store at {files.root} already; open it")


def _check_marker(files: Files, content: bytes) -> None:
    try:
        marker = json.loads(content)
    except ValueError:
        marker = None
    if (
        not isinstance(marker, dict)
        or marker.get("kind") != _KIND
        or not isinstance(marker.get("format"), int)
        or marker["format"] < 1
    ):
        raise StoreError(
            f"{files.where(_MARKER)} is not the marker of a store. Restore it from a backup or give another folder."
        )
    if marker["format"] > STORE_FORMAT:
        raise StoreError(
            f"the store at {files.root} has format {marker['format']}; "
            f"this portfolio-lab knows {STORE_FORMAT}. Upgrade it."
        )
