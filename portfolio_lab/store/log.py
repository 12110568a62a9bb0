"""The log of commit records, read as cheaply as immutability allows.

`log/<day>/a-<HHMMSS>-<sync_id>.json` is one commit, `log/<day>/f-<sequence>.json` one fold, and
`day` is the UTC day of the commit's slot. The store holds exactly the files that records add,
less those that folds remove. A record never changes, so each is parsed once a process; a day's
folder is listed again only when its modification time moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from portfolio_lab.errors import StoreError
from portfolio_lab.store.files import Files
from portfolio_lab.store.records import Commit, Fold, StoredFile, commit_from_bytes, fold_from_bytes

_VERIFY = "`portfolio-lab store verify` tells what is wrong, with --repair it sets it aside."

_SETTLED_NS = 2_000_000_000
"""A folder's time stamp is coarse: one younger than this may hide a later change."""


def day_of(slot: datetime) -> str:
    """Return the UTC day of a slot as YYYY-MM-DD."""
    return slot.date().isoformat()


def append_name(slot: datetime, sync_id: str) -> str:
    """Return the file name of the commit of `sync_id` at `slot`."""
    return f"a-{slot.hour:02d}{slot.minute:02d}{slot.second:02d}-{sync_id}.json"


def fold_name(sequence: int) -> str:
    """Return the file name of a day's fold number `sequence`."""
    return f"f-{sequence:06d}.json"


@dataclass(slots=True)
class LogDay:
    """One day's folder as it was last listed."""

    day: str
    names: frozenset[str] = frozenset()
    settled_ns: int = -1
    commits: dict[str, Commit] = field(default_factory=dict)
    folds: dict[str, Fold] = field(default_factory=dict)
    live: tuple[StoredFile, ...] = ()

    def covered(self) -> set[str]:
        """Return the names of the append records that some fold stands in for."""
        return {name for fold in self.folds.values() for name in fold.records}

    def uncovered(self) -> list[str]:
        """Return the names of the append records that no fold stands in for, sorted."""
        covered = self.covered()
        return sorted(name for name in self.names if name.startswith("a-") and name not in covered)

    def removed(self) -> set[str]:
        """Return the paths that folds, repairs and thinning took out: no reader looks at them."""
        return {path for fold in self.folds.values() for path in fold.removes}

    def next_sequence(self) -> int:
        """Return the number that the day's next fold must win; StoreError when one is missing.

        Who does not see every earlier fold would take the same files in a second time.
        """
        if not self.is_gapless():
            raise StoreError(f"a fold record of {self.day} is missing in log/; restore it from a backup")
        return 1 + len(self.folds)

    def is_gapless(self) -> bool:
        """Return whether the folds that are known are numbered 1, 2, 3 ..."""
        return {fold.sequence for fold in self.folds.values()} == set(range(1, len(self.folds) + 1))


class Log:
    """The commit records below `log/`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._days: dict[str, LogDay] = {}
        self.version = 0
        """Rises whenever a look at the log found a record that was not known: what was reckoned before may be old."""

    def path(self, slot: datetime, sync_id: str) -> str:
        """Return where the commit of `sync_id` at `slot` stands, if it was made."""
        return f"{self.folder(day_of(slot))}/{append_name(slot, sync_id)}"

    def folder(self, day: str) -> str:
        """Return the folder of a day's records."""
        return f"log/{day}"

    def load(self, path: str) -> Commit:
        """Return the commit at `path`; StoreError when it is damaged, or a copy of another one's."""
        return self._parsed(path, self._files.read(path))

    def _parsed(self, path: str, content: bytes) -> Commit:
        commit = commit_from_bytes(content, f"commit record {path}")
        own = self.path(commit.slot, commit.sync_id)
        if path != own:
            raise StoreError(f"commit record {path} is a copy of {own}: its rows would count twice. {_VERIFY}")
        return commit

    def days(self) -> list[LogDay]:
        """Return every day, oldest first, as it stands now."""
        return self._refreshed([name for name in self._files.names("log") if not name.startswith(".")])

    def day(self, day: str) -> LogDay:
        """Return one day as it stands now; without names when nothing was committed."""
        return self._refreshed([day])[0]

    def live(self) -> Iterator[StoredFile]:
        """Yield every file that the store holds, oldest day first."""
        for day in self.days():
            yield from day.live

    def commits(self) -> list[Commit]:
        """Return every commit, oldest slot first, those inside folds too."""
        found = []
        for day in self.days():
            found += self._commits(day, sorted(name for name in day.names if name.startswith("a-")))
        return sorted(found, key=lambda commit: (commit.slot, commit.known_at, commit.sync_id))

    def commit(self, day: LogDay, name: str) -> Commit:
        """Return one commit of a day, parsed at most once."""
        if name not in day.commits:
            day.commits[name] = self.load(f"{self.folder(day.day)}/{name}")
        return day.commits[name]

    def _commits(self, day: LogDay, names: list[str]) -> list[Commit]:
        unknown = [name for name in names if name not in day.commits]
        paths = [f"{self.folder(day.day)}/{name}" for name in unknown]
        for name, path, content in zip(unknown, paths, self._files.read_many(paths), strict=True):
            day.commits[name] = self._parsed(path, content)
        return [day.commits[name] for name in names]

    def _refreshed(self, days: list[str]) -> list[LogDay]:
        known = [self._days.setdefault(day, LogDay(day)) for day in days]
        changed = {one.day: self._files.changed_ns(self.folder(one.day)) for one in known}
        stale = [one for one in known if changed[one.day] is None or changed[one.day] != one.settled_ns]
        listings = self._files.names_many([self.folder(one.day) for one in stale])
        for one, listing in zip(stale, listings, strict=True):
            self._list(one, listing)
            if not one.is_gapless():
                # A listing is no snapshot: it may show a later fold without an earlier one.
                self._list(one, self._files.names(self.folder(one.day)))
            one.settled_ns = _settled(changed[one.day])
        return known

    def _list(self, known: LogDay, listing: list[str]) -> None:
        names = frozenset(name for name in listing if name.startswith(("a-", "f-")))
        if names != known.names:
            self._parse(known, names)

    def _parse(self, known: LogDay, names: frozenset[str]) -> None:
        for name in sorted(names - known.folds.keys()):
            if name.startswith("f-"):
                path = f"{self.folder(known.day)}/{name}"
                fold = fold_from_bytes(self._files.read(path), f"fold record {path}")
                if (fold.day, fold_name(fold.sequence)) != (known.day, name):
                    raise StoreError(f"fold record {path} is a copy of number {fold.sequence} of {fold.day}. {_VERIFY}")
                known.folds[name] = fold
        before, known.names = known.names, names
        try:
            known.live = tuple(self._live(known))
            self.version += 1
        except BaseException:
            known.names = before  # a record that could not be read is met again by the next reader
            raise

    def _live(self, day: LogDay) -> Iterator[StoredFile]:
        removed = day.removed()
        for name in sorted(day.folds):
            yield from (added for added in day.folds[name].adds if added.path not in removed)
        for commit in self._commits(day, day.uncovered()):
            yield from (added for added in commit.files if added.path not in removed)


def _settled(changed_ns: int | None) -> int:
    if changed_ns is None or time.time_ns() - changed_ns <= _SETTLED_NS:
        return -1
    return changed_ns
