"""A backup is a second store with the same rows, taken while the first one goes on."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import DiskFiles, Store
from portfolio_lab.store.backup import Copied, check_new, copy_store
from portfolio_lab.store.verify import verify

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 11, 25)
AT_ONCE = timedelta(0)
MINUTE = timedelta(minutes=1)


def commit(store: Store, rows: ModuleType, number: int, user: str = "anna") -> None:
    slot = DAY + number * MINUTE
    store.commit(rows.cycle(slot, user), slot=slot, writer="w", sync_id=f"{user}-{number}")


def copied(store: Store, target: Path) -> Copied:
    return copy_store(Store.open(store.root).parts(), DiskFiles(target))


def everything(root: Path | str) -> dict[str, pa.Table]:
    store = Store.open(root)
    return {name: store.read(name) for name in TABLES}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "far" / "copy"


@pytest.fixture
def mixed(store: Store, rows: ModuleType) -> Store:
    for number in (0, 1):
        commit(store, rows, number)
    store.fold(today=AFTER, grace=AT_ONCE)
    commit(store, rows, 3000, "ben")
    return store


def test_a_copy_holds_the_same_rows_records_and_chain(mixed: Store, target: Path) -> None:
    done = copied(mixed, target)
    assert (done.files, done.records) == (7, 2 + 1 + 1 + 1)  # two commits, a fold, one open commit, one manifest
    assert everything(target) == everything(mixed.root)
    assert Store.open(target).commits() == mixed.commits()
    assert verify(Store.open(target).parts(), deep=True).head == verify(mixed.parts()).head != ""


def test_the_next_copy_brings_only_what_is_new(mixed: Store, target: Path, rows: ModuleType) -> None:
    copied(mixed, target)
    assert (copied(mixed, target).files, copied(mixed, target).records) == (0, 0)
    commit(mixed, rows, 3001)
    done = copied(mixed, target)
    assert (done.files, done.records) == (3, 1)
    for _ in range(2):
        mixed.fold(today=AFTER, grace=AT_ONCE)
    copied(mixed, target)
    assert everything(target) == everything(mixed.root)
    names = [
        {path.relative_to(root) for room in ("hot", "sealed") for path in (root / room).rglob("*.parquet")}
        for root in (Path(mixed.root), target)
    ]
    assert names[0] == names[1]  # what the fold superseded has left the copy too


def test_a_copy_that_was_interrupted_is_whole_and_goes_on(mixed: Store, target: Path) -> None:
    class Interrupted(DiskFiles):
        left = 3

        def put(self, path: str, content: bytes) -> None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            super().put(path, content)

    with pytest.raises(KeyboardInterrupt):
        copy_store(mixed.parts(), Interrupted(target))
    assert verify(Store.open(target).parts()).damages == []
    assert copied(mixed, target).files == 4
    assert everything(target) == everything(mixed.root)


@pytest.mark.parametrize("fails_at", range(1, 12, 2))
def test_wherever_the_copying_stops_nothing_in_it_is_torn(mixed: Store, target: Path, fails_at: int) -> None:
    class Stopping(DiskFiles):
        left = fails_at

        def _count(self) -> None:
            self.left -= 1
            if self.left == 0:
                raise OSError(28, "No space left on device")

        def put(self, path: str, content: bytes) -> None:
            self._count()
            super().put(path, content)

        def put_if_absent(self, path: str, content: bytes) -> bool:
            self._count()
            return super().put_if_absent(path, content)

    with pytest.raises(StoreError, match=r"No space left.*run it again to go on"):
        copy_store(mixed.parts(), Stopping(target))
    if (target / "store.json").exists():
        seen = Store.open(target).read("balances")["user"].to_pylist()
        assert len(seen) % 3 == 0  # three a commit, and no commit in part
        assert Store.open(target).verify() == []
    copied(mixed, target)
    assert everything(target) == everything(mixed.root)


def test_a_copy_taken_while_others_write_and_fold_is_whole(store: Store, rows: ModuleType, target: Path) -> None:
    commit(store, rows, 0)
    stop = threading.Event()

    def write() -> None:
        own, number = Store.open(store.root), 1
        while not stop.is_set() and number < 60:
            commit(own, rows, number)
            number += 1
            if number % 5 == 0:
                own.fold(today=AFTER, grace=AT_ONCE)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(4):
            assert copied(store, target).verification.damages == []
            balances = Store.open(target).read("balances")["user"].to_pylist()
            assert len(balances) == 3 * len(Store.open(target).commits())
    finally:
        stop.set()
        writing.join()
    copied(store, target)
    assert everything(target) == everything(store.root)


def test_a_damaged_file_is_never_copied_over_a_good_one(mixed: Store, target: Path) -> None:
    copied(mixed, target)
    before = everything(target)
    path = next((Path(mixed.root) / "sealed" / "balances").rglob("f-*.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    copied(mixed, target)  # the copy has it, so it is not read again
    assert everything(target) == before
    with pytest.raises(StoreError, match=r"sealed/balances.* is damaged in .*store verify"):
        copied(mixed, target.with_name("new"))


def test_damage_in_the_copy_is_told(mixed: Store, target: Path) -> None:
    copied(mixed, target)
    path = next((target / "sealed" / "balances").rglob("f-*.parquet"))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=r"the copy at .* is not whole"):
        copied(mixed, target)


def test_what_stands_in_quarantine_is_copied_too(mixed: Store, target: Path) -> None:
    aside = Path(mixed.root) / "quarantine" / "hot" / "x~1"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"kept")
    copied(mixed, target)
    assert (target / "quarantine" / "hot" / "x~1").read_bytes() == b"kept"


def test_places_that_cannot_take_a_copy_are_refused(mixed: Store, tmp_path: Path, rows: ModuleType) -> None:
    for inside in (Path(mixed.root), Path(mixed.root) / "copy", Path(mixed.root).parent):
        with pytest.raises(BadInputError, match="lies in the store"):
            copied(mixed, inside)
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(BadInputError, match="holds no store"):
        copied(mixed, other)
    foreign = Store.create(tmp_path / "foreign")
    commit(foreign, rows, 0, "zoe")
    foreign.fold(today=AFTER)
    with pytest.raises(BadInputError, match="copy of another store"):
        copied(mixed, tmp_path / "foreign")
    with pytest.raises(BadInputError, match="is not empty"):
        check_new(DiskFiles(other))


def test_a_restored_store_goes_on_where_the_other_stopped(mixed: Store, target: Path, rows: ModuleType) -> None:
    copied(mixed, target)
    again = target.with_name("again")
    check_new(DiskFiles(again))
    copy_store(Store.open(target).parts(), DiskFiles(again))
    restored = Store.open(again)
    assert everything(again) == everything(mixed.root)
    commit(restored, rows, 3000, "ben")  # a cycle that is there is not stored twice
    assert len(restored.commits()) == 3
    commit(restored, rows, 3001, "ben")
    assert len(restored.commits()) == 4
