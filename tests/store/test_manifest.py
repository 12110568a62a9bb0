"""The chain of manifests: what is past cannot be changed unseen."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.store import Store
from portfolio_lab.store.manifest import Chain, manifest_bytes, manifest_from_bytes
from portfolio_lab.store.records import Commit

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 11, 25)
AT_ONCE = timedelta(0)


def commit(store: Store, rows: ModuleType, slot: datetime, user: str = "anna") -> Commit:
    return store.commit(rows.cycle(slot, user), slot=slot, writer="w", sync_id=user)


def sealed(store: Store, rows: ModuleType, *, days: int = 2) -> Store:
    for day in range(days):
        for minute in range(2):
            commit(store, rows, DAY + timedelta(days=day, minutes=minute))
    store.fold(today=AFTER, grace=AT_ONCE)
    return store


def chain_of(store: Store) -> Chain:
    parts = Store.open(store.root).parts()
    return Chain(parts.files, parts.log, parts.clock)


def test_each_sealed_day_is_a_link_that_names_its_records_and_the_link_before(store: Store, rows: ModuleType) -> None:
    sealed(store, rows)
    first, second = (store.root / "manifests" / f"{number:08d}.json" for number in (1, 2))
    assert sorted((store.root / "manifests").iterdir()) == [first, second]
    one, two = (json.loads(path.read_bytes())["record"] for path in (first, second))
    assert (one["day"], one["previous"]) == ("2026-11-19", "")
    assert (two["day"], two["previous"]) == ("2026-11-20", hashlib.sha256(first.read_bytes()).hexdigest())
    day = store.root / "log" / "2026-11-19"
    assert one["records"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in day.iterdir()}
    assert len(one["records"]) == 3  # two commits and the fold
    for file in one["files"]:
        content = (store.root / file["path"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert {file["path"].split("/")[0] for file in one["files"]} == {"sealed", "revisions"}


def test_an_open_or_unfolded_day_gets_no_link(store: Store, rows: ModuleType) -> None:
    commit(store, rows, DAY)
    assert chain_of(store).lengthen(AFTER) == []  # closed, but not folded
    store.fold(today=DAY.date())
    assert chain_of(store).head() is None  # still open


def test_a_late_commit_is_named_by_a_further_link(store: Store, rows: ModuleType) -> None:
    sealed(store, rows)
    commit(store, rows, DAY + timedelta(hours=3), "ben")
    store.fold(today=AFTER, grace=AT_ONCE)
    newest = chain_of(store).head()
    assert newest is not None
    manifest, _ = newest
    assert (manifest.sequence, manifest.day) == (3, "2026-11-19")
    assert set(manifest.records) == {"a-030000-ben.json", "f-000002.json"}
    assert manifest.links == {"2026-11-19": (5, (1, 3)), "2026-11-20": (3, (2,))}


def test_nothing_new_is_nothing_done(store: Store, rows: ModuleType) -> None:
    sealed(store, rows)
    before = sorted(store.root.rglob("*"))
    assert chain_of(store).lengthen(AFTER) == []
    assert Store.open(store.root).fold(today=AFTER) == []
    assert sorted(store.root.rglob("*")) == before


def test_many_machines_make_one_chain(store: Store, rows: ModuleType) -> None:
    for day in range(4):
        commit(store, rows, DAY + timedelta(days=day))
    parts = store.parts()
    from portfolio_lab.store.fold import Folding  # noqa: PLC0415 - the step before the chain, by itself

    folding = Folding(parts.files, parts.log, parts.reader, parts.committer, parts.tables)
    folding.fold(AFTER, now=parts.clock())
    chains = [chain_of(store) for _ in range(4)]
    threads = [threading.Thread(target=chain.lengthen, args=(AFTER,)) for chain in chains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(path.name for path in (store.root / "manifests").glob("*.json"))
    assert names == [f"{number:08d}.json" for number in range(1, 5)]
    previous, days = "", []
    for number in range(1, 5):
        manifest, found = chains[0].load(number)
        assert manifest.previous == previous
        previous = found
        days.append(manifest.day)
    assert sorted(days) == [f"2026-11-{day}" for day in (19, 20, 21, 22)]


def test_a_manifest_survives_the_way_through_its_bytes(store: Store, rows: ModuleType) -> None:
    sealed(store, rows, days=1)
    manifest, _ = chain_of(store).load(1)
    assert manifest_from_bytes(manifest_bytes(manifest), "here") == manifest


@pytest.mark.parametrize("place", [0, 20, 90, 150, -2])
def test_a_changed_manifest_is_not_believed(store: Store, rows: ModuleType, place: int) -> None:
    sealed(store, rows, days=1)
    path: Path = store.root / "manifests" / "00000001.json"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=r"manifest manifests/00000001\.json"):
        chain_of(store).head()


def test_a_manifest_of_a_newer_format_says_upgrade(store: Store, rows: ModuleType) -> None:
    sealed(store, rows, days=1)
    path = store.root / "manifests" / "00000001.json"
    record = {**json.loads(path.read_bytes())["record"], "format": 2}
    body = json.dumps(record, sort_keys=True, separators=(",", ":"))
    path.write_text(f'{{"sha256":"{hashlib.sha256(body.encode()).hexdigest()}","record":{body}}}')
    with pytest.raises(StoreError, match="another version of portfolio-lab"):
        chain_of(store).head()
