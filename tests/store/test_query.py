"""SQL reads the files that count, no more of them than the question needs, and tells the same after every fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store
from portfolio_lab.store.sources import source_of

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 12, 1)
AT_ONCE = timedelta(0)
SNAPSHOTS = TABLES["portfolio_snapshots"]


FEW = ("balances", "performance_history", "portfolio_snapshots", "prices", "users_portfolio_state")


def fill(store: Store, rows: ModuleType, *, days: int = 3, names: Iterable[str] = FEW) -> list[datetime]:
    stamps = []
    for number in range(days * 2):
        slot = DAY + timedelta(hours=12 * number)
        users = {"user": ["ben", "anna"]}
        given = {name: rows.sample_rows(TABLES[name], 2, slot, **(users if name != "prices" else {})) for name in names}
        stamps.append(store.commit(given, slot=slot, writer="w", sync_id="one").known_at)
    return stamps


def restate(store: Store, rows: ModuleType, slot: datetime, equity: float) -> datetime:
    told = {SNAPSHOTS.name: rows.sample_rows(SNAPSHOTS, 1, slot, user="anna", equity=equity)}
    return store.commit(told, slot=slot, writer="w", sync_id=f"again-{equity:g}").known_at


def told(store: Store, known: datetime | None = None, names: Iterable[str] = FEW) -> dict[str, pd.DataFrame]:
    ordered = {name: ", ".join(f'"{column}"' for column in TABLES[name].key) for name in names}
    return {
        name: store.sql(f"select * from {name} order by {key}", known=known)  # noqa: S608 - names of ours
        for name, key in ordered.items()
    }


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    for name, frame in left.items():
        pd.testing.assert_frame_equal(frame, right[name], obj=name)


def test_the_same_before_and_after_folds_restatements_and_asked_as_it_was_known(store: Store, rows: ModuleType) -> None:
    stamps = fill(store, rows)
    restate(store, rows, DAY + timedelta(days=1), 1.0)
    before, then = told(store), told(store, stamps[2])
    for _ in range(2):
        store.fold(today=AFTER, grace=AT_ONCE)
        for reader in (store, Store.open(store.root)):
            assert_same(told(reader), before)
            assert_same(told(reader, stamps[2]), then)
    restate(store, rows, DAY + timedelta(days=1), 2.0)
    assert told(store)[SNAPSHOTS.name]["equity"].tolist().count(2.0) == 1
    assert_same(told(store, stamps[2]), then)
    assert len(then[SNAPSHOTS.name]) == 6


def test_rows_agree_with_what_read_returns(store: Store, rows: ModuleType) -> None:
    fill(store, rows, days=1, names=TABLES)
    restate(store, rows, DAY, 1.0)
    store.fold(today=AFTER)
    for name, frame in told(store, names=TABLES).items():
        read = store.read(name)
        assert frame.columns.tolist() == read.column_names
        assert len(frame) == read.num_rows
    expected = store.read(SNAPSHOTS.name).column("equity").to_pylist()
    assert told(store)[SNAPSHOTS.name]["equity"].tolist() == expected


def test_only_days_that_were_told_anew_are_compared(store: Store, rows: ModuleType) -> None:
    fill(store, rows)
    store.fold(today=AFTER)
    restate(store, rows, DAY + timedelta(days=1), 1.0)
    parts = store.parts()
    from portfolio_lab.store.questions import asked  # noqa: PLC0415 - what the store asks of itself

    source = source_of(parts.reader, asked(SNAPSHOTS, None, None, None, None))
    days = [[Path(path).parent.name for path in paths] for paths in (source.single.paths, source.mixed.paths)]
    assert days == [["date=2026-11-19", "date=2026-11-21"], ["date=2026-11-20"]]
    assert source.rows.num_rows == 1


def test_filters_reach_the_files(store: Store, rows: ModuleType) -> None:
    fill(store, rows)
    store.fold(today=AFTER)
    plan = store.sql("explain select slot, equity from portfolio_snapshots where \"user\" = 'anna'")
    text = " ".join(plan.astype(str).to_numpy().ravel())
    scan = text[text.index("PARQUET") :]
    assert "anna" in scan
    assert "gross_exposure" not in scan


def test_a_damaged_file_is_found_before_it_is_queried(store: Store, rows: ModuleType) -> None:
    fill(store, rows, days=1)
    store.fold(today=AFTER)
    [path] = store.files("balances")
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"table balances, day 2026-11-19.*damaged"):
        Store.open(store.root).sql("select count(*) from balances")


@pytest.mark.parametrize("name", ["it's", "100%", "a[1]", "what?", "ünï code"])
def test_a_folder_of_any_name_is_queried(tmp_path: Path, rows: ModuleType, name: str) -> None:
    store = Store.create(tmp_path / name)
    fill(store, rows, days=1)
    store.fold(today=AFTER)
    assert store.sql("select count(*) as n from balances").loc[0, "n"] == 4


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_parquet('{root}/quiet/secret.parquet')",
        "select * from read_csv('/etc/passwd')",
        "select * from glob('/etc/*')",
        "select * from '{root}/store.json'",
        "install httpfs",
        "load httpfs",
        "copy balances to '{sealed}'",
        "set allowed_paths = ['/etc/passwd']",
        "set allowed_directories = ['/']",
        "drop view balances",
        "select getenv('HOME')",
        "select * from query('copy balances to ''{root}/x.csv''')",
    ],
)
def test_nothing_but_the_tables_is_in_reach_while_files_are_open(store: Store, rows: ModuleType, query: str) -> None:
    fill(store, rows, days=1)
    store.fold(today=AFTER)
    [sealed] = store.files("balances")
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    with pytest.raises(BadInputError):
        store.sql(query.format(root=store.root, sealed=sealed) + " -- balances")
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before


def test_a_query_in_the_middle_of_a_fold_sees_old_or_new(
    place: Path | str, rows: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portfolio_lab.store.fold.WORTH_ROLLING", 1)
    monkeypatch.setattr("portfolio_lab.store.sources.SMALL", 0)
    store = Store(Store.create(place).root, clock=lambda: datetime(2026, 12, 2, tzinfo=UTC))
    fill(store, rows, days=2)
    store.fold(today=DAY.date(), grace=AT_ONCE)
    assert {stored.path.partition("/")[0] for stored in store.parts().reader.live("balances")} == {"warm"}
    fold_later: list[Callable[[], object]] = [lambda: store.fold(today=AFTER, grace=AT_ONCE)]

    def folding(reader: object, question: object) -> object:
        found = source_of(reader, question)  # type: ignore[arg-type]
        while fold_later:
            fold_later.pop()()
        return found

    monkeypatch.setattr("portfolio_lab.store.store.source_of", folding)
    assert store.sql("select count(*) as n from balances").loc[0, "n"] == 8
