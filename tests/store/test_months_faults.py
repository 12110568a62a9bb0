"""Laid months after a power cut, under a failing disk, with two folders at once, and in a bucket."""

from __future__ import annotations

import errno
import itertools
import random
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.store import DiskFiles, Store
from portfolio_lab.store.months import LaidMonths
from portfolio_lab.store.verify import verify

sys.path.insert(0, str(Path(__file__).parent))

from strict_disk import Moment, Names, StrictDisk
from test_faults import FAULTS, MOMENTS, FailingDisk
from test_faults_power import NoFileSync, faults, on

ROOT = Path("/lab/store")
AFTER, SEALED_BY = date(2026, 12, 1), date(2026, 11, 22)
NAME = "portfolio_snapshots"
Check = Callable[[Store, Iterable[str]], set[str]]


@pytest.fixture
def check(check_whole: Check) -> Check:
    """Every commit is whole, and so is each user's answer when he alone is asked for."""

    def checked(store: Store, acknowledged: Iterable[str]) -> set[str]:
        committed = check_whole(store, acknowledged)
        for user in committed:
            assert store.read(NAME, users=user, columns=["user"]).to_pydict() == {"user": [user]}
        return committed

    return checked


def sealed(rows: ModuleType, disk: StrictDisk) -> None:
    """Two cycles on either side of a midnight, both days sealed, the month not laid."""
    store = Store.create(ROOT, files=on(disk))
    for number in (29, 30):
        slot, name = rows.slot_of(number), f"user-{number}"
        store.commit(rows.cycle(slot, name), slot=slot, writer="w", sync_id=name)
        disk.acknowledged.append(name)
    store.fold(today=SEALED_BY)


def laid(names: Names) -> list[Path]:
    files = (path for path, content in names.items() if "months" in path.parts and content is not None)
    return [path for path in files if not path.name.startswith(".")]


def laid_under(rows: ModuleType, kind: type[StrictDisk] = StrictDisk) -> StrictDisk:
    """A disk on which a month was laid; its moments are those of the laying."""
    whole = StrictDisk(ROOT)
    sealed(rows, whole)
    disk = kind(ROOT, whole.everything())
    disk.acknowledged = list(whole.acknowledged)
    Store(ROOT, files=on(disk)).fold(today=AFTER)
    assert len(laid(disk.everything())) == 2
    return disk


def test_every_state_after_a_power_cut_while_a_month_is_laid_is_whole(rows: ModuleType, check: Check) -> None:
    found = list(faults(laid_under(rows).moments, Moment.remains, check))
    assert len(found) > 10
    assert not any(found)


def test_a_month_that_was_not_synced_is_seen_to_be_damaged_and_read_by_days(rows: ModuleType, check: Check) -> None:
    moments, chance = laid_under(rows, NoFileSync).moments, random.Random(8)
    told = [one for one in faults(moments, lambda moment: moment.some_remains(4, chance), check) if one]
    assert told
    assert all("kind='derived'" in one for one in told)  # no answer was wrong: the checker asks before it verifies


@pytest.mark.parametrize(
    ("number", "moment", "step"),
    [
        (errno.ENOSPC, "half", 7),  # the long suite takes every call
        *(pytest.param(*pair, 1, marks=pytest.mark.long) for pair in itertools.product(FAULTS, MOMENTS)),
    ],
)
def test_whichever_call_fails_while_a_month_is_laid_all_is_read(
    rows: ModuleType, check: Check, number: int, moment: str, step: int
) -> None:
    disk = StrictDisk(ROOT)
    sealed(rows, disk)
    before, failures = disk.everything(), 0
    for fails_at in itertools.count(1, step):
        whole = DiskFiles(ROOT, StrictDisk(ROOT, before))
        failing = FailingDisk(fails_at, number, moment, whole._disk)
        folding = Store(ROOT, files=DiskFiles(ROOT, failing))
        try:
            folding.fold(today=AFTER)
        except StoreError:
            failures += 1
        if failing.calls < fails_at:
            break
        for store in (Store.open(ROOT, files=whole), folding):
            check(store, disk.acknowledged)
        folding.fold(today=AFTER)
        assert [one.sentence for one in verify(folding.parts()).damages] == []
        assert len(laid(whole._disk.everything())) == 2  # type: ignore[attr-defined]
        check(Store.open(ROOT, files=whole), disk.acknowledged)
    assert failures > 1


def test_whichever_call_of_a_reader_fails_he_is_told_or_answered_rightly(rows: ModuleType) -> None:
    names, answered = laid_under(rows).everything(), 0
    for fails_at in itertools.count(1):
        failing = FailingDisk(fails_at, errno.EIO, "before", StrictDisk(ROOT, names))
        store = Store(ROOT, files=DiskFiles(ROOT, failing))
        try:
            assert store.read(NAME, users="user-29", columns=["user"]).to_pydict() == {"user": ["user-29"]}
            answered += 1
        except StoreError as error:
            assert "cannot read the store" in str(error)  # noqa: PT017 - a call for a month must not fail the reading
        if failing.calls < fails_at:
            break
    assert answered > 2


@pytest.mark.parametrize("place", ["disk", "bucket"])
def test_two_fold_at_once_while_others_read(
    rows: ModuleType, tmp_path: Path, place: str, request: pytest.FixtureRequest, check_whole: Check
) -> None:
    root = request.getfixturevalue("url") if place == "bucket" else str(tmp_path / "store")
    store = Store.create(root)
    for number in (29, 30):
        slot = rows.slot_of(number)
        store.commit(rows.cycle(slot, f"user-{number}"), slot=slot, writer="w", sync_id=f"user-{number}")
    wrong: list[object] = []
    done = threading.Event()

    def fold() -> None:
        opened = Store.open(root)
        for _ in range(3):
            opened.fold(today=AFTER)

    def look() -> None:
        while not done.is_set():
            answer = Store.open(root).read(NAME, users="user-30", columns=["user"]).to_pydict()
            if answer != {"user": ["user-30"]}:
                wrong.append(answer)

    readers = [threading.Thread(target=look) for _ in range(2)]
    folders = [threading.Thread(target=fold) for _ in range(2)]
    for one in (*readers, *folders):
        one.start()
    for one in folders:
        one.join()
    done.set()
    for one in readers:
        one.join()
    assert wrong == []
    check_whole(store, ["user-29", "user-30"])
    names = store.parts().files.names(f"months/{NAME}/month=2026-11")
    assert sorted(name.rpartition(".")[2] for name in names) == ["json", "parquet"]


@pytest.mark.parametrize("place", ["disk", "bucket"])
def test_a_late_row_and_damage_wherever_the_store_lies(
    rows: ModuleType, tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue("url") if place == "bucket" else str(tmp_path / "store")
    store = Store.create(root)
    for number in (29, 30):
        slot = rows.slot_of(number)
        store.commit(rows.cycle(slot, "anna"), slot=slot, writer="w", sync_id=f"id-{number}")
    store.fold(today=AFTER)
    files = store.parts().files
    assert is_laid(Store.open(root))
    assert store.read(NAME, users="anna")["slot"].to_pylist() == [rows.slot_of(29), rows.slot_of(30)]
    slot = rows.slot_of(31)
    store.commit(rows.cycle(slot, "anna"), slot=slot, writer="w", sync_id="late")
    assert not is_laid(store)
    assert store.read(NAME, users="anna").num_rows == 3
    store.fold(today=AFTER)
    assert is_laid(store)
    assert store.read(NAME, users="anna").num_rows == 3
    [part] = [path for path in files.walk("months") if path.endswith(".parquet")]
    content = files.read(part)
    files.remove(part)
    files.put_if_absent(part, content[:-9] + b"x" + content[-8:])
    fresh = Store.open(root)
    assert fresh.read(NAME, users="anna").num_rows == 3
    assert fresh.parts().reader.months.bad == {part}
    assert [one.kind for one in verify(fresh.parts()).damages] == ["derived"]
    fresh.fold(today=AFTER, budget_seconds=60)
    assert files.read(part) == content


def is_laid(store: Store) -> bool:
    view = store.parts().reader.view(NAME)
    [month] = view.months
    months: LaidMonths = store.parts().reader.months
    return month.is_closed_up and months.index(NAME, month) is not None
