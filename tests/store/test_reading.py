"""A question about one user reads a small part of a large file, and finds damage in that part."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Disk, DiskFiles, Store
from portfolio_lab.store.ranges import RangeFile

DAY = datetime(2026, 11, 19, tzinfo=UTC)
SNAPSHOTS = TABLES["portfolio_snapshots"]
USERS = [f"user-{number:03d}" for number in range(60)]
CYCLES = 1_000


class CountingDisk(Disk):
    def __init__(self) -> None:
        self.bytes = 0

    def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes:
        content = super().read(path, start, length)
        self.bytes += len(content) if path.suffix == ".parquet" else 0
        return content


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, rows: ModuleType) -> Path:
    """One sealed day of 60 users and 1,000 cycles, with figures that do not compress."""
    store = Store.create(tmp_path_factory.mktemp("large") / "store")
    count = len(USERS) * CYCLES
    chance = np.random.default_rng(7)
    made = rows.sample_rows(SNAPSHOTS, 1, DAY)
    columns = {
        name: pa.array(made[name].to_pylist() * count, made.schema.field(name).type) for name in made.column_names
    }
    columns["user"] = pa.array([user for user in USERS for _ in range(CYCLES)])
    slots = [DAY + timedelta(minutes=number) for number in range(CYCLES)]
    columns["slot"] = pa.array(slots * len(USERS), SNAPSHOTS.schema.field("slot").type)
    for name in ("equity", "wallet_balance", "net_exposure", "gross_exposure", "unrealised_pnl"):
        columns[name] = pa.array(chance.normal(size=count))
    told = pa.Table.from_pydict(columns, schema=SNAPSHOTS.schema)
    store.commit({SNAPSHOTS.name: told}, slot=DAY, writer="w", sync_id="one")
    store.fold(today=date(2026, 12, 1), grace=timedelta(0))
    return Path(store.root)


def test_one_users_columns_are_a_small_part_of_the_file(sealed: Path) -> None:
    disk = CountingDisk()
    store = Store.open(sealed, files=DiskFiles(sealed, disk))
    [path] = store.files(SNAPSHOTS.name)
    size = Path(path).stat().st_size
    asked = {"users": "user-020", "columns": ["slot", "equity"]}
    first = store.read(SNAPSHOTS.name, **asked)
    assert disk.bytes == size  # seen whole, once
    disk.bytes = 0
    again = store.read(SNAPSHOTS.name, **asked)
    assert again.equals(first)
    assert again.num_rows == CYCLES
    assert disk.bytes < size / 6


def test_sealed_files_have_row_groups_and_a_page_index(sealed: Path) -> None:
    [path] = Store.open(sealed).files(SNAPSHOTS.name)
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_row_groups > 3
    column = metadata.row_group(0).column(0)
    assert column.has_column_index
    assert column.has_offset_index


def test_a_page_that_rots_after_it_was_seen_whole_is_found(sealed: Path) -> None:
    store = Store.open(sealed)
    asked = {"users": "user-020", "columns": ["slot", "equity"]}
    store.read(SNAPSHOTS.name, **asked)
    [path] = store.files(SNAPSHOTS.name)
    metadata = pq.ParquetFile(path).metadata
    group = next(
        n for n in range(metadata.num_row_groups) if metadata.row_group(n).column(0).statistics.max >= "user-020"
    )
    place = SNAPSHOTS.schema.get_field_index("equity")
    column = metadata.row_group(group).column(place)
    whole = Path(path).read_bytes()
    content = bytearray(whole)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    Path(path).write_bytes(content)
    try:
        with pytest.raises(StoreError, match=r"table portfolio_snapshots, day 2026-11-19"):
            store.read(SNAPSHOTS.name, **asked)
    finally:
        Path(path).write_bytes(whole)


def test_a_file_in_ranges_reads_like_a_file(tmp_path: Path) -> None:
    content = bytes(range(256))
    (tmp_path / "one").write_bytes(content)
    ranges, plain = RangeFile(DiskFiles(tmp_path), "one", len(content)), io.BytesIO(content)
    for step in (
        ("read", 10),
        ("seek", -5, io.SEEK_END),
        ("read", 100),
        ("seek", 3),
        ("seek", 4, io.SEEK_CUR),
        ("read",),
    ):
        name, *given = step
        assert getattr(ranges, str(name))(*given) == getattr(plain, str(name))(*given)
        assert ranges.tell() == plain.tell()


def test_the_newest_state_of_each_user_whatever_was_rolled_and_whoever_came_last(
    store: Store, rows: ModuleType
) -> None:
    """Two writers with users of their own; one of them misses the later cycles; then one state is told anew."""
    table = "users_portfolio_state"

    def tell(number: int, users: list[str], equity: float) -> None:
        told = rows.sample_rows(TABLES[table], len(users), rows.slot_of(number), user=users, equity=equity)
        store.commit({table: told}, slot=rows.slot_of(number), writer="w", sync_id=f"id-{len(store.commits())}")

    def newest() -> dict[str, float]:
        answers = [one.read(table).to_pydict() for one in (store, store, Store.open(store.root))]
        assert answers[0] == answers[1] == answers[2]
        return dict(zip(answers[0]["user"], answers[0]["equity"], strict=True))

    for number in range(20):
        tell(number, ["anna", "ben"], float(number))
        if number < 3:
            tell(number, ["zoë"], 100.0 + number)
    expected = {"anna": 19.0, "ben": 19.0, "zoë": 102.0}
    assert newest() == expected
    assert store.fold(today=rows.slot_of(0).date())  # rolls the hour: all its states lie in one file
    assert newest() == expected
    tell(2, ["ben"], -1.0)
    assert newest() == {**expected, "ben": -1.0}
    store.fold(today=date(2026, 12, 1))
    assert newest() == {**expected, "ben": -1.0}
    assert store.read(table, users="ben", columns=["equity"]).to_pydict() == {"equity": [-1.0]}
