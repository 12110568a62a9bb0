from __future__ import annotations

import math

import pandas as pd
import pytest
from books import cash_flows, snapshots
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.returns import snapshot_returns, twr
from portfolio_lab.engines.scopes import Member, together

NO_FLOWS = cash_flows("").assign(kind="deposit")


def member(text: str, moved: str = "", left_at: str | None = None) -> Member:
    flows = cash_flows(moved).assign(kind="deposit") if moved else NO_FLOWS
    return Member(snapshots(text), flows, None if left_at is None else pd.Timestamp(left_at, tz="UTC"))


def growth(whole: Member) -> float:
    complete = whole.snapshots[whole.snapshots["grade"] == "complete"]
    return twr(snapshot_returns(complete, whole.flows)["gap_return"])


def test_equity_is_the_sum_where_everybody_is_complete() -> None:
    whole = together(
        {
            "a": member("2026-01-01T00:00 100\n2026-01-01T00:01 partial\n2026-01-01T00:02 110"),
            "b": member("2026-01-01T00:00 50\n2026-01-01T00:01 55\n2026-01-01T00:02 55"),
        }
    )
    assert whole.snapshots["grade"].tolist() == ["complete", "partial", "complete"]
    assert whole.snapshots["equity"].tolist()[::2] == [150.0, 165.0]
    assert math.isnan(whole.snapshots["equity"].iloc[1])
    assert growth(whole) == pytest.approx(0.1)


def test_a_member_that_joins_earns_nothing_by_it() -> None:
    whole = together(
        {
            "a": member("2026-01-01T00:00 100\n2026-01-01T00:01 100\n2026-01-01T00:02 101"),
            "b": member("2026-01-01T00:01 900\n2026-01-01T00:02 909"),
        }
    )
    assert whole.snapshots["equity"].tolist() == [100.0, 1000.0, 1010.0]
    assert whole.flows[["value", "kind"]].to_numpy().tolist() == [[900.0, "joined"]]
    assert growth(whole) == pytest.approx(0.01)


def test_a_member_that_leaves_takes_its_equity_and_no_profit() -> None:
    whole = together(
        {
            "a": member("2026-01-01T00:00 100\n2026-01-01T00:01 110\n2026-01-01T00:02 121"),
            "b": member("2026-01-01T00:00 900\n2026-01-01T00:01 990", left_at="2026-01-01T00:02"),
        }
    )
    assert whole.flows[["value", "kind"]].to_numpy().tolist() == [[-990.0, "left"]]
    assert whole.snapshots["equity"].tolist() == [1000.0, 1100.0, 121.0]
    assert growth(whole) == pytest.approx(1.1 * (1 + 11 / 110) - 1)


def answering(text: str, seconds: int, moved: str = "", left_at: str | None = None) -> Member:
    one = member(text, moved, left_at)
    late = one.snapshots.assign(at=one.snapshots["slot"] + pd.Timedelta(seconds=seconds))
    return Member(late, one.flows, one.left_at)


def test_a_flow_between_two_members_answers_is_in_the_next_snapshot() -> None:
    # a answered 2 s into each minute, b after 40 s; a's deposit of 20 s is not in a's reading of that minute.
    whole = together(
        {
            "a": answering(
                "2026-01-01T00:00 100\n2026-01-01T00:01 100\n2026-01-01T00:02 300", 2, "2026-01-01T00:01:20 200"
            ),
            "b": answering("2026-01-01T00:00 100\n2026-01-01T00:01 100\n2026-01-01T00:02 100", 40),
        }
    )
    gaps = snapshot_returns(whole.snapshots, whole.flows)
    assert gaps["cash_flow"].tolist() == [0.0, 200.0]
    assert gaps["gap_return"].tolist() == [0.0, 0.0]


def test_a_member_that_leaves_before_the_others_answer_takes_no_profit() -> None:
    whole = together(
        {
            "a": answering("2026-01-01T00:00 100\n2026-01-01T00:01 100\n2026-01-01T00:02 100", 40),
            # What it took out after its last reading went with it.
            "b": answering(
                "2026-01-01T00:00 900\n2026-01-01T00:01 990", 2, "2026-01-01T00:01:30 -50", "2026-01-01T00:02"
            ),
        }
    )
    gaps = snapshot_returns(whole.snapshots, whole.flows)
    assert gaps["cash_flow"].tolist() == [0.0, -990.0]
    assert gaps["gap_return"].tolist() == pytest.approx([0.09, 0.0])


def test_flows_of_all_members_count_and_those_from_before_do_not() -> None:
    whole = together(
        {
            "a": member("2026-01-01T00:01 100\n2026-01-01T00:02 150", "2026-01-01T00:00 100\n2026-01-01T00:02 50"),
            "b": member("2026-01-01T00:01 100\n2026-01-01T00:02 50", "2026-01-01T00:02 -50"),
        }
    )
    assert whole.flows["value"].tolist() == [50.0, -50.0]
    assert growth(whole) == 0.0


def test_nobody_complete_is_nothing_known() -> None:
    whole = together({"a": member("2026-01-01T00:00 partial")})
    assert whole.snapshots.empty
    assert together({}).flows.empty


@given(st.lists(st.tuples(st.floats(10, 1000), st.floats(10, 1000)), min_size=2, max_size=12))
def test_splitting_a_book_in_two_leaves_its_return(rows: list[tuple[float, float]]) -> None:
    times = [f"2026-01-01T00:{minute:02d}" for minute in range(len(rows))]
    parts = {
        name: member("\n".join(f"{time} {row[place]!r}" for time, row in zip(times, rows, strict=True)))
        for place, name in enumerate("ab")
    }
    one = member("\n".join(f"{time} {a + b!r}" for time, (a, b) in zip(times, rows, strict=True)))
    assert growth(together(parts)) == pytest.approx(growth(one), rel=1e-12, abs=1e-12)
    backwards = together(dict(reversed(parts.items())))
    pd.testing.assert_frame_equal(backwards.snapshots, together(parts).snapshots)
