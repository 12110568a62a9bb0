from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cluster_stands import USERS

from portfolio_lab.cluster.figures import Figure, days_of, everybody_on_workers, performance_of
from portfolio_lab.lab import open_lab
from portfolio_lab.store import Store

sys.path.append(str(Path(__file__).parent.parent / "lab"))

from lab_rows import START, STEP, book, commit


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


@pytest.fixture
def filled(lab: Path) -> Path:
    """Ten days of each user; the first eight of them sealed."""
    store = Store.open(lab / "store")
    for place in range(40):
        told: dict[str, list[dict[str, Any]]] = {}
        for number in range(len(USERS)):
            for name, rows in book(place).items():
                # A price belongs to nobody: it is told once.
                mine = of_user(rows, number) if rows and "user" in rows[0] else rows if number == 0 else []
                told[name] = [*told.get(name, []), *mine]
        commit(store, told, START + place * STEP)
    store.fold(today=(START + timedelta(days=9)).date())
    return lab


@pytest.mark.parametrize("figure", [performance_of, days_of])
def test_workers_reckon_what_one_process_reckons(cluster: Any, filled: Path, figure: Figure) -> None:
    alone = figure(open_lab(filled), USERS)
    together = everybody_on_workers(cluster.scheduler_address, filled, figure)
    assert set(alone.index.get_level_values("user")) == set(USERS)
    assert alone.notna().any(axis=None)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)
