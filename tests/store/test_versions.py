"""Schemas grow: old files read as null, older labs say so, and nothing is taken away in place."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import TABLES, Table
from portfolio_lab.store import Store

SLOT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
AFTER = date(2026, 12, 1)
SNAPSHOTS = TABLES["portfolio_snapshots"]


def changed(schema: pa.Schema, *, by: int = 0) -> dict[str, Table]:
    table = Table(SNAPSHOTS.name, SNAPSHOTS.version + by, SNAPSHOTS.key, schema, SNAPSHOTS.latest)
    return {**TABLES, table.name: table}


GROWN = changed(SNAPSHOTS.schema.append(pa.field("margin_ratio", pa.float64())), by=1)


def tell(store: Store, rows: ModuleType, tables: dict[str, Table], slot: datetime, **given: object) -> None:
    table = tables[SNAPSHOTS.name]
    told = {table.name: rows.sample_rows(table, 1, slot, user="anna", **given)}
    store.commit(told, slot=slot, writer="w", sync_id="one")


@pytest.fixture
def grown(store: Store, rows: ModuleType) -> Store:
    tell(store, rows, TABLES, SLOT)
    store.fold(today=AFTER)
    later = Store.open(store.root, tables=GROWN)
    tell(later, rows, GROWN, SLOT + DAY, margin_ratio=0.25)
    return later


def test_a_new_column_is_null_in_old_days_for_every_reader(grown: Store) -> None:
    for _ in range(2):
        assert grown.read(SNAPSHOTS.name)["margin_ratio"].to_pylist() == [None, 0.25]
        assert grown.sql("select count(margin_ratio) as n from portfolio_snapshots").loc[0, "n"] == 1
        grown.fold(today=AFTER)
    frame = pd.read_parquet(Path(grown.root) / "sealed" / SNAPSHOTS.name)
    assert frame["margin_ratio"].isna().tolist() == [True, False]
    assert frame["committed_at"].notna().all()


def test_plain_pandas_would_have_dropped_the_column(grown: Store) -> None:
    grown.fold(today=AFTER)
    for path in (Path(grown.root) / "sealed" / SNAPSHOTS.name).glob("date=1970-01-01/*"):
        path.unlink()
    assert "margin_ratio" not in pd.read_parquet(Path(grown.root) / "sealed" / SNAPSHOTS.name).columns


def test_an_older_lab_neither_reads_nor_writes_beside_newer_rows(grown: Store, rows: ModuleType) -> None:
    for _ in range(2):
        older = Store.open(grown.root)
        for refused in (
            lambda older=older: older.read(SNAPSHOTS.name),
            lambda older=older: older.sql("select * from portfolio_snapshots"),
            lambda older=older: tell(older, rows, TABLES, SLOT + 2 * DAY),
        ):
            with pytest.raises(StoreError, match=r"schema version \d.*knows \d.*Upgrade"):
                refused()
        assert not older.has("one", SLOT + 2 * DAY)
        grown.fold(today=AFTER)
    assert older.read("balances").num_rows == 0


def test_an_older_lab_does_not_fold_what_it_does_not_know(grown: Store) -> None:
    before = sorted(Path(grown.root).rglob("*"))
    with pytest.raises(StoreError, match="Upgrade"):
        Store.open(grown.root).fold(today=AFTER)
    assert sorted(Path(grown.root).rglob("*.parquet")) == [path for path in before if path.suffix == ".parquet"]


def test_a_removed_column_is_refused_with_the_way_to_migrate(store: Store, rows: ModuleType) -> None:
    tell(store, rows, TABLES, SLOT)
    names = [column for column in SNAPSHOTS.schema if column.name != "opaque_value"]
    lacking = Store.open(store.root, tables=changed(pa.schema(names), by=1))
    with pytest.raises(StoreError, match=r"holds column 'opaque_value'.*to migrate, keep the column"):
        lacking.read(SNAPSHOTS.name)


def test_a_retyped_column_is_refused_with_the_way_to_migrate(store: Store, rows: ModuleType) -> None:
    tell(store, rows, TABLES, SLOT)
    place = SNAPSHOTS.schema.get_field_index("equity")
    retyped = changed(SNAPSHOTS.schema.set(place, pa.field("equity", pa.string())), by=1)
    with pytest.raises(StoreError, match=r"'equity' is double, not string.*to migrate"):
        Store.open(store.root, tables=retyped).read(SNAPSHOTS.name)


def test_the_file_that_tells_the_columns_is_no_stranger(grown: Store) -> None:
    grown.fold(today=AFTER)
    assert list((Path(grown.root) / "sealed").glob("*/date=1970-01-01/schema-*.parquet"))
    assert grown.verify() == []
