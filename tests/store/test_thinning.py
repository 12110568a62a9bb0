"""Thinning takes snapshots away and leaves every figure of a day as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from portfolio_lab.engines.returns import day_rows
from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import DiskFiles, Store
from portfolio_lab.store.thinning import BY_USER, Thinning, thin
from portfolio_lab.store.verify import verify

START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TODAY = date(2026, 11, 20)
ROUNDING = 1e-12
EXACT = ("opening_equity", "closing_equity", "cash_flow", "pnl", "day_return")


@dataclass
class Book:
    """One user's minutes: equity by minute from START on, and what is not as usual."""

    user: str
    equity: list[float]
    step: int = 1
    grades: dict[int, str] = field(default_factory=dict)
    flows: dict[str, tuple[float, float]] = field(default_factory=dict)
    late_seconds: int = 2


def made(rows: ModuleType, name: str, count: int, **given: object) -> pa.Table:
    table = TABLES[name]
    slots = pa.array(given.pop("slot"), pa.timestamp("us", tz="UTC"))
    place = table.schema.get_field_index("slot")
    return rows.sample_rows(table, count, START, **given).set_column(place, table.schema.field(place), slots)


def lay(store: Store, rows: ModuleType, *books: Book) -> None:
    """Commit each day's snapshots, balances, prices and flows, and seal all days."""
    minutes = max(len(book.equity) * book.step for book in books)
    for day in range((minutes - 1) // 1440 + 1):
        first, given = START + timedelta(days=day), {}
        slots, users, equity, grades, at = [], [], [], [], []
        for book in books:
            for place, value in enumerate(book.equity):
                minute = place * book.step
                if minute // 1440 == day:
                    slots.append(START + minute * MINUTE)
                    users.append(book.user)
                    grades.append(book.grades.get(minute, "complete"))
                    equity.append(value if grades[-1] == "complete" else None)
                    at.append(slots[-1] + timedelta(seconds=book.late_seconds))
        given["portfolio_snapshots"] = made(
            rows,
            "portfolio_snapshots",
            len(slots),
            user=users,
            slot=slots,
            at=at,
            equity=equity,
            grade=grades,
            interval_seconds=60,
            currency="USD",
        )
        given["balances"] = made(rows, "balances", len(slots), user=users, slot=slots, asset="BTC")
        prices = sorted(set(slots))
        given["prices"] = made(rows, "prices", len(prices), slot=prices, asset="BTC", venue="okx")
        if day == 0:
            given["cash_flows"] = flow_rows(rows, books)
        store.commit(given, slot=first, writer="w", sync_id="one")
    for _ in range(2):
        store.fold(today=TODAY, grace=timedelta(0))


def flow_rows(rows: ModuleType, books: tuple[Book, ...]) -> object:
    found = [(book.user, name, minute, value) for book in books for name, (minute, value) in book.flows.items()]
    return rows.sample_rows(
        TABLES["cash_flows"],
        len(found),
        START,
        user=[user for user, *_ in found],
        flow_id=[name for _, name, *_ in found],
        at=[START + minute * MINUTE for _, _, minute, _ in found],
        value=[value for *_, value in found],
        quantity=[Decimal(str(value)) for *_, value in found],
    )


def slots_of(store: Store, table: str, user: str = "anna") -> list[str]:
    chosen = {} if table == "prices" else {"users": user}
    slots = Store.open(store.root).read(table, columns=["slot"], **chosen)["slot"].to_pylist()
    return [slot.strftime("%d %H:%M") for slot in slots]


def days_of(store: Store, days: int) -> pd.DataFrame:
    reader = Store.open(store.root)
    snapshots, flows = reader.read("portfolio_snapshots").to_pandas(), reader.read("cash_flows").to_pandas()
    return day_rows(snapshots, flows, START.date(), START.date() + timedelta(days=days))


def applied(store: Store, raw_days: int = 2) -> Thinning:
    return thin(Store.open(store.root), raw_days=raw_days, today=TODAY, apply=True)


def test_one_snapshot_an_hour_stays_and_those_around_a_flow(store: Store, rows: ModuleType) -> None:
    # Three hours in steps of ten minutes; a deposit at 00:34; 02:00 was not complete.
    book = Book("anna", [100.0] * 19, step=10, grades={120: "partial"}, flows={"d": (34.0, 5.0)})
    lay(store, rows, book)
    done = applied(store)
    #         day opens  around flow         hour     02:00 failed  hour and day close
    stays = ["02 00:00", "02 00:30", "02 00:40", "02 01:00", "02 01:50", "02 03:00"]
    for table in ("portfolio_snapshots", "balances", "prices"):
        assert slots_of(store, table) == stays, table
    assert (done.tables["balances"].rows_before, done.tables["balances"].rows_after) == (19, 6)
    assert done.rows_gone() == 3 * 13


def test_an_hour_without_a_complete_snapshot_keeps_its_last(store: Store, rows: ModuleType) -> None:
    grades = dict.fromkeys(range(70, 130, 10), "failed")
    lay(store, rows, Book("anna", [100.0] * 19, step=10, grades=grades))
    applied(store)
    assert slots_of(store, "portfolio_snapshots") == ["02 00:00", "02 01:00", "02 02:00", "02 03:00"]


def test_prices_stay_where_anybodys_snapshot_does(store: Store, rows: ModuleType) -> None:
    anna = Book("anna", [100.0] * 7, step=10)
    ben = Book("ben", [100.0] * 7, step=10, flows={"d": (25.0, 1.0)})
    lay(store, rows, anna, ben)
    applied(store)
    assert slots_of(store, "balances") == ["02 00:00", "02 01:00"]
    assert slots_of(store, "prices") == ["02 00:00", "02 00:20", "02 00:30", "02 01:00"]


def test_a_snapshot_that_a_suspicion_names_stays(store: Store, rows: ModuleType) -> None:
    seen = rows.sample_rows(TABLES["suspicions"], 1, START, user="anna", first_slot=START + 20 * MINUTE)
    store.commit({"suspicions": seen}, slot=START + MINUTE, writer="w", sync_id="s")
    lay(store, rows, Book("anna", [100.0] * 7, step=10))
    applied(store)
    assert slots_of(store, "balances") == ["02 00:00", "02 00:20", "02 01:00"]


def test_the_last_days_stay_as_they_are(store: Store, rows: ModuleType) -> None:
    lay(store, rows, Book("anna", [100.0] * (3 * 24 * 4), step=15))
    assert applied(store, raw_days=16).days == ["2026-11-02", "2026-11-03"]
    assert len([slot for slot in slots_of(store, "balances") if slot.startswith("04")]) == 96


def test_it_is_shown_before_it_is_done(store: Store, rows: ModuleType) -> None:
    lay(store, rows, Book("anna", [100.0] * 100, step=10))
    before = {path: path.read_bytes() for path in Path(store.root).rglob("*") if path.is_file()}
    shown = thin(store, raw_days=2, today=TODAY)
    assert {path: path.read_bytes() for path in Path(store.root).rglob("*") if path.is_file()} == before
    done = applied(store)
    assert shown.days == done.days
    for name, table in shown.tables.items():
        assert (table.rows_before, table.rows_after) == (done.tables[name].rows_before, done.tables[name].rows_after)
    assert applied(store).days == []


def test_facts_are_never_thinned(store: Store, rows: ModuleType) -> None:
    others = {
        name: rows.sample_rows(table, 30, START, user=[f"u{number}" for number in range(30)])
        for name, table in TABLES.items()
        if name not in {*BY_USER, "prices", "cash_flows"} and "user" in table.schema.names
    }
    store.commit(others, slot=START + MINUTE, writer="w", sync_id="facts")
    lay(store, rows, Book("anna", [100.0] * 100, step=10))
    before = {name: Store.open(store.root).read(name) for name in others}
    assert set(applied(store).tables) == {"portfolio_snapshots", "balances", "prices"}
    assert {name: Store.open(store.root).read(name) for name in others} == before


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 20))])
def test_no_figure_of_a_day_changes(store: Store, rows: ModuleType, seed: int) -> None:
    # Two users, two days and a bit by the minute: gaps, failures, flows on borders, one user in debt for a while.
    chance = np.random.default_rng(seed)
    books = []
    for user in ("anna", "ben"):
        equity = 1000 * np.exp(chance.normal(0, 1e-3, 2 * 1440 + 60).cumsum())
        if user == "ben":
            equity[700:710] = -5.0
        grades = dict.fromkeys(chance.integers(0, len(equity), 200).tolist(), "partial")
        grades |= dict.fromkeys(range(900, 1010), "failed")
        places = [*chance.uniform(0, len(equity), 6), 0.01, 1439.99, 1440.0, 1440.01, 950.5]
        flows = {f"f{number}": (float(place), float(chance.normal(0, 80))) for number, place in enumerate(places)}
        books.append(Book(user, equity.tolist(), grades=grades, flows=flows, late_seconds=int(chance.integers(0, 59))))
    lay(store, rows, *books)
    before = days_of(store, 2)
    done = applied(store)
    assert done.tables["balances"].rows_after < done.tables["balances"].rows_before / 20
    after = days_of(store, 2)
    assert len(before) == 4
    for column in EXACT:
        wanted, found = before[column].to_numpy("float64"), after[column].to_numpy("float64")
        assert found == pytest.approx(wanted, rel=ROUNDING, abs=ROUNDING, nan_ok=True), column
    assert after["estimated"].all()  # an hour is longer than two intervals: reckoned anew, it says so


def test_a_thinned_store_is_whole_and_its_manifests_say_so(store: Store, rows: ModuleType) -> None:
    lay(store, rows, Book("anna", [100.0] * 100, step=10))
    head = verify(store.parts()).head
    applied(store)
    whole = verify(Store.open(store.root).parts(), deep=True, head=head)
    assert whole.damages == []
    assert whole.head != head
    plain = pd.read_parquet(Path(store.root) / "sealed" / "balances")
    assert len(plain) == Store.open(store.root).read("balances").num_rows


def test_what_comes_late_into_a_thinned_day_stays(store: Store, rows: ModuleType) -> None:
    lay(store, rows, Book("anna", [100.0] * 19, step=10))
    applied(store)
    late = START + 35 * MINUTE
    store.commit(rows.cycle(late, "anna"), slot=late, writer="w", sync_id="late")
    assert "02 00:35" in slots_of(store, "balances")
    store.fold(today=TODAY, grace=timedelta(0))
    assert verify(Store.open(store.root).parts()).damages == []


def test_a_fold_at_the_same_time_costs_nothing(store: Store, rows: ModuleType) -> None:
    lay(store, rows, Book("anna", [100.0] * 19, step=10))

    class Slower(DiskFiles):
        """Another process is always a moment quicker."""

        def put_if_absent(self, path: str, content: bytes) -> bool:
            return not path.startswith("log/") and super().put_if_absent(path, content)

    slow, before = Store.open(store.root, files=Slower(Path(store.root))), slots_of(store, "balances")
    with pytest.raises(StoreError, match="at the same time; thin again"):
        thin(slow, raw_days=2, today=TODAY, apply=True)
    assert slots_of(store, "balances") == before
    assert verify(Store.open(store.root).parts()).notes == []  # its files are gone again


def test_too_few_raw_days_are_refused(store: Store) -> None:
    with pytest.raises(BadInputError, match="raw days 1: at least 2"):
        thin(store, raw_days=1, today=TODAY)
