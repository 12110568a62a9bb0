"""Returns: books worked by hand, the edges, and the laws that hold for every book."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from books import cash_flows, snapshots
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.returns import (
    DAY_COLUMNS,
    daily_returns,
    day_rows,
    modified_dietz,
    period_rows,
    snapshot_returns,
    twr,
    twr_index,
)
from portfolio_lab.errors import BadInputError
from portfolio_lab.models.tables import PERFORMANCE_HISTORY

DAY = 86_400


def days_of(book: pd.DataFrame, flows: pd.DataFrame | None = None, *, since: str, until: str) -> pd.DataFrame:
    return day_rows(book, flows, date.fromisoformat(since), date.fromisoformat(until))


# ---------------------------------------------------------------- by hand


def test_thirty_days_with_a_deposit_and_a_withdrawal() -> None:
    # +1 % a day x 10, 10,000 in, -0.5 % x 10, 5,000 out, +0.3 % x 10; flows at the start of their day.
    growth = [0.01] * 10 + [-0.005] * 10 + [0.003] * 10
    equity, rows, flows = 10_000.0, [], []
    starts = pd.date_range("2026-01-01", periods=31, freq="D", tz="UTC", unit="us")
    rows.append((starts[0], equity))
    for day, rate in enumerate(growth):
        if day in {10, 20}:
            flow = 10_000.0 if day == 10 else -5_000.0
            equity += flow
            flows.append((starts[day] + pd.Timedelta(seconds=30), flow))
            rows.append((starts[day] + pd.Timedelta(seconds=60), equity))
        equity *= 1 + rate
        rows.append((starts[day + 1], equity))
    book = snapshots("\n".join(f"{slot.strftime('%Y-%m-%dT%H:%M:%S')} {amount!r}" for slot, amount in rows))
    moved = cash_flows("\n".join(f"{at.strftime('%Y-%m-%dT%H:%M:%S')} {amount!r}" for at, amount in flows))
    days = days_of(book, moved, since="2026-01-01", until="2026-01-31")

    assert equity == pytest.approx(15_473.92, abs=0.005)
    assert days["pnl"].sum() == pytest.approx(473.92, abs=0.005)
    assert twr(daily_returns(days)) == pytest.approx(0.082565, abs=5e-7)
    assert days["cash_flow"].sum() == 5_000.0
    assert days["day_return"].tolist() == pytest.approx(growth, abs=1e-12)
    dietz = modified_dietz(opening=10_000, closing=equity, flows=[10_000, -5_000], weights=[20 / 30, 10 / 30])
    assert dietz == pytest.approx(0.031595, abs=5e-7)


def test_deposit_is_not_a_gain() -> None:
    book = snapshots("""
        2026-01-01T00:00   1000
        2026-01-02T00:00   1100      # +10 %
        2026-01-03T00:00   1600      # deposit at the close, market flat
        2026-01-04T00:00   1280      # -20 %
        2026-01-05T00:00   1000      # withdrawal at the close, market flat
    """)
    flows = cash_flows("""
        2026-01-03T00:00    500
        2026-01-05T00:00   -280
    """)
    days = days_of(book, flows, since="2026-01-01", until="2026-01-05")
    assert days["day_return"].tolist() == pytest.approx([0.10, 0.0, -0.20, 0.0])
    assert days["pnl"].tolist() == pytest.approx([100.0, 0.0, -320.0, 0.0])
    assert days["cash_flow"].tolist() == [0.0, 500.0, 0.0, -280.0]
    assert twr(daily_returns(days)) == pytest.approx(1.10 * 0.80 - 1)


def test_flow_inside_a_gap_is_weighted_by_the_time_it_was_there() -> None:
    book = snapshots("2026-01-01T00:00 1000\n2026-01-02T00:00 1650", interval=DAY)
    gaps = snapshot_returns(book, cash_flows("2026-01-01T06:00 400"))
    assert gaps["gap_return"].tolist() == pytest.approx([250 / (1000 + 0.75 * 400)])
    assert gaps["cash_flow"].tolist() == [400.0]


def test_snapshot_at_midnight_closes_the_day_that_ends() -> None:
    book = snapshots("""
        2026-01-01T00:00   100
        2026-01-01T12:00   110
        2026-01-02T00:00   121
        2026-01-02T12:00   121
        2026-01-03T00:00   108.9
    """)
    days = days_of(book, since="2026-01-01", until="2026-01-03")
    assert days["opening_equity"].tolist() == [100.0, 121.0]
    assert days["closing_equity"].tolist() == [121.0, 108.9]
    assert days["day_return"].tolist() == pytest.approx([0.21, -0.10])
    assert days["snapshots_complete"].tolist() == [2, 2]


def test_columns_are_those_of_the_stored_table() -> None:
    known = datetime(2026, 1, 3, tzinfo=UTC)
    book = snapshots("2026-01-01T00:00 100\n2026-01-02T00:00 110")
    days = day_rows(book, None, date(2026, 1, 1), date(2026, 1, 2), known_at=known)
    assert tuple(days.columns) == DAY_COLUMNS == tuple(PERFORMANCE_HISTORY.schema.names)
    (row,) = days.to_dict("records")
    assert (row["user"], row["day"], row["currency"]) == ("alice", date(2026, 1, 1), "USD")
    assert row["known_at"] == pd.Timestamp(known)


def test_users_are_kept_apart() -> None:
    book = pd.concat(
        [
            snapshots("2026-01-01T00:00 100\n2026-01-02T00:00 110"),
            snapshots("2026-01-01T00:00 100\n2026-01-02T00:00 50", user="bob"),
        ]
    )
    days = days_of(book, cash_flows("2026-01-01T12:00 -50", user="bob"), since="2026-01-01", until="2026-01-02")
    assert days["user"].tolist() == ["alice", "bob"]
    assert days["pnl"].tolist() == [10.0, 0.0]


# ---------------------------------------------------------------- edges


def test_incomplete_snapshot_is_counted_but_never_valued() -> None:
    book = snapshots("""
        2026-01-01T00:00   100
        2026-01-01T12:00   partial
        2026-01-02T00:00   110
    """)
    (row,) = days_of(book, since="2026-01-01", until="2026-01-02").to_dict("records")
    assert (row["snapshots_complete"], row["snapshots_taken"]) == (1, 2)
    assert row["day_return"] == pytest.approx(0.10)


def test_day_without_a_snapshot_is_unknown_and_the_next_day_holds_it() -> None:
    book = snapshots("""
        2026-01-01T00:00   100
        2026-01-02T00:00   100
        2026-01-04T00:00   120
    """)
    flows = cash_flows("2026-01-02T12:00 10")
    days = days_of(book, flows, since="2026-01-01", until="2026-01-04")
    assert days["cash_flow"].tolist() == [0.0, 0.0, 10.0]
    assert days["pnl"].isna().tolist() == [False, True, False]
    assert days["day_return"].isna().tolist() == [False, True, False]
    assert days["estimated"].tolist() == [True, True, True]
    assert days["pnl"].sum() == 120 - 100 - 10
    assert days["day_return"].iloc[2] == pytest.approx(10 / (100 + 0.75 * 10))


def test_history_begins_inside_a_day() -> None:
    book = snapshots("2026-01-02T06:00 100\n2026-01-03T00:00 110", interval=DAY)
    days = days_of(book, since="2026-01-01", until="2026-01-03")
    (row,) = days.to_dict("records")
    assert (row["day"], row["opening_equity"], row["pnl"]) == (date(2026, 1, 2), 100.0, 10.0)
    assert row["estimated"]


def test_day_with_only_its_first_snapshot_has_no_return() -> None:
    days = days_of(snapshots("2026-01-01T06:00 100"), since="2026-01-01", until="2026-01-02")
    assert days[["pnl", "day_return"]].isna().all(axis=None)
    assert days["closing_equity"].tolist() == [100.0]


def test_no_complete_snapshot_at_all() -> None:
    days = days_of(snapshots("2026-01-01T06:00 failed"), since="2026-01-01", until="2026-01-02")
    assert tuple(days.columns) == DAY_COLUMNS
    assert days.empty
    assert daily_returns(days).empty


def test_flow_of_unknown_value_makes_the_day_unknown_not_flat() -> None:
    book = snapshots("2026-01-01T00:00 100\n2026-01-02T00:00 200\n2026-01-03T00:00 220")
    days = days_of(book, cash_flows("2026-01-01T12:00 ?"), since="2026-01-01", until="2026-01-03")
    assert days["day_return"].isna().tolist() == [True, False]
    assert days["pnl"].isna().tolist() == [True, False]
    assert days["cash_flow"].isna().tolist() == [True, False]


@pytest.mark.parametrize("opening", [0.0, -10.0])
def test_no_money_at_work_breaks_the_chain(opening: float) -> None:
    book = snapshots(f"2026-01-01T00:00 {opening}\n2026-01-02T00:00 100\n2026-01-03T00:00 110")
    days = days_of(book, since="2026-01-01", until="2026-01-03")
    assert days["day_return"].isna().tolist() == [True, False]
    assert days["pnl"].tolist() == [100.0 - opening, 10.0]


@pytest.mark.parametrize(
    ("closing", "flow_at", "flow", "estimated"),
    [
        ("2026-01-01T00:02:00", "2026-01-01T00:00:50", 5, False),  # two intervals, small flow
        ("2026-01-01T00:02:01", "2026-01-01T00:00:50", 5, True),  # the gap is too long
        ("2026-01-01T00:01:59", "2026-01-01T00:00:50", 10, True),  # large, next snapshot 69 s away
        ("2026-01-01T00:01:50", "2026-01-01T00:00:55", 10, False),  # large, both within 60 s
        ("2026-01-01T00:01:59", "2026-01-01T00:00:50", -10, True),  # a large one out
    ],
)
def test_estimated(closing: str, flow_at: str, flow: float, *, estimated: bool) -> None:
    book = snapshots(f"2026-01-01T00:00 100\n{closing} 100")
    gaps = snapshot_returns(book, cash_flows(f"{flow_at} {flow}"))
    assert gaps["estimated"].tolist() == [estimated]


def test_flows_outside_the_snapshots_wait_or_are_inside_the_first() -> None:
    book = snapshots("2026-01-01T00:00 100\n2026-01-02T00:00 110")
    flows = cash_flows("2025-12-31T00:00 100\n2026-01-01T00:00 5\n2026-01-02T00:01 7")
    assert snapshot_returns(book, flows)["cash_flow"].tolist() == [0.0]


def test_flow_is_placed_by_the_answers_not_by_the_slot() -> None:
    book = snapshots("2026-01-01T00:00 100\n2026-01-01T00:01 150\n2026-01-01T00:02 150")
    book["at"] = book["slot"] + pd.Timedelta(seconds=5)
    gaps = snapshot_returns(book, cash_flows("2026-01-01T00:01:03 50"))
    assert gaps["gap_return"].tolist() == pytest.approx([0.0, 0.0])


def test_running_day_is_measured_at_the_moment_it_has_reached() -> None:
    book = snapshots("2026-01-01T00:00 100\n2026-01-01T00:01 101")
    now = datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    (row,) = day_rows(book, None, date(2026, 1, 1), date(2026, 1, 2), as_of=now).to_dict("records")
    assert not row["estimated"]
    (row,) = day_rows(book, None, date(2026, 1, 1), date(2026, 1, 2)).to_dict("records")
    assert row["estimated"]


def test_linking() -> None:
    returns = pd.Series([0.1, math.nan, -0.5])
    assert twr(returns) == pytest.approx(-0.45)
    assert math.isnan(twr(pd.Series([math.nan])))
    assert math.isnan(twr(pd.Series([], dtype="float64")))
    index = twr_index(returns).tolist()
    assert index[0] == pytest.approx(1.1)
    assert math.isnan(index[1])
    assert index[2] == pytest.approx(0.55)


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    days = days_of(every_six_hours(days=40), since="2026-01-01", until="2026-02-10")
    weeks, months = period_rows(days, "W"), period_rows(days, "M")
    assert weeks.index[0] == pd.Timestamp("2025-12-29", tz="UTC")
    assert weeks["days"].tolist()[:2] == [4, 7]
    assert [str(start.date()) for start in months.index] == ["2026-01-01", "2026-02-01"]


def test_unknown_period() -> None:
    days = days_of(every_six_hours(days=2), since="2026-01-01", until="2026-01-03")
    with pytest.raises(BadInputError, match="use 'D', 'W', 'M' or 'Y'"):
        period_rows(days, "Q")


def test_broken_day_breaks_its_month_but_a_day_without_snapshots_does_not() -> None:
    book = snapshots("2026-01-01T00:00 100\n2026-01-02T00:00 110\n2026-01-04T00:00 121")
    whole = period_rows(days_of(book, since="2026-01-01", until="2026-01-04"), "M")
    assert whole["period_return"].tolist() == pytest.approx([0.21])
    assert whole["pnl"].tolist() == [21.0]
    flows = cash_flows("2026-01-01T12:00 ?")
    broken = period_rows(days_of(book, flows, since="2026-01-01", until="2026-01-04"), "M")
    assert broken[["period_return", "pnl", "cash_flow"]].isna().all(axis=None)


# ---------------------------------------------------------------- laws


def every_six_hours(*, days: int, seed: int = 7) -> pd.DataFrame:
    slots = pd.date_range("2026-01-01", periods=days * 4 + 1, freq="6h", tz="UTC", unit="us")
    equity = 1000 * np.cumprod(1 + np.random.default_rng(seed).normal(0, 0.01, len(slots)))
    book = snapshots("2026-01-01T00:00 1\n" * len(slots), interval=21_600)
    return book.assign(slot=slots, equity=equity)


growth = st.lists(st.floats(min_value=-0.2, max_value=0.2), min_size=1, max_size=12)
deposits = st.lists(st.floats(min_value=-300, max_value=5_000), min_size=12, max_size=12)


@given(growth, deposits)
def test_deposit_of_any_size_does_not_move_the_return(rates: list[float], flows: list[float]) -> None:
    equity, rows, moved = 10_000.0, ["2026-01-01T00:00 10000"], []
    for hour, (rate, flow) in enumerate(zip(rates, flows, strict=False), start=1):
        equity = equity * (1 + rate) + flow
        rows.append(f"2026-01-01T{hour:02}:00 {equity!r}")
        moved.append(f"2026-01-01T{hour:02}:00 {flow!r}")
    gaps = snapshot_returns(snapshots("\n".join(rows)), cash_flows("\n".join(moved)))
    # 1e-9: the flow is subtracted from an equity up to 1e5 times the return that is left.
    assert gaps["gap_return"].tolist() == pytest.approx(rates, abs=1e-9)


@given(st.floats(min_value=1e-3, max_value=1e6))
def test_scaling_every_amount_does_not_move_a_return(scale: float) -> None:
    book = every_six_hours(days=2)
    flows = cash_flows("2026-01-01T03:00 100\n2026-01-02T01:00 -50")
    small = days_of(book, flows, since="2026-01-01", until="2026-01-03")
    large = days_of(
        book.assign(equity=book["equity"] * scale),
        flows.assign(value=flows["value"] * scale),
        since="2026-01-01",
        until="2026-01-03",
    )
    assert large["day_return"].tolist() == pytest.approx(small["day_return"].tolist(), rel=1e-9)
    assert large["pnl"].tolist() == pytest.approx((small["pnl"] * scale).tolist(), rel=1e-9)


def test_splitting_a_period_does_not_move_its_return() -> None:
    book = every_six_hours(days=30)
    coarse = book.iloc[::4]
    fine = days_of(book, since="2026-01-01", until="2026-01-31")["day_return"]
    assert fine.tolist() == pytest.approx(
        days_of(coarse, since="2026-01-01", until="2026-01-31")["day_return"].tolist(), abs=1e-12
    )


def test_days_add_up_to_weeks_and_months_exactly() -> None:
    book = every_six_hours(days=90)
    flows = cash_flows("2026-01-10T01:00 500\n2026-02-03T05:00 -200\n2026-03-01T00:00 40")
    days = days_of(book, flows, since="2026-01-01", until="2026-04-01")
    months = period_rows(days, "M")
    for start, month in months.iterrows():
        inside = days[[(day.year, day.month) == (start.year, start.month) for day in days["day"]]]
        assert month["pnl"] == math.fsum(inside["pnl"])
        assert month["period_return"] == twr(inside["day_return"])
        assert month["closing_equity"] - month["opening_equity"] - month["cash_flow"] == pytest.approx(month["pnl"])
    for rows in (months, period_rows(days, "W")):
        assert math.fsum(rows["pnl"]) == pytest.approx(math.fsum(days["pnl"]), rel=1e-13)
    assert np.prod(1 + months["period_return"]) - 1 == pytest.approx(twr(daily_returns(days)), rel=1e-12)


def test_closing_days_one_by_one_gives_the_same_as_all_at_once() -> None:
    book, flows = every_six_hours(days=5), cash_flows("2026-01-03T04:00 100")
    at_once = days_of(book, flows, since="2026-01-01", until="2026-01-06")
    singly = pd.concat(
        [days_of(book, flows, since=f"2026-01-0{day}", until=f"2026-01-0{day + 1}") for day in range(1, 6)],
        ignore_index=True,
    )
    pd.testing.assert_frame_equal(at_once, singly)


# ---------------------------------------------------------------- zones and years


def hourly(hours: int, *, since: str = "2026-03-27T00:00:00") -> pd.DataFrame:
    slots = pd.date_range(since, periods=hours + 1, freq="h")
    return snapshots(
        "\n".join(f"{slot:%Y-%m-%dT%H:%M:%S} {1000.0 + hour}" for hour, slot in enumerate(slots)), interval=3600
    )


def test_a_day_of_another_zone_has_the_hours_that_its_clocks_show() -> None:
    # Zurich's clocks skip an hour on 2026-03-29: 23 hours at 1 an hour.
    days = day_rows(hourly(24 * 5), None, date(2026, 3, 28), date(2026, 3, 31), zone="Europe/Zurich")
    assert days["pnl"].tolist() == [24.0, 23.0, 24.0]
    assert days["day"].tolist() == [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30)]


@pytest.mark.parametrize("zone", ["UTC", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"])
def test_days_of_any_zone_add_up_to_the_same_whole(zone: str) -> None:
    book = hourly(24 * 6)
    days = day_rows(book, None, date(2026, 3, 26), date(2026, 4, 3), zone=zone)
    assert days["pnl"].sum() == 144.0
    assert twr(days["day_return"]) == pytest.approx(1144 / 1000 - 1, abs=1e-12)


def test_a_zone_that_does_not_exist_is_refused_with_a_remedy() -> None:
    with pytest.raises(BadInputError, match="no time zone 'Mars/Olympus': use an IANA name"):
        day_rows(hourly(3), None, date(2026, 3, 27), date(2026, 3, 28), zone="Mars/Olympus")


def test_years_are_gathered_from_days() -> None:
    book = snapshots("2025-12-31T00:00 100\n2026-01-01T00:00 110\n2026-01-02T00:00 121", interval=DAY)
    years = period_rows(days_of(book, since="2025-12-31", until="2026-01-02"), "Y")
    assert years["pnl"].tolist() == [10.0, 11.0]
    assert years.index.year.tolist() == [2025, 2026]
    assert years["period_return"].tolist() == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("value", [-1.5, math.inf, -math.inf])
def test_nothing_is_linked_through_zero(value: float) -> None:
    # Two losses of 150 % would make a "gain" of 50 % of what was lost.
    returns = pd.Series([0.1, value, value, 0.2])
    assert math.isnan(twr(returns))
    assert twr_index(returns).notna().tolist() == [True, False, False, False]
