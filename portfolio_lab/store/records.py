"""Commit records: the small JSON files that alone decide what the store holds.

A record is written whole, synced, and then linked under its final name if that name is free.
It carries a checksum of its own content, so a flipped bit is found before it is believed.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from portfolio_lab.errors import StoreError

RECORD_FORMAT = 1
MEND = (
    "`portfolio-lab store verify --repair --from BACKUP` restores it; without a backup, --repair sets it aside "
    "so that the rest is read."
)
"""What every error of damage says to do next."""

_HEAD, _NECK, _HASH = '{"sha256":"', '","record":', 64
"""What stands in a record before its hash, and between that and the body; and how long a hash is."""

_OTHER_VERSION = "{where} was written by another version of portfolio-lab. Install that version or a newer one."

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One immutable parquet file that a record names.

    `path` is relative to the store and uses '/'; `size` is in bytes; `first` and `last` are the
    least and greatest value of the table's time column, as ISO 8601 text, empty where unknown.
    The commits inside were made from `known_from` to `known_at`. `keys` is a digest of the set
    of keys in a file of a `latest` table, else empty: a later file of the same set supersedes
    this one whole, and nobody need read it.
    """

    table: str
    path: str
    rows: int
    size: int
    sha256: str
    schema_version: int
    first: str
    last: str
    keys: str
    known_from: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """What one cycle added to all tables at once.

    `rows` counts the rows of each table, also of those that were empty. `is_new` is False when
    the same sync id and slot had been committed before: then nothing was written. `previous` is the
    name of the record that the same process made before in the same day, empty for its first: a
    record that is deleted is missed by the next one.
    """

    sync_id: str
    slot: datetime
    writer: str
    known_at: datetime
    rows: dict[str, int] = field(hash=False)
    files: tuple[StoredFile, ...]
    is_new: bool = True
    previous: str = ""

    def repeated(self) -> Commit:
        """Return the same commit, marked as one that was there before."""
        return replace(self, is_new=False)


@dataclass(frozen=True, slots=True)
class Fold:
    """One step in which many files of a closed day became few.

    `records` names the append records whose files are all inside; `removes` holds the paths
    that the `adds` supersede.
    """

    day: str
    sequence: int
    known_at: datetime
    records: tuple[str, ...]
    removes: tuple[str, ...]
    adds: tuple[StoredFile, ...]


def record_bytes(record: Commit | Fold) -> bytes:
    """Return the record as it is stored, checksum included."""
    content = {"format": RECORD_FORMAT, "kind": type(record).__name__.lower(), **asdict(record)}
    content.pop("is_new", None)
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return record_text(_digest(body), body)


def commit_from_bytes(content: bytes, where: str) -> Commit:
    """Return the commit that `content` holds; StoreError naming `where` when it is damaged."""
    return _checked(content, where, "commit", _commit)


def fold_from_bytes(content: bytes, where: str) -> Fold:
    """Return the fold that `content` holds; StoreError naming `where` when it is damaged."""
    return _checked(content, where, "fold", _fold)


def _checked(content: bytes, where: str, kind: str, build: Callable[[dict[str, Any]], _Record]) -> _Record:
    try:
        # The hash is of the very bytes, so nothing is written anew to compare: there are thousands of records a day.
        body = content[len(_HEAD) + _HASH + len(_NECK) : -1]
        whole = content == record_text(hashlib.sha256(body).hexdigest(), body.decode())
        record = json.loads(body.decode()) if whole else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise StoreError(f"{where} is damaged. {MEND}")
    if record.get("format") != RECORD_FORMAT or record.get("kind") != kind:
        raise StoreError(_OTHER_VERSION.format(where=where))
    try:
        return build(record)
    except (ValueError, KeyError, TypeError):
        # Its hash is right, so it was written like this: by code that knew other fields.
        raise StoreError(_OTHER_VERSION.format(where=where)) from None


def record_text(digest: str, body: str) -> bytes:
    """Return the stored form of a record's body: byte for byte the only one that is accepted."""
    return f"{_HEAD}{digest}{_NECK}{body}}}".encode()


def _stored_file(row: dict[str, Any]) -> StoredFile:
    return StoredFile(**{**row, "known_from": instant(row["known_from"]), "known_at": instant(row["known_at"])})


def _commit(record: dict[str, Any]) -> Commit:
    return Commit(
        sync_id=record["sync_id"],
        slot=instant(record["slot"]),
        writer=record["writer"],
        known_at=instant(record["known_at"]),
        rows=record["rows"],
        files=tuple(map(_stored_file, record["files"])),
        previous=record.get("previous", ""),
    )


def _fold(record: dict[str, Any]) -> Fold:
    return Fold(
        day=record["day"],
        sequence=record["sequence"],
        known_at=instant(record["known_at"]),
        records=tuple(record["records"]),
        removes=tuple(record["removes"]),
        adds=tuple(map(_stored_file, record["adds"])),
    )


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    message = f"cannot store a {type(value).__name__} in a commit record"
    raise TypeError(message)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@functools.lru_cache(maxsize=4096)
def instant(text: str) -> datetime:
    """Return the aware UTC instant that `text` states."""
    return datetime.fromisoformat(text).astimezone(UTC)
