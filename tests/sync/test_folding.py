"""The store's small files are sealed when a UTC day closes, and a store that cannot fold hurts no cycle."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from portfolio_lab.demo.people import users
from portfolio_lab.errors import StoreError
from portfolio_lab.replay import lay_demo_lab, replay, running_exchange
from portfolio_lab.store import Store
from portfolio_lab.sync.syncer import is_time_to_fold

SINCE = datetime.fromisoformat("2026-08-01T00:00:00+00:00")
SLOTS = [SINCE + timedelta(days=2, hours=hours) for hours in (12, 18, 24, 30)]


@pytest.fixture
async def replayed(tmp_path: Path) -> Path:
    with running_exchange(since=SINCE, log=tmp_path / "exchange.log") as exchange:
        lay_demo_lab(tmp_path / "lab", exchange)
        await replay(tmp_path / "lab", exchange, SLOTS)
    return tmp_path / "lab"


def test_a_closed_day_is_sealed(replayed: Path) -> None:
    sealed = sorted(path.parent.name for path in replayed.glob("store/sealed/portfolio_snapshots/date=2*/*.parquet"))
    assert sealed == ["date=2026-08-03"]
    stored = Store.open(replayed / "store").read("portfolio_snapshots")
    assert stored.num_rows == len(SLOTS) * len(users())


def test_a_replay_promises_the_cadence_that_it_keeps(replayed: Path) -> None:
    stored = Store.open(replayed / "store").read("portfolio_snapshots")
    assert set(stored["interval_seconds"].to_pylist()) == {6 * 3600}


async def test_a_store_that_cannot_fold_is_logged_and_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("cannot fold now")

    monkeypatch.setattr(Store, "fold", refuse)
    with running_exchange(since=SINCE, log=tmp_path / "exchange.log") as exchange:
        lay_demo_lab(tmp_path / "lab", exchange)
        await replay(tmp_path / "lab", exchange, SLOTS)
    assert Store.open(tmp_path / "lab/store").read("portfolio_snapshots").num_rows == len(SLOTS) * len(users())
    journal = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "lab/runs").rglob("*.log"))
    assert "store_not_folded" in journal


@pytest.mark.parametrize(
    ("minutes", "interval", "expected"),
    [
        (0, 1, True),  # a day has closed
        (1, 1, False),
        (5, 1, True),  # the last hour of the day before
        (6, 1, False),
        (13 * 60, 1, False),  # late cycles of the hour may still come
        (13 * 60 + 5, 1, True),
        (13 * 60 + 5, 5, True),
        (13 * 60 + 10, 5, False),
        (13 * 60 + 10, 10, True),
        (13 * 60 + 30, 30, True),
        (13 * 60, 60, False),  # a cycle an hour: nothing to roll before the day is over
        (0, 60, True),
    ],
)
def test_hours_are_rolled_once_and_days_sealed_once(minutes: int, interval: int, *, expected: bool) -> None:
    assert is_time_to_fold(SINCE + timedelta(minutes=minutes), timedelta(minutes=interval)) is expected
