"""Folding changes where rows lie, never which rows there are."""

from __future__ import annotations

import errno
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Disk, DiskFiles, Store

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 11, 21)
AT_ONCE = timedelta(0)
Check = Callable[[Store, Iterable[str]], set[str]]


def filled(
    store: Store, rows: ModuleType, *, days: int = 2, cycles: int = 3, names: Iterable[str] = tuple(TABLES)
) -> None:
    for day in range(days):
        for number in range(cycles):
            slot = DAY + timedelta(days=day, minutes=number)
            given = {
                name: rows.sample_rows(TABLES[name], 2, slot, **({"user": ["ben", "anna"]} if name != "prices" else {}))
                for name in names
            }
            store.commit(given, slot=slot, writer="w", sync_id="one")


def everything(store: Store) -> dict[str, pa.Table]:
    return {name: store.read(name) for name in TABLES}


def small_files(store: Store) -> list[Path]:
    return list((store.root / "hot").rglob("*.parquet"))


def test_a_fold_keeps_every_row_and_lessens_the_files(store: Store, rows: ModuleType) -> None:
    filled(store, rows)
    before, commits = everything(store), store.commits()
    folds = store.fold(today=AFTER)
    assert [fold.day for fold in folds] == ["2026-11-19", "2026-11-20"]
    for reader in (store, Store.open(store.root)):
        assert everything(reader) == before
        assert reader.commits() == commits
        assert len(reader.files("balances")) == 2
        assert reader.verify() == []
    assert store.has("one", DAY)
    assert not store.commit({}, slot=DAY, writer="w", sync_id="one").is_new


def test_an_open_day_stays_as_it_is_and_a_fold_again_does_nothing(store: Store, rows: ModuleType) -> None:
    filled(store, rows)
    assert [fold.day for fold in store.fold(today=date(2026, 11, 20))] == ["2026-11-19"]
    assert len(store.files("balances")) == 1 + 3
    assert store.fold(today=date(2026, 11, 20)) == []


def test_superseded_files_stay_for_the_grace_and_go_then(store: Store, rows: ModuleType) -> None:
    filled(store, rows)
    count = len(small_files(store))
    store.fold(today=AFTER)
    assert len(small_files(store)) == count
    store.fold(today=AFTER, grace=AT_ONCE)
    assert small_files(store) == []
    assert Store.open(store.root).read("balances").num_rows == 12


def test_a_reader_that_listed_before_reads_the_sealed_file_instead(store: Store, rows: ModuleType) -> None:
    class FoldingDisk(Disk):
        """The first time that a small file is to be read, the day is folded and swept before."""

        def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes:
            if "hot" in path.parts and small_files(store):
                store.fold(today=AFTER, grace=AT_ONCE)
            return super().read(path, start, length)

    filled(store, rows)
    before = everything(store)
    slow = Store.open(store.root, files=DiskFiles(store.root, FoldingDisk()))
    assert slow.read("balances") == before["balances"]
    assert small_files(store) == []


def test_plain_pandas_reads_the_sealed_days(store: Store, rows: ModuleType) -> None:
    filled(store, rows)
    store.fold(today=AFTER)
    # Two days of three cycles of two users; of a latest table the last of each key and day.
    for name, table in TABLES.items():
        frame = pd.read_parquet(store.root / "sealed" / name)
        has_own_cycles = not table.latest or {"slot", "first_slot"} & set(table.key)
        assert len(frame) == (12 if has_own_cycles else 4), name
        assert set(table.schema.names) <= set(frame.columns)
    frame = pd.read_parquet(store.root / "sealed" / "portfolio_snapshots")
    first_day = frame[frame["date"] == "2026-11-19"]
    assert first_day["user"].tolist() == ["anna"] * 3 + ["ben"] * 3
    assert first_day[first_day["user"] == "ben"]["slot"].is_monotonic_increasing


def test_what_comes_late_is_sealed_beside(store: Store, rows: ModuleType) -> None:
    filled(store, rows)
    store.fold(today=AFTER)
    [sealed] = [path for path in store.files("balances") if "2026-11-19" in str(path)]
    content = sealed.read_bytes()
    late = DAY + timedelta(hours=5)
    store.commit(rows.cycle(late, "carl"), slot=late, writer="w", sync_id="late")
    assert Store.open(store.root).read("balances", users="carl").num_rows == 3
    [fold] = store.fold(today=AFTER, grace=AT_ONCE)
    assert (fold.sequence, len(fold.records)) == (2, 1)
    assert Store.open(store.root).read("balances", users="carl").num_rows == 3
    assert sealed.read_bytes() == content


def test_the_row_committed_last_wins_across_folded_days(store: Store, rows: ModuleType) -> None:
    table = TABLES["performance_history"]

    def commit(slot: datetime, pnl: float, user: str = "anna") -> None:
        given = rows.sample_rows(table, 1, slot, user=user, day=DAY.date(), pnl=pnl)
        store.commit({table.name: given}, slot=slot, writer="w", sync_id=f"id-{pnl:g}")

    next_day = DAY + timedelta(days=1)
    commit(DAY, 1.0)
    commit(next_day, 2.0)  # between the two commits of the first day: neither file as a whole is the later one
    commit(next_day, 5.0, user="ben")
    commit(DAY, 3.0, user="ben")
    assert store.read(table.name)["pnl"].to_pylist() == [2.0, 3.0]
    store.fold(today=AFTER, grace=AT_ONCE)
    assert Store.open(store.root).read(table.name)["pnl"].to_pylist() == [2.0, 3.0]
    assert "committed_at" not in store.read(table.name).column_names


def test_a_damaged_file_stops_the_fold_and_nothing_is_deleted(store: Store, rows: ModuleType) -> None:
    filled(store, rows, days=1)
    names = sorted(store.root.rglob("*.parquet"))
    store.files("balances")[1].write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"table balances, day 2026-11-19.*damaged"):
        Store.open(store.root).fold(today=AFTER, grace=AT_ONCE)
    assert sorted(store.root.rglob("*.parquet")) == names


def test_a_missing_fold_record_stops_the_next_fold(store: Store, rows: ModuleType) -> None:
    filled(store, rows, days=1)
    for number in range(2):
        late = DAY + timedelta(hours=5 + number)
        store.fold(today=AFTER)
        store.commit(rows.cycle(late, "carl"), slot=late, writer="w", sync_id="late")
    (store.root / "log" / "2026-11-19" / "f-000001.json").unlink()
    with pytest.raises(StoreError, match="fold record of 2026-11-19 is missing"):
        Store.open(store.root).fold(today=AFTER)


_commits = st.tuples(st.integers(0, 2), st.sets(st.sampled_from(["anna", "ben", "carl"]), min_size=1))


@given(st.lists(st.one_of(st.just("fold"), _commits), max_size=12))
@example([(0, {"anna"}), (1, {"anna", "ben"}), (0, {"ben"}), "fold"])  # neither sealed file is newer as a whole
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folds_and_commits_in_any_order_agree_with_a_plain_dict(
    tmp_path: Path, rows: ModuleType, steps: list[str | tuple[int, set[str]]]
) -> None:
    store, table = Store.create(tmp_path / secrets.token_hex(8)), TABLES["performance_history"]
    newest: dict[str, float] = {}
    for number, step in enumerate(steps):
        if isinstance(step, str):
            store.fold(today=date(2026, 11, 30), grace=AT_ONCE)
            continue
        days, users = step
        slot = DAY + timedelta(days=days)
        given_rows = rows.sample_rows(table, len(users), slot, user=sorted(users), day=DAY.date(), pnl=float(number))
        store.commit({table.name: given_rows}, slot=slot, writer="w", sync_id=f"id-{number}")
        newest |= dict.fromkeys(users, float(number))
    for reader in (store, Store.open(store.root)):
        read = reader.read(table.name)
        assert dict(zip(read["user"].to_pylist(), read["pnl"].to_pylist(), strict=True)) == newest


class FailingFolds(Disk):
    def __init__(self, fails_at: int) -> None:
        self.left = fails_at

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.EIO, "injected")

    def write(self, path: Path, content: bytes) -> None:
        self._count()
        super().write(path, content)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        super().rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._count()
        super().link(source, target)

    def sync_folder(self, path: Path) -> None:
        self._count()
        super().sync_folder(path)

    def remove(self, path: Path) -> None:
        self._count()
        super().remove(path)


def test_a_fold_that_fails_anywhere_loses_nothing(store: Store, rows: ModuleType) -> None:
    # One table that only grows, one whose rows are told anew, one with hours beside it.
    names = ("balances", "performance_history", "portfolio_snapshots")
    filled(store, rows, days=1, cycles=2, names=names)
    before, failures, fails_at = {name: store.read(name) for name in names}, 0, 0
    while True:
        fails_at += 1
        disk = FailingFolds(fails_at)
        try:
            Store.open(store.root, files=DiskFiles(store.root, disk)).fold(today=AFTER, grace=AT_ONCE)
        except StoreError:
            failures += 1
        after = Store.open(store.root)
        assert {name: after.read(name) for name in names} == before
        if disk.left > 0:
            break
    assert failures > 20


FOLDER = """
import sys
from datetime import date, timedelta
import portfolio_lab.store.fold
from portfolio_lab.store import Store
portfolio_lab.store.fold.WORTH_ROLLING = 3
for number in range(12):
    # In turn only hours are rolled, and days sealed.
    Store.open(sys.argv[1]).fold(today=date(2026, 11, 20 + number % 2 * 2), grace=timedelta(0))
"""


def test_two_folders_and_a_writer_at_once(store: Store, check_whole: Check) -> None:
    # Grace 0 is unkind to readers on purpose: they have to look again, and find all.
    writer = Path(__file__).with_name("writer.py")
    commands = [[sys.executable, str(writer), str(store.root), "anna", "0", "40"]]
    commands += [[sys.executable, "-c", FOLDER, str(store.root)]] * 2
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    while any(process.poll() is None for process in running):
        seen = store.read("balances")["user"].to_pylist()
        assert len(seen) == 3 * len(set(seen))
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(check_whole(store, outputs[0].split())) == 40


def test_only_old_leftovers_are_swept(store: Store, rows: ModuleType) -> None:
    filled(store, rows, days=1, cycles=1)
    [path] = store.files("balances")
    orphan, unfinished = path.with_name("000000-x-1.parquet"), path.with_name(".000000-x-2.part")
    for leftover in (orphan, unfinished):
        leftover.write_bytes(b"x")
    store.fold(today=date(2026, 11, 19))
    assert orphan.exists()
    later = Store(store.root, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    later.fold(today=date(2026, 11, 19))
    assert not orphan.exists()
    assert not unfinished.exists()
    assert later.read("balances").num_rows == 2


# ---------------------------------------------------------------- hours


def commit_minutes(store: Store, rows: ModuleType, first: int, last: int, *, step: int = 1) -> None:
    for number in range(first, last, step):
        slot = DAY + timedelta(minutes=number)
        store.commit(rows.cycle(slot, f"user-{number}"), slot=slot, writer="w", sync_id="one")


def at(store: Store, instant: datetime) -> Store:
    return Store(store.root, clock=lambda: instant)


def rooms(store: Store, table: str = "balances") -> list[str]:
    return [Path(path).relative_to(store.root).parts[0] for path in store.files(table)]


def test_closed_hours_of_the_open_day_become_one_file_each(store: Store, rows: ModuleType) -> None:
    commit_minutes(store, rows, 0, 150, step=5)
    expected = {name: store.read(name) for name in rows.ROWS}
    noon = at(store, DAY + timedelta(hours=2, minutes=35))
    assert [len(fold.records) for fold in noon.fold(today=DAY.date(), grace=AT_ONCE)] == [12, 12]
    assert rooms(store) == ["warm", "warm", *["hot"] * 6]
    for reader in (noon, Store.open(store.root)):
        assert {name: reader.read(name) for name in rows.ROWS} == expected
        assert len(reader.commits()) == 30
        assert reader.verify() == []
    assert noon.fold(today=DAY.date()) == []


def test_an_hour_waits_until_late_cycles_are_in(store: Store, rows: ModuleType) -> None:
    commit_minutes(store, rows, 0, 60, step=5)
    assert at(store, DAY + timedelta(hours=1, minutes=4)).fold(today=DAY.date()) == []
    assert len(at(store, DAY + timedelta(hours=1, minutes=5)).fold(today=DAY.date())) == 1


def test_few_commits_of_many_hours_are_rolled_together(store: Store, rows: ModuleType) -> None:
    commit_minutes(store, rows, 0, 20 * 60, step=60)
    [fold] = at(store, DAY + timedelta(hours=23)).fold(today=DAY.date())
    assert len(fold.records) == 12
    assert rooms(store) == ["warm", *["hot"] * 8]


def test_rolled_hours_are_sealed_with_the_rest_of_their_day(store: Store, rows: ModuleType) -> None:
    commit_minutes(store, rows, 0, 150, step=5)
    expected = {name: store.read(name) for name in rows.ROWS}
    at(store, DAY + timedelta(hours=2, minutes=30)).fold(today=DAY.date(), grace=AT_ONCE)
    [fold] = store.fold(today=AFTER, grace=AT_ONCE)
    assert (fold.sequence, len(fold.records)) == (3, 6)
    assert rooms(store) == ["sealed"]
    assert {name: Store.open(store.root).read(name) for name in rows.ROWS} == expected
    store.fold(today=AFTER, grace=AT_ONCE)
    assert not [*Path(store.root).glob("warm/*/*/*.parquet"), *small_files(store)]


def test_no_step_is_begun_when_the_time_is_over(store: Store, rows: ModuleType) -> None:
    filled(store, rows, cycles=1)
    assert store.fold(today=AFTER, budget_seconds=0) == []
    assert len(store.fold(today=AFTER, budget_seconds=60)) == 2


def test_sealed_rows_lie_by_user_and_time(store: Store, rows: ModuleType) -> None:
    fills = TABLES["fills"]
    ids, users = ["9", "1", "5", "3"], ["ben", "anna", "ben", "anna"]
    for number, (fill_id, user) in enumerate(zip(ids, users, strict=True)):
        slot = DAY + timedelta(minutes=number)
        told = rows.sample_rows(fills, 1, slot, user=user, fill_id=fill_id)
        store.commit({fills.name: told}, slot=slot, writer="w", sync_id="one")
    store.fold(today=AFTER)
    frame = pd.read_parquet(store.root / "sealed" / "fills")
    assert frame["fill_id"].tolist() == ["1", "3", "9", "5"]


@pytest.mark.long
def test_a_day_of_1440_cycles_is_read_from_few_files(store: Store, rows: ModuleType) -> None:
    for hour in range(24):
        commit_minutes(store, rows, hour * 60, hour * 60 + 60)
        at(store, DAY + timedelta(hours=hour, minutes=59)).fold(today=DAY.date(), grace=AT_ONCE)
    assert len(store.files("balances")) <= 23 + 60
    assert store.read("balances").num_rows == 3 * 1_440
    store.fold(today=AFTER, grace=AT_ONCE)
    assert len(store.files("balances")) == 1
    assert Store.open(store.root).read("balances").num_rows == 3 * 1_440
