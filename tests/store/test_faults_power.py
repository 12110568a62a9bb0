"""A power cut at any moment loses and tears nothing that was acknowledged.

Every state that a disk may be in after a cut is made in memory: each name and each content that
was not synced is lost or kept, in any combination. The same checker is shown four broken ways
to write, and has to catch every one.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import DiskFiles, Store
from portfolio_lab.store.verify import verify

sys.path.insert(0, str(Path(__file__).parent))

from strict_disk import Moment, Names, StrictDisk

ROOT = Path("/lab/store")
AT_ONCE = timedelta(0)
Check = Callable[[Store, Iterable[str]], set[str]]
FilesOn = Callable[[StrictDisk], DiskFiles]
Scene = Callable[[ModuleType, StrictDisk, FilesOn], list[Moment]]


def on(disk: StrictDisk) -> DiskFiles:
    return DiskFiles(ROOT, disk)


def commits(rows: ModuleType, disk: StrictDisk, files_on: FilesOn) -> list[Moment]:
    """Two cycles, the second in a new day: new folders all the way up."""
    Store.create(ROOT, files=on(disk))
    begun = len(disk.moments)
    for number in (29, 30):
        slot, name = rows.slot_of(number), f"user-{number}"
        Store(ROOT, files=files_on(disk)).commit(rows.cycle(slot, name), slot=slot, writer="w", sync_id=name)
        disk.acknowledged.append(name)
        disk.step()
    return disk.moments[begun:]


def folds(rows: ModuleType, disk: StrictDisk, files_on: FilesOn) -> list[Moment]:
    """Two cycles of one day, folded and swept at once, and folded again."""
    store = Store.create(ROOT, files=on(disk))
    for number in (0, 1):
        slot, name = rows.slot_of(number), f"user-{number}"
        store.commit(rows.cycle(slot, name), slot=slot, writer="w", sync_id=name)
        disk.acknowledged.append(name)
    begun = len(disk.moments)
    for _ in range(2):
        Store(ROOT, files=files_on(disk)).fold(grace=AT_ONCE, today=date(2026, 11, 22))
    return disk.moments[begun:]


SCENES: dict[str, Scene] = {"commits": commits, "folds": folds}


def fault_after(names: Names, acknowledged: Iterable[str], check: Check) -> str:
    """What is wrong with a store that finds this on its disk; empty when nothing is."""
    disk = StrictDisk(ROOT, names)
    try:
        store = Store.open(ROOT, files=on(disk))
        check(store, acknowledged)
        assert verify(store.parts()).damages == []
    except (AssertionError, StoreError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def faults(moments: Iterable[Moment], remains: Callable[[Moment], Iterator[Names]], check: Check) -> Iterator[str]:
    seen = set[tuple[tuple[str, ...], frozenset[tuple[Path, bytes | None]]]]()
    for moment in moments:
        for names in remains(moment):
            state = (moment.acknowledged, frozenset(names.items()))
            if state not in seen:
                seen.add(state)
                yield fault_after(names, moment.acknowledged, check)


# ---------------------------------------------------------------- the protocol


def all_whole(moments: list[Moment], check: Check) -> int:
    """How many different states there are; every one is whole."""
    found = list(faults(moments, Moment.remains, check))
    assert not any(found)
    return len(found)


@pytest.mark.parametrize("scene", SCENES)
def test_every_state_after_a_power_cut_at_any_moment_is_whole(rows: ModuleType, check_whole: Check, scene: str) -> None:
    moments = SCENES[scene](rows, StrictDisk(ROOT), on)
    assert len(moments) > 40
    assert all_whole(moments, check_whole) > 200


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", SCENES)
def test_every_state_of_five_tables_is_whole(
    rows: ModuleType,
    check_whole: Check,
    scene: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    narrow = rows.cycle

    def wide(slot: datetime, user: str) -> dict[str, pa.Table]:
        more = {name: rows.sample_rows(TABLES[name], 2, slot, user=user) for name in ("open_orders", "fills")}
        return {**narrow(slot, user), **more}

    monkeypatch.setattr(rows, "cycle", wide)
    moments = SCENES[scene](rows, StrictDisk(ROOT), on)
    states = all_whole(moments, check_whole)
    with capsys.disabled():
        print(f"\n{scene}: {len(moments)} moments, {states} different states, no fault")
    assert states > 2000


# ---------------------------------------------------------------- what the checker has to catch


class NoFileSync(StrictDisk):
    def sync(self, node: int) -> None:
        """Leave the content to the kernel."""


class NoFolderSync(StrictDisk):
    def sync_folder(self, path: Path) -> None:
        """Leave the names to the kernel."""


class InPlace(DiskFiles):
    """Writes a record under its final name at once."""

    def put_if_absent(self, path: str, content: bytes) -> bool:
        target = self._in_folder(path)
        self._disk.write(target, content)
        self._disk.sync_folder(target.parent)
        return True


class EarlyAcknowledge(DiskFiles):
    """Answers before the record's name is on the disk; sees to it afterwards."""

    def put_if_absent(self, path: str, content: bytes) -> bool:
        target = self._in_folder(path)
        self._disk.write(target.with_name(".x.part"), content)
        self._disk.rename(target.with_name(".x.part"), target)
        return True


BROKEN: dict[str, tuple[type[StrictDisk], type[DiskFiles]]] = {
    "no fsync": (NoFileSync, DiskFiles),
    "no fsync of folders": (NoFolderSync, DiskFiles),
    "in place": (StrictDisk, InPlace),
    "early acknowledge": (StrictDisk, EarlyAcknowledge),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("scene", SCENES)
def test_each_broken_way_to_write_is_caught(rows: ModuleType, check_whole: Check, scene: str, broken: str) -> None:
    disk_kind, files_kind = BROKEN[broken]
    disk = disk_kind(ROOT)
    moments = SCENES[scene](rows, disk, lambda disk: files_kind(ROOT, disk))
    chance = random.Random(8)
    chance.shuffle(moments)
    assert any(faults(moments, lambda moment: moment.some_remains(4, chance), check_whole))


def test_the_disk_in_memory_loses_what_it_may_and_nothing_else() -> None:
    disk = StrictDisk(ROOT)
    disk.write(ROOT / "a", b"1")
    disk.sync_folder(ROOT)
    disk.write(ROOT / "b", b"2")
    states = [{path.name for path in names if path.parent == ROOT} for names in disk.moments[-1].remains()]
    assert sorted(states, key=len) == [{"a"}, {"a", "b"}]
    disk.rename(ROOT / "b", ROOT / "c")
    states = [{path.name for path in names if path.parent == ROOT} for names in disk.moments[-1].remains()]
    assert {frozenset(names) for names in states} == {
        frozenset(names) for names in ({"a"}, {"a", "b"}, {"a", "c"}, {"a", "b", "c"})
    }


def test_all_tables_of_a_cycle_are_in_the_sample(rows: ModuleType) -> None:
    assert any(TABLES[name].latest for name in rows.ROWS)
    assert len(rows.ROWS) == 3
