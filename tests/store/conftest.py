from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of a local S3 server with one empty bucket; skips where the tools are missing."""
    pytest.importorskip("moto", reason="the local S3 server comes with the development tools")
    pytest.importorskip("obstore", reason='a bucket needs the extra "bucket"')
    sys.path.insert(0, str(Path(__file__).parent))
    from faulty_bucket import s3_server  # noqa: PLC0415 - only the tests of a bucket need it

    with s3_server() as url:
        yield url


@pytest.fixture
def url(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A place of this test alone in the bucket; credentials and endpoint in the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLANTED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return f"s3://labs/{tmp_path.name}/lab"


@pytest.fixture(params=["disk", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may lie: each test runs in both places."""
    return tmp_path / "store" if request.param == "disk" else request.getfixturevalue("url")
