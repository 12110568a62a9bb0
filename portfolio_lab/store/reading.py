"""Rows out of committed files: verified once a process, kept in memory while they are small."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.files import Files
from portfolio_lab.store.log import Log
from portfolio_lab.store.months import LAID, LaidMonths, Month, months_of
from portfolio_lab.store.parquet import COMMITTED_AT, chained, decoded, joined, time_column
from portfolio_lab.store.questions import Question
from portfolio_lab.store.ranges import RangeFile
from portfolio_lab.store.records import MEND, StoredFile
from portfolio_lab.store.revisions import counting, in_order, newest, stamped

T = TypeVar("T")

SMALL = 1_000_000
"""Files up to this many bytes are kept decoded; larger ones are read with the question's filter."""

_CACHE_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class View:
    """The files of one table that hold what counts, oldest commit first, and the months that they make up."""

    version: tuple[int, int]
    kept: tuple[StoredFile, ...]
    months: tuple[Month, ...]


def columns_by_month(question: Question) -> tuple[str, ...]:
    """Return the columns that are read to follow months up: those asked for, time, and user where he is needed."""
    named = [*question.scan_columns(), *([COMMITTED_AT.name] if COMMITTED_AT.name in question.answer_columns() else [])]
    is_one = question.users is not None and len(question.users) == 1
    spared = "user" if is_one and "user" not in question.answer_columns() else ""
    return tuple(name for name in named if name != spared)


def laid_rows(laid: LaidMonths, question: Question, months: Sequence[Month]) -> list[tuple[Month, pa.Table]]:
    """Return the rows asked for of each month that can be read as it was laid, oldest first."""
    columns, users, found = columns_by_month(question), sorted(set(question.users or ())), []
    for month in months:
        if users and month.is_closed_up and month.overlaps(question.since, question.until):
            told = [laid.rows(question.table, month, user, columns) for user in users]
            parts = [part for part in told if part is not None]
            if len(parts) == len(users):
                found.append((month, _filtered(chained(parts), _late(month, question))))
    return found


def _late(month: Month, question: Question) -> pc.Expression | None:
    return None if month.is_inside(question.since, question.until) else question.times()


def followed(question: Question, laid: Sequence[tuple[Month, pa.Table]], rest: pa.Table) -> pa.Table:
    """Return the rows of laid months, which are in the order of time, and those of the other days, by key."""
    months = [rows for _, rows in laid if rows.num_rows]
    parts = [*months, rest] if rest.num_rows else months
    if not parts:
        return rest
    if len(question.users or ()) == 1 and (
        not rest.num_rows or not months or _follows(rest, months[-1], question.table)
    ):
        return chained(parts)
    return in_order(chained(parts), [name for name in question.table.key if name in parts[0].column_names])


def _follows(rows: pa.Table, before: pa.Table, table: Table) -> bool:
    place = time_column(table)
    return bool(rows.column(place)[0].as_py() > before.column(place)[-1].as_py())


class Reader:
    """Answers questions over the files that the log names."""

    def __init__(self, files: Files, log: Log, tables: Mapping[str, Table]) -> None:
        self._files = files
        self._log = log
        self._tables = tables
        self._verified: set[str] = set()
        self._loaded: OrderedDict[str, pa.Table] = OrderedDict()
        self._loaded_bytes = 0
        self._views: dict[str, View] = {}
        self.months = LaidMonths(files)

    def live(self, table: str) -> list[StoredFile]:
        """Return the files of one table, oldest day first."""
        return [stored for stored in self._log.live() if stored.table == table]

    def view(self, table: str) -> View:
        """Return what counts of one table now; reckoned anew only when the log has grown."""
        days = self._log.days()
        # Asked before the files are: a record that comes in meanwhile is met again by the next reader.
        version = self._log.version, len(days)
        known = self._views.get(table)
        if known is None or known.version != version:
            kept = counting(stored for day in days for stored in day.live if stored.table == table)
            months = months_of(self._tables[table], kept) if table in LAID else ()
            known = self._views[table] = View(version, tuple(kept), months)
            self.months.look_again()
        return known

    def rows(self, question: Question) -> pa.Table:
        """Return the rows asked for, sorted by key."""
        return self.retried(question, self._answer)

    def retried(self, question: Question, work: Callable[[Question], T]) -> T:
        """Return what `work` makes of the files that the log names now.

        A fold may remove a file between the listing and the reading: then the log is read
        again, and names the file that took its place. Errors are told as StoreError.
        """
        for attempt in (1, 2, 3):
            try:
                return work(question)
            except FileNotFoundError as error:
                if attempt == 3:  # noqa: PLR2004 - the third listing names it still: it is lost, not folded
                    name = _relative(error, self._files.root)
                    raise StoreError(
                        f"{question.table.name}: {name} is missing, though a record names it. {MEND}"
                    ) from error
            except OSError as error:
                raise StoreError(
                    f"{question.table.name}: cannot read the store at {self._files.root}: {error}"
                ) from error
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def check(self, stored: StoredFile) -> str:
        """Return what is wrong with a file on the disk now; empty when it is whole."""
        try:
            self._bytes(stored, trusted=False)
        except StoreError as error:
            return str(error)
        except OSError as error:
            return f"{stored.path}: {error.strerror or error}"
        return ""

    def see_whole(self, stored: StoredFile) -> None:
        """Raise StoreError unless a file is what was committed; looked at once a process."""
        if stored.path not in self._verified:
            self._bytes(stored, trusted=False)

    def where(self, stored: StoredFile) -> Path | str:
        """Return what other libraries open: a Path, or a URL in a bucket."""
        return self._files.where(stored.path)

    def opened(self, stored: StoredFile, faults: list[OSError] | None = None) -> RangeFile:
        """Return a file for reading in parts; what goes wrong meanwhile is raised and added to `faults`."""
        return RangeFile(self._files, stored.path, stored.size, faults)

    def load(
        self, stored: StoredFile, filters: pc.Expression | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the rows of one file, verified; only a large file is filtered, as it is read."""
        known = self._loaded.get(stored.path)
        if known is not None:
            return known
        table, where, trusted = self._tables[stored.table], _where(stored), stored.path in self._verified
        if stored.size > SMALL:
            extended = None if columns is None else [*columns, COMMITTED_AT.name]
            # Seen whole once in this process; its pages carry checksums, which are verified as they are read.
            content = self.opened(stored) if trusted else self._bytes(stored, trusted=False)
            return decoded(table, content, where, rows=stored.rows, columns=extended, filters=filters)
        whole = decoded(table, self._bytes(stored, trusted=trusted), where, rows=stored.rows)
        self._keep(stored.path, whole)
        return whole

    def files_for(self, question: Question) -> Sequence[StoredFile]:
        """Return the files that may hold a row which the answer needs, oldest commit first."""
        known = question.known
        if known is None and not question.revisions:
            return question.touched(self.view(question.table.name).kept)
        live = self.live(question.table.name)
        if question.revisions:
            kept = [stored for stored in live if known is None or stored.known_from <= known]
        else:
            kept = counting(live, question.known)
        return question.touched(kept)

    def _answer(self, question: Question) -> pa.Table:
        if question.asks_by_user():
            view = self.view(question.table.name)
            used = laid_rows(self.months, question, view.months)
            return (
                self._with_months(question, view, used)
                if used
                else self._answer_from(question, question.touched(view.kept))
            )
        return self._answer_from(question, self.files_for(question))

    def _with_months(self, question: Question, view: View, laid: Sequence[tuple[Month, pa.Table]]) -> pa.Table:
        inside = {stored.path for month, _ in laid for stored in month.sources}
        files = [stored for stored in question.touched(view.kept) if stored.path not in inside]
        wanted = replace(question, columns=columns_by_month(question))
        rest = self._answer_from(wanted, files)
        return followed(question, laid, rest).select(list(question.answer_columns()))

    def _answer_from(self, question: Question, files: Sequence[StoredFile]) -> pa.Table:
        table, filters, columns = question.table, question.scan_filters(), question.scan_columns()
        parts: Iterator[pa.Table] = (self._part(stored, filters, columns, question) for stored in files)
        rows = joined(table, [part for part in parts if part.num_rows], columns, stamped=question.needs_stamps())
        rows = _filtered(_filtered(rows, filters), question.known_filter())
        if question.revisions:
            order = [*table.key, COMMITTED_AT.name] if question.needs_stamps() else table.key
            rows = in_order(_filtered(rows, question.filters()), order)
        elif table.latest:
            rows = _filtered(newest(table, rows), question.filters())
        else:
            rows = in_order(rows, table.key)
        return rows.select(list(question.answer_columns()))

    def _part(
        self, stored: StoredFile, filters: pc.Expression | None, columns: list[str], question: Question
    ) -> pa.Table:
        rows = self._newest_of(stored) if question.asks_newest() else self.load(stored, filters, columns)
        if not question.needs_stamps():
            return rows.select(columns)
        return stamped(rows, stored).select([*columns, COMMITTED_AT.name])

    def _newest_of(self, stored: StoredFile) -> pa.Table:
        """Return what one file tells last of each key: reckoned once, since an hour of states holds sixty a user."""
        name = f"{stored.path} newest"
        known = self._loaded.get(name)
        if known is None:
            known = newest(self._tables[stored.table], stamped(self.load(stored), stored))
            self._keep(name, known)
        return known

    def _bytes(self, stored: StoredFile, *, trusted: bool) -> bytes:
        if stored.schema_version > self._tables[stored.table].version:
            raise StoreError(
                f"{_where(stored)} has schema version {stored.schema_version}; "
                f"this portfolio-lab knows {self._tables[stored.table].version}. Upgrade it."
            )
        content = self._files.read(stored.path)
        if trusted:
            return content
        if len(content) != stored.size or hashlib.sha256(content).hexdigest() != stored.sha256:
            raise StoreError(f"{_where(stored)} is damaged: it is not what {_record_of(stored)} committed. {MEND}")
        self._verified.add(stored.path)
        return content

    def _keep(self, path: str, rows: pa.Table) -> None:
        if self._loaded.setdefault(path, rows) is not rows:
            return  # another thread was quicker
        self._loaded_bytes += rows.nbytes
        while self._loaded_bytes > _CACHE_BYTES:
            _, oldest = self._loaded.popitem(last=False)
            self._loaded_bytes -= oldest.nbytes


def _filtered(rows: pa.Table, filters: pc.Expression | None) -> pa.Table:
    return rows if filters is None else rows.filter(filters)


def _where(stored: StoredFile) -> str:
    day = stored.path.split("/")[2].partition("=")[2]
    return f"table {stored.table}, day {day}: file {stored.path}"


def _record_of(stored: StoredFile) -> str:
    room, _, folder, name = stored.path.split("/")
    day, stem = folder.partition("=")[2], name.rpartition("-")[0]
    return f"log/{day}/a-{stem}.json" if room == "hot" else f"log/{day}/f-{stem[2:]}.json"


def _relative(error: FileNotFoundError, root: Path | str) -> str:
    return str(error.filename or "a file").removeprefix(f"{root}/")
