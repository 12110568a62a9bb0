"""Repair: put what is damaged back from a backup, or set it aside so that the rest can be read.

Nothing is ever deleted. What is damaged is copied to `quarantine/<its path>~<its hash>` first,
with a note beside it that says what it held; then a record (a fold that only removes) tells every
reader to leave it out. What the lost rows said is unknown from then on, never zero.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from portfolio_lab.errors import StoreError
from portfolio_lab.store.files import Files
from portfolio_lab.store.ledger import day_records
from portfolio_lab.store.log import Log, fold_name
from portfolio_lab.store.manifest import Chain, Manifest, digest, sequences
from portfolio_lab.store.parquet import check_expansion
from portfolio_lab.store.parts import Parts
from portfolio_lab.store.quarantine import FOLDER as QUARANTINE
from portfolio_lab.store.quarantine import note_content, note_path, quarantined_paths
from portfolio_lab.store.rebuild import fold_by_manifest, fold_by_rows
from portfolio_lab.store.records import Fold, StoredFile, record_bytes
from portfolio_lab.store.verify import Damage, content_fault, verify

_TRIES = 20
_USERS_TOLD = 5


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done about one damage, as a sentence."""

    path: str
    action: Literal["restored", "renamed", "rebuilt", "quarantined", "removed", "left"]
    sentence: str


def repair(parts: Parts, damages: Sequence[Damage], *, backup: Files | None = None) -> list[Mended]:
    """Return what was done about each damage that `verify` found.

    Args:
        parts: of the open store.
        damages: from `verify`.
        backup: files of another store that may hold the same content; taken only where the hash
            says that it is the same.

    Raises:
        StoreError: the store cannot be written; what was done until then stays, nothing is lost.
    """
    try:
        return _mended(parts, damages, _Keeper(parts, backup))
    except OSError as error:
        raise StoreError(
            f"cannot repair the store at {parts.files.root}: {error.strerror or error}. Nothing was lost; repair again."
        ) from error


def _mended(parts: Parts, damages: Sequence[Damage], keeper: _Keeper) -> list[Mended]:
    done = keeper.bring_back() if keeper.backup is not None else []
    about_records = [one for one in damages if one.kind in {"record", "doubled", "manifest", "rows"}]
    done += [keeper.mend_record(one) for one in about_records]
    if about_records:
        damages = verify(parts).damages  # which files count is another question now
    return done + keeper.mend_files([one for one in damages if one not in about_records])


@dataclass(slots=True)
class _Keeper:
    parts: Parts
    backup: Files | None

    # ------------------------------------------------------------ files

    def bring_back(self) -> list[Mended]:
        """Bring back what an earlier repair set aside and the backup holds, under a new name."""
        aside = quarantined_paths(self.parts.files)
        return [self._add_again(*one) for one in list(self._lost_but_backed_up(aside))] if aside else []

    def _lost_but_backed_up(self, aside: set[str]) -> Iterator[tuple[str, StoredFile, bytes]]:
        for day in day_records(self.parts.files):
            there = {one.sha256 for one in day.live()}  # a run that was interrupted may have brought it back
            for stored in day.named().values():
                if stored.path in aside and stored.sha256 not in there:
                    content = self._from_backup(stored)
                    if content is not None:
                        yield day.day.day, stored, content

    def _add_again(self, day: str, stored: StoredFile, content: bytes) -> Mended:
        # Its own name was taken out for good, so it gets another one of the same beginning.
        path = f"{stored.path.rpartition('-')[0]}-{secrets.token_hex(6)}.parquet"
        self.parts.files.put(path, content)
        self.parts.files.see_names([path.rpartition("/")[0]])
        self._write_fold(day, (), (replace(stored, path=path),))
        note = note_path(stored.path)
        self.parts.files.put_if_absent(f"{note}.restored", self.parts.files.read(note))
        self.parts.files.remove(note)
        return Mended(stored.path, "restored", f"{stored.path} came back from the backup as {path}; its hash is right.")

    def mend_files(self, damages: Iterable[Damage]) -> list[Mended]:
        done, lost = [], []
        for damage in damages:
            if damage.kind == "renamed":
                done.append(self._give_name_back(damage))
            elif damage.kind == "derived":
                self.parts.files.remove(damage.path)
                told = f"{damage.path} was removed: the next fold makes it anew from the facts, which are whole."
                done.append(Mended(damage.path, "removed", told))
            elif damage.kind == "foreign":
                self._copy_aside(damage.path)
                self.parts.files.remove(damage.path)
                done.append(Mended(damage.path, "quarantined", f"{damage.path} stands in {QUARANTINE}/ now."))
            elif damage.stored is None or damage.kind in {"newer", "record", "doubled", "manifest", "rows"}:
                done.append(Mended(damage.path, "left", f"{damage.path} was left as it is. {damage.sentence}"))
            elif (good := self._from_backup(damage.stored)) is not None:
                done.append(self._restore(damage.path, good))
            else:
                lost.append(damage.stored)
        return done + self._set_aside(lost)

    def _give_name_back(self, damage: Damage) -> Mended:
        files = self.parts.files
        files.put(damage.path, files.read(damage.found_at))
        files.see_names([damage.path.rpartition("/")[0]])
        files.remove(damage.found_at)
        return Mended(damage.path, "renamed", f"{damage.path} has its name back; it stood at {damage.found_at}.")

    def _from_backup(self, stored: StoredFile) -> bytes | None:
        content = self._backed_up(stored.path)
        return content if content is not None and content_fault(stored, content) is None else None

    def _backed_up(self, path: str) -> bytes | None:
        if self.backup is None:
            return None
        try:
            return self.backup.read(path)
        except OSError:
            return None

    def _restore(self, path: str, content: bytes) -> Mended:
        self._copy_aside(path)
        self.parts.files.remove(path)
        self.parts.files.put(path, content)
        self.parts.files.see_names([path.rpartition("/")[0]])
        return Mended(path, "restored", f"{path} was restored from the backup; its hash is right.")

    def _set_aside(self, lost: Sequence[StoredFile]) -> list[Mended]:
        done: list[Mended] = []
        users = {stored.path: self._users(stored) for stored in lost}
        for day in sorted({_day_of(stored) for stored in lost}):
            of_day = [stored for stored in lost if _day_of(stored) == day]
            for stored in of_day:
                self._copy_aside(stored.path)
                self._note(stored.path, what_it_held(stored, users[stored.path]), stored, users[stored.path])
            self._write_fold(day, tuple(stored.path for stored in of_day), ())
            for stored in of_day:
                self.parts.files.remove(stored.path)
                held = what_it_held(stored, users[stored.path])
                told = f"{stored.path} stands in {QUARANTINE}/ now. It held {held}: unknown from now on, not zero."
                done.append(Mended(stored.path, "quarantined", told))
        return done

    def _write_fold(self, day: str, removes: tuple[str, ...], adds: tuple[StoredFile, ...]) -> None:
        """Write the record that makes readers leave files out, or take them in again."""
        for _ in range(_TRIES):
            sequence = Log(self.parts.files).day(day).next_sequence()
            fold = Fold(day, sequence, self.parts.clock(), (), removes, adds)
            if self.parts.committer.acknowledge(day, fold_name(sequence), fold):
                return
        raise StoreError(f"others fold {day} all the time; run the repair again")

    def _users(self, stored: StoredFile) -> list[str]:
        """Return whose rows a damaged file held: as far as it, or a file of the same commit, still tells."""
        for path, rows in [(stored.path, stored.rows), *self._siblings(stored)]:
            try:
                content = self.parts.files.read(path)
                file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
                check_expansion(file.metadata, path, rows)
                found = file.read(columns=["user"], use_threads=False)
            except (OSError, pa.ArrowException, StoreError):
                continue
            if "user" in found.column_names:
                return sorted({str(user) for user in found.column("user").to_pylist()})
        return []

    def _siblings(self, stored: StoredFile) -> list[tuple[str, int]]:
        for day in day_records(self.parts.files):
            if day.day.day != _day_of(stored):
                continue
            groups = [one.files for one in day.day.commits.values()] + [one.adds for one in day.day.folds.values()]
            return [(one.path, one.rows) for group in groups if stored in group for one in group if one != stored]
        return []

    # ------------------------------------------------------------ records

    def mend_record(self, damage: Damage) -> Mended:
        """Put a record or manifest back from the backup, or set it aside."""
        path = damage.path
        good = self._backed_up(path)
        if good is not None and self._is_the_record(path, good):
            return self._restore(path, good)
        if damage.kind == "rows" or (damage.kind == "manifest" and "damaged" not in damage.sentence):
            return Mended(path, "left", f"{path} was left as it is. {damage.sentence}")
        name = path.rpartition("/")[2]
        if damage.kind == "record" and name.startswith("f-"):
            return self._replace_fold(path)
        kept = self._keep_files_of(path) if damage.kind == "record" else 0
        self._copy_aside(path)
        self._note(path, damage.sentence)
        self.parts.files.remove(path)
        also = f" {kept} file(s) that only it named stand there too." if kept else ""
        return Mended(path, "quarantined", f"{path} stands in {QUARANTINE}/ now. {damage.sentence}{also}")

    def _is_the_record(self, path: str, content: bytes) -> bool:
        """Return whether a backup's record is the one that the manifests name, or at least is whole."""
        pinned = self._pinned_hash(path)
        if pinned is not None:
            return digest(content) == pinned
        try:
            body = json.loads(content)["record"]
        except (ValueError, KeyError, TypeError):
            return False
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return bool(json.loads(content).get("sha256") == digest(text.encode()))

    def _pinned_hash(self, path: str) -> str | None:
        place = path.split("/")
        for manifest in self._manifests():
            if place[0] == "log" and manifest.day == place[1] and place[2] in manifest.records:
                return manifest.records[place[2]]
        return None

    def _manifests(self) -> list[Manifest]:
        chain, found = Chain(self.parts.files, Log(self.parts.files), self.parts.clock), []
        for number in sequences(self.parts.files):
            try:
                found.append(chain.load(number)[0])
            except (StoreError, OSError):
                continue
        return found

    def _keep_files_of(self, path: str) -> int:
        """Copy aside the files of a damaged commit that no other record names: a sweep would take them."""
        day, name = path.split("/")[1:]
        stem = name.removeprefix("a-").removesuffix(".json")
        named = {known for one in day_records(self.parts.files) if one.day.day == day for known in one.named()}
        strays = [
            stray
            for stray in self.parts.files.walk("hot")
            if f"/day={day}/{stem}-" in stray and stray not in named and not stray.rpartition("/")[2].startswith(".")
        ]
        for stray in strays:
            self._copy_aside(stray)
        return len(strays)

    def _replace_fold(self, path: str) -> Mended:
        """Put a fold record in the place of a damaged or missing one: what a manifest proves, else nothing."""
        day, name = path.split("/")[1:]
        [records] = [one for one in day_records(self.parts.files) if one.day.day == day]
        newest = [one for one in self._manifests() if one.day == day and name in one.records]
        sequence = int(name[2:-5])
        if newest:
            fold, proof = fold_by_manifest(self.parts, records, newest[-1], sequence), "the manifest"
        else:
            by_rows = fold_by_rows(self.parts, records, sequence)
            fold, proof = by_rows or Fold(day, sequence, self.parts.clock(), (), (), ()), "its own files"
        self._copy_aside(path)
        self._note(path, "a fold record that was damaged or missing")
        self.parts.files.remove(path)
        if not self.parts.files.put_if_absent(path, record_bytes(fold)):
            raise StoreError(f"somebody else mended {path} at the same time; run `store verify` again")
        if fold.adds:
            rows = sum(one.rows for one in fold.adds)
            told = f"{path} was rebuilt from {proof}: {len(fold.adds)} file(s), {rows} rows, none is missing."
            return Mended(path, "rebuilt", told)
        return Mended(path, "quarantined", f"{path} is lost: what it folded and nobody else holds is unknown now.")

    # ------------------------------------------------------------ quarantine

    def _copy_aside(self, path: str) -> None:
        try:
            content = self.parts.files.read(path)
        except OSError:
            return  # nothing is left to keep
        target = f"{QUARANTINE}/{path}~{digest(content)[:16]}"
        if not self.parts.files.exists(target):
            self.parts.files.put(target, content)
            self.parts.files.see_names([target.rpartition("/")[0]])

    def _note(self, path: str, held: str, stored: StoredFile | None = None, users: Sequence[str] = ()) -> None:
        content = note_content(path, held, self.parts.clock(), stored, tuple(users))
        self.parts.files.put_if_absent(note_path(path), content)


def what_it_held(stored: StoredFile, users: Sequence[str]) -> str:
    """Return table, rows, span and users of a file in words."""
    named = ", ".join(users[:_USERS_TOLD]) + (f" and {len(users) - _USERS_TOLD} more" if users[_USERS_TOLD:] else "")
    period = f" from {stored.first} to {stored.last}" if stored.first else ""
    return f"{stored.rows} row(s) of {stored.table}{period}, users: {named or 'unknown'}"


def _day_of(stored: StoredFile) -> str:
    return stored.path.split("/")[2].partition("=")[2]
