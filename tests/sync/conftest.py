"""A lab on disk, and venues whose answers the test decides."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cycles import Cycles
from fake_venues import LAB_TOML, MIDNIGHT, FakeHub, FakeVenue, Hand, btc, usdt_margin

from portfolio_lab.models.accounts import Credentials, Wallet
from portfolio_lab.store import Store


@pytest.fixture
def clock() -> Hand:
    return Hand(MIDNIGHT)


@pytest.fixture
def venue(clock: Hand) -> FakeVenue:
    """Alice 0.1 BTC in spot (5,000) and 1,000 - 100 USDT in futures; bob 1 BTC trading and an empty funding wallet."""
    holdings = {
        ("alice", Wallet.SPOT): btc("0.1"),
        ("alice", Wallet.USD_M): usdt_margin("1000", "-100"),
        ("bob", Wallet.TRADING): btc("1"),
    }
    return FakeVenue(clock, holdings)


@pytest.fixture
def hub(venue: FakeVenue) -> FakeHub:
    return FakeHub(venue)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "lab.toml").write_text(LAB_TOML)
    Store.create(tmp_path / "store")
    return tmp_path


@pytest.fixture
def store(lab: Path) -> Store:
    return Store.open(lab / "store")


@pytest.fixture
def credentials() -> dict[tuple[str, str, str], Credentials]:
    return {
        ("alice", "binance", "main"): Credentials("alice-key-1", "alice-secret-1"),
        ("bob", "okx", "desk"): Credentials("bob-key-1", "bob-secret-1", "bob-third-1"),
    }


@pytest.fixture
def cycles(
    lab: Path, credentials: dict[tuple[str, str, str], Credentials], store: Store, hub: FakeHub, clock: Hand
) -> Cycles:
    return Cycles(lab, credentials, store, hub, clock)
