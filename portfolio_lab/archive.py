"""The store's rows as pandas frames, read again only when something was committed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import pandas as pd
import pyarrow as pa

T = TypeVar("T")

_NEXT = timedelta(microseconds=1)


class _Commit(Protocol):
    @property
    def sync_id(self) -> str: ...
    @property
    def slot(self) -> datetime: ...
    @property
    def known_at(self) -> datetime: ...


class Facts(Protocol):
    """What a store must answer to be read by a lab: `portfolio_lab.store.Store` does."""

    def commits(self) -> Iterable[_Commit]: ...  # noqa: D102 - documented where it is written

    def read(  # noqa: D102 - the same
        self,
        table: str,
        *,
        users: Iterable[str] | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Iterable[str] | None = None,
        known: datetime | None = None,
    ) -> pa.Table: ...

    def revisions(  # noqa: D102 - the same
        self,
        table: str,
        *,
        users: Iterable[str] | str | None = None,
        known: datetime | None = None,
    ) -> pa.Table: ...

    def check_known(self, table: str, user: str | None, slot: datetime) -> None: ...  # noqa: D102 - the same

    def hours(  # noqa: D102 - the same
        self, *, users: Iterable[str] | str | None = None, known: datetime | None = None
    ) -> pa.Table: ...

    def sql(  # noqa: D102 - the same
        self, query: str, parameters: list[object] | None = None, *, known: datetime | None = None
    ) -> pd.DataFrame: ...


class AsKnown:
    """A store as it was known at an instant: what was committed later is not there."""

    def __init__(self, store: Facts, known: datetime) -> None:
        self._store = store
        self._known = known

    def _then(self, known: datetime | None) -> datetime:
        return self._known if known is None else min(known, self._known)

    def commits(self) -> Iterable[_Commit]:
        """Return the commits that were made by then."""
        return [commit for commit in self._store.commits() if commit.known_at <= self._known]

    def read(
        self,
        table: str,
        *,
        users: Iterable[str] | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Iterable[str] | None = None,
        known: datetime | None = None,
    ) -> pa.Table:
        """Return what `Store.read` returned then."""
        then = self._then(known)
        return self._store.read(table, users=users, since=since, until=until, columns=columns, known=then)

    def revisions(
        self, table: str, *, users: Iterable[str] | str | None = None, known: datetime | None = None
    ) -> pa.Table:
        """Return every row that had been committed by then."""
        return self._store.revisions(table, users=users, known=self._then(known))

    def check_known(self, table: str, user: str | None, slot: datetime) -> None:
        """Raise StoreError when rows of that slot are lost: then as now."""
        self._store.check_known(table, user, slot)

    def hours(self, *, users: Iterable[str] | str | None = None, known: datetime | None = None) -> pa.Table:
        """Return the hours of equity as they were known then."""
        return self._store.hours(users=users, known=self._then(known))

    def sql(self, query: str, parameters: list[object] | None = None, *, known: datetime | None = None) -> pd.DataFrame:
        """Return the answer of then."""
        return self._store.sql(query, parameters, known=self._then(known))


class Archive:
    """Frames out of a store, kept until the next commit.

    Long histories are kept across commits too: of those only the rows after the newest known
    slot are read, unless a commit was added to the past.
    """

    def __init__(self, store: Facts) -> None:
        self.store = store
        self._seen: frozenset[tuple[str, datetime]] = frozenset()
        self._newest: datetime | None = None
        self._results: dict[Hashable, object] = {}
        self._histories: dict[Hashable, tuple[pd.DataFrame, datetime | None]] = {}

    def refresh(self) -> None:
        """Forget what a new commit may have changed. Costs one look at the log."""
        found = list(self.store.commits())
        if len(found) == len(self._seen):  # commits are only ever added
            return
        commits = {(commit.sync_id, commit.slot) for commit in found}
        fresh = commits - self._seen
        self._results.clear()
        # A repair may take a damaged commit out: then nothing is fresh, and the past has changed.
        if self._newest is None or min((slot for _, slot in fresh), default=self._newest) <= self._newest:
            self._histories.clear()
        self._seen = frozenset(commits)
        self._newest = max(slot for _, slot in commits)

    def once(self, key: Hashable, build: Callable[[], T]) -> T:
        """Return what `build` gives, built once between two commits. It must not be changed by the caller."""
        if key not in self._results:
            self._results[key] = build()
        return self._results[key]  # type: ignore[return-value]

    def span(self) -> timedelta:
        """Return the time from the first slot that was ever committed to the last."""
        slots = [slot for _, slot in self._seen]
        return max(slots) - min(slots) if slots else timedelta(0)

    def holds(self, key: Hashable) -> bool:
        """Return whether `once` has the result of this key already."""
        return key in self._results

    def rows(
        self,
        table: str,
        *,
        user: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Return committed rows as a frame: amounts float64, instants UTC, dates as `date`."""
        users = None if user is None else [user]
        found = self.store.read(table, users=users, since=since, until=until, columns=columns)
        return frame_from(found)

    def at_slot(self, table: str, user: str | None, slot: datetime) -> pd.DataFrame:
        """Return the rows of one slot; StoreError when some of them were damaged and set aside."""
        self.store.check_known(table, user, slot)
        return self.rows(table, user=user, since=slot, until=slot + _NEXT)

    def history(
        self,
        table: str,
        *,
        user: str | None = None,
        columns: Iterable[str],
        only: tuple[str, str] | None = None,
    ) -> pd.DataFrame:
        """Return the columns of all rows by rising slot, reading only what is new since the last call.

        Args:
            table: one with a `slot`.
            user: whose rows.
            columns: which columns, `slot` among them.
            only: (column, value) that rows must have.
        """
        columns = tuple(columns)
        key = (table, user, columns, only)
        known, newest = self._histories.get(key, (None, None))
        if known is not None and newest == self._newest:
            return known
        since = None if newest is None else newest + _NEXT
        fresh = self.rows(table, user=user, since=since, columns=columns)
        if only is not None:
            fresh = fresh[fresh[only[0]] == only[1]]
        fresh = fresh.sort_values("slot", kind="stable")
        whole = fresh if known is None else pd.concat([known, fresh])
        self._histories[key] = (whole.reset_index(drop=True), self._newest)
        return self._histories[key][0]

    def sql(self, query: str) -> pd.DataFrame:
        """Return the answer to one SELECT."""
        return self.store.sql(query)


def frame_from(rows: pa.Table) -> pd.DataFrame:
    """Return stored rows as a frame; exact decimals become float64 here, once."""
    for place, column in enumerate(rows.schema):
        if pa.types.is_decimal(column.type):
            rows = rows.set_column(place, column.name, rows.column(place).cast(pa.float64()))
    frame: pd.DataFrame = rows.to_pandas(date_as_object=True)
    return frame
