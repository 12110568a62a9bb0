"""Tails: by hand, against an integral, and where the correction turns back."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from portfolio_lab.engines.tail import cornish_fisher, cornish_fisher_shortfall, expected_shortfall, value_at_risk
from portfolio_lab.errors import BadInputError

ONE, NONE = np.ones(1), np.zeros(1)


def test_quantile_and_mean_beyond_it_by_hand() -> None:
    returns = np.array([0.02, -0.06, math.nan, 0.0, -0.04, 0.01])
    assert value_at_risk(returns, 0.25) == pytest.approx(-0.04)
    assert expected_shortfall(returns, 0.25) == pytest.approx(-0.05)
    assert math.isnan(value_at_risk(np.array([math.nan])))
    assert math.isnan(expected_shortfall(np.array([])))


def test_without_skew_and_kurtosis_it_is_the_normal_law() -> None:
    z = NormalDist().inv_cdf(0.05)
    assert cornish_fisher(NONE, ONE, NONE, NONE) == pytest.approx(z)
    assert cornish_fisher_shortfall(NONE, ONE, NONE, NONE) == pytest.approx(-NormalDist().pdf(z) / 0.05)


@pytest.mark.parametrize(("skew", "kurtosis"), [(-0.5, 1.0), (0.4, 0.5), (-0.2, 2.0)])
def test_shortfall_is_the_integral_of_the_edgeworth_density(skew: float, kurtosis: float) -> None:
    bent = float(cornish_fisher(NONE, ONE, ONE * skew, ONE * kurtosis)[0])
    x = np.linspace(-12, bent, 400_001)
    hermite = (
        1
        + skew / 6 * (x**3 - 3 * x)
        + kurtosis / 24 * (x**4 - 6 * x**2 + 3)
        + skew**2 / 72 * (x**6 - 15 * x**4 + 45 * x**2 - 15)
    )
    whole = np.trapezoid(x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * hermite, x) / 0.05
    found = cornish_fisher_shortfall(NONE, ONE, ONE * skew, ONE * kurtosis)[0]
    assert found == pytest.approx(min(whole, bent), rel=1e-8)


def test_where_the_correction_turns_back_nothing_is_known() -> None:
    assert np.isnan(cornish_fisher(NONE, ONE, ONE * 4.0, ONE * 1.0)).all()
    assert np.isnan(cornish_fisher_shortfall(NONE, ONE, ONE * 4.0, ONE * 1.0)).all()


@pytest.mark.parametrize("tail", [0.0, 1.0, -0.1, math.nan])
def test_a_tail_is_a_share(tail: float) -> None:
    with pytest.raises(BadInputError, match="between 0 and 1"):
        value_at_risk(np.array([0.1]), tail)
