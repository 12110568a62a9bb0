"""The store in a bucket: the same promises as on a disk, over a network that fails."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pandas as pd
import polars as pl
import pytest

from portfolio_lab.errors import BadInputError, MissingStoreError, StoreError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import DiskFiles, Files, Store
from portfolio_lab.store.files import files_at
from portfolio_lab.store.verify import verify

pytest.importorskip("moto", reason="the local S3 server comes with the development tools")
pytest.importorskip("obstore", reason='a bucket needs the extra "bucket"')


SLOT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
AFTER = date(2026, 11, 22)
AT_ONCE = timedelta(0)
SECRETS = ("AKIAPLANTED", "planted-secret", "planted-signature")
WRITER = Path(__file__).with_name("writer.py")
Check = Callable[[Store, Iterable[str]], set[str]]


@pytest.fixture
def files(place: Path | str) -> Files:
    made = files_at(place)
    made.prepare()
    return made


# ---------------------------------------------------------------- the port, in both places


def test_what_was_put_is_there(files: Files) -> None:
    path = "hot/balances/day=2026-11-20/100000-one-0af.parquet"
    files.put(path, b"0123456789")
    files.see_names(["hot/balances/day=2026-11-20"])
    assert files.read(path) == b"0123456789"
    assert files.read_many([path, path]) == [b"0123456789"] * 2
    assert [files.read_range(path, start, 4) for start in (0, 8, 10, 11)] == [b"0123", b"89", b"", b""]
    assert files.size(path) == 10
    assert files.exists(path)
    assert abs(files.modified_ns(path) / 1e9 - datetime.now(UTC).timestamp()) < 60
    assert str(files.where(path)) == f"{files.root}/{path}"


def test_what_is_not_there_is_said_to_be_missing(files: Files) -> None:
    for question in (files.read, files.size, files.modified_ns):
        with pytest.raises(FileNotFoundError):
            question("log/2026-11-20/a-1.json")
    assert not files.exists("log/2026-11-20/a-1.json")
    assert files.names("log") == []
    assert list(files.walk("log")) == []
    assert files.changed_ns("log") is None
    files.remove("log/2026-11-20/a-1.json")


def test_names_are_parts_of_paths(files: Files) -> None:
    for path in ("store.json", "log/2026-11-20/a-1.json", "log/2026-11-20/f-1.json", "log/2026-11-21/a-2.json"):
        files.put(path, b"{}")
    assert files.names("") == ["log", "store.json"]
    assert files.names("log") == ["2026-11-20", "2026-11-21"]
    assert files.names_many(["log/2026-11-21", "log/2026-11-20"]) == [["a-2.json"], ["a-1.json", "f-1.json"]]
    assert sorted(files.walk("")) == [
        "log/2026-11-20/a-1.json",
        "log/2026-11-20/f-1.json",
        "log/2026-11-21/a-2.json",
        "store.json",
    ]
    assert list(files.walk("log/2026-11-21")) == ["log/2026-11-21/a-2.json"]
    files.remove("log/2026-11-21/a-2.json")
    assert list(files.walk("log/2026-11-21")) == []


@pytest.mark.long
def test_more_names_than_one_page_are_all_listed(url: str) -> None:
    files = files_at(url)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: files.put(f"log/day/a-{number:04d}", b""), range(1005)))
    expected = [f"a-{number:04d}" for number in range(1005)]
    assert files.names("log/day") == expected
    assert list(files.walk("log")) == [f"log/day/{name}" for name in expected]


def test_a_name_is_taken_once(files: Files) -> None:
    assert files.put_if_absent("log/2026-11-20/a-1.json", b"first")
    assert not files.put_if_absent("log/2026-11-20/a-1.json", b"second")
    assert files.read("log/2026-11-20/a-1.json") == b"first"
    assert files.names("log/2026-11-20") == ["a-1.json"]


def test_of_eight_at_once_exactly_one_gets_the_name(files: Files) -> None:
    gate = threading.Barrier(8)

    def attempt(key: int, caller: int) -> tuple[int, int, bool]:
        gate.wait()
        return key, caller, files.put_if_absent(f"log/day/a-{key}", str(caller).encode())

    with ThreadPoolExecutor(8) as pool:
        for key in range(12):
            tries = list(pool.map(attempt, [key] * 8, range(8)))
            [winner] = [caller for _, caller, won in tries if won]
            assert files.read(f"log/day/a-{key}") == str(winner).encode()


# ---------------------------------------------------------------- the store, in both places


def committed(store: Store, rows: ModuleType, *numbers: int) -> list[str]:
    names = [f"user-{number}" for number in numbers]
    for number, name in zip(numbers, names, strict=True):
        store.commit(rows.cycle(rows.slot_of(number), name), slot=rows.slot_of(number), writer="w", sync_id=name)
    return names


def test_a_commit_is_read_back(place: Path | str, rows: ModuleType, check_whole: Check) -> None:
    store = Store.create(place)
    names = committed(store, rows, 29, 30)
    assert check_whole(store, names) == check_whole(Store.open(place), names) == set(names)
    assert store.has("user-29", rows.slot_of(29))
    again = Store.open(place).commit(
        rows.cycle(rows.slot_of(29), "x"), slot=rows.slot_of(29), writer="v", sync_id="user-29"
    )
    assert (again.is_new, again.writer) == (False, "w")
    assert store.sql("select count(*) as n from balances").loc[0, "n"] == 6


def test_a_fold_keeps_every_row(place: Path | str, rows: ModuleType, check_whole: Check) -> None:
    store = Store.create(place)
    names = committed(store, rows, 0, 1, 2)
    before = {table: store.read(table) for table in rows.ROWS}
    store.fold(today=AFTER, grace=AT_ONCE)
    store.fold(today=AFTER, grace=AT_ONCE)
    for reader in (store, Store.open(place)):
        assert check_whole(reader, names) == set(names)
        assert {table: reader.read(table) for table in rows.ROWS} == before
        assert [str(path).count("/sealed/") for path in reader.files("balances")] == [1]
        assert verify(reader.parts(), deep=True).damages == []
    assert not list(files_at(place).walk("hot/balances"))


def test_damage_is_found(place: Path | str, rows: ModuleType) -> None:
    store = Store.create(place)
    committed(store, rows, 0)
    [path] = [one for one in files_at(place).walk("hot") if "balances" in one]
    files_at(place).remove(path)
    files_at(place).put(path, b"PAR1")
    with pytest.raises(StoreError, match=f"table balances.*{path} is damaged"):
        Store.open(place).read("balances")
    files_at(place).remove(path)
    with pytest.raises(StoreError, match=f"balances: {path} is missing"):
        Store.open(place).read("balances")
    assert len(Store.open(place).verify()) == 1
    assert Store.open(place).read("portfolio_snapshots").num_rows == 1


def test_create_and_open_say_what_is_there(place: Path | str) -> None:
    with pytest.raises(MissingStoreError, match="portfolio-lab init"):
        Store.open(place)
    store = Store.create(place)
    assert str(store.root) == str(place)
    with pytest.raises(BadInputError, match="already"):
        Store.create(place)
    with pytest.raises(BadInputError, match="not empty"):
        Store.create(place.parent if isinstance(place, Path) else place.rpartition("/")[0])


STRANGE = ["../../x", "007", ".hidden", "_x", "a/b", "a\0b", "day=1", "é\u202e", "x" * 300, "*", "Alice", "alice"]


def test_a_users_name_never_becomes_part_of_a_path(place: Path | str, rows: ModuleType) -> None:
    store, table = Store.create(place), TABLES["balances"]
    given = rows.sample_rows(table, len(STRANGE), SLOT, user=STRANGE, account=STRANGE, asset=STRANGE)
    store.commit({table.name: given}, slot=SLOT, writer="../w", sync_id="one")
    store.fold(today=AFTER, grace=AT_ONCE)
    reader = Store.open(place)
    for user in STRANGE:
        assert reader.read("balances", users=user)["asset"].to_pylist() == [user]
    assert reader.verify() == []
    names = {part for path in files_at(place).walk("") for part in path.split("/")}
    assert not names & set(STRANGE)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.=") for name in names)


def test_pandas_and_polars_open_the_files(place: Path | str, rows: ModuleType, s3: str) -> None:
    store = Store.create(place)
    committed(store, rows, 0, 1)
    store.fold(today=AFTER)
    [path] = store.files("balances")
    assert pd.read_parquet(path)["user"].tolist() == ["user-0"] * 3 + ["user-1"] * 3
    assert pd.read_parquet(f"{store.root}/sealed/balances")["user"].nunique() == 2
    options = {} if isinstance(path, Path) else {"storage_options": {"aws_endpoint_url": s3, "allow_http": "true"}}
    assert pl.read_parquet(path, hive_partitioning=False, **options).height == 6


# ---------------------------------------------------------------- many writers, one bucket


def test_the_same_cycles_from_four_threads_are_stored_once(url: str, rows: ModuleType, check_whole: Check) -> None:
    Store.create(url)

    def life(_: int) -> list[bool]:
        store = Store.open(url)
        return [
            store.commit(
                rows.cycle(rows.slot_of(number), f"s-{number}"),
                slot=rows.slot_of(number),
                writer="w",
                sync_id=f"s-{number}",
            ).is_new
            for number in range(5)
        ]

    with ThreadPoolExecutor(4) as pool:
        lives = list(pool.map(life, range(4)))
    assert [sum(one) for one in zip(*lives, strict=True)] == [1] * 5
    assert len(check_whole(Store.open(url), [])) == 5


def test_writers_and_folders_in_processes_of_their_own(url: str, rows: ModuleType, check_whole: Check) -> None:
    store = Store.create(url)
    writers = [
        subprocess.Popen([sys.executable, str(WRITER), url, f"w{number}", "0", "4"], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    while any(writer.poll() is None for writer in writers):
        store.fold(today=AFTER)
        seen = store.read("balances")["user"].to_pylist()
        assert len(seen) == 3 * len(set(seen))
    printed = [line for writer in writers for line in writer.communicate()[0].split()]
    assert len(printed) == 16
    store.fold(today=AFTER, grace=AT_ONCE)
    assert check_whole(Store.open(url), printed) == set(printed)


# ---------------------------------------------------------------- who we are, and where


@pytest.mark.parametrize(
    "place", ["s3://", "s3:///x", "s3://AKIAPLANTED:planted-secret@labs/x", "s3://labs/../x", "s3://labs/a b", "s3://l"]
)
def test_a_place_that_is_none_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(BadInputError, match="s3://bucket/prefix") as caught:
        Store.open(place)
    assert not [secret for secret in SECRETS if secret in repr(caught.value)]


def test_the_profile_is_asked_where_the_environment_says_nothing(
    url: str, s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    keys, rest = tmp_path / "credentials", tmp_path / "config"
    keys.write_text("[desk]\naws_access_key_id = AKIAPLANTED\naws_secret_access_key = planted-secret\n")
    rest.write_text(f"[profile desk]\nregion = eu-west-1\nendpoint_url = {s3}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(rest))
    monkeypatch.setenv("AWS_PROFILE", "desk")
    store = Store.create(url)
    assert store.commits() == []
    assert not [secret for secret in SECRETS if secret in repr(store._files)]
    keys.write_text("planted-secret\n")
    with pytest.raises(BadInputError, match="cannot be read as a profile file") as caught:
        Store.open(url)
    assert "planted-secret" not in repr(caught.value) + repr(caught.value.__cause__)


def test_a_path_object_is_no_url() -> None:
    with pytest.raises(BadInputError, match="as text"):
        Store.open(Path("s3://labs/x"))


def test_without_obstore_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "portfolio_lab.store.bucket")
    with pytest.raises(BadInputError, match=r'pip install "portfolio-lab\[bucket\]"'):
        Store.open("s3://labs/x")


def test_a_folder_needs_no_obstore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert isinstance(files_at(tmp_path), DiskFiles)
    assert set(TABLES) == set(Store.create(tmp_path / "store").sql("show tables")["name"])
