"""Verify: every record, every file and the chain of manifests, each damage in one sentence."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from portfolio_lab.errors import StoreError
from portfolio_lab.store.commit import FENCE
from portfolio_lab.store.fold import ORPHAN_AGE
from portfolio_lab.store.ledger import DayRecords, day_records
from portfolio_lab.store.log import fold_name
from portfolio_lab.store.manifest import Chain, Manifest, digest, manifest_path, sequences
from portfolio_lab.store.parquet import decoded
from portfolio_lab.store.parts import Parts
from portfolio_lab.store.quarantine import FOLDER as QUARANTINE
from portfolio_lab.store.quarantine import quarantined_paths
from portfolio_lab.store.rebuild import unnamed
from portfolio_lab.store.records import StoredFile
from portfolio_lab.store.versions import is_derived, is_schema_file

Kind = Literal[
    "missing",
    "truncated",
    "flipped",
    "renamed",
    "foreign",
    "newer",
    "record",
    "doubled",
    "rows",
    "manifest",
    "derived",
]

THINNED = "t-"
"""How the name of a file begins that thinning wrote: it holds fewer rows than it took in, on purpose."""

_PRIVATE = ("hot", "warm", "revisions")
"""Rooms that only the log leads into: what it does not name there is never read."""

_PLACES = 4
"""room / table / day / name."""

Progress = Callable[[int, int], None]
"""Told how many files are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong. `sentence` says what, where, and what to do.

    `stored` is what was committed, where a record tells it; `found_at` is where the content of a
    renamed file stands now.
    """

    kind: Kind
    path: str
    sentence: str
    stored: StoredFile | None = None
    found_at: str = ""


@dataclass(slots=True)
class Verification:
    """What a look at the whole store found. `notes` are no damage; `head` is the newest manifest's hash."""

    damages: list[Damage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    size: int = 0
    head: str = ""


def verify(
    parts: Parts, *, deep: bool = False, head: str = "", progress: Progress = lambda _done, _all: None
) -> Verification:
    """Return what is wrong with a store, and how much of it was looked at. Nothing is written.

    Each file that counts is read whole and held against its SHA-256; the records against their
    own, against each other and against the manifests.

    Args:
        parts: of the open store.
        deep: also decode every file, and hold its rows against the record and every fold's rows
            against what went in.
        head: a hash of a manifest that was noted before: the chain must still hold it.
        progress: called after each file.
    """
    found, days = Verification(), list(day_records(parts.files))
    quarantined = quarantined_paths(parts.files)
    for day in days:
        found.damages += _record_damages(day, quarantined)
        found.damages += _row_damages(day, parts) if deep else []
    # Without its fold record nobody can say which files of a day count: that record is the damage.
    unsure = {day.day.day for day in days if day.lacks_a_fold()}
    live = [stored for day in days for stored in day.live()]
    for number, stored in enumerate(live, start=1):
        told = _file_damage(parts, stored, deep=deep)
        found.damages += [one for one in told if one.kind != "missing" or day_of_file(one.path) not in unsure]
        progress(number, len(live))
    found.damages = _told_by_folds(parts, days, found.damages)
    found.files, found.rows, found.size = len(live), sum(one.rows for one in live), sum(one.size for one in live)
    _look_for_strangers(parts, days, found, unsure)
    _follow_chain(parts, days, found, quarantined, head)
    found.damages = list({(one.kind, one.path): one for one in reversed(found.damages)}.values())[::-1]
    if quarantined:
        found.notes.append(f"{len(quarantined)} file(s) stand in {QUARANTINE}/: what they held is unknown, not zero")
    return found


# ---------------------------------------------------------------- records


def _record_damages(day: DayRecords, quarantined: set[str]) -> Iterator[Damage]:
    for bad in day.bad:
        yield Damage("record", bad.path, bad.sentence)
    bad_paths = {bad.path for bad in day.bad}
    for name in day.absent():
        path = f"log/{day.day.day}/{name}"
        if path not in quarantined | bad_paths:
            yield Damage("record", path, f"record {path} is missing, though a later one names it. {_RESTORE}")
    for first, second in day.doubled():
        path = f"log/{day.day.day}/{second}"
        yield Damage("doubled", path, f"record {path} names files of {first} once more: their rows would count twice.")


_RESTORE = "Restore it from a backup."


def _row_damages(day: DayRecords, parts: Parts) -> Iterator[Damage]:
    """Yield the folds out of which other rows came than went in."""
    named = day.named()
    for name, fold in sorted(day.day.folds.items()):
        thinned = any(one.path.rpartition("/")[2].startswith(THINNED) for one in fold.adds)
        if thinned or not fold.adds or not fold.removes:
            continue  # fewer rows on purpose, or a repair
        if not all(path in named for path in fold.removes):
            continue  # the record that added them is damaged, and told by itself
        went_in = Counter[str]()
        for path in fold.removes:
            went_in[named[path].table] += named[path].rows
        came_out = Counter[str]()
        for added in fold.adds:
            came_out[added.table] += added.rows
        for table in sorted(went_in.keys() | came_out.keys()):
            if table in parts.tables and not parts.tables[table].latest and went_in[table] != came_out[table]:
                path = f"log/{day.day.day}/{name}"
                told = f"{went_in[table]} rows of {table} went in, {came_out[table]} came out"
                yield Damage("rows", path, f"fold {path}: {told}. {_RESTORE}")


def _told_by_folds(parts: Parts, days: Iterable[DayRecords], damages: list[Damage]) -> list[Damage]:
    """Return the damages; where a day's newest fold record is missing, that one for the files that it took in."""
    gone = {day_of_file(one.path) for one in damages if one.kind == "missing"}
    for day in days:
        sequence = 1 + max((fold.sequence for fold in day.day.folds.values()), default=0)
        if day.day.day in gone and any(unnamed(parts, day, sequence)):
            path = f"log/{day.day.day}/{fold_name(sequence)}"
            told = f"record {path} is missing, though the files that it folded are there. {_RESTORE}"
            damages = [one for one in damages if one.kind != "missing" or day_of_file(one.path) != day.day.day]
            damages.append(Damage("record", path, told))
    return damages


# ---------------------------------------------------------------- files


def _file_damage(parts: Parts, stored: StoredFile, *, deep: bool) -> Iterator[Damage]:
    table = parts.tables.get(stored.table)
    if table is None or stored.schema_version > table.version:
        known = "does not know it" if table is None else f"knows {table.version}"
        told = f"{stored.path} has schema version {stored.schema_version} of {stored.table}"
        yield Damage("newer", stored.path, f"{told}; this portfolio-lab {known}. Upgrade it.", stored)
        return
    try:
        content = parts.files.read(stored.path)
    except OSError as error:
        gone = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror or error})"
        yield Damage("missing", stored.path, f"{stored.path} {gone}, though a record names it. {_RESTORE}", stored)
        return
    fault = content_fault(stored, content)
    if fault:
        told = f"{stored.path} {_SAID[fault]}. {_RESTORE}"
        yield Damage(fault, stored.path, told, stored)
    elif deep and (told := _deep_fault(parts, stored, content)):
        yield Damage("flipped", stored.path, told, stored)


_SAID: dict[Kind, str] = {
    "truncated": "is cut: it has fewer bytes than were committed",
    "flipped": "was changed: its SHA-256 is not what was committed",
}


def _deep_fault(parts: Parts, stored: StoredFile, content: bytes) -> str:
    try:
        decoded(parts.tables[stored.table], content, stored.path, rows=stored.rows)
    except StoreError as error:
        return str(error)
    return ""


def content_fault(stored: StoredFile, content: bytes) -> Kind | None:
    """Return what is wrong with the content of a file; None when it is what was committed."""
    if len(content) < stored.size:
        return "truncated"
    if len(content) != stored.size or hashlib.sha256(content).hexdigest() != stored.sha256:
        return "flipped"
    return None


def day_of_file(path: str) -> str:
    """Return the day whose folder a file lies in; empty when it lies in none."""
    place = path.split("/")
    return place[2].partition("=")[2] if len(place) == _PLACES else ""


def _look_for_strangers(parts: Parts, days: Iterable[DayRecords], found: Verification, unsure: set[str]) -> None:
    """Look at the files that no record names: foreign, renamed, or left behind by a crash."""
    named = {path for day in days for path in day.named()}
    missing = {one.stored.sha256: one for one in found.damages if one.kind == "missing" and one.stored is not None}
    for path in parts.files.walk(""):
        place, name = path.partition("/")[0], path.rpartition("/")[2]
        if path in named or place in {"log", "manifests", QUARANTINE, "store.json"} or name.startswith("."):
            continue
        if is_derived(path):
            # Laid by a fold: hours, months, and columns for those who read the folder without the log.
            found.damages += _derived_damage(parts, path)
            continue
        twin = missing.get(_digest_of(parts, path)) if missing else None
        if twin is not None:
            found.damages.remove(twin)
            told = f"{twin.path} was renamed: it stands at {path}. `store verify --repair` gives it its name back."
            found.damages.append(Damage("renamed", twin.path, told, twin.stored, found_at=path))
        elif place in _PRIVATE or day_of_file(path) in unsure or _is_young(parts, path):
            found.notes.append(f"{path} is named by no record: left behind by a crash, or being written now")
        else:
            told = f"{path} is foreign: no record names it, but who reads the folder without the log would."
            found.damages.append(Damage("foreign", path, told))


def _derived_damage(parts: Parts, path: str) -> Iterator[Damage]:
    """Yield what is wrong with a derived file whose name tells its hash. No fact is lost with it."""
    stem = path.rpartition("/")[2].rpartition(".")[0]
    if not is_schema_file(path) and (own := _digest_of(parts, path)) and not stem.endswith(f"-{own}"):
        told = "Readers pass it over; `store verify --repair` removes it, and the next fold makes it anew."
        yield Damage("derived", path, f"{path} was changed: it is not what its name tells. {told}")


def _digest_of(parts: Parts, path: str) -> str:
    try:
        return digest(parts.files.read(path))
    except OSError:
        return ""


def _is_young(parts: Parts, path: str) -> bool:
    try:
        written_ns = parts.files.modified_ns(path)
    except OSError:
        return True
    is_ours = path.rpartition("/")[2].startswith(("f-", THINNED))
    return is_ours and written_ns > (parts.clock() - ORPHAN_AGE).timestamp() * 1e9


# ---------------------------------------------------------------- manifests


def _follow_chain(
    parts: Parts, days: Iterable[DayRecords], found: Verification, quarantined: set[str], head: str
) -> None:
    chain, numbers = Chain(parts.files, parts.log, parts.clock), sequences(parts.files)
    whole = {day.day.day: day for day in days}
    previous, hashes = "", set[str]()
    pinned: dict[str, tuple[set[str], Manifest]] = {}
    for expected in range(1, (numbers[-1] if numbers else 0) + 1):
        path = manifest_path(expected)
        try:
            manifest, own = chain.load(expected)
        except (StoreError, FileNotFoundError) as error:
            told = str(error) if isinstance(error, StoreError) else f"manifest {path} is missing. {_RESTORE}"
            if path not in quarantined:
                found.damages.append(Damage("manifest", path, told))
            previous = ""
            continue
        if previous and manifest.previous != previous:
            told = f"manifest {path} does not follow the one before it: one of the two was changed. {_RESTORE}"
            found.damages.append(Damage("manifest", path, told))
        found.damages += _pinned_damages(parts, manifest, quarantined)
        names, _ = pinned.setdefault(manifest.day, (set(), manifest))
        pinned[manifest.day] = names | set(manifest.records), manifest
        previous = own
        hashes.add(own)
    found.head = previous
    for day, (names, newest) in sorted(pinned.items()):
        found.damages += _slipped_in(whole.get(day), names, newest)
    if head and head not in hashes:
        told = f"no manifest has the hash {head}: the past was written anew, or this is another store."
        found.damages.append(Damage("manifest", "manifests", told))


def _pinned_damages(parts: Parts, manifest: Manifest, quarantined: set[str]) -> Iterator[Damage]:
    for name, sha256 in sorted(manifest.records.items()):
        path = f"log/{manifest.day}/{name}"
        if path in quarantined:
            continue
        try:
            own = digest(parts.files.read(path))
        except FileNotFoundError:
            told = f"record {path} is missing, though manifest {manifest.sequence} names it. {_RESTORE}"
            yield Damage("record", path, told)
            continue
        if own != sha256:
            told = f"record {path} is not what manifest {manifest.sequence} names: it was changed. {_RESTORE}"
            yield Damage("record", path, told)


def _slipped_in(day: DayRecords | None, names: set[str], newest: Manifest) -> Iterator[Damage]:
    """Yield records that claim to be older than a manifest that does not name them."""
    if day is None:
        return
    limit = newest.known_at - FENCE - timedelta(minutes=5)
    stamps = {name: commit.known_at for name, commit in day.day.commits.items()}
    stamps |= {name: fold.known_at for name, fold in day.day.folds.items()}
    for name, known_at in sorted(stamps.items()):
        if name not in names and known_at < limit:
            path = f"log/{newest.day}/{name}"
            told = f"record {path} says it was made before manifest {newest.sequence}, which does not name it."
            yield Damage("record", path, f"{told} It was slipped in, or a clock was wrong.")
