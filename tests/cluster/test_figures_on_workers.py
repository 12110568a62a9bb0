from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import distributed
import pandas as pd
import pyarrow as pa
import pytest
from cluster_stands import USERS, failing_figure, hanging_figure, killing_figure, lay, of_each, quick_figure

from portfolio_lab.cluster.figures import Figure, days_of, everybody_on_workers, everybody_reckoned, performance_of
from portfolio_lab.errors import BadInputError, ClusterError, ReturnsError
from portfolio_lab.lab import open_lab
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store
from portfolio_lab.store.stats import store_stats

sys.path.append(str(Path(__file__).parent.parent / "lab"))

from lab_rows import START, STEP, book, commit, deposit


def of_user(rows: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The invented book of one user: equity N + 1 times as large."""
    scaled = ("equity", "unrealised_pnl", "net_exposure", "gross_exposure")
    return [
        {
            key: value * (number + 1) if key in scaled and isinstance(value, float) else value
            for key, value in {**row, "user": USERS[number]}.items()
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven days of each user: sealed days, an hour that was rolled up, hot commits, and rows that came late."""
    lab = lay(tmp_path_factory.mktemp("filled"))
    store = Store.open(lab / "store")
    for place in range(40):
        commit(store, everybody(place, without=USERS[5] if place == MISSED else ""), START + place * STEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portfolio_lab.store.fold.WORTH_ROLLING", 2)  # four commits of the open day are enough
        store.fold(today=(START + timedelta(days=9)).date())
    for place in range(40, 44):
        commit(store, everybody(place), START + place * STEP)
    late = {"portfolio_snapshots": snapshots_of(MISSED, USERS[5]), "cash_flows": [late_deposit()]}
    tables = {name: pa.Table.from_pylist(rows, schema=TABLES[name].schema) for name, rows in late.items()}
    store.commit(tables, slot=START + MISSED * STEP, writer="test", sync_id="came-late")
    return lab


MISSED = 10
"""The place whose slot user 5 has only since its day was sealed."""


def everybody(place: int, *, without: str = "") -> dict[str, list[dict[str, Any]]]:
    told: dict[str, list[dict[str, Any]]] = {}
    for number in range(len(USERS)):
        for name, rows in book(place).items():
            # A price belongs to nobody: it is told once.
            mine = of_user(rows, number) if rows and "user" in rows[0] else rows if number == 0 else []
            told[name] = [*told.get(name, []), *(row for row in mine if row.get("user", "nobody") != without)]
    return told


def snapshots_of(place: int, user: str) -> list[dict[str, Any]]:
    return [row for row in everybody(place)["portfolio_snapshots"] if row["user"] == user]


def late_deposit() -> dict[str, Any]:
    """100 USDT of user 0 on the fourth day, which is sealed."""
    return {**deposit(), "user": USERS[0], "at": START + timedelta(days=3, hours=3), "known_at": START}


def test_the_files_are_of_every_room(filled: Path) -> None:
    store = Store.open(filled / "store")
    rooms = {shelf.kind for shelf in store_stats(store.parts()).shelves}
    assert {"hot", "warm", "sealed"} <= rooms
    late = store.read("portfolio_snapshots", users=USERS[5], since=START + MISSED * STEP, until=START + 11 * STEP)
    assert len(late) == 1


@pytest.mark.parametrize("figure", [performance_of, days_of])
def test_workers_reckon_what_one_process_reckons(cluster: Any, filled: Path, figure: Figure) -> None:
    alone = figure(open_lab(filled), USERS)
    together = everybody_on_workers(cluster.scheduler_address, filled, figure)
    assert set(alone.index.get_level_values("user")) == set(USERS)
    assert alone.notna().any(axis=None)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)
    # Equal numbers may still differ in their bits: -0.0 and 0.0, or what an unknown is made of.
    assert bits(together) == bits(alone)


def bits(figures: pd.DataFrame) -> dict[str, bytes]:
    floats = figures.select_dtypes("float64")
    assert len(floats.columns)
    return {str(name): floats[name].to_numpy().tobytes() for name in floats}


def test_late_rows_count_for_the_days_they_belong_to(filled: Path) -> None:
    days = days_of(open_lab(filled), USERS[:2])
    assert not days.loc[USERS[0]].equals(days.loc[USERS[1]] / 2)


async def test_a_notebook_with_a_loop_of_its_own_gets_the_same(cluster: Any, filled: Path) -> None:
    asked = everybody_on_workers(cluster.scheduler_address, filled, performance_of)
    awaited = await everybody_reckoned(cluster.scheduler_address, filled, performance_of)
    pd.testing.assert_frame_equal(asked, awaited, check_exact=True)


def addresses_of(cluster: Any) -> set[str]:
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        return set(client.scheduler_info(n_workers=-1)["workers"])


def test_how_far_it_is_is_told_after_each_shard(cluster: Any, lab: Path) -> None:
    told: list[tuple[int, int]] = []
    found = everybody_on_workers(
        cluster.scheduler_address, lab, quick_figure, progress=lambda done, of: told.append((done, of))
    )
    pd.testing.assert_frame_equal(found, of_each(USERS))
    assert told == sorted(set(told))
    assert told[-1] == (6, 6)
    assert {of for _, of in told} == {6}


def test_a_worker_that_hangs_is_named_and_no_partial_answer_is_given(cluster: Any, lab: Path, mark: Path) -> None:
    mark.unlink(missing_ok=True)
    everybody_on_workers(cluster.scheduler_address, lab, quick_figure)  # its workers have imported all they need
    try:
        with pytest.raises(ClusterError, match="4 of 6 users were reckoned, the rest is at tcp://") as told:
            everybody_on_workers(cluster.scheduler_address, lab, hanging_figure, patience=4.0)
    finally:
        mark.touch()
    (stuck,) = told.value.workers
    assert stuck in addresses_of(cluster)
    assert stuck in str(told.value)
    # Its place is free again as soon as it goes on.
    assert len(everybody_on_workers(cluster.scheduler_address, lab, hanging_figure)) == len(USERS)


def test_work_that_goes_on_is_not_cut_however_long_it_is(cluster: Any, lab: Path, mark: Path) -> None:
    mark.unlink(missing_ok=True)
    shards: list[int] = []

    def laid(done: int, _: int) -> None:
        shards.append(done)
        mark.touch()

    # The last shard can only end when the others have been told.
    found = everybody_on_workers(cluster.scheduler_address, lab, hanging_figure, progress=laid, patience=30.0)
    pd.testing.assert_frame_equal(found, of_each(USERS))
    assert len(shards) > 1


def test_the_error_of_a_figure_is_raised_as_it_is(cluster: Any, lab: Path) -> None:
    with pytest.raises(ReturnsError, match="user3 has no returns"):
        everybody_on_workers(cluster.scheduler_address, lab, failing_figure)


@pytest.mark.long
def test_a_shard_that_kills_each_of_its_workers_is_told(cluster: Any, lab: Path) -> None:
    with pytest.raises(ClusterError, match=r"died one after another, the last at tcp://.*--memory-limit") as told:
        everybody_on_workers(cluster.scheduler_address, lab, killing_figure)
    assert told.value.workers[0].startswith("tcp://")
    for _ in range(300):
        if len(addresses_of(cluster)) == 2:
            break
        time.sleep(0.1)
    assert len(everybody_on_workers(cluster.scheduler_address, lab, quick_figure)) == len(USERS)


@pytest.mark.parametrize("patience", [0.0, -1.0, float("nan")])
def test_patience_must_be_above_zero(lab: Path, patience: float) -> None:
    with pytest.raises(BadInputError, match="give more than 0"):
        everybody_on_workers("tcp://127.0.0.1:9", lab, quick_figure, patience=patience)


def test_a_lab_without_users_is_told(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    Store.create(tmp_path / "store")
    with pytest.raises(BadInputError, match="has no users yet"):
        everybody_on_workers("tcp://127.0.0.1:9", tmp_path, quick_figure)
