"""What a store holds, told by its records, and derived files by their sizes: no file of rows is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portfolio_lab.store.files import Files
from portfolio_lab.store.hours import FOLDER as HOURLY
from portfolio_lab.store.log import LogDay
from portfolio_lab.store.manifest import Chain
from portfolio_lab.store.months import FOLDER as MONTHS
from portfolio_lab.store.parts import Parts
from portfolio_lab.store.quarantine import quarantined_paths
from portfolio_lab.store.records import StoredFile

_DERIVED = (HOURLY, MONTHS)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The files of one table in one room: hot, warm, sealed or revisions; or derived: hourly or months.

    Of derived files no rows are counted: they say once more what others hold.
    `since` and `until` are the least and the greatest time of a row as text, empty when unknown.
    """

    table: str
    kind: str
    files: int
    rows: int
    size: int
    since: str
    until: str

    def bytes_a_row(self) -> float:
        """Return bytes a row; NaN when there is none."""
        return self.size / self.rows if self.rows else float("nan")


@dataclass(frozen=True, slots=True)
class StoreStats:
    """A store in figures; instants are None where there is none yet. `derived` files are in no sum of facts."""

    shelves: tuple[Shelf, ...]
    derived: tuple[Shelf, ...]
    commits: int
    folds: int
    oldest_unfolded_hour: datetime | None
    manifests: int
    last_manifest_at: datetime | None
    head: str
    quarantined: int

    def as_dict(self) -> Mapping[str, Any]:
        """Return the figures as plain values for JSON; sizes are in bytes."""
        names = ("table", "kind", "files", "rows", "size", "since", "until")
        shelves = [{name: getattr(one, name) for name in names} for one in self.shelves]
        return {
            "tables": shelves,
            "derived": [
                {"table": one.table, "kind": one.kind, "files": one.files, "size": one.size} for one in self.derived
            ],
            "rows": sum(one.rows for one in self.shelves),
            "size": sum(one.size for one in self.shelves),
            "files": sum(one.files for one in self.shelves),
            "commits": self.commits,
            "folds": self.folds,
            "oldest_unfolded_hour": _text(self.oldest_unfolded_hour),
            "manifests": self.manifests,
            "last_manifest_at": _text(self.last_manifest_at),
            "head": self.head,
            "quarantined": self.quarantined,
        }


def store_stats(parts: Parts) -> StoreStats:
    """Return what the store holds; StoreError when a record is damaged."""
    days = parts.log.days()
    newest = Chain(parts.files, parts.log, parts.clock).head()
    return StoreStats(
        shelves=_shelves(stored for day in days for stored in day.live),
        derived=tuple(_derived(parts.files)),
        commits=sum(1 for day in days for name in day.names if name.startswith("a-")),
        folds=sum(len(day.folds) for day in days),
        oldest_unfolded_hour=_oldest_unfolded(days),
        manifests=newest[0].sequence if newest else 0,
        last_manifest_at=newest[0].known_at if newest else None,
        head=newest[1] if newest else "",
        quarantined=len(quarantined_paths(parts.files)),
    )


def _shelves(files: Iterable[StoredFile]) -> tuple[Shelf, ...]:
    grouped: dict[tuple[str, str], list[StoredFile]] = {}
    for stored in files:
        grouped.setdefault((stored.table, stored.path.partition("/")[0]), []).append(stored)
    return tuple(_shelf(*key, grouped[key]) for key in sorted(grouped))


def _shelf(table: str, kind: str, files: list[StoredFile]) -> Shelf:
    since = min((one.first for one in files if one.first), default="")
    until = max((one.last for one in files if one.last), default="")
    rows, size = sum(one.rows for one in files), sum(one.size for one in files)
    return Shelf(table, kind, len(files), rows, size, since, until)


def _derived(files: Files) -> Iterator[Shelf]:
    for room in _DERIVED:
        for table in files.names(room):
            sizes = [_size(files, path) for path in files.walk(f"{room}/{table}")]
            yield Shelf(table, room, len(sizes), 0, sum(sizes), "", "")


def _size(files: Files, path: str) -> int:
    try:
        return files.size(path)
    except FileNotFoundError:
        return 0  # a fold made it anew meanwhile


def _oldest_unfolded(days: Iterable[LogDay]) -> datetime | None:
    for day in days:
        for name in day.uncovered():
            return datetime.strptime(f"{day.day} {name[2:4]}", "%Y-%m-%d %H").replace(tzinfo=UTC)
    return None


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
