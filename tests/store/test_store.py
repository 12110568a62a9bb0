"""The store as its callers see it: what is committed is read, what is not is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.models.tables import INSTANT, TABLES, Table
from portfolio_lab.store import Disk, DiskFiles, Store

SLOT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_commit_is_read_back_as_it_was_given(store: Store, rows: ModuleType) -> None:
    given = {name: rows.sample_rows(table, 2, SLOT) for name, table in TABLES.items()}
    commit = store.commit(given, slot=SLOT, writer="w", sync_id="one")
    assert commit.is_new
    assert commit.rows == dict.fromkeys(TABLES, 2)
    for name, table in TABLES.items():
        read = Store.open(store.root).read(name)
        expected = given[name]
        if table.key == ("user", "day"):
            assert read.num_rows == 2
        assert read.equals(expected.sort_by([(key, "ascending") for key in table.key]), check_metadata=True), name


def test_the_same_cycle_twice_is_stored_once(store: Store, rows: ModuleType) -> None:
    first = store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    before = sorted(store.root.rglob("*"))
    second = Store.open(store.root).commit(rows.cycle(SLOT, "ben"), slot=SLOT, writer="v", sync_id="one")
    assert first.is_new
    assert not second.is_new
    assert (second.sync_id, second.slot, second.writer, second.files) == ("one", SLOT, "w", first.files)
    assert sorted(store.root.rglob("*")) == before
    assert store.read("portfolio_snapshots")["user"].to_pylist() == ["anna"]


def test_has_knows_sync_id_and_slot_together(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    assert store.has("one", SLOT)
    assert not store.has("one", SLOT + MINUTE)
    assert not store.has("two", SLOT)


def test_the_slot_of_another_zone_is_the_same_instant(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    abroad = pd.Timestamp(SLOT).tz_convert("Asia/Tokyo").to_pydatetime()
    assert store.has("one", abroad)


def test_time_and_users_narrow_what_is_read(store: Store, rows: ModuleType) -> None:
    for number in range(4):
        slot = SLOT + number * MINUTE
        users = ["anna", "ben"]
        given = {"portfolio_snapshots": rows.sample_rows(TABLES["portfolio_snapshots"], 2, slot, user=users)}
        store.commit(given, slot=slot, writer="w", sync_id="one")
    read = store.read(
        "portfolio_snapshots", users="ben", since=SLOT + MINUTE, until=SLOT + 3 * MINUTE, columns=["slot", "user"]
    )
    assert read.column_names == ["slot", "user"]
    assert read.to_pylist() == [{"slot": SLOT + MINUTE, "user": "ben"}, {"slot": SLOT + 2 * MINUTE, "user": "ben"}]
    assert store.read("portfolio_snapshots", users=["ben"]).schema.equals(
        TABLES["portfolio_snapshots"].schema, check_metadata=True
    )
    assert store.read("portfolio_snapshots", users=[]).num_rows == 0
    assert store.read("portfolio_snapshots", since=date(2026, 11, 21)).num_rows == 0
    assert store.read("portfolio_snapshots", until=date(2026, 11, 21)).num_rows == 8


def test_days_are_half_open_too(store: Store, rows: ModuleType) -> None:
    days = [date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20)]
    table = TABLES["performance_history"]
    store.commit(
        {table.name: rows.sample_rows(table, 3, SLOT, user="anna", day=days)}, slot=SLOT, writer="w", sync_id="one"
    )
    read = store.read(table.name, since=days[1], until=datetime(2026, 11, 20, tzinfo=UTC))
    assert read["day"].to_pylist() == [days[1]]
    assert store.read(table.name, since=datetime(2026, 11, 18, 0, 0, 1, tzinfo=UTC))["day"].to_pylist() == days[1:]


def test_of_a_latest_table_the_last_commit_of_a_key_counts(store: Store, rows: ModuleType) -> None:
    table = TABLES["performance_history"]
    day = date(2026, 11, 19)
    # The repair is committed last, though its slot is the older one.
    for slot, pnl in ((SLOT, 1.0), (SLOT - MINUTE, 2.0)):
        given = rows.sample_rows(table, 2, slot, user=["anna", "ben"], day=day, pnl=[pnl, 7.0])
        store.commit({table.name: given}, slot=slot, writer="w", sync_id="one")
    for reader in (store, Store.open(store.root)):
        read = reader.read(table.name, columns=["user", "pnl"])
        assert read.to_pylist() == [{"user": "anna", "pnl": 2.0}, {"user": "ben", "pnl": 7.0}]
    assert store.sql("select sum(pnl) as pnl from performance_history").loc[0, "pnl"] == 9.0


def test_a_superseded_row_does_not_come_back_by_asking_for_its_time(store: Store, rows: ModuleType) -> None:
    table = TABLES["users_portfolio_state"]
    for number in range(2):
        slot = SLOT + number * MINUTE
        store.commit({table.name: rows.sample_rows(table, 1, slot, user="anna")}, slot=slot, writer="w", sync_id="one")
    assert store.read(table.name, until=SLOT + MINUTE).num_rows == 0
    assert store.read(table.name)["slot"].to_pylist() == [SLOT + MINUTE]


def test_the_state_of_all_users_is_read_from_few_files(store: Store, rows: ModuleType) -> None:
    class CountingDisk(Disk):
        parquet = 0

        def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes:
            self.parquet += path.suffix == ".parquet"
            return super().read(path, start, length)

    table = TABLES["users_portfolio_state"]
    for number, users in enumerate([["anna", "ben"], ["carl"], *[["anna", "ben"]] * 8]):
        slot = SLOT + number * MINUTE
        given = rows.sample_rows(table, len(users), slot, user=users)
        store.commit({table.name: given}, slot=slot, writer="w", sync_id="one")
    disk = CountingDisk()
    state = Store.open(store.root, files=DiskFiles(store.root, disk)).read(table.name, columns=["user", "slot"])
    assert state.to_pylist() == [
        {"user": "anna", "slot": SLOT + 9 * MINUTE},
        {"user": "ben", "slot": SLOT + 9 * MINUTE},
        {"user": "carl", "slot": SLOT + MINUTE},
    ]
    assert disk.parquet == 2


def test_an_open_reader_sees_what_another_one_commits(store: Store, rows: ModuleType) -> None:
    reader = Store.open(store.root)
    for number in range(5):
        slot = SLOT + number * MINUTE
        store.commit(rows.cycle(slot, f"user-{number}"), slot=slot, writer="w", sync_id="one")
        assert reader.read("portfolio_snapshots").num_rows == number + 1
        assert len(reader.commits()) == number + 1


def test_tables_without_rows_are_counted_and_leave_no_file(store: Store, rows: ModuleType) -> None:
    empty = TABLES["open_orders"].schema.empty_table()
    commit = store.commit({"open_orders": empty}, slot=SLOT, writer="w", sync_id="one")
    assert commit.rows == {"open_orders": 0}
    assert commit.files == ()
    assert store.files("open_orders") == []
    assert store.read("open_orders").equals(empty)


def test_files_are_plain_parquet_with_their_schema_version(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    [path] = store.files("balances")
    assert path.parent == store.root / "hot" / "balances" / "day=2026-11-20"
    file = pq.ParquetFile(path)
    assert file.metadata.metadata[b"portfolio_lab.schema_version"] == str(TABLES["balances"].version).encode()
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert pd.read_parquet(path)["quantity"].tolist()[2] == Decimal("2.000000000000000001")


# ---------------------------------------------------------------- strict schemas


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.drop_columns(["equity"]), "'equity' is missing"),
        (lambda t: t.append_column("nav", pa.array([1.0])), "'nav' is not in the schema"),
        (lambda t: t.set_column(9, "equity", pa.array([1], pa.int64())), "'equity' is int64"),
        (lambda t: t.set_column(1, "slot", pa.array([SLOT], pa.timestamp("ns", "UTC"))), "'slot' is timestamp"),
        (lambda t: t.set_column(0, "user", pa.array([None], pa.string())), r"'user' has 1 null"),
        (lambda t: t.append_column("user", t["user"]), "given twice"),
    ],
)
def test_rows_that_do_not_match_are_refused_by_name(
    store: Store, rows: ModuleType, change: Callable[[pa.Table], pa.Table], named: str
) -> None:
    table = TABLES["portfolio_snapshots"]
    good = rows.sample_rows(table, 1, SLOT)
    assert table.schema.names[9] == "equity"
    with pytest.raises(StoreError, match=f"portfolio_snapshots: .*{named}"):
        store.commit({table.name: change(good)}, slot=SLOT, writer="w", sync_id="one")
    assert not (store.root / "hot").exists()
    assert not store.has("one", SLOT)


def test_the_order_of_columns_does_not_matter(store: Store, rows: ModuleType) -> None:
    table = TABLES["portfolio_snapshots"]
    turned = rows.sample_rows(table, 1, SLOT).select(table.schema.names[::-1])
    store.commit({table.name: turned}, slot=SLOT, writer="w", sync_id="one")
    assert store.read(table.name).column_names == table.schema.names


def grown(table: Table) -> dict[str, Table]:
    schema = table.schema.append(pa.field("margin_ratio", pa.float64(), nullable=False))
    return {**TABLES, table.name: Table(table.name, table.version + 1, table.key, schema, table.latest)}


def test_a_column_that_came_later_reads_as_null(store: Store, rows: ModuleType) -> None:
    table = TABLES["portfolio_snapshots"]
    store.commit({table.name: rows.sample_rows(table, 1, SLOT)}, slot=SLOT, writer="w", sync_id="one")
    later = Store.open(store.root, tables=grown(table))
    new_rows = rows.sample_rows(grown(table)[table.name], 1, SLOT + MINUTE, margin_ratio=0.25)
    later.commit({table.name: new_rows}, slot=SLOT + MINUTE, writer="w", sync_id="one")
    assert later.read(table.name)["margin_ratio"].to_pylist() == [None, 0.25]
    assert later.read(table.name, columns=["margin_ratio"])["margin_ratio"].null_count == 1
    with pytest.raises(StoreError, match=rf"schema version {table.version + 1}.*knows {table.version}.*Upgrade"):
        Store.open(store.root).read(table.name)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("sync_id", ["", "../x", "a/b", "a b", ".x", "x" * 101, "a\0b", "é"])
def test_a_sync_id_that_is_no_file_name_is_refused(store: Store, rows: ModuleType, sync_id: str) -> None:
    with pytest.raises(BadInputError, match="sync id"):
        store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id=sync_id)


@pytest.mark.parametrize("slot", [SLOT.replace(tzinfo=None), SLOT.replace(microsecond=1)])
def test_a_slot_that_is_no_instant_on_the_second_is_refused(store: Store, rows: ModuleType, slot: datetime) -> None:
    with pytest.raises(BadInputError, match="slot"):
        store.commit(rows.cycle(SLOT, "anna"), slot=slot, writer="w", sync_id="one")


def test_questions_that_cannot_be_answered_say_why(store: Store, rows: ModuleType) -> None:
    for question, named in [
        ({"table": "balance"}, "no table 'balance'"),
        ({"table": "balances", "columns": ["amount"]}, "no column 'amount'"),
        ({"table": "prices", "users": "anna"}, "has no users"),
        ({"table": "balances", "since": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001 - that is the point
        ({"table": "balances", "since": SLOT, "until": SLOT - MINUTE}, "is after"),
    ]:
        with pytest.raises(BadInputError, match=named):
            store.read(**question)
    with pytest.raises(StoreError, match="no table 'nav'"):
        store.commit({"nav": pa.table({})}, slot=SLOT, writer="w", sync_id="one")


# ---------------------------------------------------------------- create and open


def test_a_missing_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .*portfolio-lab init") as caught:
        Store.open(tmp_path / "nowhere")
    assert isinstance(caught.value, BadInputError)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"kind": "other", "format": 1}', '{"kind": "portfolio-lab store"}'])
def test_a_foreign_folder_is_no_store(tmp_path: Path, marker: str) -> None:
    (tmp_path / "store.json").write_text(marker)
    with pytest.raises(StoreError, match="not the marker"):
        Store.open(tmp_path)


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(json.dumps({"kind": "portfolio-lab store", "format": 2}))
    with pytest.raises(StoreError, match=r"format 2.*knows 1"):
        Store.open(tmp_path)


def test_create_never_takes_over_a_folder_in_use(tmp_path: Path) -> None:
    Store.create(tmp_path / "a" / "b")
    with pytest.raises(BadInputError, match="already"):
        Store.create(tmp_path / "a" / "b")
    with pytest.raises(BadInputError, match="not empty"):
        Store.create(tmp_path / "a")


# ---------------------------------------------------------------- SQL


def test_sql_sees_every_table_and_only_what_is_committed(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    [path] = store.files("balances")
    path.with_name("orphan.parquet").write_bytes(path.read_bytes())
    frame = store.sql('select "user", slot, sum(quantity) as quantity from balances group by all')
    assert frame["user"].tolist() == ["anna"]
    assert frame["slot"].dt.tz is not None
    assert frame["quantity"].tolist() == [3.0]
    assert set(store.sql("show tables")["name"]) == set(TABLES)
    assert store.sql("select count(*) as n from balances where slot < ?", [SLOT]).loc[0, "n"] == 0
    assert store.sql("select count(*) as n from balances where asset = $asset", {"asset": "name-1"}).loc[0, "n"] == 1
    assert store.sql("select count(*) as n from query_table('bal' || 'ances')").loc[0, "n"] == 3


@pytest.mark.parametrize(
    "query",
    [
        "select nosuch from balances",
        "selec",
        "",
        "select 1; select 2",
        "create table x (a int)",
        "insert into balances select * from balances",
        "copy balances to 'out.csv'",
        "select * from read_text('{root}/store.json')",
        "select * from '{root}/store.json'",
        "attach '{root}/x.db'",
        "set enable_external_access = true",
        "select * from store",
    ],
)
def test_sql_that_is_wrong_or_does_more_than_read_is_refused(store: Store, query: str) -> None:
    before = sorted(store.root.rglob("*"))
    with pytest.raises(BadInputError):
        store.sql(query.format(root=store.root))
    assert sorted(store.root.rglob("*")) == before


def test_instants_stay_in_utc(store: Store, rows: ModuleType) -> None:
    store.commit(rows.cycle(SLOT, "anna"), slot=SLOT, writer="w", sync_id="one")
    assert store.read("balances", columns=["slot"]).schema.field("slot").type == INSTANT
    hour = store.sql("select distinct extract(hour from slot) as hour from balances").loc[0, "hour"]
    assert hour == 10
