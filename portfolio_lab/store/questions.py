"""What a reader asks of one table, checked; and what of the store may hold the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.errors import BadInputError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.months import LAID, MOST_USERS
from portfolio_lab.store.parquet import COMMITTED_AT, time_column
from portfolio_lab.store.records import StoredFile, instant


@dataclass(frozen=True, slots=True)
class Question:
    """What a reader asked of one table; `since` and `until` are aware UTC, half-open.

    `known` asks for the rows as they were known at that instant, `revisions` for every row that
    was ever committed, those that later ones superseded too.
    """

    table: Table
    users: tuple[str, ...] | None
    since: datetime | None
    until: datetime | None
    columns: tuple[str, ...] | None
    known: datetime | None = None
    revisions: bool = False

    def time_in_key(self) -> bool:
        """Return whether two rows of one key always have the same time."""
        return not self.table.latest or time_column(self.table) in self.table.key

    def touched(self, files: Sequence[StoredFile]) -> Sequence[StoredFile]:
        """Return the files that may hold a row which the answer needs."""
        if self.since is None and self.until is None:
            return files
        return [stored for stored in files if self.touches(stored)]

    def asks_newest(self) -> bool:
        """Return whether the answer is the row of each key that counts now, whatever time it tells of."""
        return not self.time_in_key() and self.known is None and not self.revisions

    def asks_by_user(self) -> bool:
        """Return whether the answer is what counts now, of a few users that are named, in a table of laid months."""
        few = self.users is not None and len(self.users) <= MOST_USERS
        return few and self.known is None and not self.revisions and self.table.name in LAID

    def needs_stamps(self) -> bool:
        """Return whether the answer depends on when each row was committed."""
        return self.table.latest or self.known is not None or COMMITTED_AT.name in self.answer_columns()

    def answer_columns(self) -> tuple[str, ...]:
        """Return the columns of the answer in their order."""
        return self.columns if self.columns is not None else tuple(self.table.schema.names)

    def touches(self, stored: StoredFile) -> bool:
        """Return whether a file may hold a row that the answer needs."""
        if not self.time_in_key() or not stored.first:
            return True
        before = self.until is not None and _bound(stored.first) >= self.until
        after = self.since is not None and _bound(stored.last) < self.since
        return not (before or after)

    def times(self) -> pc.Expression | None:
        """Return the instants wanted as an Arrow expression; None for all."""
        return _all(self._times())

    def filters(self) -> pc.Expression | None:
        """Return the rows wanted as an Arrow expression; None for all."""
        return _all([*self._owners(), *self._times()])

    def scan_filters(self) -> pc.Expression | None:
        """Return the part of `filters` that cannot hide a row which supersedes another."""
        return _all([*self._owners(), *(self._times() if self.time_in_key() else [])])

    def known_filter(self) -> pc.Expression | None:
        """Return the rows that were known by then, as an expression on `committed_at`."""
        return None if self.known is None else pc.field(COMMITTED_AT.name) <= pa.scalar(self.known, COMMITTED_AT.type)

    def scan_columns(self) -> list[str]:
        """Return the columns that must be read to answer: those asked for, key and time."""
        if self.columns is None:
            return list(self.table.schema.names)
        needed = {*self.columns, *self.table.key, time_column(self.table)}
        return [name for name in self.table.schema.names if name in needed]

    def _owners(self) -> list[pc.Expression]:
        return [] if self.users is None else [pc.field("user").isin(pa.array(self.users, pa.string()))]

    def _times(self) -> list[pc.Expression]:
        column = time_column(self.table)
        kind = self.table.schema.field(column).type
        place = pc.field(column)
        if pa.types.is_date(kind):
            place = place.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
        bounds = []
        if self.since is not None:
            bounds.append(place >= pa.scalar(self.since, pa.timestamp("us", tz="UTC")))
        if self.until is not None:
            bounds.append(place < pa.scalar(self.until, pa.timestamp("us", tz="UTC")))
        return bounds


def asked(
    table: Table,
    users: Iterable[str] | str | None,
    since: date | datetime | None,
    until: date | datetime | None,
    columns: Iterable[str] | None,
    *,
    known: datetime | None = None,
    revisions: bool = False,
) -> Question:
    """Return the question, checked; BadInputError says what cannot be asked of this table."""
    names = None if columns is None else tuple(columns)
    if revisions and names is None:
        names = (*table.schema.names, COMMITTED_AT.name)
    for name in names or ():
        if name not in table.schema.names and name != COMMITTED_AT.name:
            raise BadInputError(f"{table.name} has no column {name!r}; it has {', '.join(table.schema.names)}")
    if users is not None and "user" not in table.schema.names:
        raise BadInputError(f"{table.name} has no users; leave `users` out")
    wanted = None if users is None else ((users,) if isinstance(users, str) else tuple(users))
    first, last = _moment(since, "since"), _moment(until, "until")
    if first is not None and last is not None and first > last:
        raise BadInputError(f"since {first.isoformat()} is after until {last.isoformat()}")
    return Question(table, wanted, first, last, names, _moment(known, "known"), revisions)


def _moment(value: date | datetime | None, name: str) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        return datetime.combine(value, time.min, UTC)
    if value.utcoffset() is None:
        raise BadInputError(f"{name}={value.isoformat()} has no time zone; give an instant in UTC")
    return value.astimezone(UTC)


def _bound(text: str) -> datetime:
    return instant(text) if "T" in text else datetime.fromisoformat(text).replace(tzinfo=UTC)


def _all(parts: Sequence[pc.Expression]) -> pc.Expression | None:
    whole: pc.Expression | None = None
    for part in parts:
        whole = part if whole is None else whole & part
    return whole
