"""SQL over large files in a bucket: read in parts, as on a disk, and honest when the network fails in the middle."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pytest

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store

pytest.importorskip("obstore", reason='a bucket needs the extra "bucket"')

sys.path.insert(0, str(Path(__file__).parent))

from faulty_bucket import FaultyNetwork

from portfolio_lab.store.bucket import BucketFiles, Patience

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 12, 1)
AT_ONCE = timedelta(0)
SNAPSHOTS = TABLES["portfolio_snapshots"]
BALANCES = TABLES["balances"]
HASTY = Patience(request=timedelta(seconds=1), call=timedelta(seconds=2), pause=timedelta(milliseconds=10))


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reading", "sources"):
        monkeypatch.setattr(f"portfolio_lab.store.{module}.SMALL", 0)


@pytest.fixture
def network(url: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyNetwork]:
    with FaultyNetwork(s3) as network:
        monkeypatch.setenv("AWS_ENDPOINT_URL", network.url)
        yield network


def fill(store: Store, rows: ModuleType, days: int = 3) -> datetime:
    """Commit two users' rows a day, tell one of them anew, and return what was known before that."""
    for number in range(days):
        slot = DAY + timedelta(days=number)
        given = {one.name: rows.sample_rows(one, 2, slot, user=["ben", "anna"]) for one in (SNAPSHOTS, BALANCES)}
        known = store.commit(given, slot=slot, writer="w", sync_id="one").known_at
    anew = {SNAPSHOTS.name: rows.sample_rows(SNAPSHOTS, 1, DAY + timedelta(days=1), user="anna", equity=7.0)}
    store.commit(anew, slot=DAY + timedelta(days=1), writer="w", sync_id="again")
    return known


def told(store: Store, known: datetime | None = None) -> list[pd.DataFrame]:
    order = '"user", slot'
    named = {SNAPSHOTS.name: order, BALANCES.name: order + ", account, wallet, asset"}
    return [store.sql(f"select * from {name} order by {key}", known=known) for name, key in named.items()]  # noqa: S608 - names of ours


def test_folds_change_nothing_of_what_is_told(url: str, rows: ModuleType) -> None:
    store = Store.create(url)
    known = fill(store, rows)
    before, then = told(store), told(store, known)
    store.fold(today=AFTER, grace=AT_ONCE)
    for reader in (store, Store.open(url)):
        for found, expected in zip((*told(reader), *told(reader, known)), (*before, *then), strict=True):
            pd.testing.assert_frame_equal(found, expected)
    assert before[0]["equity"].tolist().count(7.0) == 1
    assert 7.0 not in then[0]["equity"].tolist()
    assert store.sql("show tables")["name"].tolist() == sorted(TABLES)


def test_only_what_a_query_needs_is_fetched(url: str, rows: ModuleType, network: FaultyNetwork) -> None:
    made = Store.create(url)
    slots = [DAY + timedelta(seconds=number) for number in range(40_000)]
    many = rows.sample_rows(SNAPSHOTS, len(slots), DAY, user=[f"user-{number // 2000:02d}" for number in range(40_000)])
    many = many.set_column(
        SNAPSHOTS.schema.names.index("slot"), "slot", pa.array(slots, SNAPSHOTS.schema.field("slot").type)
    )
    made.commit({SNAPSHOTS.name: many}, slot=DAY, writer="w", sync_id="one")
    made.fold(today=AFTER, grace=AT_ONCE)
    store = Store.open(url)
    query = (
        "select count(*) as n, count(distinct equity) as equities from portfolio_snapshots where \"user\" = 'user-07'"
    )
    whole = store.sql(query)
    whole_bytes = network.sent
    assert store.sql(query).equals(whole)
    assert whole.loc[0, "n"] == 2000
    [size] = [one.size for one in store.parts().reader.live(SNAPSHOTS.name)]
    assert 0 < network.sent - whole_bytes < size / 4 < whole_bytes


@pytest.mark.parametrize(
    ("fault", "words"), [("404", "is missing, though a record names it"), ("403", "refused"), ("500", "500")]
)
def test_a_fault_in_the_middle_is_told_as_one(
    url: str, rows: ModuleType, network: FaultyNetwork, fault: str, words: str
) -> None:
    made = Store.create(url)
    fill(made, rows)
    made.fold(today=AFTER, grace=AT_ONCE)
    store = Store(url, files=BucketFiles(url, patience=HASTY))
    assert len(store.sql("select * from balances")) == 6
    network.judge = lambda method, path: fault if "sealed/balances" in path else None
    with pytest.raises(StoreError, match=words) as raised:
        store.sql("select sum(quantity) as q from balances")
    assert not any(secret in str(raised.value) for secret in ("AKIAPLANTED", "planted-secret"))


def test_pages_that_changed_since_they_were_seen_whole_are_refused(url: str, rows: ModuleType) -> None:
    store = Store.create(url)
    fill(store, rows, days=1)
    store.fold(today=AFTER, grace=AT_ONCE)
    assert len(store.sql("select * from balances")) == 2
    files, [stored] = BucketFiles(url), store.parts().reader.live("balances")
    content = bytearray(files.read(stored.path))
    content[100] ^= 1
    files.put(stored.path, bytes(content))
    with pytest.raises(StoreError, match="no longer what was committed"):
        store.sql("select * from balances")


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_parquet('{root}/sealed/balances/*.parquet')",
        "select * from glob('/etc/*')",
        "create table x as select 1",
        "use parts",
    ],
)
def test_nothing_but_the_tables_is_in_reach(url: str, rows: ModuleType, query: str) -> None:
    store = Store.create(url)
    fill(store, rows, days=1)
    store.fold(today=AFTER, grace=AT_ONCE)
    with pytest.raises(BadInputError):
        store.sql(query.format(root=url) + " -- balances")
