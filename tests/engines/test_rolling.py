"""Windows: each is what the whole history of that window would be; old shocks leave nothing behind."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.relative import relative
from portfolio_lab.engines.rolling import rolling
from portfolio_lab.errors import ReturnsError

DATES = pd.date_range("2025-01-01", periods=150)
CHANCE = np.random.default_rng(12)
RETURNS = pd.Series(CHANCE.standard_t(4, 150) * 0.02, DATES)
BENCHMARK = pd.Series(CHANCE.standard_t(4, 150) * 0.02, DATES) + 0.3 * RETURNS


@pytest.mark.parametrize("window", [2, 7, 30, 31, 149, 150, 400])
@pytest.mark.parametrize("rate", [0.0, 0.08])
def test_each_window_is_a_history_of_its_own(window: int, rate: float) -> None:
    holed = RETURNS.where(CHANCE.random(150) > 0.1)
    found = rolling(holed, window, BENCHMARK, minimum_days=2, risk_free=rate)
    for end in (0, 5, 29, 60, 61, 100, 149):
        inside = slice(max(0, end - window + 1), end + 1)
        alone = metrics(holed.iloc[inside], risk_free=rate, minimum_days=2)
        for name in ("volatility", "sharpe", "sortino"):
            assert found[name].iloc[end] == pytest.approx(alone[name], rel=1e-10, nan_ok=True), (name, end)
        if holed.iloc[inside].count() > 1:
            beside = relative(holed.iloc[inside], BENCHMARK.iloc[inside], minimum_days=2)
            for name in ("beta", "correlation"):
                assert found[name].iloc[end] == pytest.approx(beside[name], rel=1e-10, nan_ok=True), (name, end)


def test_an_old_crash_leaves_no_rounding_behind() -> None:
    quiet = np.random.default_rng(3).normal(0, 1e-7, 400)
    crash = quiet.copy()
    crash[20] = 1e6
    found, expected = rolling(pd.Series(crash), 30), rolling(pd.Series(quiet), 30)
    after = slice(90, None)
    np.testing.assert_allclose(found.iloc[after], expected.iloc[after], rtol=1e-12)


def test_fewer_known_days_than_the_minimum() -> None:
    found = rolling(RETURNS, 30)
    assert found.iloc[:29].isna().all().all()
    assert found.iloc[29:].notna().all().all()
    assert list(found.columns) == ["volatility", "sharpe", "sortino"]
    holed = RETURNS.copy()
    holed.iloc[50] = math.nan
    assert rolling(holed, 30)["sharpe"].isna().sum() == 29 + 30


def test_absent_days_have_a_row_and_equal_returns_no_ratio() -> None:
    assert len(rolling(RETURNS.drop(DATES[40:45]), 30)) == 150
    still = rolling(pd.Series(0.001, DATES), 30, BENCHMARK)
    assert (still["volatility"].iloc[29:] == 0).all()
    assert still[["sharpe", "sortino", "correlation"]].isna().all().all()
    assert still["beta"].iloc[29:].to_numpy() == pytest.approx(0, abs=1e-12)


def test_empty_and_infinite_and_a_window_too_short() -> None:
    assert rolling(pd.Series([], dtype="float64"), 30).empty
    with pytest.raises(ReturnsError, match="infinite"):
        rolling(pd.Series([0.1, math.inf]), 30)
    with pytest.raises(ReturnsError, match="lower minimum_days"):
        rolling(RETURNS, 7)
    with pytest.raises(ReturnsError, match="window of 1"):
        rolling(RETURNS, 1, minimum_days=1)
