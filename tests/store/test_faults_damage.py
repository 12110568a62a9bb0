"""Whatever becomes of a byte on the disk, a reader is told; wrong rows are never returned."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.store import DiskFiles, Store
from portfolio_lab.store.verify import verify

sys.path.insert(0, str(Path(__file__).parent))

from strict_disk import Names, StrictDisk

ROOT = Path("/lab/store")
Damage = Callable[[bytes, random.Random], bytes]


def flipped(whole: bytes, chance: random.Random) -> bytes:
    broken = bytearray(whole)
    broken[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def holed(whole: bytes, chance: random.Random) -> bytes:
    """A run of zeros, as a sector that was never written reads."""
    length = chance.choice([1, 16, 64, 512])
    begin = chance.randrange(len(whole))
    return whole[:begin] + bytes(len(whole[begin : begin + length])) + whole[begin + length :]


def truncated(whole: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole))]


DAMAGES: dict[str, tuple[Damage, int, int]] = {
    "flip": (flipped, 160, 10_000),
    "hole": (holed, 40, 1_000),
    "truncation": (truncated, 40, 1_000),
}


@pytest.fixture(scope="module")
def laid(rows: ModuleType) -> Names:
    """Two cycles of a folded day, and one of an open day."""
    disk = StrictDisk(ROOT)
    store = Store.create(ROOT, files=DiskFiles(ROOT, disk))
    for number in (0, 1, 60):
        slot, name = rows.slot_of(number), f"user-{number}"
        store.commit(rows.cycle(slot, name), slot=slot, writer="w", sync_id=name)
        if number == 1:
            store.fold(today=date(2026, 11, 21))
    return disk.everything()


def live_files(laid: Names) -> list[Path]:
    """The files that a reader needs: records, and what they name."""
    store = Store.open(ROOT, files=DiskFiles(ROOT, StrictDisk(ROOT, laid)))
    parquet = [Path(path) for table in ("balances", "portfolio_snapshots") for path in store.files(table)]
    records = [path for path in laid if path.suffix == ".json" and "log" in path.parts]
    return [*parquet, *records, ROOT / "store.json"]


def is_found(laid: Names, path: Path, broken: bytes) -> bool:
    """Whether a fresh reader, who asks for all there is, is told of it."""
    disk = StrictDisk(ROOT, {**laid, path: broken})
    try:
        store = Store.open(ROOT, files=DiskFiles(ROOT, disk))
        store.commits()
        for table in ("balances", "portfolio_snapshots", "users_portfolio_state"):
            store.read(table)
    except StoreError:
        return True
    return False


def hidden(laid: Names, damage: Damage, count: int) -> list[str]:
    """The damages that nobody was told of."""
    chance, files, missed = random.Random(3), live_files(laid), []
    for number in range(count):
        path = files[number % len(files)]
        whole = laid[path]
        assert whole
        broken = damage(whole, chance)
        # The marker's line end says nothing: without it the same is said.
        if broken.rstrip(b"\n") != whole.rstrip(b"\n") and not is_found(laid, path, broken):
            missed.append(f"{path}: {broken!r}")
    return missed


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found(laid: Names, kind: str) -> None:
    damage, count, _ = DAMAGES[kind]
    assert hidden(laid, damage, count) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_however_often(laid: Names, kind: str) -> None:
    damage, _, count = DAMAGES[kind]
    assert hidden(laid, damage, count) == []


def test_without_damage_nothing_is_found(laid: Names) -> None:
    path = live_files(laid)[0]
    assert not is_found(laid, path, laid[path] or b"")


def test_a_record_that_is_deleted_is_missed_by_the_next_one(store: Store, rows: ModuleType) -> None:
    for number in range(3):
        slot = rows.slot_of(number)
        store.commit(rows.cycle(slot, f"user-{number}"), slot=slot, writer="w", sync_id=f"user-{number}")
    assert verify(store.parts()).damages == []
    assert [commit.previous for commit in store.commits()] == ["", "a-233000-user-0.json", "a-233100-user-1.json"]
    [record] = (store.root / "log").rglob("a-*-user-1.json")
    record.unlink()
    [damage] = verify(Store.open(store.root).parts()).damages
    assert (damage.kind, damage.path) == ("record", "log/2026-11-20/a-233100-user-1.json")
    assert "missing" in damage.sentence


def test_the_first_commit_of_a_day_or_a_process_follows_none(store: Store, rows: ModuleType) -> None:
    for number in (29, 30, 31):
        slot = rows.slot_of(number)
        store.commit(rows.cycle(slot, f"user-{number}"), slot=slot, writer="w", sync_id=f"user-{number}")
    slot = rows.slot_of(32)
    Store.open(store.root).commit(rows.cycle(slot, "late"), slot=slot, writer="v", sync_id="late")
    assert [commit.previous for commit in store.commits()] == ["", "", "a-000000-user-30.json", ""]
    assert verify(store.parts()).damages == []
