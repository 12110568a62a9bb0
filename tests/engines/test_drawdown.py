"""Drawdown: by hand, edges, laws."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.drawdown import COLUMNS, drawdown, drawdowns
from portfolio_lab.engines.performance import metrics
from portfolio_lab.errors import ReturnsError


def test_fall_and_recovery() -> None:
    found = drawdown(pd.Series([0.1, -0.5, 0.5, 1.0]))
    assert found.tolist() == pytest.approx([0.0, -0.5, -0.25, 0.0])
    assert found.name == "drawdown"


def test_loss_on_the_first_day_counts() -> None:
    assert drawdown(pd.Series([-0.2, 0.1])).tolist() == pytest.approx([-0.2, -0.12])


def test_unknown_day_is_unknown_and_the_next_goes_on() -> None:
    found = drawdown(pd.Series([math.nan, -0.1, math.nan, 0.05])).tolist()
    assert [math.isnan(value) for value in found] == [True, False, True, False]
    assert found[1] == pytest.approx(-0.1)
    assert found[3] == pytest.approx(0.9 * 1.05 - 1)


@pytest.mark.parametrize("value", [-1.5, math.inf, -math.inf])
def test_the_index_ends_where_it_has_no_meaning(value: float) -> None:
    found = drawdown(pd.Series([0.1, -0.5, value, 0.2]))
    assert found.iloc[:2].tolist() == pytest.approx([0.0, -0.5])
    assert found.iloc[2:].isna().all()


def test_dated_returns_may_come_in_any_order() -> None:
    ordered = pd.Series([0.1, -0.5, 0.2, math.nan, 0.1], pd.date_range("2026-01-01", periods=5))
    shuffled = ordered.iloc[[3, 0, 4, 2, 1]]
    pd.testing.assert_series_equal(drawdown(shuffled), drawdown(ordered).iloc[[3, 0, 4, 2, 1]], check_freq=False)


def test_nothing() -> None:
    assert drawdown(pd.Series([], dtype="float64")).empty


@given(st.lists(st.floats(min_value=-0.9, max_value=2.0), min_size=1, max_size=60))
def test_never_above_zero_never_below_a_total_loss(returns: list[float]) -> None:
    found = drawdown(pd.Series(returns))
    assert (found <= 0).all()
    assert (found >= -1).all()


# ---------------------------------------------------------------- the table


def test_table_by_hand() -> None:
    # Index 1.1, 0.99, 1.045, 1.1, 1.2, 0.6, 0.9: -10 % for two days and back on the third; then -50 %, still open.
    dates = pd.date_range("2026-01-01", periods=7)
    index = [1.1, 0.99, 1.045, 1.1001, 1.2, 0.6, 0.9]
    returns = pd.Series([now / before - 1 for before, now in zip([1.0, *index], index, strict=False)], dates)
    found = drawdowns(returns)
    assert list(found.columns) == list(COLUMNS)
    deep, shallow = found.iloc[0], found.iloc[1]
    assert (deep["start"], deep["valley"], deep["is_open"]) == (dates[5], dates[5], True)
    assert pd.isna(deep["recovery"])
    assert (deep["length"], deep["to_valley"], deep["depth"]) == (2, 1, pytest.approx(-0.5))
    assert (shallow["start"], shallow["valley"], shallow["recovery"]) == (dates[1], dates[1], dates[3])
    assert (shallow["length"], shallow["depth"], shallow["is_open"]) == (3, pytest.approx(-0.1), False)


def test_table_of_a_loss_on_the_first_day_begins_before_it() -> None:
    found = drawdowns(pd.Series([math.nan, -0.1, 0.2]))
    assert found[["start", "valley", "recovery", "length"]].to_numpy().tolist() == [[1, 1, 2, 2]]


def test_table_counts_unknown_days_as_time() -> None:
    found = drawdowns(pd.Series([0.1, -0.1, math.nan, math.nan, 0.2]))
    assert found["length"].tolist() == [4]


def test_table_of_nothing() -> None:
    for returns in ([], [math.nan], [0.1, 0.0]):
        assert drawdowns(pd.Series(returns, dtype="float64")).empty


@pytest.mark.parametrize("value", [math.inf, -1.5])
def test_table_refuses_what_has_no_index(value: float) -> None:
    with pytest.raises(ReturnsError):
        drawdowns(pd.Series([0.1, value, 0.1]))


@given(st.lists(st.floats(min_value=-0.9, max_value=2.0), min_size=1, max_size=60))
def test_table_and_figures_tell_the_same(returns: list[float]) -> None:
    series = pd.Series(returns)
    table, found = drawdowns(series), metrics(series, minimum_days=1)
    assert (table["depth"].min() if len(table) else 0.0) == pytest.approx(found["max_drawdown"], rel=1e-12)
    assert (table["length"].max() if len(table) else 0.0) == found["longest_drawdown"]
    if len(table):
        assert table["depth"].mean() == pytest.approx(found["average_drawdown"], rel=1e-12)
    assert table["is_open"].sum() <= 1
