"""What stands in quarantine: the notes that say which rows are lost, so that nobody takes the rest for all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from portfolio_lab.errors import StoreError
from portfolio_lab.store.files import Files
from portfolio_lab.store.records import StoredFile

FOLDER = "quarantine"
_NOTE = "~note.json"


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows that nobody can read any more: of a table, between two times as text, of these users; empty is all."""

    table: str
    first: str
    last: str
    users: tuple[str, ...]

    def holds(self, table: str, user: str | None, slot: datetime) -> bool:
        """Return whether a row of that table, user and slot may be among them."""
        if table != self.table or (user is not None and self.users and user not in self.users):
            return False
        if not self.first:
            return True
        if "T" not in self.first:  # a table of days
            return self.first <= _day(slot) <= self.last
        return datetime.fromisoformat(self.first) <= slot <= datetime.fromisoformat(self.last)


def _day(slot: datetime) -> str:
    return slot.astimezone(UTC).strftime("%Y-%m-%d")


def quarantined_paths(files: Files) -> set[str]:
    """Return the paths that a repair has taken out of the store."""
    return {path.removeprefix(f"{FOLDER}/").removesuffix(_NOTE) for path in _notes(files)}


def note_content(path: str, held: str, at: datetime, stored: StoredFile | None, users: tuple[str, ...]) -> bytes:
    """Return the note on a file that is set aside; `stored` is None for a record."""
    note: dict[str, object] = {"path": path, "held": held, "at": at.isoformat()}
    if stored is not None:
        note |= {"table": stored.table, "first": stored.first, "last": stored.last, "users": users}
    return json.dumps(note, indent=1).encode() + b"\n"


def note_path(path: str) -> str:
    """Return where the note on a path stands."""
    return f"{FOLDER}/{path}{_NOTE}"


def lost_rows(files: Files) -> list[Lost]:
    """Return what was lost; empty for a store without quarantine. StoreError when a note cannot be read."""
    found = []
    for path in _notes(files):
        try:
            note = json.loads(files.read(path))
        except ValueError:
            raise StoreError(f"the note {path} is damaged: restore it from a backup") from None
        if "table" in note:
            found.append(Lost(note["table"], note["first"], note["last"], tuple(note["users"])))
    return found


def check_known(files: Files, table: str, user: str | None, slot: datetime) -> None:
    """Raise StoreError when rows of that table, user and slot are lost: what is left of them is not all."""
    for lost in lost_rows(files):
        if lost.holds(table, user, slot):
            whose = f" of {user}" if user is not None else ""
            raise StoreError(
                f"{table}{whose} at {slot.isoformat()} stand in {FOLDER}/: unknown, not zero. "
                "Restore the store from a backup, or look at another slot."
            )


def _notes(files: Files) -> list[str]:
    if FOLDER not in files.names(""):
        return []
    return [path for path in files.walk(FOLDER) if path.endswith(_NOTE)]
