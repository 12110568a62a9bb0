"""Hours of equity: reckoned once, never out of date, and nothing but what the snapshots say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store
from portfolio_lab.store.hours import HOURS, Hours

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 12, 1)
SNAPSHOTS = TABLES["portfolio_snapshots"]
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def tell(store: Store, rows: ModuleType, slots: list[datetime], equity: list[float | None]) -> None:
    grades = ["failed" if one is None else "complete" for one in equity]
    told = rows.sample_rows(SNAPSHOTS, len(slots), slots[0], user="anna", grade=grades, equity=equity)
    place = SNAPSHOTS.schema.get_field_index("slot")
    told = told.set_column(place, SNAPSHOTS.schema.field("slot"), pa.array(slots, SNAPSHOTS.schema.field("slot").type))
    number = len(store.commits())
    store.commit({SNAPSHOTS.name: told}, slot=slots[0], writer="w", sync_id=f"id-{number}")


def ohlc(store: Store, **asked: object) -> list[tuple[object, ...]]:
    rows = store.hours(**asked).to_pylist()  # type: ignore[arg-type]
    return [(row["user"], row["hour"], row["open"], row["high"], row["low"], row["close"]) for row in rows]


@pytest.fixture
def filled(store: Store, rows: ModuleType) -> Store:
    """Two hours of anna on the first day, one on the second; an hour in which nothing was complete."""
    tell(store, rows, [DAY + n * 15 * MINUTE for n in range(4)], [10.0, 14.0, 8.0, 9.0])
    tell(store, rows, [DAY + HOUR, DAY + HOUR + MINUTE], [None, 11.0])
    tell(store, rows, [DAY + 2 * HOUR], [None])
    tell(store, rows, [DAY + timedelta(days=1)], [12.0])
    return store


EXPECTED = [
    ("anna", DAY, 10.0, 14.0, 8.0, 9.0),
    ("anna", DAY + HOUR, 11.0, 11.0, 11.0, 11.0),
    ("anna", DAY + timedelta(days=1), 12.0, 12.0, 12.0, 12.0),
]


def derived(store: Store) -> list[Path]:
    return sorted(Path(store.root).glob("hourly/*/*/*.parquet"))


def test_hours_worked_by_hand_before_and_after_a_fold(filled: Store) -> None:
    for count in (0, 2):
        assert len(derived(filled)) == count
        assert ohlc(filled) == EXPECTED
        [first, *_] = filled.hours().to_pylist()
        assert [first[f"{name}_slot"] for name in ("open", "high", "low", "close")] == [
            DAY + n * 15 * MINUTE for n in (0, 1, 2, 3)
        ]
        assert first["snapshots"] == 4
        assert filled.hours().schema.equals(HOURS.schema)
        filled.fold(today=AFTER)
    assert ohlc(filled, since=DAY + HOUR, until=DAY + 2 * HOUR) == EXPECTED[1:2]
    assert ohlc(filled, users="ben") == []
    assert filled.verify() == []


def test_a_fold_with_a_budget_lays_them_too(filled: Store) -> None:
    filled.fold(today=AFTER, budget_seconds=60)
    assert len(derived(filled)) == 2


def test_a_restated_day_is_reckoned_anew_at_once_and_by_the_next_fold(filled: Store, rows: ModuleType) -> None:
    filled.fold(today=AFTER)
    old = derived(filled)
    tell(filled, rows, [DAY + 15 * MINUTE], [20.0])
    restated = [("anna", DAY, 10.0, 20.0, 8.0, 9.0), *EXPECTED[1:]]
    assert ohlc(filled) == restated
    filled.fold(today=AFTER)
    assert ohlc(Store.open(filled.root)) == restated
    assert len(derived(filled)) == 2
    assert derived(filled) != old


def test_what_is_damaged_or_missing_is_reckoned_from_the_facts(filled: Store) -> None:
    filled.fold(today=AFTER)
    first, second = derived(filled)
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    second.unlink()
    assert ohlc(Store.open(filled.root)) == EXPECTED


def test_hours_that_lie_are_found(filled: Store) -> None:
    filled.fold(today=AFTER)
    hours = Hours(filled.parts().files, filled.parts().reader)
    assert hours.faults() == []
    first, second = derived(filled)
    digest = first.name.partition("-")[0]
    content = second.read_bytes()
    lie = first.with_name(f"{digest}-{second.name.partition('-')[2]}")
    lie.write_bytes(content)
    first.unlink()
    [fault] = hours.faults()
    assert fault.startswith("the hours of 2026-11-19 are not those of the snapshots")
