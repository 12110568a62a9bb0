"""Manifests: once a day is sealed, one small file that pins every record of it, chained by hash.

`manifests/<sequence>.json` names each commit and fold record of one day with its SHA-256 (a
record holds the SHA-256 of its files, and with them every row), the files that the day then
consisted of, and the hash of the manifest before it. So whoever changes, deletes or slips in a
record of the past must write every later manifest anew, and cannot hide that from who noted
the newest hash, the *head*, elsewhere.

A commit that comes late into a sealed day is named by a further manifest, as the next link. The
sequence is put-if-absent like a record, so any number of machines make one chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from portfolio_lab.errors import StoreError
from portfolio_lab.store.files import Files
from portfolio_lab.store.fold import UNSEALED
from portfolio_lab.store.log import Log, LogDay
from portfolio_lab.store.records import StoredFile, instant, record_text

FOLDER = "manifests"
MANIFEST_FORMAT = 1
_TRIES = 20


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file that a day consisted of when its manifest was made."""

    path: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One link of the chain.

    `previous` is the hash of the link before, empty in the first. `records` gives the SHA-256 of
    each record of `day` that no earlier link names, by file name. `links` says for every day so
    far how many records the chain names and in which links, this one included.
    """

    sequence: int
    previous: str
    day: str
    known_at: datetime
    records: Mapping[str, str]
    files: tuple[PinnedFile, ...]
    links: Mapping[str, tuple[int, tuple[int, ...]]]


def manifest_path(sequence: int) -> str:
    """Return where the link of that number stands."""
    return f"{FOLDER}/{sequence:08d}.json"


def sequences(files: Files) -> list[int]:
    """Return the numbers of the links that are there, rising."""
    names = [name.removesuffix(".json") for name in files.names(FOLDER) if name.endswith(".json")]
    return sorted(int(name) for name in names if name.isdecimal())


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content as hex text."""
    return hashlib.sha256(content).hexdigest()


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored, checksum included."""
    content = {"format": MANIFEST_FORMAT, "kind": "manifest", **asdict(manifest)}
    content["known_at"] = manifest.known_at.isoformat()
    body = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return record_text(digest(body.encode()), body)


def manifest_from_bytes(content: bytes, where: str) -> Manifest:
    """Return the manifest that `content` holds; StoreError naming `where` when it is damaged."""
    try:
        record = json.loads(content)["record"]
        body = json.dumps(record, sort_keys=True, separators=(",", ":"))
        whole = record_text(digest(body.encode()), body) == content
        if whole and (record["format"], record["kind"]) == (MANIFEST_FORMAT, "manifest"):
            return _manifest(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if whole:
        raise StoreError(
            f"{where} was written by another version of portfolio-lab. Install that version or a newer one."
        )
    raise StoreError(f"{where} is damaged: it is not what was written. Restore it from a backup.")


def _manifest(record: dict[str, Any]) -> Manifest:
    return Manifest(
        sequence=record["sequence"],
        previous=record["previous"],
        day=record["day"],
        known_at=instant(record["known_at"]),
        records=record["records"],
        files=tuple(PinnedFile(**one) for one in record["files"]),
        links={day: (count, tuple(numbers)) for day, (count, numbers) in record["links"].items()},
    )


@dataclass(slots=True)
class Chain:
    """Reads and lengthens the chain of one open store."""

    files: Files
    log: Log
    clock: Callable[[], datetime]

    def load(self, sequence: int) -> tuple[Manifest, str]:
        """Return a link and its hash; StoreError when it is damaged or stands under another's name."""
        path = manifest_path(sequence)
        content = self.files.read(path)
        found = manifest_from_bytes(content, f"manifest {path}")
        if found.sequence != sequence:
            raise StoreError(f"manifest {path} is that of number {found.sequence}. Restore it from a backup.")
        return found, digest(content)

    def head(self) -> tuple[Manifest, str] | None:
        """Return the newest link and its hash; None when no day was sealed yet."""
        numbers = sequences(self.files)
        return self.load(numbers[-1]) if numbers else None

    def lengthen(self, today: date) -> list[Manifest]:
        """Return the links made now: one for each sealed day before `today` with records that none names.

        Raises:
            StoreError: the newest link is damaged, or a record is.
        """
        made: list[Manifest] = []
        for _ in range(_TRIES):
            added, lost = self._append(today)
            made += added
            if not lost:
                break
        return made

    def _append(self, today: date) -> tuple[list[Manifest], bool]:
        """Return the links made, and whether another process took a number meanwhile."""
        made: list[Manifest] = []
        newest = self.head()
        for day in self.log.days():
            if day.day >= today.isoformat() or not _is_due(day, newest):
                continue
            manifest = self._link(day, newest)
            if not manifest.records:
                continue  # as many came as went into quarantine: nothing to pin
            content = manifest_bytes(manifest)
            if not self.files.put_if_absent(manifest_path(manifest.sequence), content):
                return made, True
            made.append(manifest)
            newest = manifest, digest(content)
        return made, False

    def _link(self, day: LogDay, newest: tuple[Manifest, str] | None) -> Manifest:
        links = dict(newest[0].links) if newest else {}
        count, numbers = links.get(day.day, (0, ()))
        named = {name for number in numbers for name in self.load(number)[0].records}
        fresh = sorted(day.names - named)
        sequence = 1 + (newest[0].sequence if newest else 0)
        links[day.day] = (count + len(fresh), (*numbers, sequence))
        return Manifest(
            sequence=sequence,
            previous=newest[1] if newest else "",
            day=day.day,
            known_at=self.clock(),
            records={name: digest(self.files.read(f"{self.log.folder(day.day)}/{name}")) for name in fresh},
            files=tuple(_pinned(stored) for stored in day.live),
            links=links,
        )


def _is_due(day: LogDay, newest: tuple[Manifest, str] | None) -> bool:
    count = newest[0].links.get(day.day, (0, ()))[0] if newest else 0
    is_sealed = not day.uncovered() and not any(one.path.startswith(UNSEALED) for one in day.live)
    return is_sealed and len(day.names) != count


def _pinned(stored: StoredFile) -> PinnedFile:
    return PinnedFile(stored.path, stored.rows, stored.size, stored.sha256)
