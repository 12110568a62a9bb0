"""A lab whose store is in a bucket: made, synced from the demo exchange, and read back as a frame."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.errors import BadInputError, MissingStoreError
from portfolio_lab.exchanges import Hub
from portfolio_lab.lab import open_lab
from portfolio_lab.layout import lay_lab
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import Syncer

pytest.importorskip("moto", reason="the local S3 server comes with the development tools")
pytest.importorskip("obstore", reason='a bucket needs the extra "bucket"')

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "sync"))

from demo_lab_files import at_once, demo_accounts, everything_under, keys, lift_limits, write_lab
from fake_venues import Hand
from faulty_bucket import BUCKET, s3_server

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
SLOT = BEGIN + timedelta(days=20)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    with s3_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLANTED")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield f"s3://{BUCKET}/{tmp_path.name}/lab"


def test_a_new_lab_names_its_bucket(bucket: str, tmp_path: Path) -> None:
    made = lay_lab(tmp_path / "lab", store=bucket)
    assert load_settings(tmp_path / "lab").store_path == bucket
    assert not [path for path in made if "s3" in str(path) or path.name == "store"]
    assert open_lab(tmp_path / "lab").users().empty
    assert Store.open(bucket).commits() == []
    with pytest.raises(BadInputError, match=f"there is a store at {bucket} already"):
        lay_lab(tmp_path / "other", store=bucket)


def test_a_lab_without_its_bucket_says_so(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(f'store_path = "{bucket}"\n')
    with pytest.raises(MissingStoreError, match=f"there is no store at {bucket}"):
        open_lab(tmp_path)


async def test_a_cycle_is_synced_into_a_bucket_and_read_back(bucket: str, tmp_path: Path) -> None:
    clock = Hand(SLOT)
    async with DemoExchange(since=BEGIN, scripted=True, now=SLOT) as demo:
        accounts = demo_accounts(demo.url)
        lab, near = write_lab(tmp_path / "far", accounts), write_lab(tmp_path / "near", accounts)
        text = (lab / "lab.toml").read_text()
        (lab / "lab.toml").write_text(f'store_path = "{bucket}"\n{text}')
        await asyncio.to_thread(Store.create, bucket)
        lift_limits(demo)
        for folder in (lab, near):
            hubs = partial(Hub, clock=clock, sleep=at_once)
            async with Syncer(folder, clock=clock, credentials=keys(accounts), hubs=hubs) as syncer:
                report = await syncer.cycle(SLOT)
            assert {line.grade for line in report.users} == {"complete"}
    store, beside = Store.open(bucket), Store.open(near / "store")
    assert store.verify() == []
    assert (store.read("balances").num_rows, len(store.commits())) == (
        beside.read("balances").num_rows,
        len(beside.commits()),
    )
    assert open_lab(lab).users()["equity"].to_dict() == pytest.approx(open_lab(near).users()["equity"].to_dict())
    store.fold(today=(SLOT + timedelta(days=2)).date(), grace=timedelta(0))
    assert Store.open(bucket).read("balances") == store.read("balances")
    assert open_lab(lab).users()["equity"].to_dict() == pytest.approx(open_lab(near).users()["equity"].to_dict())
    assert b"planted-secret" not in everything_under(lab)
