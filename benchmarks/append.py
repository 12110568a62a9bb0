"""Append of one cycle for 1, 100 and 1000 users, against plain parquet files that are only synced.

The peer writes the same rows, one file a table, with fsync of each file and nothing else: no
commit across tables, no checksums, no names made durable. Run: `python benchmarks/append.py`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from portfolio_lab.models.tables import TABLES, Table
from portfolio_lab.store import Store

ROWS_PER_USER = {"portfolio_snapshots": 1, "wallets": 4, "balances": 8, "positions": 2, "open_orders": 3}
PRICES = 20
START = datetime(2026, 11, 1, tzinfo=UTC)


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
    for offset, field in enumerate(table.schema):
        columns[field.name] = [value(field.type, row * 31 + offset, slot) for row in range(count)]
    if "user" in columns:
        columns["user"] = [f"user-{row // each}" for row in range(count)]
    return pa.Table.from_pydict(columns, schema=table.schema)


def cycle(users: int, slot: datetime) -> dict[str, pa.Table]:
    tables = {name: rows(TABLES[name], users * each, each, slot) for name, each in ROWS_PER_USER.items()}
    return {**tables, "prices": rows(TABLES["prices"], PRICES, 1, slot)}


def plain(folder: Path, number: int, tables: dict[str, pa.Table]) -> None:
    for name, part in tables.items():
        path = folder / name / f"{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, path, compression="zstd")
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def timed(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return (time.perf_counter() - started) * 1000


def measure(folder: Path, users: int, cycles: int) -> tuple[float, float]:
    store = Store.create(folder / "store")
    ours, theirs = [], []
    for number in range(cycles):
        slot = START + timedelta(minutes=number)
        tables = cycle(users, slot)
        peer = folder / "plain"
        # In turns, so that a busy disk is felt by both.
        ours.append(timed(lambda slot=slot, t=tables: store.commit(t, slot=slot, writer="bench", sync_id="one")))
        theirs.append(timed(lambda number=number, t=tables, peer=peer: plain(peer, number, t)))
    committed = store.sql("select count(*) as rows from balances").loc[0, "rows"]
    assert committed == cycles * users * ROWS_PER_USER["balances"]
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--folder", type=Path, default=None, help="where to write; a disk, not a tmpfs")
    chosen = parser.parse_args()
    for users in chosen.users:
        with tempfile.TemporaryDirectory(dir=chosen.folder or Path.cwd()) as folder:
            ours, theirs = measure(Path(folder), users, chosen.cycles)
        print(
            f"append, {users:>5} users: store p50 {ours:7.1f} ms, plain fsynced parquet p50 {theirs:7.1f} ms, ", end=""
        )
        print(f"ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
