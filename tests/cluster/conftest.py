"""A lab of six users, and clusters of two worker processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster_stands import MARK, lay

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


def two_workers() -> Any:
    return distributed.LocalCluster(
        processes=True, n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    )


@pytest.fixture(scope="session", autouse=True)
def mark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that the first killed worker leaves; named before any worker starts."""
    path = tmp_path_factory.mktemp("mark") / "killed"
    os.environ[MARK] = str(path)
    yield path
    del os.environ[MARK]


@pytest.fixture(scope="session")
def cluster(mark: Path) -> Iterator[Any]:
    with two_workers() as running:
        yield running


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return lay(tmp_path)
