from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import pytest

from portfolio_lab.store import Store

WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture(scope="session")
def rows() -> ModuleType:
    """The module that makes sample rows, the same that writer processes run."""
    spec = importlib.util.spec_from_file_location("store_writer", WRITER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def check_whole(rows: ModuleType) -> Callable[[Store, Iterable[str]], set[str]]:
    """Every commit is whole in every table, and none that was acknowledged is missing."""

    def check(store: Store, acknowledged: Iterable[str]) -> set[str]:
        committed = {commit.sync_id for commit in store.commits()}
        for table, count in rows.ROWS.items():
            seen = Counter(store.read(table)["user"].to_pylist())
            assert seen == dict.fromkeys(committed, count), table
        assert set(acknowledged) <= committed
        assert store.verify() == []
        return committed

    return check
