"""Weights are signed and sum to exactly 1."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portfolio_lab.engines.allocation import weights


def test_debt_is_a_negative_weight() -> None:
    found = weights(pd.Series({"BTC": 150.0, "USDT": 100.0, "ETH": -50.0}))
    assert found.to_dict() == {"BTC": 0.75, "USDT": 0.5, "ETH": -0.25}
    assert found.name == "weight"


@pytest.mark.parametrize("values", [[], [0.0], [1.0, -1.0], [-5.0, 2.0], [1.0, math.nan]])
def test_share_of_nothing_or_of_the_unknown_is_unknown(values: list[float]) -> None:
    found = weights(pd.Series(values, dtype="float64"))
    assert len(found) == len(values)
    assert found.isna().all()


@given(st.lists(st.floats(min_value=-1e6, max_value=1e9), min_size=1, max_size=30))
def test_weights_sum_to_one(values: list[float]) -> None:
    total = math.fsum(values)
    assume(total > 1e-3)
    found = weights(pd.Series(values))
    # Large weights of both signs leave rounding of their own size.
    assert abs(math.fsum(found) - 1.0) <= 4e-16 * max(1.0, float(found.abs().max()))
    assert found.to_numpy() * total == pytest.approx(values, rel=1e-9, abs=1e-6)
