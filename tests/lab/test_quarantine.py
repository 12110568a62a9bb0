"""After damage that no backup mended, what is lost is unknown: no view takes the rest for all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portfolio_lab.errors import StoreError
from portfolio_lab.lab import Lab
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store
from portfolio_lab.store.quarantine import Lost
from portfolio_lab.store.repair import repair
from portfolio_lab.store.verify import verify


@pytest.fixture
def damaged(store: Store, settings: Settings, commit_places: Callable[..., None]) -> Callable[[str], Lab]:
    """Three slots in a commit each; of the newest one file is destroyed and set aside."""
    for place in range(3):
        commit_places(place, place + 1)

    def destroy(table: str) -> Lab:
        Path(store.files(table)[-1]).write_bytes(b"x")
        parts = Store.open(store.root).parts()
        repair(parts, verify(parts).damages)
        return Lab(Store.open(store.root), settings)

    return destroy


def test_equity_of_a_lost_slot_is_a_gap(damaged: Callable[[str], Lab], store: Store) -> None:
    slots = store.read("portfolio_snapshots", users="alice")["slot"].to_pylist()
    equity = damaged("portfolio_snapshots").equity("alice")
    assert equity.index.to_pydatetime().tolist() == slots[:2]
    assert (equity > 0).all()


@pytest.mark.parametrize("table", ["balances", "positions"])
def test_half_a_book_is_refused(damaged: Callable[[str], Lab], table: str) -> None:
    lab = damaged(table)
    assert len(lab.equity("alice")) == 3  # the snapshot itself was not lost
    with pytest.raises(StoreError, match=rf"{table} of alice at .* stand in quarantine/: unknown, not zero"):
        lab.exposure("alice")
    with pytest.raises(StoreError, match="unknown, not zero"):
        getattr(lab, table)("alice")


def test_an_earlier_slot_is_still_shown(damaged: Callable[[str], Lab], store: Store) -> None:
    slots = store.read("portfolio_snapshots", users="alice")["slot"].to_pylist()
    assert len(damaged("balances").balances("alice", at=slots[1])) > 0


def test_a_lab_that_is_open_meanwhile_goes_on(damaged: Callable[[str], Lab], store: Store, settings: Settings) -> None:
    lab = Lab(store, settings)
    assert len(lab.equity("alice")) == 3
    newest = max((Path(store.root) / "log").rglob("a-*.json"))
    newest.write_bytes(b"x")
    parts = Store.open(store.root).parts()
    repair(parts, verify(parts).damages)
    assert len(Lab(Store.open(store.root), settings).equity("alice")) == 2
    assert len(lab.equity("alice")) == 2


def test_what_a_note_says_is_lost() -> None:
    slot = datetime(2026, 11, 20, 10, tzinfo=UTC)
    lost = Lost("balances", "2026-11-20T09:00:00+00:00", "2026-11-20T10:00:00+00:00", ("anna",))
    assert lost.holds("balances", "anna", slot)
    assert lost.holds("balances", None, slot)
    assert not lost.holds("balances", "ben", slot)
    assert not lost.holds("positions", "anna", slot)
    assert not lost.holds("balances", "anna", slot.replace(minute=1))
    assert Lost("balances", "", "", ()).holds("balances", "ben", slot)
    assert Lost("performance_history", "2026-11-19", "2026-11-20", ()).holds("performance_history", "ben", slot)
