"""The cache of states is as good as the store, or it is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fake_venues import MIDNIGHT, FakeHub, Hand

from portfolio_lab.errors import UnreachableError
from portfolio_lab.models.accounts import Credentials, Wallet
from portfolio_lab.models.activity import Income
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import run_cycle, sync_id_of
from portfolio_lab.sync.memory import Memory
from portfolio_lab.sync.state_cache import CACHED, SEEN_ASSETS, StateCache
from portfolio_lab.sync.state_rows import load_states

MINUTE = timedelta(minutes=1)
Keys = Mapping[tuple[str, str, str], Credentials]


class Lab:
    """Cycles by processes that remember nothing but the cache."""

    def __init__(self, root: Path, credentials: Keys, store: Store, hub: FakeHub, clock: Hand) -> None:
        self.settings = load_settings(root)
        self.credentials = credentials
        self.store = store
        self.hub = hub
        self.clock = clock
        self.cache = StateCache(root / "runs", interval=MINUTE, name_of=sync_id_of)

    async def at(self, slot: datetime, *, cached: bool = True) -> None:
        self.clock.now = slot
        memory = Memory(cache=self.cache) if cached else None
        await run_cycle(
            self.settings, self.credentials, self.store, self.hub, slot=slot, clock=self.clock, memory=memory
        )


@pytest.fixture
def cached(lab: Path, credentials: Keys, store: Store, hub: FakeHub, clock: Hand) -> Lab:
    return Lab(lab, credentials, store, hub, clock)


async def test_it_tells_what_the_store_tells(cached: Lab) -> None:
    for number in range(3):
        await cached.at(MIDNIGHT + number * MINUTE)
    rows = cached.cache.load(cached.store, before=MIDNIGHT + 3 * MINUTE)
    assert rows is not None
    for table in CACHED:
        assert sorted(map(str, rows[table.name])) == sorted(map(str, cached.store.read(table.name).to_pylist()))
    assert {row["user"] for row in rows["users_portfolio_state"]} == {"alice", "bob"}
    assert {row["account"] for row in rows["accounts"]} == {"binance:main", "okx:desk"}


async def test_a_fresh_process_reads_but_the_last_slot(cached: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    await cached.at(MIDNIGHT)
    read, spans = cached.store.read, []

    def watched(table: str, **asked: Any) -> pa.Table:
        spans.append((asked["since"], asked["until"]))
        return read(table, **asked)

    monkeypatch.setattr(cached.store, "read", watched)
    await cached.at(MIDNIGHT + MINUTE)
    assert set(spans) == {(MIDNIGHT, MIDNIGHT + timedelta(microseconds=1))}


async def test_coins_that_came_and_went_are_in_the_cache(cached: Lab) -> None:
    gift = Income(MIDNIGHT, "i1", "dividend", "Airdrop", Wallet.SPOT, "DOGE", Decimal(5))
    cached.hub.state.streams["alice"] = {"dividends": [gift]}
    await cached.at(MIDNIGHT)
    rows = cached.cache.load(cached.store, before=MIDNIGHT + MINUTE)
    assert rows is not None
    seen = {(row["user"], row["account"]): row["assets"] for row in rows[SEEN_ASSETS.name]}
    assert "DOGE" in seen["alice", "binance:main"]
    assert "DOGE" not in seen["bob", "okx:desk"]


async def test_a_commit_that_the_cache_missed_makes_it_old(cached: Lab) -> None:
    await cached.at(MIDNIGHT)
    await cached.at(MIDNIGHT + MINUTE, cached=False)
    assert cached.cache.load(cached.store, before=MIDNIGHT + 2 * MINUTE) is None
    cached.hub.state.faults["bob", "trading"] = UnreachableError("no answer")
    await cached.at(MIDNIGHT + 2 * MINUTE)
    assert load_states(cached.store)["bob"]["complete_slot"] == MIDNIGHT + MINUTE


@pytest.mark.parametrize("table", [table.name for table in CACHED])
@pytest.mark.parametrize("content", [b"", b"ARROW1", b"not arrow at all"])
async def test_a_damaged_cache_is_passed_over(cached: Lab, lab: Path, content: bytes, table: str) -> None:
    await cached.at(MIDNIGHT)
    (lab / "runs" / f"{table}.arrow").write_bytes(content)
    assert cached.cache.load(cached.store, before=MIDNIGHT + MINUTE) is None
    await cached.at(MIDNIGHT + MINUTE)


async def test_a_cache_of_another_store_is_passed_over(cached: Lab, tmp_path: Path) -> None:
    await cached.at(MIDNIGHT)
    other = Store.create(tmp_path / "other")
    assert cached.cache.load(other, before=MIDNIGHT + MINUTE) is None


async def test_a_cache_that_cannot_be_written_costs_no_cycle(cached: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("portfolio_lab.sync.state_cache.write_private", refuse)
    await cached.at(MIDNIGHT)
    assert len(cached.store.commits()) == 1
