"""Backup and restore: a second store that holds the same records and files, verified byte by byte.

What is in a store never changes, so a copy needs only what it does not have yet, and may be
interrupted and continued. It is consistent while syncs and folds run: the records that it
takes are those of one listing, and the files go before the records that name them. A copy that
was interrupted is a whole store too, of the days that had arrived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.store.files import Files
from portfolio_lab.store.ledger import DayRecords, day_records
from portfolio_lab.store.manifest import manifest_path, sequences
from portfolio_lab.store.parts import Parts
from portfolio_lab.store.quarantine import FOLDER as QUARANTINE
from portfolio_lab.store.records import StoredFile
from portfolio_lab.store.verify import Progress, Verification, content_fault, verify
from portfolio_lab.store.versions import is_schema_file

MARKER = "store.json"
_TRIES = 5


@dataclass(slots=True)
class Copied:
    """What a backup did: files, records and bytes that were new, and what verifying the copy found."""

    files: int = 0
    records: int = 0
    size: int = 0
    verification: Verification = field(default_factory=Verification)


def copy_store(source: Parts, target: Files, *, progress: Progress = lambda _done, _all: None) -> Copied:
    """Return what was copied from an open store to `target`, which is made where it is missing.

    Args:
        source: of the store to copy; it is only read.
        target: an empty place, or an earlier copy of the same store.
        progress: called after each file.

    Raises:
        BadInputError: the target holds something else, or a store that went its own way.
        StoreError: a file of the source is damaged or missing, or the copy is not what was
            read; what was copied until then stays, and is taken up the next time.
    """
    _check_target(source.files, target)
    copied = Copied()
    for attempt in range(1, _TRIES + 1):
        try:
            _copy_once(source, target, copied, progress)
        except FileNotFoundError as error:
            # A fold superseded it after the listing; its rows stand in another file now.
            if attempt == _TRIES:
                raise StoreError(f"{source.files.root}: {error.filename or 'a file'} is missing; verify it") from error
        except OSError as error:
            raise StoreError(
                f"cannot copy {source.files.root} to {target.root}: {error.strerror or error}. "
                "What was copied stays and is whole; run it again to go on."
            ) from error
        else:
            break
    copied.verification = verify(_parts_at(source, target))
    if copied.verification.damages:
        raise StoreError(f"the copy at {target.root} is not whole: {copied.verification.damages[0].sentence}")
    _clear(target)
    return copied


def _clear(target: Files) -> None:
    """Take away what earlier copies brought and a fold has superseded since: its rows were just verified."""
    removed = {path for day in day_records(target) for path in day.day.removed()}
    for place in ("hot", "warm", "sealed", "revisions"):
        for path in list(target.walk(place)):
            if path in removed:
                target.remove(path)


def check_new(target: Files) -> None:
    """Raise BadInputError when `target` holds anything: a store is restored into a new place only."""
    if [name for name in target.names("") if not name.startswith(".")]:
        raise BadInputError(f"{target.root} is not empty; restore into a new folder, then point store_path at it")


def _check_target(source: Files, target: Files) -> None:
    if isinstance(source.root, Path) and isinstance(target.root, Path):
        inside = target.root.is_relative_to(source.root) or source.root.is_relative_to(target.root)
    else:
        inside = source.root == target.root
    if inside:
        raise BadInputError(f"{target.root} lies in the store itself; give another place for the copy")
    names = [name for name in target.names("") if not name.startswith(".")]
    if names and MARKER not in names:
        raise BadInputError(f"{target.root} is not empty and holds no store; give a new folder")
    if names and target.read(MARKER) != source.read(MARKER):
        raise BadInputError(f"{target.root} holds a store of another kind or format; give a new folder")
    first = manifest_path(1)
    if target.exists(first) and (not source.exists(first) or target.read(first) != source.read(first)):
        raise BadInputError(f"{target.root} holds a copy of another store; give a new folder")


def _copy_once(source: Parts, target: Files, copied: Copied, progress: Progress) -> None:
    manifests = [manifest_path(number) for number in sequences(source.files)]
    days = list(day_records(source.files))
    for day in days:
        _check_whole(day)
    live = [stored for day in days for stored in day.live()]
    target.prepare()
    _put_new(target, MARKER, source.files.read(MARKER))
    for number, stored in enumerate(live, start=1):
        _copy_file(source.files, target, stored, copied)
        progress(number, len(live))
    target.see_names({stored.path.rpartition("/")[0] for stored in live})
    for path in [*_records(days), *manifests]:
        copied.records += _put_new(target, path, source.files.read(path))
    for path in source.files.walk(QUARANTINE):
        _put_new(target, path, source.files.read(path))
    for path in source.files.walk("sealed"):
        if is_schema_file(path):
            target.put_if_absent(path, source.files.read(path))


def _records(days: list[DayRecords]) -> Iterator[str]:
    """Yield the records' paths: of each day the folds first, which stand in for files that are gone."""
    for day in days:
        yield from sorted((f"log/{day.day.day}/{name}" for name in day.day.names), key=_folds_first)


def _folds_first(path: str) -> tuple[bool, str]:
    return not path.rpartition("/")[2].startswith("f-"), path


def _check_whole(day: DayRecords) -> None:
    if day.bad:
        raise StoreError(f"{day.bad[0].sentence} Run `portfolio-lab store verify` first.")
    if day.lacks_a_fold():
        raise StoreError(
            f"record log/{day.day.day}/{day.absent()[0]} is missing: run `portfolio-lab store verify` first"
        )


def _copy_file(source: Files, target: Files, stored: StoredFile, copied: Copied) -> None:
    if target.exists(stored.path) and target.size(stored.path) == stored.size:
        return  # verified with all others at the end
    content = source.read(stored.path)
    if content_fault(stored, content):
        raise StoreError(f"{stored.path} is damaged in {source.root}: run `portfolio-lab store verify` first")
    target.remove(stored.path)
    target.put(stored.path, content)
    copied.files += 1
    copied.size += len(content)


def _put_new(target: Files, path: str, content: bytes) -> bool:
    """Put a record; BadInputError when the copy has another one of that name."""
    if target.put_if_absent(path, content):
        return True
    if target.read(path) != content:
        raise BadInputError(
            f"{target.root} has another {path} than the store: one of the two is damaged, or the copy went "
            "its own way. Verify both, or give a new folder."
        )
    return False


def _parts_at(source: Parts, target: Files) -> Parts:
    from portfolio_lab.store.store import Store  # noqa: PLC0415 - which itself is made of these parts

    return replace(Store.open(target.root, files=target).parts(), tables=source.tables, clock=source.clock)
