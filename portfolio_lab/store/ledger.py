"""The records of a store, read one by one, so that a damaged one does not hide the rest.

A reader stops at the first damaged record, because a sum over the rest would be wrong. Who
looks after the store wants to know all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from portfolio_lab.errors import StoreError
from portfolio_lab.store.files import Files
from portfolio_lab.store.log import LogDay, append_name, day_of, fold_name
from portfolio_lab.store.records import StoredFile, commit_from_bytes, fold_from_bytes


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be believed, and why, as a sentence."""

    path: str
    sentence: str


@dataclass(slots=True)
class DayRecords:
    """One day's records: those that are whole in `day`, the others in `bad`."""

    day: LogDay
    bad: list[BadRecord] = field(default_factory=list)

    def live(self) -> Iterator[StoredFile]:
        """Yield the files that the whole records name, less those that were taken out."""
        removed = self.day.removed()
        for fold in self.day.folds.values():
            yield from (one for one in fold.adds if one.path not in removed)
        for name in self.day.uncovered():
            if name in self.day.commits:
                yield from (one for one in self.day.commits[name].files if one.path not in removed)

    def named(self) -> dict[str, StoredFile]:
        """Return every file that a whole record ever added, by path."""
        commits = (one for commit in self.day.commits.values() for one in commit.files)
        folds = (one for fold in self.day.folds.values() for one in fold.adds)
        return {one.path: one for one in [*commits, *folds]}

    def absent(self) -> list[str]:
        """Return the names of records that must have been there, because others know of them.

        Those are the commits inside folds, the folds before a fold, and what a process committed
        before its next commit of the day.
        """
        folds = {fold.sequence for fold in self.day.folds.values()}
        gaps = {fold_name(number) for number in range(1, max(folds, default=0)) if number not in folds}
        previous = {commit.previous for commit in self.day.commits.values() if commit.previous}
        return sorted((self.day.covered() | gaps | previous) - self.day.names)

    def lacks_a_fold(self) -> bool:
        """Return whether a fold record is damaged or missing, so that nobody can say which files count."""
        names = [*self.absent(), *(bad.path.rpartition("/")[2] for bad in self.bad)]
        return any(name.startswith("f-") for name in names)

    def doubled(self) -> list[tuple[str, str]]:
        """Return pairs of records of which the second adds a file of the first once more."""
        first: dict[str, str] = {}
        pairs = set()
        adds = {name: fold.adds for name, fold in self.day.folds.items()}
        for name, files in sorted([*adds.items(), *((name, one.files) for name, one in self.day.commits.items())]):
            for stored in files:
                if first.setdefault(stored.path, name) != name:
                    pairs.add((first[stored.path], name))
        return sorted(pairs)


def day_records(files: Files) -> Iterator[DayRecords]:
    """Yield each day of the log, oldest first; nothing is remembered from an earlier look."""
    for day in files.names("log"):
        if not day.startswith("."):
            found = _day(files, day)
            # A listing is no snapshot: it may show a later record without an earlier one.
            yield _day(files, day) if found.absent() else found


def _day(files: Files, day: str) -> DayRecords:
    names = [name for name in files.names(f"log/{day}") if not name.startswith(".")]
    found = DayRecords(LogDay(day, frozenset(names)))
    for name in names:
        path = f"log/{day}/{name}"
        try:
            _read(found.day, name, files.read(path), f"record {path}")
        except StoreError as error:
            found.bad.append(BadRecord(path, str(error)))
        except FileNotFoundError:
            found.day.names -= {name}
    return found


def _read(day: LogDay, name: str, content: bytes, where: str) -> None:
    if name.startswith("a-"):
        commit = commit_from_bytes(content, where)
        if (day.day, name) != (day_of(commit.slot), append_name(commit.slot, commit.sync_id)):
            raise StoreError(f"{where} is a copy of {append_name(commit.slot, commit.sync_id)}, or was renamed.")
        day.commits[name] = commit
    elif name.startswith("f-"):
        fold = fold_from_bytes(content, where)
        if (day.day, name) != (fold.day, fold_name(fold.sequence)):
            raise StoreError(f"{where} is a copy of that of {fold.day}, number {fold.sequence}, or was renamed.")
        day.folds[name] = fold
    else:
        raise StoreError(f"{where} is no record of this store.")
