"""How sure a Sharpe ratio is: published examples, and Lo's case."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.sharpe import (
    deflated_sharpe,
    highest_by_luck,
    normal_share,
    probabilistic_sharpe,
    standard_error,
)
from portfolio_lab.errors import BadInputError


def test_published_example_of_the_probabilistic_ratio() -> None:
    # Two years of months, ratio 0.458 a month, skew -2.448, kurtosis 10.164: 98.2 % if normal, 91.3 % as it is.
    assert probabilistic_sharpe(0.458, 24, skew=0.0, kurtosis=0.0) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(0.458, 24, skew=-2.448, kurtosis=7.164) == pytest.approx(0.913, abs=5e-4)


def test_published_example_of_the_deflated_ratio() -> None:
    # 5 years of 250 days, 2.5 a year, skew -3, kurtosis 10, the best of 100 trials with a variance of 1/2 a year.
    assert highest_by_luck(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(2.5 / math.sqrt(250), 1250, skew=-3.0, kurtosis=7.0, trials=100, variance=0.5 / 250)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_normal_returns_have_the_error_of_lo() -> None:
    # Lo: sqrt((1 + s^2 / 2) / n); ours divides by n - 1.
    for each, days in ((0.0, 61), (0.2, 37), (-0.4, 500)):
        lo = math.sqrt((1 + each**2 / 2) / days)
        assert standard_error(each, days) == pytest.approx(lo * math.sqrt(days / (days - 1)), rel=1e-14)


def test_the_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    true = 0.1
    rows = np.random.default_rng(4).normal(true, 1.0, (4000, 250)) * 0.01
    found = metrics(rows)
    inside = (found["sharpe_low"] <= true * math.sqrt(365)) & (true * math.sqrt(365) <= found["sharpe_high"])
    assert inside.mean() == pytest.approx(0.95, abs=0.015)


def test_figures_and_functions_agree() -> None:
    returns = pd.Series(np.random.default_rng(2).standard_t(5, 300) * 0.01)
    found = metrics(returns)
    chance = probabilistic_sharpe(found["sharpe"] / math.sqrt(365), 300, skew=found["skew"], kurtosis=found["kurtosis"])
    assert found["probabilistic_sharpe"] == pytest.approx(float(chance), rel=1e-14)
    assert found["sharpe_low"] < found["sharpe"] < found["sharpe_high"]


def test_normal_share() -> None:
    assert normal_share(np.array([0.0, 1.959963984540054, math.nan])) == pytest.approx(
        [0.5, 0.975, math.nan], nan_ok=True
    )


@pytest.mark.parametrize(("trials", "variance"), [(1, 0.1), (0, 0.1), (10, -0.1), (10, math.nan)])
def test_a_search_of_nothing_is_refused(trials: int, variance: float) -> None:
    with pytest.raises(BadInputError, match="at least 2"):
        highest_by_luck(trials, variance)
