"""What the store promises when disks, processes and power fail."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from portfolio_lab.errors import PortfolioLabError, StoreError
from portfolio_lab.store import Disk, DiskFiles, Store

SLOT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
WRITER = Path(__file__).with_name("writer.py")
Check = Callable[[Store, Iterable[str]], set[str]]


class FailingDisk(Disk):
    """Fails its N-th call: before it does anything, half-way through a write, or after all was done."""

    def __init__(self, fails_at: int, number: int, moment: str) -> None:
        self.calls = 0
        self.fails_at = fails_at
        self.number = number
        self.moment = moment

    def _call(self, name: str, *given: object) -> object:
        self.calls += 1
        failing = self.calls == self.fails_at
        if failing and self.moment == "half" and name == "write":
            path, content = given
            path.write_bytes(content[: len(content) // 2])
        if failing and self.moment == "after":
            getattr(super(), name)(*given)
        if failing:
            raise OSError(self.number, os.strerror(self.number))
        return getattr(super(), name)(*given)


def _failing(name: str) -> Callable[..., object]:
    return lambda self, *given: self._call(name, *given)


for _name in (
    "write",
    "rename",
    "link",
    "sync_folder",
    "make_folder",
    "remove",
    "read",
    "names",
    "stat",
    "is_folder",
):
    setattr(FailingDisk, _name, _failing(_name))


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_whichever_call_fails_nothing_is_lost_or_torn(
    tmp_path: Path, rows: ModuleType, check_whole: Check, number: int, moment: str
) -> None:
    fails_at, failures = 0, 0
    while True:
        fails_at += 1
        root = tmp_path / str(fails_at)
        Store.create(root).commit(rows.cycle(SLOT, "first"), slot=SLOT, writer="w", sync_id="first")
        disk = FailingDisk(fails_at, number, moment)
        store = Store(root, files=DiskFiles(root, disk))
        acknowledged = ["first"]
        try:
            store.commit(rows.cycle(SLOT, "second"), slot=SLOT, writer="w", sync_id="second")
            acknowledged.append("second")
        except StoreError as error:
            assert "run the cycle again" in str(error)  # noqa: PT017 - not every failing call must fail the commit
            failures += 1
        if disk.calls < fails_at:
            break  # every call of a commit had its turn
        seen = check_whole(Store.open(root), acknowledged)
        assert check_whole(store, acknowledged) == seen
        # The same process goes on, and so does the same cycle.
        again = store.commit(rows.cycle(SLOT, "second"), slot=SLOT, writer="w", sync_id="second")
        assert again.is_new == ("second" not in seen)
        assert check_whole(Store.open(root), ["first", "second"]) == {"first", "second"}
        shutil.rmtree(root)
    assert failures > 15


def test_a_failed_commit_leaves_no_file_behind(tmp_path: Path, rows: ModuleType) -> None:
    root = tmp_path / "store"
    Store.create(root)
    for fails_at in range(1, 20):
        store = Store(root, files=DiskFiles(root, FailingDisk(fails_at, errno.ENOSPC, "half")))
        with pytest.raises(StoreError, match=r"No space left.*free some space"):
            store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
        assert [path for path in root.rglob("*") if path.is_file()] == [root / "store.json"]


# ---------------------------------------------------------------- power cuts


class RecordingDisk(Disk):
    """Keeps every change in order, so that a power cut after any of them can be played."""

    def __init__(self) -> None:
        self.steps: list[tuple[object, ...]] = []

    def write(self, path: Path, content: bytes) -> None:
        super().write(path, content)
        self.steps.append(("write", path, content))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.steps.append(("rename", source, target))

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self.steps.append(("link", source, target))

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.steps.append(("sync", path))

    def make_folder(self, path: Path) -> None:
        if not path.exists():
            self.steps.append(("folder", path))
        super().make_folder(path)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.steps.append(("remove", path))


def name_changes(step: tuple[object, ...]) -> list[tuple[Path, Path | None]]:
    """The (name, name whose content it takes) pairs that a step changes; None takes the name away."""
    match step:
        case ("write" | "folder", Path() as path, *_):
            return [(path, path)]
        case ("rename", Path() as source, Path() as target):
            return [(target, source), (source, None)]
        case ("link", Path() as source, Path() as target):
            return [(target, source)]
        case ("remove", Path() as path):
            return [(path, None)]
    return []


def names_after_power_cut(steps: list[tuple[object, ...]], chance: random.Random) -> dict[Path, bytes | None]:
    """The names that are there afterwards, with their content (None for a folder).

    A name's change is sure to survive only once its folder was synced. Of the others any may
    have reached the disk and any may not, each for itself, in any order.
    """
    content: dict[Path, bytes | None] = {}
    durable: dict[Path, Path] = {}  # a name, and the first name of what it stands for
    origin: dict[Path, Path] = {}
    pending: list[tuple[Path, Path | None]] = []

    def settle(changes: list[tuple[Path, Path | None]]) -> None:
        for path, source in changes:
            pending.remove((path, source))
            if source is None:
                durable.pop(path, None)
            else:
                durable[path] = origin[source]

    for step in steps:
        if step[0] == "sync":
            settle([change for change in pending if change[0].parent == step[1]])
            continue
        if step[0] in {"write", "folder"}:
            content[step[1]] = step[2] if step[0] == "write" else None
            origin[step[1]] = step[1]
        for path, source in name_changes(step):
            if source is not None:
                origin[path] = origin[source]
            pending.append((path, source))
    settle([change for change in pending if chance.random() < 0.5])
    return {path: content[first] for path, first in durable.items()}


def laid_out(names: dict[Path, bytes | None], root: Path, target: Path) -> Path:
    """The names below `root` as real files below `target`; what lost its folder is lost."""
    target.mkdir()
    for path in sorted(names, key=lambda path: len(path.parts)):
        place = target / path.relative_to(root)
        if not place.parent.exists():
            continue
        value = names[path]
        if value is None:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(value)
    return target


def test_no_power_cut_loses_or_tears_what_was_acknowledged(
    tmp_path: Path, rows: ModuleType, check_whole: Check
) -> None:
    root, files = tmp_path / "store", RecordingDisk()
    Store.create(root)
    files.steps.append(("write", root / "store.json", (root / "store.json").read_bytes()))
    files.steps.append(("sync", root))
    acknowledged_at = []
    for number in (29, 30):  # the second is the first of a new day: new folders all the way up
        slot, name = rows.slot_of(number), f"user-{number}"
        Store(root, files=DiskFiles(root, files)).commit(rows.cycle(slot, name), slot=slot, writer="w", sync_id=name)
        acknowledged_at.append((len(files.steps), name))
    chance = random.Random(7)
    for cut in range(2, len(files.steps) + 1):
        for trial in range(3):
            after = laid_out(names_after_power_cut(files.steps[:cut], chance), root, tmp_path / f"{cut}-{trial}")
            acknowledged = [name for step, name in acknowledged_at if step <= cut]
            check_whole(Store.open(after), acknowledged)
            shutil.rmtree(after)


def test_no_power_cut_during_a_fold_loses_a_row(tmp_path: Path, rows: ModuleType, check_whole: Check) -> None:
    root, files = tmp_path / "store", RecordingDisk()
    Store.create(root)
    files.steps.append(("write", root / "store.json", (root / "store.json").read_bytes()))
    files.steps.append(("sync", root))
    store, names = Store(root, files=DiskFiles(root, files)), ["user-1", "user-2"]
    for number, name in enumerate(names):
        store.commit(rows.cycle(rows.slot_of(number), name), slot=rows.slot_of(number), writer="w", sync_id=name)
    begun = len(files.steps)
    store.fold(grace=timedelta(0), today=date(2026, 11, 22))
    store.fold(grace=timedelta(0), today=date(2026, 11, 22))
    assert [step[0] for step in files.steps].count("remove") > 6
    chance = random.Random(8)
    for cut in range(begun, len(files.steps) + 1):
        for trial in range(3):
            after = laid_out(names_after_power_cut(files.steps[:cut], chance), root, tmp_path / f"{cut}-{trial}")
            assert check_whole(Store.open(after), names) == set(names)
            shutil.rmtree(after)


def test_the_power_cut_model_itself_loses_what_is_not_synced(tmp_path: Path, rows: ModuleType) -> None:
    root, files = tmp_path / "store", RecordingDisk()
    Store.create(root)
    files.steps.append(("write", root / "store.json", (root / "store.json").read_bytes()))
    files.steps.append(("sync", root))
    Store(root, files=DiskFiles(root, files)).commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="anna")
    careless = [step for step in files.steps if step[0] != "sync" or step[1] == root]
    lost = 0
    for seed in range(20):
        after = laid_out(names_after_power_cut(careless, random.Random(seed)), root, tmp_path / str(seed))
        try:
            lost += Store.open(after).read("balances").num_rows != 3
        except StoreError:
            lost += 1
    assert lost > 10


# ---------------------------------------------------------------- processes


def started(store: Store, name: str, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), str(store.root), name, str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_four_writers_at_once_need_no_lock(store: Store, rows: ModuleType, check_whole: Check) -> None:
    writers = [started(store, f"writer{number}", 0, 10) for number in range(4)]
    while any(writer.poll() is None for writer in writers):
        for table, count in rows.ROWS.items():  # a reader meanwhile sees whole cycles only
            assert set(Counter(store.read(table)["user"].to_pylist()).values()) <= {count}
        time.sleep(0.05)
    printed = [line for writer in writers for line in writer.communicate()[0].split()]
    assert len(printed) == 40
    assert check_whole(store, printed) == set(printed)


def test_the_same_cycles_from_four_writers_are_stored_once(store: Store, check_whole: Check) -> None:
    writers = [started(store, "same", 0, 10) for _ in range(4)]
    printed = [writer.communicate()[0].split() for writer in writers]
    assert all(len(lines) == 10 for lines in printed)
    assert len(check_whole(store, printed[0])) == 10


def killed_again_and_again(store: Store, check_whole: Check, kills: int, seed: int) -> None:
    chance, acknowledged = random.Random(seed), set[str]()
    for kill in range(kills):
        writer = started(store, f"life{kill}", kill, 1000)
        assert writer.stdout is not None
        acknowledged.add(writer.stdout.readline().strip())  # it has begun
        time.sleep(chance.uniform(0, 0.08))
        writer.send_signal(signal.SIGKILL)
        acknowledged |= set(writer.communicate()[0].split("\n")[:-1])
        check_whole(Store.open(store.root), acknowledged - {""})
    assert len(acknowledged) > kills


def test_kill_at_any_moment_loses_nothing(store: Store, check_whole: Check) -> None:
    killed_again_and_again(store, check_whole, kills=20, seed=11)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_kill_at_any_moment_loses_nothing_for_long(store: Store, check_whole: Check) -> None:
    killed_again_and_again(store, check_whole, kills=200, seed=12)


# ---------------------------------------------------------------- damage


def read_everything(root: Path) -> None:
    store = Store.open(root)
    for table in ("portfolio_snapshots", "balances", "users_portfolio_state"):
        store.read(table)


def test_every_flipped_bit_is_found(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    read_everything(store.root)
    chance = random.Random(3)
    for path in [
        path for path in store.root.rglob("*") if path.suffix in {".parquet", ".json"} and path.name != "store.json"
    ]:
        whole = path.read_bytes()
        for _ in range(60):
            place = chance.randrange(len(whole))
            broken = bytearray(whole)
            broken[place] ^= 1 << chance.randrange(8)
            path.write_bytes(broken)
            with pytest.raises(StoreError, match=r"(?s)is damaged.*Restore it from a backup"):
                read_everything(store.root)
        path.write_bytes(whole)
    read_everything(store.root)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"user,slot\nanna,1\n"])
def test_a_file_that_is_cut_or_foreign_is_named(store: Store, rows: ModuleType, damage: bytes) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    [path] = store.files("balances")
    path.write_bytes(damage)
    fresh = Store.open(store.root)
    for question in (lambda: fresh.read("balances"), lambda: fresh.sql("select * from balances")):
        with pytest.raises(StoreError, match=r"table balances, day 2026-11-20: file hot/balances/.* is damaged"):
            question()
    [fault] = fresh.verify()
    assert "balances" in fault
    assert fresh.read("portfolio_snapshots").num_rows == 1  # the rest stays readable


def test_what_to_move_away_is_named_rightly(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    store.commit(rows.cycle(SLOT, "ben"), slot=SLOT, writer="w", sync_id="two")
    store.files("balances")[0].write_bytes(b"PAR1")
    [fault] = Store.open(store.root).verify()
    [record] = [store.root / word.strip(",.") for word in fault.split() if word.startswith("log/")]
    record.rename(store.root / "moved-away.json")
    assert Store.open(store.root).read("balances")["user"].to_pylist() == ["ben"] * 3


def test_a_commit_that_took_too_long_is_given_up(store: Store, rows: ModuleType) -> None:
    instants = iter([SLOT, SLOT, SLOT + timedelta(hours=2)])
    slow = Store(store.root, clock=lambda: next(instants))
    with pytest.raises(StoreError, match=r"took 2:00:00.*nothing was stored"):
        slow.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    assert store.commits() == []


def test_a_file_that_is_gone_is_named(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    store.files("balances")[0].unlink()
    with pytest.raises(StoreError, match=r"balances: hot/balances/day=2026-11-20/.* is missing"):
        Store.open(store.root).read("balances")


def test_another_committed_file_under_the_name_is_found(store: Store, rows: ModuleType) -> None:
    for number in range(2):
        store.commit(rows.cycle(SLOT, f"user-{number}"), slot=SLOT, writer="w", sync_id=f"id-{number}")
    first, second = store.files("balances")
    shutil.copy(first, second)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(store.root).read("balances")


def test_what_a_crash_leaves_behind_is_ignored(store: Store, rows: ModuleType, check_whole: Check) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="anna")
    [path] = store.files("balances")
    path.with_name("100000-other-abc.parquet").write_bytes(path.read_bytes())
    path.with_name(".half.part").write_bytes(b"PAR1")
    (store.root / "log" / "2026-11-20" / ".a-100000-other.json-12.part").write_bytes(b"{")
    (store.root / "log" / "2026-11-21").mkdir()
    assert check_whole(Store.open(store.root), ["anna"]) == {"anna"}


def test_a_store_without_the_right_to_write_is_read(store: Store, rows: ModuleType) -> None:
    class ReadOnlyDisk(Disk):
        def write(self, path: Path, content: bytes) -> None:
            raise OSError(errno.EROFS, "injected")

        def sync_folder(self, path: Path) -> None:
            raise OSError(errno.EROFS, "injected")

    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    reader = Store.open(store.root, files=DiskFiles(store.root, ReadOnlyDisk()))
    assert reader.read("balances").num_rows == 3
    assert reader.sql("select count(*) as n from balances").loc[0, "n"] == 3
    with pytest.raises(StoreError, match="the right to write"):
        reader.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="two")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_disk_that_refuses_a_reader_gives_our_error(store: Store, rows: ModuleType, number: int) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    for fails_at in range(1, 8):
        reader = Store(store.root, files=DiskFiles(store.root, FailingDisk(fails_at, number, "before")))
        for question in (
            lambda reader=reader: reader.read("balances").num_rows,
            lambda reader=reader: len(reader.commits()),
        ):
            try:
                assert question() in {1, 3}
            except PortfolioLabError:
                assert question() in {1, 3}  # a passing fault leaves nothing wrong behind
