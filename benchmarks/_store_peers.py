"""What the store is measured against: the same rows into five ways of keeping them."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from portfolio_lab.models.tables import TABLES, Table
from portfolio_lab.store import Store

try:
    import deltalake
except ImportError:  # a peer: pip install -r benchmarks/peers.txt
    deltalake = None  # type: ignore[assignment]

ROWS_PER_USER = {
    "portfolio_snapshots": 1,
    "wallets": 4,
    "balances": 8,
    "positions": 2,
    "open_orders": 3,
    "users_portfolio_state": 1,
}
PRICES = 20
START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Tables = Mapping[str, pa.Table]


# ---------------------------------------------------------------- invented rows


def value(kind: pa.DataType, seed: int, slot: datetime) -> object:
    if pa.types.is_decimal(kind):
        return Decimal(seed * 7919 % 1_000_003) / 1000
    if pa.types.is_floating(kind):
        return seed * 1.618033
    if pa.types.is_timestamp(kind):
        return slot
    if pa.types.is_date(kind):
        return slot.date()
    if pa.types.is_boolean(kind):
        return seed % 2 == 0
    return seed % 50 if pa.types.is_integer(kind) else f"name-{seed % 12}"


def rows(table: Table, count: int, each: int, slot: datetime) -> pa.Table:
    columns: dict[str, list[object]] = {}
    for offset, column in enumerate(table.schema):
        columns[column.name] = [value(column.type, row * 31 + offset, slot) for row in range(count)]
    if "user" in columns:
        columns["user"] = [f"user-{row // each}" for row in range(count)]
    for name in {"asset", "order_id", "instrument"} & columns.keys():
        columns[name] = [f"{name}-{row % max(each, 2)}" for row in range(count)]
    if table.name == "wallets":
        columns["wallet"] = [f"wallet-{row % each}" for row in range(count)]
    if table.name == "prices":
        columns["asset"] = [f"asset-{row}" for row in range(count)]
    return pa.Table.from_pydict(columns, schema=table.schema)


def first_cycle(users: int) -> Tables:
    tables = {name: rows(TABLES[name], users * each, each, START) for name, each in ROWS_PER_USER.items()}
    return {**tables, "prices": rows(TABLES["prices"], PRICES, 1, START)}


def cycle(first: Tables, number: int) -> Tables:
    """The same rows one minute later, every figure moved a little."""
    return {name: _moved(part, START + number * MINUTE, 1 + number * 1e-5) for name, part in first.items()}


def _moved(part: pa.Table, slot: datetime, factor: float) -> pa.Table:
    for index, column in enumerate(part.schema):
        if column.name in {"slot", "at", "received_at", "known_at", "priced_at"}:
            part = part.set_column(index, column, pa.repeat(pa.scalar(slot, column.type), part.num_rows))
        elif pa.types.is_floating(column.type):
            part = part.set_column(index, column, pc.multiply(part.column(index), factor))
    return part


# ---------------------------------------------------------------- the peers


def synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


@dataclass
class Ours:
    folder: Path
    name: str = "store"
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store.create(self.folder / self.name)

    def append(self, number: int, tables: Tables) -> None:
        self.store.commit(tables, slot=START + number * MINUTE, writer="bench", sync_id="one")

    def state(self) -> int:
        return Store.open(self.store.root).read("users_portfolio_state").num_rows


@dataclass
class Plain:
    folder: Path
    name: str = "plain parquet, fsynced"

    def append(self, number: int, tables: Tables) -> None:
        for name, part in tables.items():
            path = self.folder / "plain" / name / f"{number:06d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(part, path, compression="zstd")
            synced(path)
            synced(path.parent)

    def state(self) -> int:
        newest = max((self.folder / "plain" / "users_portfolio_state").iterdir())
        return pq.read_table(newest).num_rows


@dataclass
class Sqlite:
    folder: Path
    name: str = "SQLite WAL FULL"

    def __post_init__(self) -> None:
        self.connection = sqlite3.connect(self.folder / "peer.sqlite", isolation_level=None)
        self.connection.execute("pragma journal_mode=wal")
        self.connection.execute("pragma synchronous=full")

    def append(self, number: int, tables: Tables) -> None:
        if number == 0:
            for name, part in tables.items():
                key = ", primary key (user)" if name == "users_portfolio_state" else ""
                columns = ", ".join(f'"{column}"' for column in part.column_names)
                self.connection.execute(f'create table "{name}" ({columns}{key})')
        self.connection.execute("begin")
        for name, part in tables.items():
            marks = ", ".join("?" * part.num_columns)
            plain = [_sqlite_values(column) for column in part.columns]
            self.connection.executemany(
                f'insert or replace into "{name}" values ({marks})',  # noqa: S608 - our own table names
                zip(*plain, strict=True),
            )
        self.connection.execute("commit")

    def state(self) -> int:
        return len(self.connection.execute("select * from users_portfolio_state").fetchall())


def _sqlite_values(column: pa.ChunkedArray) -> list[object]:
    if pa.types.is_decimal(column.type):
        return column.cast(pa.string()).to_pylist()
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()
    return column.cast(pa.int32()).to_pylist() if pa.types.is_date(column.type) else column.to_pylist()


@dataclass
class DuckFile:
    folder: Path
    name: str = "DuckDB file"

    def __post_init__(self) -> None:
        self.connection = duckdb.connect(str(self.folder / "peer.duckdb"))

    def append(self, number: int, tables: Tables) -> None:
        for name, part in tables.items():
            self.connection.register(f"new_{name}", part)
            if number == 0:
                self.connection.execute(f"create table {name} as select * from new_{name} limit 0")  # noqa: S608 - our own table names
        self.connection.execute("begin")
        for name in tables:
            if name == "users_portfolio_state":
                self.connection.execute(f"delete from {name}")  # noqa: S608 - as above
            self.connection.execute(f"insert into {name} select * from new_{name}")  # noqa: S608 - as above
        self.connection.execute("commit")

    def state(self) -> int:
        return self.connection.sql("select * from users_portfolio_state").to_arrow_table().num_rows


@dataclass
class Delta:
    folder: Path
    name: str = "deltalake, fsynced"

    def append(self, number: int, tables: Tables) -> None:
        for name, part in tables.items():
            table = self.folder / "delta" / name
            mode = "overwrite" if name == "users_portfolio_state" else "append"
            deltalake.write_deltalake(str(table), part, mode=mode)
            record = table / "_delta_log" / f"{number:020d}.json"
            for line in record.read_text().splitlines():
                action = json.loads(line)
                if "add" in action:
                    synced(table / action["add"]["path"])
            for path in (table, record, record.parent):
                synced(path)

    def state(self) -> int:
        return deltalake.DeltaTable(str(self.folder / "delta" / "users_portfolio_state")).to_pyarrow_table().num_rows
