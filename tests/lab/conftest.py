"""A lab of invented rows: 40 days of alice; bob is configured and was never synced."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from portfolio_lab.lab import Lab
from portfolio_lab.models.accounts import VENUE_WALLETS, Account
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store

# Tests are no package; their shared rows lie beside them.
sys.path.insert(0, str(Path(__file__).parent))

from lab_rows import START, STEP, Row, book, commit, deposit


def settings_in(folder: Path) -> Settings:
    account = Account("alice", "binance", "main", None, VENUE_WALLETS["binance"])
    return Settings(root=folder, interval_seconds=60, users=("alice", "bob"), accounts=(account,))


def commit_range(store: Store, first: int, last: int, *, grade: str = "complete") -> None:
    """Commit the slots [first, last) of alice, all in one commit; the deposit with the first."""
    rows: dict[str, list[Row]] = {}
    for place in range(first, last):
        for name, found in book(place, grade=grade).items():
            rows[name] = found if name == "users_portfolio_state" else [*rows.get(name, []), *found]
    if first == 0:
        rows["cash_flows"] = [deposit()]
    commit(store, rows, START + (last - 1) * STEP)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store.create(settings.store_path)


@pytest.fixture
def commit_places(store: Store) -> Callable[..., None]:
    return partial(commit_range, store)


@pytest.fixture
def lab(store: Store, settings: Settings, commit_places: Callable[..., None]) -> Lab:
    """40 days and six hours: places 0 to 161; the newest slot is 2026-02-10 06:00."""
    commit_places(0, 162)
    return Lab(store, settings)


@pytest.fixture(scope="session")
def read_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The same for tests that only ask: made once."""
    settings = settings_in(tmp_path_factory.mktemp("lab"))
    store = Store.create(settings.store_path)
    commit_range(store, 0, 162)
    return Lab(store, settings)
