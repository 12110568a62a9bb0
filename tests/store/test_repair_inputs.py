"""What may lie in a store's place: bombs, copies of records, other formats, wrong clocks, no right to write."""

from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Disk, DiskFiles, Store
from portfolio_lab.store.backup import copy_store
from portfolio_lab.store.manifest import digest
from portfolio_lab.store.parquet import decoded
from portfolio_lab.store.records import record_bytes
from portfolio_lab.store.repair import repair
from portfolio_lab.store.thinning import thin
from portfolio_lab.store.verify import verify

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 11, 25)
AT_ONCE = timedelta(0)


@pytest.fixture
def laid(store: Store, rows: ModuleType) -> Store:
    for number, user in enumerate(["anna", "ben"]):
        slot = DAY + timedelta(minutes=number)
        store.commit(rows.cycle(slot, user), slot=slot, writer="w", sync_id=user)
    return store


def bomb(count: int = 40) -> bytes:
    """A file of 40 rows, small on the disk, that unpacks to forty times a hundred thousand letters and more."""
    text = pa.array(["a" * 150_000] * count)
    rows = pa.table({"user": text, "account": text})
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, rows.schema, compression="zstd", use_dictionary=False) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata(
            {"portfolio_lab.table": "balances", "portfolio_lab.schema_version": "1"},
        )
    return sink.getvalue().to_pybytes()


def test_a_file_that_would_unpack_a_thousandfold_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    content = bomb()
    assert len(content) < 12_000_000 / 1000
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(
        StoreError, match=r"it would unpack to 12,\d+,\d+ bytes and 40 rows, where 40 rows were recorded"
    ):
        decoded(TABLES["balances"], content, "it", rows=40)
    with pytest.raises(StoreError, match="not the file that was committed"):
        decoded(TABLES["balances"], content, "it", rows=3)


def test_a_bomb_in_the_place_of_a_file_is_set_aside_unopened(laid: Store) -> None:
    path = min((laid.root / "hot" / "balances").rglob("*.parquet"))
    path.write_bytes(bomb())
    parts = Store.open(laid.root).parts()
    [done] = repair(parts, verify(parts, deep=True).damages)
    assert (done.action, "users: anna" in done.sentence) == ("quarantined", True)
    assert Store.open(laid.root).read("balances")["user"].to_pylist() == ["ben"] * 3


def test_a_committed_bomb_is_found_by_a_deep_look(laid: Store) -> None:
    first = laid.commits()[0]
    [balances] = [one for one in first.files if one.table == "balances"]
    content = bomb()
    (laid.root / balances.path).write_bytes(content)
    files = tuple(
        replace(one, rows=40, size=len(content), sha256=digest(content)) if one == balances else one
        for one in first.files
    )
    (laid.root / "log" / "2026-11-19" / "a-000000-anna.json").write_bytes(record_bytes(replace(first, files=files)))
    [told] = verify(Store.open(laid.root).parts(), deep=True).damages
    assert "would unpack to" in told.sentence
    with pytest.raises(StoreError, match="would unpack to"):
        Store.open(laid.root).read("balances")


def test_a_copied_record_is_refused_by_readers(laid: Store) -> None:
    folder = laid.root / "log" / "2026-11-19"
    shutil.copy(folder / "a-000000-anna.json", folder / "a-000500-anna.json")
    with pytest.raises(StoreError, match=r"a-000500-anna\.json is a copy of .*rows would count twice.*store verify"):
        Store.open(laid.root).read("balances")


def test_a_copied_fold_record_is_refused_by_readers(laid: Store) -> None:
    laid.fold(today=AFTER)
    folder = laid.root / "log" / "2026-11-19"
    shutil.copy(folder / "f-000001.json", folder / "f-000002.json")
    with pytest.raises(StoreError, match=r"f-000002\.json is a copy of number 1 of 2026-11-19"):
        Store.open(laid.root).read("balances")


def test_a_stray_file_in_the_log_is_told_and_set_aside(laid: Store) -> None:
    (laid.root / "log" / "2026-11-19" / "notes.txt").write_text("to do")
    parts = laid.parts()
    [told] = verify(parts).damages
    assert told.sentence == "record log/2026-11-19/notes.txt is no record of this store."
    repair(parts, [told])
    assert verify(parts).damages == []
    kept = [path.read_text() for path in (laid.root / "quarantine").rglob("notes.txt~*") if path.suffix != ".json"]
    assert kept == ["to do"]


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        (b"", "is not the marker of a store"),
        (b'{"kind": "portfolio-lab store", "for', "is not the marker of a store"),
        (b'{"kind": "letters", "format": 1}', "is not the marker of a store"),
        (json.dumps({"kind": "portfolio-lab store", "format": 99}).encode(), "has format 99; this portfolio-lab knows"),
    ],
)
def test_a_store_of_another_kind_or_format_is_left_alone(laid: Store, marker: bytes, told: str) -> None:
    path = laid.root / "store.json"
    path.write_bytes(marker)
    before = {one: one.read_bytes() for one in laid.root.rglob("*") if one.is_file()}
    with pytest.raises(StoreError, match=told):
        Store.open(laid.root)
    assert {one: one.read_bytes() for one in laid.root.rglob("*") if one.is_file()} == before


class ReadOnly(Disk):
    """A disk that was mounted without the right to write."""

    def write(self, path: Path, content: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    def remove(self, path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))


def test_a_store_without_the_right_to_write_is_verified_and_copied(laid: Store, tmp_path: Path) -> None:
    reader = Store.open(laid.root, files=DiskFiles(laid.root, ReadOnly()))
    assert verify(reader.parts(), deep=True).damages == []
    copy_store(reader.parts(), DiskFiles(tmp_path / "copy"))
    assert Store.open(tmp_path / "copy").read("balances") == laid.read("balances")


def test_what_cannot_be_written_is_one_typed_error_and_nothing_is_lost(laid: Store) -> None:
    laid.fold(today=AFTER)
    reader = Store.open(laid.root, files=DiskFiles(laid.root, ReadOnly()))
    path = min((laid.root / "sealed" / "balances").rglob("f-*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(StoreError, match=r"cannot repair .*Read-only file system. Nothing was lost"):
        repair(reader.parts(), verify(reader.parts()).damages)
    assert path.read_bytes() == whole[:-1]
    path.write_bytes(whole)
    with pytest.raises(StoreError, match=r"cannot copy .*Read-only file system"):
        copy_store(laid.parts(), DiskFiles(laid.root.with_name("copy"), ReadOnly()))


def test_a_thinning_that_cannot_write_leaves_the_day_as_it_was(laid: Store, rows: ModuleType) -> None:
    for minute in (10, 20, 30):
        slot = DAY + timedelta(minutes=minute)
        laid.commit(rows.cycle(slot, "anna"), slot=slot, writer="w", sync_id="more")
    laid.fold(today=AFTER)
    before = Store.open(laid.root).read("balances")
    reader = Store.open(laid.root, files=DiskFiles(laid.root, ReadOnly()))
    with pytest.raises(StoreError, match=r"cannot thin 2026-11-19 .*That day stays as it was"):
        thin(reader, raw_days=2, today=AFTER, apply=True)
    assert Store.open(laid.root).read("balances") == before


def test_a_clock_that_jumps_loses_and_hides_nothing(store: Store, rows: ModuleType) -> None:
    now = [datetime.now(UTC)]
    jumping = Store(store.root, clock=lambda: now[0])
    for number, jump in enumerate([0, -3600, 86_400 * 3, -86_400 * 3, 300]):
        now[0] += timedelta(seconds=jump)
        slot = DAY + timedelta(minutes=number)
        jumping.commit(rows.cycle(slot, "anna"), slot=slot, writer="w", sync_id="one")
        jumping.fold(today=AFTER, grace=timedelta(minutes=10))
    assert Store.open(store.root).read("balances").num_rows == 15
    whole = verify(Store.open(store.root).parts(), deep=True)
    assert whole.damages == []
    assert len(whole.head) == 64
