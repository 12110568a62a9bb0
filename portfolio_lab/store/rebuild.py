"""A lost fold record, written anew from what proves it: a manifest, or the folded rows themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from portfolio_lab.errors import StoreError
from portfolio_lab.store.ledger import DayRecords
from portfolio_lab.store.manifest import Manifest, digest
from portfolio_lab.store.parquet import COMMITTED_AT, decoded, span
from portfolio_lab.store.parts import Parts
from portfolio_lab.store.records import Fold, StoredFile
from portfolio_lab.store.revisions import keys_digest

_FOLDED = ("warm", "sealed", "revisions")


def fold_by_manifest(parts: Parts, records: DayRecords, manifest: Manifest, sequence: int) -> Fold:
    """Return the fold after which the day was as a manifest pinned it: files of the very hash, and no others."""
    named, pinned = records.named(), {pin.path: pin.sha256 for pin in manifest.files}
    found = [_stored(parts, path) for path in pinned if path not in named]
    adds = tuple(one for one in found if one is not None and one.sha256 == pinned[one.path])
    covered = records.day.covered()
    inside = tuple(sorted(name for name in manifest.records if name.startswith("a-") and name not in covered))
    gone = tuple(sorted(named.keys() - pinned.keys() - records.day.removed()))
    return Fold(records.day.day, sequence, parts.clock(), inside, gone, adds)


def fold_by_rows(parts: Parts, records: DayRecords, sequence: int) -> Fold | None:
    """Return the fold that its own files tell of; None when their rows are not all that went in.

    Every folded row says when it was committed, and so which commits are inside.
    """
    paths = list(unnamed(parts, records, sequence))
    adds = [one for one in (_stored(parts, path) for path in paths) if one is not None]
    if not adds or len(adds) != len(paths):
        return None
    stamps = {stamp for one in adds for stamp in _stamps(parts, one)}
    uncovered = {name: records.day.commits[name] for name in records.day.uncovered() if name in records.day.commits}
    inside = {name: commit for name, commit in uncovered.items() if commit.known_at in stamps}
    removed = records.day.removed()
    taken = [one for commit in inside.values() for one in commit.files if one.path not in removed]
    if any(one.path.startswith("sealed/") for one in adds):
        taken += [one for one in records.live() if one.path.startswith("warm/")]
    if _rows(taken) != _rows(adds):
        return None
    gone = tuple(sorted(one.path for one in taken))
    return Fold(records.day.day, sequence, parts.clock(), tuple(sorted(inside)), gone, tuple(adds))


def unnamed(parts: Parts, records: DayRecords, sequence: int) -> Iterable[str]:
    """Yield the files that a fold of that number wrote and that no whole record of the day names."""
    named, stem = records.named(), f"f-{sequence:06d}-"
    for room in _FOLDED:
        for path in parts.files.walk(room):
            place = path.split("/")
            if place[2].endswith(f"={records.day.day}") and place[-1].startswith(stem) and path not in named:
                yield path


def _rows(files: Iterable[StoredFile]) -> Counter[str]:
    rows = Counter[str]()
    for one in files:
        rows[one.table] += one.rows
    return rows


def _stored(parts: Parts, path: str) -> StoredFile | None:
    """Return what a record would say of a file; None when it is gone, damaged or of an unknown table."""
    table = parts.tables.get(path.split("/")[1])
    try:
        content = parts.files.read(path)
        count = pq.ParquetFile(pa.BufferReader(content)).metadata.num_rows
        rows = decoded(table, content, path, rows=count) if table is not None else None
    except (OSError, pa.ArrowException, StoreError):
        return None
    if table is None or rows is None:
        return None
    first, last = span(table, rows)
    stamps = rows.column(COMMITTED_AT.name)
    return StoredFile(
        table=table.name,
        path=path,
        rows=count,
        size=len(content),
        sha256=digest(content),
        schema_version=table.version,
        first=first,
        last=last,
        keys=keys_digest(table, rows),
        known_from=pc.min(stamps).as_py(),
        known_at=pc.max(stamps).as_py(),
    )


def _stamps(parts: Parts, stored: StoredFile) -> set[object]:
    return set(parts.reader.load(stored, columns=[COMMITTED_AT.name]).column(COMMITTED_AT.name).to_pylist())
