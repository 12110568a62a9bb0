"""Whatever is done to a store's files: verify says it in a sentence, repair keeps the rest readable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.store import Store
from portfolio_lab.store.files import files_at
from portfolio_lab.store.records import Commit, fold_from_bytes, record_bytes
from portfolio_lab.store.repair import Mended, repair
from portfolio_lab.store.verify import Damage, verify

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 11, 25)
AT_ONCE = timedelta(0)
HOUR = timedelta(hours=1)


def commit(store: Store, rows: ModuleType, slot: datetime, user: str) -> Commit:
    return store.commit(rows.cycle(slot, user), slot=slot, writer="w", sync_id=user)


@pytest.fixture
def mixed(store: Store, rows: ModuleType) -> Store:
    """A sealed day of anna and ben, and an open one of carl and dora."""
    commit(store, rows, DAY, "anna")
    commit(store, rows, DAY + HOUR, "ben")
    for _ in range(2):  # the second one sweeps what the first one sealed
        store.fold(today=AFTER, grace=AT_ONCE)
    commit(store, rows, DAY + 48 * HOUR, "carl")
    commit(store, rows, DAY + 49 * HOUR, "dora")
    return store


def found(store: Store, *, deep: bool = False, head: str = "") -> list[Damage]:
    return verify(Store.open(store.root).parts(), deep=deep, head=head).damages


def kinds(store: Store, *, deep: bool = False) -> list[str]:
    return [damage.kind for damage in found(store, deep=deep)]


def mended(store: Store, backup: Path | None = None) -> list[Mended]:
    parts = Store.open(store.root).parts()
    return repair(parts, verify(parts).damages, backup=None if backup is None else files_at(backup))


def users(store: Store, table: str = "balances") -> list[str]:
    return sorted(set(Store.open(store.root).read(table)["user"].to_pylist()))


def file_of(store: Store, table: str, kind: str) -> Path:
    return min(path for path in (store.root / kind / table).rglob("*.parquet") if "schema-" not in path.name)


def test_a_whole_store_has_no_damage(mixed: Store) -> None:
    seen: list[tuple[int, int]] = []
    whole = verify(mixed.parts(), deep=True, progress=lambda done, total: seen.append((done, total)))
    assert (whole.damages, whole.notes) == ([], [])
    assert (whole.files, whole.rows) == (9, 2 * 4 + 2 + 2 * 5)  # of the sealed states one row a user
    rooms = ("hot/**/*.parquet", "sealed/**/f-*.parquet", "revisions/**/*.parquet")
    assert whole.size == sum(path.stat().st_size for room in rooms for path in mixed.root.glob(room))
    assert seen == [(number, 9) for number in range(1, 10)]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


def foreign_content(path: Path) -> None:
    path.write_bytes(b"user,equity\nanna,1\n" * 2000)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (cut, "truncated"),
        (empty, "truncated"),
        (flip, "flipped"),
        (foreign_content, "flipped"),
        (Path.unlink, "missing"),
    ],
)
@pytest.mark.parametrize("place", ["hot", "sealed"])
def test_a_damaged_file_is_told_and_set_aside(
    mixed: Store, damage: Callable[[Path], None], kind: str, place: str
) -> None:
    path = file_of(mixed, "balances", place)
    damage(path)
    content = path.read_bytes() if path.exists() else None
    with pytest.raises(StoreError):
        users(mixed)
    [told] = found(mixed)
    assert (told.kind, told.path) == (kind, path.relative_to(mixed.root).as_posix())
    [done] = mended(mixed)
    assert done.action == "quarantined"
    lost = ["carl"] if place == "hot" else ["anna", "ben"]
    assert f"{3 * len(lost)} row(s) of balances from 2026-11-" in done.sentence
    assert f"users: {', '.join(lost)}: unknown from now on, not zero." in done.sentence
    assert users(mixed) == sorted({"anna", "ben", "carl", "dora"} - set(lost))
    assert users(mixed, "portfolio_snapshots") == ["anna", "ben", "carl", "dora"]
    assert found(mixed, deep=True) == []
    kept = [one.read_bytes() for one in (mixed.root / "quarantine").rglob("*~*") if one.suffix != ".json"]
    assert kept == ([] if content is None else [content])
    mixed.fold(today=AFTER, grace=AT_ONCE)  # and the day can be sealed without it
    assert users(mixed) == sorted({"anna", "ben", "carl", "dora"} - set(lost))
    assert found(mixed) == []


@pytest.mark.parametrize("place", ["hot", "sealed"])
def test_a_damaged_file_comes_back_from_a_backup_of_the_same_hash(mixed: Store, tmp_path: Path, place: str) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(mixed.root, backup)
    path = file_of(mixed, "balances", place)
    whole = path.read_bytes()
    flip(path)
    [done] = mended(mixed, backup)
    assert (done.action, path.read_bytes()) == ("restored", whole)
    assert users(mixed) == ["anna", "ben", "carl", "dora"]
    assert found(mixed) == []


def test_a_backup_that_is_damaged_too_is_not_taken(mixed: Store, tmp_path: Path) -> None:
    path = file_of(mixed, "balances", "hot")
    flip(path)
    shutil.copytree(mixed.root, tmp_path / "backup")
    [done] = mended(mixed, tmp_path / "backup")
    assert done.action == "quarantined"


def test_a_renamed_file_gets_its_name_back(mixed: Store) -> None:
    path = file_of(mixed, "balances", "sealed")
    path.rename(path.with_name("copy of it.parquet"))
    [told] = found(mixed)
    assert (told.kind, told.found_at) == ("renamed", f"{told.path.rpartition('/')[0]}/copy of it.parquet")
    [done] = mended(mixed)
    assert done.action == "renamed"
    assert users(mixed) == ["anna", "ben", "carl", "dora"]
    assert found(mixed) == []


def test_a_foreign_file_among_the_sealed_is_set_aside(mixed: Store) -> None:
    path = file_of(mixed, "balances", "sealed")
    shutil.copy(path, path.with_name("mine.parquet"))
    assert users(mixed) == ["anna", "ben", "carl", "dora"]  # who reads by the log never sees it
    assert kinds(mixed) == ["foreign"]
    [done] = mended(mixed)
    assert (done.action, found(mixed)) == ("quarantined", [])
    assert path.exists()


def test_a_leftover_of_a_crash_is_a_note_and_no_damage(mixed: Store) -> None:
    path = file_of(mixed, "balances", "hot")
    shutil.copy(path, path.with_name("000000-x-0123456789ab.parquet"))
    whole = verify(mixed.parts())
    assert whole.damages == []
    assert [note for note in whole.notes if "named by no record" in note]


def test_a_newer_schema_says_upgrade_and_is_left_alone(mixed: Store) -> None:
    path = mixed.root / "log" / "2026-11-21" / "a-000000-carl.json"
    record = Store.open(mixed.root).commits()[2]
    newer = replace(record, files=tuple(replace(one, schema_version=99) for one in record.files[:1]) + record.files[1:])
    path.write_bytes(record_bytes(newer))
    [told] = found(mixed)
    assert told.kind == "newer"
    assert "Upgrade it" in told.sentence
    assert [done.action for done in mended(mixed)] == ["left"]
    with pytest.raises(StoreError, match="Upgrade"):
        users(mixed)


def test_a_damaged_record_is_set_aside_with_its_files(mixed: Store) -> None:
    path = mixed.root / "log" / "2026-11-21" / "a-000000-carl.json"
    flip(path)
    with pytest.raises(StoreError, match="a-000000-carl"):
        users(mixed)
    assert kinds(mixed) == ["record"]
    done = mended(mixed)
    assert [one.action for one in done if one.path.endswith("carl.json")] == ["quarantined"]
    assert users(mixed) == ["anna", "ben", "dora"]
    assert found(mixed) == []
    kept = {one.name.split("~")[0] for one in (mixed.root / "quarantine").rglob("*~*") if "note" not in one.name}
    assert {name for name in kept if name.startswith("000000-carl")} == {one.name for one in hot_files_of_carl(mixed)}


def hot_files_of_carl(store: Store) -> list[Path]:
    return list((store.root / "hot").rglob("000000-carl-*.parquet"))


def test_a_damaged_record_comes_back_from_a_backup(mixed: Store, tmp_path: Path) -> None:
    shutil.copytree(mixed.root, tmp_path / "backup")
    for name in ("2026-11-21/a-000000-carl.json", "2026-11-19/f-000001.json", "2026-11-19/a-000000-anna.json"):
        flip(mixed.root / "log" / name)
    assert set(kinds(mixed)) == {"record"}
    assert {one.action for one in mended(mixed, tmp_path / "backup")} == {"restored"}
    assert users(mixed) == ["anna", "ben", "carl", "dora"]
    assert found(mixed) == []


def test_a_commit_record_inside_a_fold_may_go_and_no_row_with_it(mixed: Store) -> None:
    (mixed.root / "log" / "2026-11-19" / "a-000000-anna.json").unlink()
    [told] = found(mixed)
    assert told.kind == "record"
    assert "is missing" in told.sentence
    assert [one.action for one in mended(mixed)] == ["quarantined"]
    assert users(mixed) == ["anna", "ben", "carl", "dora"]
    assert found(mixed) == []


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_lost_fold_record_is_rebuilt_from_the_manifest(mixed: Store, damage: Callable[[Path], None]) -> None:
    before = {name: Store.open(mixed.root).read(name) for name in ("balances", "users_portfolio_state")}
    path = mixed.root / "log" / "2026-11-19" / "f-000001.json"
    whole = fold_from_bytes(path.read_bytes(), "it")
    damage(path)
    assert "record" in kinds(mixed)
    assert "rebuilt" in [one.action for one in mended(mixed)]
    again = fold_from_bytes(path.read_bytes(), "it")
    assert (again.records, set(again.removes)) == (whole.records, set(whole.removes))
    assert {(one.path, one.sha256, one.rows) for one in again.adds} == {
        (one.path, one.sha256, one.rows) for one in whole.adds
    }
    assert {name: Store.open(mixed.root).read(name) for name in before} == before
    assert found(mixed) == []


def test_a_lost_fold_record_that_no_manifest_pins_is_rebuilt_from_its_files(mixed: Store) -> None:
    before = {name: Store.open(mixed.root).read(name) for name in ("balances", "users_portfolio_state")}
    revisions = Store.open(mixed.root).revisions("users_portfolio_state")
    shutil.rmtree(mixed.root / "manifests")
    path = mixed.root / "log" / "2026-11-19" / "f-000001.json"
    whole = fold_from_bytes(path.read_bytes(), "it")
    flip(path)
    assert "rebuilt" in [one.action for one in mended(mixed)]
    again = fold_from_bytes(path.read_bytes(), "it")
    assert (again.records, set(again.removes)) == (whole.records, set(whole.removes))
    assert {name: Store.open(mixed.root).read(name) for name in before} == before
    assert Store.open(mixed.root).revisions("users_portfolio_state") == revisions
    assert found(mixed, deep=True) == []


def test_a_rolled_hour_whose_record_is_lost_is_rebuilt(store: Store, rows: ModuleType) -> None:
    for minute in range(14):
        commit(store, rows, DAY + timedelta(minutes=minute), "anna")
    for _ in range(2):
        store.fold(today=DAY.date(), grace=AT_ONCE)
    late = DAY + timedelta(hours=3)
    commit(store, rows, late, "ben")
    before = Store.open(store.root).read("balances")
    (store.root / "log" / "2026-11-19" / "f-000001.json").unlink()
    [told] = found(store)
    assert (told.kind, told.path) == ("record", "log/2026-11-19/f-000001.json")
    assert [one.action for one in mended(store)] == ["rebuilt"]
    assert Store.open(store.root).read("balances") == before
    assert found(store, deep=True) == []
    store.fold(today=AFTER, grace=AT_ONCE)
    assert Store.open(store.root).read("balances") == before


def test_a_fold_record_is_never_rebuilt_from_a_part_of_its_files(mixed: Store) -> None:
    shutil.rmtree(mixed.root / "manifests")
    flip(mixed.root / "log" / "2026-11-19" / "f-000001.json")
    flip(file_of(mixed, "balances", "sealed"))
    mended(mixed)
    assert users(mixed) == ["carl", "dora"]
    assert list((mixed.root / "sealed").rglob("f-*.parquet"))  # nothing was deleted


def test_a_doubled_record_is_found_and_set_aside(mixed: Store) -> None:
    path = mixed.root / "log" / "2026-11-21" / "a-000000-carl.json"
    shutil.copy(path, path.with_name("a-000001-carl.json"))
    [told] = [one for one in found(mixed) if one.kind == "record"]
    assert "is a copy of a-000000-carl.json" in told.sentence
    mended(mixed)
    balances = Store.open(mixed.root).read("balances")["user"].to_pylist()
    assert sorted(balances) == sorted(["anna", "ben", "carl", "dora"] * 3)
    assert found(mixed) == []


def test_a_record_that_was_written_anew_does_not_match_its_manifest(mixed: Store) -> None:
    path = mixed.root / "log" / "2026-11-19" / "f-000001.json"
    fold = fold_from_bytes(path.read_bytes(), "it")
    path.write_bytes(record_bytes(replace(fold, adds=fold.adds[1:])))  # a forger knows how to make it whole
    told = [one for one in found(mixed) if "manifest 1 names" in one.sentence]
    assert [one.path for one in told] == ["log/2026-11-19/f-000001.json"]


def test_a_record_slipped_into_the_past_is_told(mixed: Store) -> None:
    anna = Store.open(mixed.root).commits()[0]
    forged = replace(anna, sync_id="eve", known_at=datetime.now(UTC) - timedelta(days=2), files=())
    (mixed.root / "log" / "2026-11-19" / "a-000000-eve.json").write_bytes(record_bytes(forged))
    [told] = found(mixed)
    assert told.path == "log/2026-11-19/a-000000-eve.json"
    assert "slipped in" in told.sentence


def test_the_head_proves_that_nothing_before_was_changed(mixed: Store, rows: ModuleType) -> None:
    head = verify(mixed.parts()).head
    assert found(mixed, head=head) == []
    mixed.fold(today=AFTER, grace=AT_ONCE)
    later = verify(Store.open(mixed.root).parts()).head
    assert later != head
    assert found(mixed, head=head) == []
    assert [one.kind for one in found(mixed, head="0" * 64)] == ["manifest"]
    newest = max((mixed.root / "manifests").iterdir())
    newest.unlink()  # whoever takes the end of the chain away leaves it whole: only the head tells
    assert found(mixed) == []
    assert [one.kind for one in found(mixed, head=later)] == ["manifest"]


def test_a_link_out_of_the_middle_is_missed(mixed: Store) -> None:
    mixed.fold(today=AFTER, grace=AT_ONCE)
    (mixed.root / "manifests" / "00000001.json").unlink()
    assert kinds(mixed) == ["manifest"]


def test_a_rewritten_link_breaks_the_chain(mixed: Store) -> None:
    mixed.fold(today=AFTER, grace=AT_ONCE)
    first = mixed.root / "manifests" / "00000001.json"
    from portfolio_lab.store.manifest import manifest_bytes, manifest_from_bytes  # noqa: PLC0415 - the forger's tools

    manifest = manifest_from_bytes(first.read_bytes(), "it")
    first.write_bytes(manifest_bytes(replace(manifest, files=())))
    [told] = found(mixed)
    assert (told.kind, told.path) == ("manifest", "manifests/00000002.json")


def test_rows_that_went_missing_in_a_fold_are_found(mixed: Store) -> None:
    shutil.rmtree(mixed.root / "manifests")
    path = mixed.root / "log" / "2026-11-19" / "f-000001.json"
    fold = fold_from_bytes(path.read_bytes(), "it")
    path.write_bytes(record_bytes(replace(fold, adds=tuple(one for one in fold.adds if one.table != "balances"))))
    told = [one for one in found(mixed, deep=True) if one.kind == "rows"]
    assert [one.sentence for one in told] == [
        "fold log/2026-11-19/f-000001.json: 6 rows of balances went in, 0 came out. Restore it from a backup."
    ]


def test_a_repair_twice_does_nothing_the_second_time(mixed: Store) -> None:
    flip(file_of(mixed, "balances", "hot"))
    mended(mixed)
    before = sorted(mixed.root.rglob("*"))
    assert mended(mixed) == []
    assert sorted(mixed.root.rglob("*")) == before


def test_the_note_says_what_was_lost(mixed: Store) -> None:
    flip(file_of(mixed, "balances", "hot"))
    mended(mixed)
    [note] = (mixed.root / "quarantine").rglob("*~note.json")
    told = json.loads(note.read_bytes())
    assert told["held"].startswith("3 row(s) of balances from 2026-11-21T00:00:00+00:00")
    assert told["path"].startswith("hot/balances/day=2026-11-21/000000-carl-")
    assert [n for n in verify(mixed.parts()).notes if "1 file(s) stand in quarantine/" in n]


def test_no_row_changes_by_a_repair_that_loses_none(mixed: Store, tmp_path: Path) -> None:
    before: dict[str, pa.Table] = {name: Store.open(mixed.root).read(name) for name in ("balances", "wallets")}
    shutil.copytree(mixed.root, tmp_path / "backup")
    for path in sorted(mixed.root.rglob("*.parquet")):
        if "schema-" not in path.name:
            flip(path)
    done = mended(mixed, tmp_path / "backup")
    assert {one.action for one in done if not one.path.startswith("hourly/")} == {"restored"}
    assert {one.action for one in done if one.path.startswith("hourly/")} == {"removed"}  # a fold makes them anew
    assert {name: Store.open(mixed.root).read(name) for name in before} == before


@pytest.mark.parametrize("place", ["hot", "sealed"])
def test_what_was_set_aside_comes_back_when_a_backup_turns_up(mixed: Store, tmp_path: Path, place: str) -> None:
    before = Store.open(mixed.root).read("balances")
    shutil.copytree(mixed.root, tmp_path / "backup")
    path = file_of(mixed, "balances", place)
    flip(path)
    assert [one.action for one in mended(mixed)] == ["quarantined"]
    [done] = mended(mixed, tmp_path / "backup")
    assert done.action == "restored"
    assert Store.open(mixed.root).read("balances") == before
    assert mended(mixed, tmp_path / "backup") == []
    whole = verify(Store.open(mixed.root).parts(), deep=True)
    assert (whole.damages, whole.notes) == ([], [])
    mixed.fold(today=AFTER, grace=AT_ONCE)
    assert Store.open(mixed.root).read("balances") == before


def test_a_damaged_manifest_comes_back_or_is_set_aside_and_the_chain_goes_on(mixed: Store, tmp_path: Path) -> None:
    shutil.copytree(mixed.root, tmp_path / "backup")
    path = mixed.root / "manifests" / "00000001.json"
    whole = path.read_bytes()
    flip(path)
    with pytest.raises(StoreError, match=r"manifest manifests/00000001\.json is damaged"):
        mixed.fold(today=AFTER)
    assert users(mixed) == ["anna", "ben", "carl", "dora"]  # who reads needs no manifest
    assert [one.action for one in mended(mixed, tmp_path / "backup")] == ["restored"]
    assert path.read_bytes() == whole
    flip(path)
    assert [one.action for one in mended(mixed)] == ["quarantined"]
    Store.open(mixed.root).fold(today=AFTER)
    assert found(mixed) == []
    assert len(list((mixed.root / "manifests").iterdir())) == 2
