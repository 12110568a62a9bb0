"""Open, high, low and close of each hour, reckoned once a sealed day, so that a long curve reads few rows.

    hourly/<table>/date=D/<digest of what it was reckoned from>-<SHA-256 of itself>.parquet

These files are derived: no record names them, and whoever misses one, or finds it damaged or
reckoned from other files than those that count now, reckons the day anew from the facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from portfolio_lab.models.columns import INSTANT, USER, Table, column
from portfolio_lab.models.tables import PORTFOLIO_SNAPSHOTS
from portfolio_lab.store.files import Files
from portfolio_lab.store.parquet import encoded
from portfolio_lab.store.questions import Question
from portfolio_lab.store.reading import Reader
from portfolio_lab.store.records import Fold, StoredFile
from portfolio_lab.store.revisions import is_revisions

FOLDER = "hourly"

HOURLY_COLUMNS = ("user", "slot", "grade", "equity")
"""The columns of a snapshot that hours are reckoned from."""

_COMPLETE = "complete"
_DIGEST = 32
_DAY = timedelta(days=1)

HOURS = Table(
    "equity_hours",
    1,
    ("user", "hour"),
    pa.schema(
        [
            USER,
            column("hour", INSTANT, "start of the hour, half-open"),
            column("open", pa.float64(), "equity of its first complete snapshot"),
            column("high", pa.float64(), "largest equity of its complete snapshots"),
            column("low", pa.float64(), "smallest equity of its complete snapshots"),
            column("close", pa.float64(), "equity of its last complete snapshot"),
            column("open_slot", INSTANT, "slot of the first complete snapshot"),
            column("high_slot", INSTANT, "first slot with the largest equity"),
            column("low_slot", INSTANT, "first slot with the smallest equity"),
            column("close_slot", INSTANT, "slot of the last complete snapshot"),
            column("snapshots", pa.int32(), "complete snapshots in the hour"),
        ]
    ),
)
"""An hour without a complete snapshot has no row."""


@dataclass(slots=True)
class Hours:
    """The hours of one open store."""

    files: Files
    reader: Reader

    def rows(self, users: tuple[str, ...] | None, since: datetime | None, until: datetime | None) -> pa.Table:
        """Return the rows of `HOURS` that begin in [since, until), by user and hour."""
        by_day = self._files_by_day()
        days = [day for day in sorted(by_day) if _overlaps(day, since, until)]
        parts = [self._of_day(day, by_day[day], users) for day in days]
        rows = pa.concat_tables([HOURS.schema.empty_table(), *parts])
        for bound, compare in ((since, pc.greater_equal), (until, pc.less)):
            if bound is not None:
                rows = rows.filter(compare(rows.column("hour"), pa.scalar(bound, INSTANT)))
        return rows.sort_by([("user", "ascending"), ("hour", "ascending")])

    def lay(self, folds: Iterable[Fold] | None = None) -> int:
        """Write the hours of the sealed days that these folds touched, of all days without them; return how many."""
        by_day = self._files_by_day()
        touched = set(by_day) if folds is None else _touched(folds)
        return sum(self._lay_day(day, by_day[day]) for day in sorted(touched & set(by_day)))

    def faults(self) -> list[str]:
        """Return a sentence for each day whose file does not hold what the facts give."""
        return [
            f"the hours of {day} are not those of the snapshots; delete {FOLDER}/ and fold, facts are not touched"
            for day, inputs in sorted(self._files_by_day().items())
            if (stored := self._stored(day, inputs, None)) is not None and not stored.equals(self._reckoned(day, None))
        ]

    def _of_day(self, day: date, inputs: Sequence[StoredFile], users: tuple[str, ...] | None) -> pa.Table:
        stored = self._stored(day, inputs, users) if _is_sealed(inputs) else None
        return self._reckoned(day, users) if stored is None else stored

    def _stored(self, day: date, inputs: Sequence[StoredFile], users: tuple[str, ...] | None) -> pa.Table | None:
        digest = _digest_of(inputs)
        for name in self.files.names(_folder(day)):
            if not name.startswith(f"{digest}-"):
                continue
            try:
                content = self.files.read(f"{_folder(day)}/{name}")
            except FileNotFoundError:
                continue
            if name == _name(digest, content):
                wanted = None if users is None else pc.field("user").isin(pa.array(users, pa.string()))
                return pq.read_table(pa.BufferReader(content), filters=wanted).cast(HOURS.schema)
        return None

    def _reckoned(self, day: date, users: tuple[str, ...] | None) -> pa.Table:
        begins = datetime.combine(day, time(), UTC)
        rows = self.reader.rows(Question(PORTFOLIO_SNAPSHOTS, users, begins, begins + _DAY, HOURLY_COLUMNS))
        return hours_of(rows)

    def _lay_day(self, day: date, inputs: Sequence[StoredFile]) -> bool:
        digest, folder = _digest_of(inputs), _folder(day)
        names = self.files.names(folder)
        if not _is_sealed(inputs) or any(name.startswith(f"{digest}-") for name in names):
            return False
        content = encoded(HOURS, self._reckoned(day, None))
        self.files.put_if_absent(f"{folder}/{_name(digest, content)}", content)
        for name in names:
            if not name.startswith("."):
                self.files.remove(f"{folder}/{name}")  # reckoned from what no longer counts
        return True

    def _files_by_day(self) -> dict[date, list[StoredFile]]:
        found: dict[date, list[StoredFile]] = {}
        for stored in self.reader.live(PORTFOLIO_SNAPSHOTS.name):
            if not is_revisions(stored) and stored.first:
                for day in _days(stored):
                    found.setdefault(day, []).append(stored)
        return found


def hours_of(rows: pa.Table) -> pa.Table:
    """Return open, high, low and close of each user and hour from snapshots by user and slot; complete ones count."""
    frame = (
        rows.filter(pc.equal(rows.column("grade"), pa.scalar(_COMPLETE))).select(["user", "slot", "equity"]).to_pandas()
    )
    frame = frame[frame["equity"].notna()].reset_index(drop=True)
    if not len(frame):
        return HOURS.schema.empty_table()
    frame["hour"] = frame["slot"].dt.floor("h")
    grouped = frame.groupby(["user", "hour"], sort=True)
    places = {
        "open": grouped.head(1).index,
        "high": pd.Index(grouped["equity"].idxmax()),
        "low": pd.Index(grouped["equity"].idxmin()),
        "close": grouped.tail(1).index,
    }
    firsts = frame.loc[places["open"]]
    made = {"user": firsts["user"].to_numpy(), "hour": firsts["hour"].array}
    made |= {name: frame.loc[place, "equity"].to_numpy() for name, place in places.items()}
    made |= {f"{name}_slot": frame.loc[place, "slot"].array for name, place in places.items()}
    made["snapshots"] = grouped.size().to_numpy(dtype="int32")
    return pa.Table.from_pandas(pd.DataFrame(made), schema=HOURS.schema, preserve_index=False).replace_schema_metadata()


def _is_sealed(inputs: Sequence[StoredFile]) -> bool:
    return all(one.path.startswith("sealed/") for one in inputs)


def _touched(folds: Iterable[Fold]) -> set[date]:
    adds = (one for fold in folds for one in fold.adds)
    return {day for one in adds if one.table == PORTFOLIO_SNAPSHOTS.name and one.first for day in _days(one)}


def _days(stored: StoredFile) -> list[date]:
    first, last = (datetime.fromisoformat(text).astimezone(UTC).date() for text in (stored.first, stored.last))
    return [first + number * _DAY for number in range((last - first).days + 1)]


def _overlaps(day: date, since: datetime | None, until: datetime | None) -> bool:
    begins = datetime.combine(day, time(), UTC)
    return (until is None or begins < until) and (since is None or begins + _DAY > since)


def _digest_of(inputs: Sequence[StoredFile]) -> str:
    return hashlib.sha256("".join(sorted(one.sha256 for one in inputs)).encode()).hexdigest()[:_DIGEST]


def _name(digest: str, content: bytes) -> str:
    return f"{digest}-{hashlib.sha256(content).hexdigest()}.parquet"


def _folder(day: date) -> str:
    return f"{FOLDER}/{PORTFOLIO_SNAPSHOTS.name}/date={day}"
