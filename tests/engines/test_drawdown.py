"""Drawdown: by hand, edges, laws."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.drawdown import drawdown


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


def test_nothing() -> None:
    assert drawdown(pd.Series([], dtype="float64")).empty


@given(st.lists(st.floats(min_value=-0.9, max_value=2.0), min_size=1, max_size=60))
def test_never_above_zero_never_below_a_total_loss(returns: list[float]) -> None:
    found = drawdown(pd.Series(returns))
    assert (found <= 0).all()
    assert (found >= -1).all()
