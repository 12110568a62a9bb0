"""Verify, repair, thin and copy at s3:// as on a disk: they know the port only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store
from portfolio_lab.store.backup import check_new, copy_store
from portfolio_lab.store.files import files_at
from portfolio_lab.store.repair import repair
from portfolio_lab.store.stats import store_stats
from portfolio_lab.store.thinning import thin
from portfolio_lab.store.verify import verify

pytest.importorskip("moto", reason="the local S3 server comes with the development tools")
pytest.importorskip("obstore", reason='a bucket needs the extra "bucket"')

sys.path.insert(0, str(Path(__file__).parent))

from faulty_bucket import BUCKET, s3_server

DAY = datetime(2026, 11, 2, tzinfo=UTC)
TODAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLANTED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return f"s3://{BUCKET}/{tmp_path.name}"


def test_there_and_back_again(bucket: str, tmp_path: Path, rows: ModuleType) -> None:
    store = Store.create(f"{bucket}/lab")
    for number in range(3):
        slot = DAY + number * timedelta(minutes=20)
        store.commit(rows.cycle(slot, "anna"), slot=slot, writer="w", sync_id="one")
    for _ in range(2):
        store.fold(today=TODAY, grace=timedelta(0))
    copy_store(Store.open(store.root).parts(), files_at(tmp_path / "copy"))
    copy_store(Store.open(store.root).parts(), files_at(f"{bucket}/copy"))
    check_new(files_at(f"{bucket}/new"))
    copy_store(Store.open(tmp_path / "copy").parts(), files_at(f"{bucket}/new"))
    for place in (tmp_path / "copy", f"{bucket}/copy", f"{bucket}/new"):
        assert {name: Store.open(place).read(name) for name in TABLES} == {name: store.read(name) for name in TABLES}

    [sealed] = [one for one in store.parts().log.live() if one.table == "balances"]
    store.parts().files.remove(sealed.path)
    parts = Store.open(store.root).parts()
    assert [one.kind for one in verify(parts).damages] == ["missing"]
    [done] = repair(parts, verify(parts).damages, backup=files_at(tmp_path / "copy"))
    assert (done.action, verify(parts, deep=True).damages) == ("restored", [])

    thin(Store.open(store.root), raw_days=2, today=TODAY, apply=True)
    thinned = Store.open(store.root)
    assert thinned.read("balances").num_rows == 6
    assert verify(thinned.parts(), deep=True).damages == []
    assert store_stats(thinned.parts()).manifests == 2
