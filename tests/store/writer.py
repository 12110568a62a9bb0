"""Commits small cycles until it is done or killed, and prints each id that was acknowledged.

Run as `python writer.py STORE NAME FIRST COUNT [FOLD_EVERY]`; with FOLD_EVERY it folds and sweeps after so many
commits. `python writer.py lives` reads such words from its input, a line a life, and lives each in a process of
its own that has not to import anything. Every cycle holds one snapshot, three balances
and one state of one user, who is named after the sync id: so a torn cycle can be told.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from portfolio_lab.models.tables import TABLES, Table
from portfolio_lab.store import Store

START = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
ROWS = {"portfolio_snapshots": 1, "balances": 3, "users_portfolio_state": 1}


def plain_value(kind: pa.DataType, row: int, slot: datetime) -> object:
    if pa.types.is_decimal(kind):
        return Decimal("0.000000000000000001") + row
    if pa.types.is_timestamp(kind):
        return slot
    if pa.types.is_date(kind):
        return slot.date()
    if pa.types.is_boolean(kind):
        return True
    if pa.types.is_string(kind):
        return f"name-{row}"
    return row if pa.types.is_integer(kind) else row + 0.5


def sample_rows(table: Table, count: int, slot: datetime, **given: Any) -> pa.Table:
    """Rows that fit the schema; `given` sets whole columns, a list or one value for all rows."""
    columns = {field.name: [plain_value(field.type, row, slot) for row in range(count)] for field in table.schema}
    for name, value in given.items():
        columns[name] = value if isinstance(value, list) else [value] * count
    return pa.Table.from_pydict(columns, schema=table.schema)


def cycle(slot: datetime, user: str) -> dict[str, pa.Table]:
    return {name: sample_rows(TABLES[name], count, slot, user=user) for name, count in ROWS.items()}


def slot_of(number: int) -> datetime:
    return START + timedelta(minutes=number)


def main(root: str, name: str, first: str, count: str, fold_every: str = "0") -> None:
    store, every = Store.open(root), int(fold_every)
    for number in range(int(first), int(first) + int(count)):
        sync_id = f"{name}-{number}"
        store.commit(cycle(slot_of(number), sync_id), slot=slot_of(number), writer=name, sync_id=sync_id)
        print(sync_id, flush=True)
        if every and number % every == every - 1:
            store.fold(today=date(2027, 1, 1), grace=timedelta(0))


def lives() -> None:
    for line in sys.stdin:
        process = os.fork()
        if not process:
            print(f"born {os.getpid()}", flush=True)
            main(*line.split())
            os._exit(0)
        os.waitpid(process, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["lives"]:
        lives()
    else:
        main(*sys.argv[1:])
