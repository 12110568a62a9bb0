"""What is derived agrees with the snapshots, and is found where it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pandas as pd
import pytest
from lab_rows import START, STEP, Row, book, commit, deposit

from portfolio_lab.archive import frame_from
from portfolio_lab.consistency import inconsistencies
from portfolio_lab.engines.returns import day_rows
from portfolio_lab.lab import Lab
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store


def days_of(store: Store) -> list[Row]:
    taken, flows = frame_from(store.read("portfolio_snapshots")), frame_from(store.read("cash_flows"))
    rows = day_rows(taken, flows, date(2026, 1, 1), date(2026, 2, 10), known_at=START)
    found = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
    return [{name: None if value != value else value for name, value in row.items()} for row in found]  # noqa: PLR0124 - NaN


def state_of(place: int) -> Row:
    """The state as the sync writes it: with the figures of the snapshot."""
    made = book(place)
    [state], [snapshot] = made["users_portfolio_state"], made["portfolio_snapshots"]
    return state | {name: snapshot[name] for name in ("unrealised_pnl", "gross_exposure", "net_exposure")}


@pytest.fixture
def whole(store: Store, commit_places: Callable[..., None]) -> Store:
    """40 days with their states and days."""
    commit_places(0, 162)
    commit(store, {"performance_history": days_of(store), "users_portfolio_state": [state_of(161)]}, START)
    return store


def test_what_was_derived_from_the_snapshots_agrees_before_and_after_a_fold(whole: Store) -> None:
    assert list(inconsistencies(whole)) == []
    whole.fold(today=date(2026, 3, 1), grace=timedelta(0))
    assert list(inconsistencies(whole)) == []


def test_an_empty_store_agrees(store: Store) -> None:
    assert list(inconsistencies(store)) == []


def test_a_state_that_tells_another_figure_or_slot_is_found(whole: Store) -> None:
    commit(whole, {"users_portfolio_state": [{**state_of(161), "equity": 1.0}]}, START + STEP)
    [found] = inconsistencies(whole)
    assert found.startswith("users_portfolio_state of alice: equity is 1.0, the snapshot of 2026-02-10T06:00:00Z says ")
    commit(whole, {"users_portfolio_state": [state_of(160)]}, START + 2 * STEP)
    first, second = inconsistencies(whole)
    assert "slot is 2026-02-10T00:00:00Z, the snapshots say 2026-02-10T06:00:00Z" in first
    assert "complete_slot is" in second


def test_a_restated_snapshot_does_not_accuse_the_state_that_was_right_when_it_was_written(whole: Store) -> None:
    [row] = book(161)["portfolio_snapshots"]
    commit(whole, {"portfolio_snapshots": [{**row, "equity": 1.0}]}, START + STEP)
    assert [text for text in inconsistencies(whole) if "portfolio_state" in text] == []


@pytest.mark.parametrize("column", ["opening_equity", "closing_equity", "cash_flow", "pnl", "day_return"])
def test_a_day_that_does_not_follow_from_the_snapshots_is_found(whole: Store, column: str) -> None:
    row = next(row for row in days_of(whole) if row["day"] == date(2026, 1, 21))
    commit(whole, {"performance_history": [{**row, column: 0.125}]}, START + STEP)
    [found] = inconsistencies(whole)
    assert found.startswith(f"performance_history of alice, 2026-01-21: {column} is 0.125, snapshots and flows give ")
    commit(whole, {"performance_history": [{**row, column: None}]}, START + 2 * STEP)
    [found] = inconsistencies(whole)
    assert "is unknown" in found


def test_a_restated_past_whose_days_were_not_written_again_is_found(whole: Store) -> None:
    [row] = book(41)["portfolio_snapshots"]
    commit(whole, {"portfolio_snapshots": [{**row, "equity": None, "grade": "suspect"}]}, START + STEP)
    assert list(inconsistencies(whole)) == []  # in the middle of a day: its ends are the same
    [row] = book(40)["portfolio_snapshots"]
    commit(whole, {"portfolio_snapshots": [{**row, "equity": 1.0}]}, START + 2 * STEP)
    assert any("2026-01-10: closing_equity" in text for text in inconsistencies(whole))


def test_days_that_are_missing_or_of_nowhere_are_found(whole: Store) -> None:
    row = days_of(whole)[-1]
    commit(whole, {"performance_history": [{**row, "day": date(2025, 12, 30)}]}, START + STEP)
    commit(whole, {"performance_history": [{**row, "user": "bob"}]}, START + 2 * STEP)
    found = list(inconsistencies(whole))
    assert found == [
        "performance_history of alice, 2025-12-30: the day is stored, though no snapshot tells of it",
        "performance_history of alice, 2025-12-31: the day is missing, though there are snapshots",
        "performance_history of bob: 1 day(s) are stored without any snapshot",
    ]


def test_a_deposit_between_two_wallets_answers_moves_no_return(settings: Settings) -> None:
    quiet, meeting = Store.create(settings.root / "quiet"), Store.create(settings.root / "meeting")
    for store, minutes in ((quiet, 180), (meeting, 1)):
        rows: dict[str, list[Row]] = {}
        for place in range(78, 86):
            for name, found in book(place).items():
                rows[name] = found if name == "users_portfolio_state" else [*rows.get(name, []), *found]
        for snapshot in rows["portfolio_snapshots"]:
            snapshot["at"] = snapshot["slot"] + timedelta(minutes=2)
        for wallet in rows["wallets"]:
            wallet["received_at"] = wallet["slot"] + timedelta(minutes=2 if wallet["wallet"] == "spot" else 0)
        # The snapshot of place 80 was read until two minutes past; futures had answered before the deposit came.
        rows["cash_flows"] = [deposit() | {"wallet": "usd_m", "at": START + 80 * STEP + timedelta(minutes=minutes)}]
        commit(store, rows, START + 85 * STEP)
    expected, met = Lab(quiet, settings), Lab(meeting, settings)
    pd.testing.assert_series_equal(met.pnl("alice")["pnl"], expected.pnl("alice")["pnl"])
    pd.testing.assert_frame_equal(met.scope("alice").pnl(), met.pnl("alice"))
    # What differs is the weight of the deposit in its gap alone.
    assert met.returns("alice").to_numpy() == pytest.approx(expected.returns("alice").to_numpy(), abs=0.02)
    assert met.cash_flows("alice")["at"].iloc[0] == START + 80 * STEP + timedelta(minutes=1)
