"""A lab whose store is in a bucket: made, synced from the demo exchange, and read back as a frame."""

from __future__ import annotations

import asyncio
import sys
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

sys.path.insert(0, str(Path(__file__).parents[1] / "sync"))

from demo_lab_files import at_once, demo_accounts, everything_under, keys, lift_limits, write_lab
from fake_venues import Hand

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
SLOT = BEGIN + timedelta(days=20)


def test_a_new_lab_names_its_bucket(url: str, tmp_path: Path) -> None:
    made = lay_lab(tmp_path / "lab", store=url)
    assert load_settings(tmp_path / "lab").store_path == url
    assert not [path for path in made if "s3" in str(path) or path.name == "store"]
    assert open_lab(tmp_path / "lab").users().empty
    assert Store.open(url).commits() == []
    with pytest.raises(BadInputError, match=f"there is a store at {url} already"):
        lay_lab(tmp_path / "other", store=url)


def test_a_lab_without_its_bucket_says_so(url: str, tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(f'store_path = "{url}"\n')
    with pytest.raises(MissingStoreError, match=f"there is no store at {url}"):
        open_lab(tmp_path)


async def test_a_cycle_is_synced_into_a_bucket_and_read_back(url: str, tmp_path: Path) -> None:
    clock = Hand(SLOT)
    async with DemoExchange(since=BEGIN, scripted=True, now=SLOT) as demo:
        accounts = demo_accounts(demo.url)
        lab, near = write_lab(tmp_path / "far", accounts), write_lab(tmp_path / "near", accounts)
        text = (lab / "lab.toml").read_text()
        (lab / "lab.toml").write_text(f'store_path = "{url}"\n{text}')
        await asyncio.to_thread(Store.create, url)
        lift_limits(demo)
        for folder in (lab, near):
            hubs = partial(Hub, clock=clock, sleep=at_once)
            async with Syncer(folder, clock=clock, credentials=keys(accounts), hubs=hubs) as syncer:
                report = await syncer.cycle(SLOT)
            assert {line.grade for line in report.users} == {"complete"}
    store, beside = Store.open(url), Store.open(near / "store")
    assert store.verify() == []
    assert store.read("balances").num_rows == beside.read("balances").num_rows > 10
    assert open_lab(lab).users()["equity"].to_dict() == pytest.approx(open_lab(near).users()["equity"].to_dict())
    store.fold(today=(SLOT + timedelta(days=2)).date(), grace=timedelta(0))
    assert Store.open(url).read("balances") == store.read("balances")
    assert open_lab(lab).users()["equity"].to_dict() == pytest.approx(open_lab(near).users()["equity"].to_dict())
    assert b"planted-secret" not in everything_under(lab)
