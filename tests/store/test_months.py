"""Laid months: the same rows as the days, whatever came late, was thinned, damaged or half done."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store, laying, questions
from portfolio_lab.store.backup import copy_store
from portfolio_lab.store.files import files_at
from portfolio_lab.store.laying import Laying, shares
from portfolio_lab.store.months import LaidMonths
from portfolio_lab.store.repair import repair
from portfolio_lab.store.stats import store_stats
from portfolio_lab.store.thinning import thin
from portfolio_lab.store.verify import verify

SNAPSHOTS = TABLES["portfolio_snapshots"]
NAME = SNAPSHOTS.name
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
AFTER = date(2026, 12, 1)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
AT_ONCE = timedelta(0)
USERS = ("anna", "ben", "zoë")
ASKED: tuple[dict[str, object], ...] = (
    {"users": "anna"},
    {"users": "anna", "columns": ["slot", "equity"]},
    {"users": ["zoë", "anna"], "columns": ["equity", "committed_at"]},
    {"users": "ben", "since": FIRST + 10 * DAY, "until": FIRST + 40 * DAY},
    {"users": "ben", "since": FIRST + 31 * DAY, "columns": ["user", "equity"]},
    {"users": ["anna", "nobody", "ben", "anna"], "until": FIRST + 33 * DAY},
    {"users": "nobody"},
    {"users": []},
)


def tell(store: Store, rows: ModuleType, slot: datetime, users: Iterable[str], equity: float, count: int = 3) -> None:
    names = [user for user in sorted(users) for _ in range(count)]
    slots = [slot + number * MINUTE for _ in sorted(users) for number in range(count)]
    told = rows.sample_rows(SNAPSHOTS, len(names), slot, user=names, grade="complete", equity=equity)
    place = SNAPSHOTS.schema.get_field_index("slot")
    told = told.set_column(place, SNAPSHOTS.schema.field("slot"), pa.array(slots, SNAPSHOTS.schema.field("slot").type))
    number = len(store.commits())
    store.commit({NAME: told}, slot=slot, writer="w", sync_id=f"id-{number}")


def filled(store: Store, rows: ModuleType, days: int = 61) -> Store:
    for number in range(0, days, 5):
        tell(store, rows, FIRST + number * DAY, USERS if number % 2 else USERS[:2], 100.0 + number)
    return store


def laid(store: Store) -> list[Path]:
    return sorted(Path(store.root).glob("months/*/*/*"))


class NoMonths(LaidMonths):
    def index(self, table: str, month: object) -> None:  # type: ignore[override]
        """Know of none."""


def by_days(store: Store, **asked: object) -> pa.Table:
    """What the days alone tell: the slow path, in a store object that looks at no month."""
    plain = Store.open(store.root)
    reader = plain.parts().reader
    reader.months = NoMonths(plain.parts().files)
    return plain.read(NAME, **asked)  # type: ignore[arg-type]


def check_same(store: Store) -> None:
    for asked in ASKED:
        expected = by_days(store, **asked)
        for one in (store, Store.open(store.root)):
            answer = one.read(NAME, **asked)  # type: ignore[arg-type]
            assert answer.equals(expected), asked
            assert answer.schema.equals(expected.schema), asked


@pytest.fixture
def months_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The months of which laid rows were given to a reader."""
    given: list[str] = []
    plain = LaidMonths.rows

    def watched(self: LaidMonths, table: object, month: object, *rest: object) -> pa.Table | None:
        rows = plain(self, table, month, *rest)  # type: ignore[arg-type]
        if rows is not None:
            given.append(month.name)  # type: ignore[attr-defined]
        return rows

    monkeypatch.setattr(LaidMonths, "rows", watched)
    return given


# ---------------------------------------------------------------- by hand


def test_one_users_months_are_read_as_laid_and_an_open_month_by_days(
    store: Store, rows: ModuleType, months_read: list[str]
) -> None:
    tell(store, rows, FIRST, ["anna", "ben"], 10.0, 1)
    tell(store, rows, FIRST + DAY, ["anna"], 11.0, 1)
    tell(store, rows, FIRST + 31 * DAY, ["anna"], 12.0, 1)
    tell(store, rows, FIRST + 32 * DAY, ["anna"], 13.0, 1)
    store.fold(today=date(2026, 11, 20))
    assert {path.parent.name for path in laid(store)} == {"month=2026-10"}
    for opened in (store, Store.open(store.root)):
        months_read.clear()
        told = opened.read(NAME, users="anna", columns=["slot", "equity"])
        assert told.to_pydict() == {
            "slot": [FIRST, FIRST + DAY, FIRST + 31 * DAY, FIRST + 32 * DAY],
            "equity": [10.0, 11.0, 12.0, 13.0],
        }
        assert months_read == ["2026-10"]
    store.fold(today=AFTER)
    months_read.clear()
    assert Store.open(store.root).read(NAME, users="anna").num_rows == 4
    assert months_read == ["2026-10", "2026-11"]


def test_a_late_row_and_a_restatement_count_before_and_after_the_next_fold(
    store: Store, rows: ModuleType, months_read: list[str]
) -> None:
    filled(store, rows).fold(today=AFTER)
    before = laid(store)
    months_read.clear()
    known = store.read(NAME, users="anna")
    assert months_read == ["2026-10", "2026-11"]
    tell(store, rows, FIRST + 5 * DAY + MINUTE, ["anna"], 999.0)
    for folded in (False, True):
        months_read.clear()
        answer = store.read(NAME, users="anna")
        assert months_read == (["2026-10", "2026-11"] if folded else ["2026-11"])
        assert sum(value == 999.0 for value in answer["equity"].to_pylist()) == 3
        assert answer.num_rows == known.num_rows + 1  # two of the three are restated
        check_same(store)
        store.fold(today=AFTER)
    assert set(laid(store)) - set(before)
    assert len(laid(store)) == len(before)  # what was laid before is gone


def test_what_was_known_then_is_never_read_from_months(store: Store, rows: ModuleType, months_read: list[str]) -> None:
    filled(store, rows).fold(today=AFTER)
    instant = store.commits()[3].known_at
    months_read.clear()
    assert store.read(NAME, users="anna", known=instant).num_rows == 12
    assert store.revisions(NAME, users="anna").num_rows == 39
    assert months_read == []


def test_a_user_has_all_his_rows_in_one_file_however_small_the_files(
    store: Store, rows: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laying, "PART_ROWS", 10)
    monkeypatch.setattr(laying, "GROUP_ROWS", 4)
    monkeypatch.setattr(laying, "MOST_GROUP_ROWS", 5)
    assert shares({"c": 4, "a": 6, "b": 4, "d": 20}) == [["a", "b"], ["c"], ["d"]]
    filled(store, rows).fold(today=AFTER)
    assert len([path for path in laid(store) if path.suffix == ".parquet"]) == 6
    check_same(store)


def test_sealed_folders_stay_what_they_are_for_plain_readers(store: Store, rows: ModuleType) -> None:
    filled(store, rows).fold(today=AFTER)
    assert {path.relative_to(store.root).parts[0] for path in map(Path, store.files(NAME))} == {"sealed"}
    assert verify(store.parts(), deep=True).damages == []
    assert verify(store.parts()).notes == []


# ---------------------------------------------------------------- damage


def damaged(content: bytes, chance: random.Random) -> bytes:
    kind, place = chance.randrange(3), chance.randrange(len(content))
    if kind == 0:
        return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
    return content[:place] + (bytes(len(content) - place) if kind == 1 else b"")


@pytest.mark.parametrize("seed", range(6))
def test_damage_is_passed_over_found_removed_and_made_good(store: Store, rows: ModuleType, seed: int) -> None:
    chance = random.Random(seed)
    filled(store, rows).fold(today=AFTER)
    whole = {path: path.read_bytes() for path in laid(store)}
    victim = chance.choice(sorted(whole))
    content = damaged(whole[victim], chance)
    if content == whole[victim]:
        return  # zeros became zeros
    victim.write_bytes(content)
    check_same(store)
    [found] = verify(store.parts()).damages
    assert (found.kind, Path(store.root) / found.path) == ("derived", victim)
    [done] = repair(store.parts(), [found])
    assert done.action == "removed"
    assert not victim.exists()
    check_same(store)
    store.fold(today=AFTER)
    assert {path: path.read_bytes() for path in laid(store)} == whole


def test_a_whole_parquet_file_with_other_values_is_not_taken_for_the_part(store: Store, rows: ModuleType) -> None:
    filled(store, rows).fold(today=AFTER)
    for path in [path for path in laid(store) if path.suffix == ".parquet"]:
        held = pq.read_table(path)
        place = held.schema.get_field_index("equity")
        pq.write_table(held.set_column(place, held.schema.field(place), pc.negate(held.column(place))), path)
    check_same(store)
    assert [one.kind for one in verify(store.parts()).damages] == ["derived", "derived"]


def test_a_reader_that_met_damage_has_it_made_good_by_its_next_fold(store: Store, rows: ModuleType) -> None:
    filled(store, rows).fold(today=AFTER)
    whole = {path: path.read_bytes() for path in laid(store)}
    for path in whole:
        path.write_bytes(b"PAR1")
    reader = Store.open(store.root)
    assert reader.read(NAME, users="anna").num_rows == 39
    reader.fold(today=AFTER, budget_seconds=60)
    assert {path: path.read_bytes() for path in laid(store)} == whole


def test_missing_files_and_a_foreign_one_change_no_answer(store: Store, rows: ModuleType) -> None:
    filled(store, rows).fold(today=AFTER)
    opened = Store.open(store.root)
    opened.read(NAME, users="anna")
    parts = [path for path in laid(store) if path.suffix == ".parquet"]
    for path in parts:
        path.unlink()
    assert opened.read(NAME, users="anna").equals(by_days(store, users="anna"))
    check_same(store)
    shutil.rmtree(Path(store.root) / "months")
    check_same(store)
    parts[0].parent.mkdir(parents=True)
    (parts[0].parent / "notes.txt").write_text("mine")
    assert [one.kind for one in verify(store.parts()).damages] == ["derived"]
    store.fold(today=AFTER)
    assert verify(store.parts()).damages == []
    check_same(store)


def test_a_month_whose_name_is_right_and_whose_sources_are_others_is_never_read(
    store: Store, rows: ModuleType, tmp_path: Path, months_read: list[str]
) -> None:
    filled(store, rows).fold(today=AFTER)
    other = filled(Store.create(tmp_path / "other"), rows)
    tell(other, rows, FIRST, ["anna"], -1.0)
    other.fold(today=AFTER)
    shutil.rmtree(Path(store.root) / "months")
    shutil.copytree(Path(other.root) / "months", Path(store.root) / "months")
    months_read.clear()
    check_same(store)
    assert months_read == []


def test_a_month_that_bears_the_name_of_what_counts_now_is_not_believed(
    store: Store, rows: ModuleType, tmp_path: Path
) -> None:
    filled(store, rows).fold(today=AFTER)
    mine = next(path for path in laid(store) if path.suffix == ".json")
    other = filled(Store.create(tmp_path / "other"), rows)
    tell(other, rows, FIRST, ["anna"], -1.0)
    other.fold(today=AFTER)
    theirs = next(path for path in laid(other) if path.parent.name == mine.parent.name and path.suffix == ".json")
    shutil.copytree(theirs.parent, mine.parent, dirs_exist_ok=True)
    mine.unlink()
    (mine.parent / theirs.name).rename(mine.parent / f"{mine.name.partition('-')[0]}-{theirs.name.partition('-')[2]}")
    check_same(store)


# ---------------------------------------------------------------- upkeep


def test_thinning_takes_the_laid_rows_with_it(store: Store, rows: ModuleType) -> None:
    for number in (0, 1, 5):
        tell(store, rows, FIRST + number * DAY, ["anna"], 100.0 + number, 90)
    store.fold(today=AFTER)
    assert laid(store)
    assert thin(store, raw_days=10, today=AFTER, apply=True).rows_gone() > 0
    assert laid(store) == []
    check_same(store)
    store.fold(today=AFTER)
    assert laid(store)
    check_same(store)
    assert store.read(NAME, users="anna").num_rows < 270


def test_a_backup_leaves_them_out_and_the_first_fold_of_the_copy_lays_them(
    store: Store, rows: ModuleType, tmp_path: Path
) -> None:
    filled(store, rows).fold(today=AFTER)
    source = Store.open(store.root).parts()
    copy_store(source, files_at(tmp_path / "copy"))
    restored = Store.open(tmp_path / "copy")
    assert laid(restored) == []
    check_same(restored)
    restored.fold(today=AFTER)
    assert [path.name for path in laid(restored)] == [path.name for path in laid(store)]
    check_same(restored)


def test_stats_count_them_beside_the_facts(store: Store, rows: ModuleType) -> None:
    filled(store, rows).fold(today=AFTER)
    found = store_stats(store.parts())
    shelf = next(one for one in found.derived if one.kind == "months")
    assert (shelf.table, shelf.files) == (NAME, len(laid(store)))
    assert shelf.size == sum(path.stat().st_size for path in laid(store))
    assert found.as_dict()["rows"] == sum(one.rows for one in found.shelves)


def test_without_time_nothing_is_begun_and_what_was_begun_is_gone_on_with(
    store: Store, rows: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laying, "PART_ROWS", 10)
    filled(store, rows).fold(today=AFTER)
    shutil.rmtree(Path(store.root) / "months")
    parts = Store.open(store.root).parts()
    steps = iter([True, True, False])
    monkeypatch.setattr(Laying, "_has_time", lambda _self: next(steps, False))
    assert Laying(parts.files, parts.reader, parts.tables).lay(AFTER, is_whole=False) == 0
    begun = laid(store)
    assert len(begun) == 1
    check_same(store)
    monkeypatch.undo()
    monkeypatch.setattr(laying, "PART_ROWS", 10)
    assert Laying(parts.files, parts.reader, parts.tables).lay(AFTER, is_whole=False) == 2
    assert begun[0] in laid(store)
    check_same(store)


# ---------------------------------------------------------------- by chance


def steps(chance: random.Random, rows: ModuleType) -> list[Callable[[Store], object]]:
    def told(store: Store) -> None:
        users = chance.sample(USERS, chance.randint(1, 3))
        slot = FIRST + chance.randrange(0, 61) * DAY + chance.randrange(0, 3) * MINUTE
        tell(store, rows, slot, users, float(chance.randrange(1000)), chance.choice([1, 3, 70]))

    def spoiled(store: Store) -> None:
        if paths := laid(store):
            path = chance.choice(paths)
            path.write_bytes(damaged(path.read_bytes(), chance))

    def gone(store: Store) -> None:
        if paths := laid(store):
            chance.choice(paths).unlink()

    def folded(store: Store) -> None:
        today = FIRST.date() + chance.randrange(1, 62) * DAY
        store.fold(today=today, grace=chance.choice([AT_ONCE, timedelta(minutes=10)]))

    def thinned(store: Store) -> None:
        thin(store, raw_days=chance.randrange(2, 50), today=AFTER, apply=True)

    return [told, told, told, folded, folded, spoiled, gone, thinned]


def check_by_chance(store: Store, rows: ModuleType, seed: int) -> None:
    chance = random.Random(seed)
    writers = [store, Store.open(store.root)]
    for _ in range(25):
        chance.choice(steps(chance, rows))(chance.choice(writers))
        asked = chance.choice(ASKED)
        expected = by_days(store, **asked)
        for one in writers:
            assert one.read(NAME, **asked).equals(expected), asked  # type: ignore[arg-type]
    store.fold(today=AFTER)
    check_same(store)


@pytest.mark.parametrize("seed", range(4))
def test_the_quick_way_answers_as_the_slow_one_whatever_happens(store: Store, rows: ModuleType, seed: int) -> None:
    check_by_chance(store, rows, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 300))
def test_the_quick_way_answers_as_the_slow_one_at_length(store: Store, rows: ModuleType, seed: int) -> None:
    check_by_chance(store, rows, seed)


def test_more_users_than_a_few_are_answered_by_the_days(
    store: Store, rows: ModuleType, months_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, rows).fold(today=AFTER)
    monkeypatch.setattr(questions, "MOST_USERS", 1)
    months_read.clear()
    assert store.read(NAME, users=["anna", "ben"]).num_rows == 78
    assert months_read == []
