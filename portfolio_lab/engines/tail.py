"""How bad a bad day is: quantiles and the mean beyond them, as observed and by moments."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from portfolio_lab.engines.constitution import TAIL
from portfolio_lab.errors import BadInputError

_Array = np.ndarray


def value_at_risk(returns: _Array, tail: float = TAIL) -> float:
    """Historical quantile of known returns, linear between neighbours; a fraction, NaN of nothing.

    Raises:
        BadInputError: the tail is not between 0 and 1.

    >>> round(value_at_risk(np.array([-0.06, -0.04, 0.0, 0.01, 0.02]), 0.25), 6)
    -0.04
    """
    _check(tail)
    known = np.asarray(returns, dtype="float64")
    known = known[~np.isnan(known)]
    return float(np.quantile(known, tail)) if len(known) else math.nan


def expected_shortfall(returns: _Array, tail: float = TAIL) -> float:
    """Mean of the known returns at or below `value_at_risk`; a fraction, NaN of nothing."""
    border = value_at_risk(returns, tail)
    known = np.asarray(returns, dtype="float64")
    inside = known[known <= border]
    return float(inside.mean()) if len(inside) else math.nan


def cornish_fisher(mean: _Array, spread: _Array, skew: _Array, kurtosis: _Array, tail: float = TAIL) -> _Array:
    """Value at risk of the normal law bent by skew and kurtosis; a fraction, NaN where the bend turns back.

        z' = z + (z^2 - 1) S / 6 + (z^3 - 3 z) K / 24 - (2 z^3 - 5 z) S^2 / 36

    Args:
        mean: of the returns.
        spread: their standard deviation over n.
        skew: S, the moment.
        kurtosis: K, excess.
        tail: share of days.
    """
    return np.asarray(mean + _bent(skew, kurtosis, tail) * spread)


def cornish_fisher_shortfall(
    mean: _Array, spread: _Array, skew: _Array, kurtosis: _Array, tail: float = TAIL
) -> _Array:
    """Mean of the Edgeworth density below the Cornish-Fisher quantile, never above that; a fraction."""
    bent = _bent(skew, kurtosis, tail)
    square = bent * bent  # products: powers of many numbers take fifty times as long
    density = np.exp(-0.5 * square) / math.sqrt(2.0 * math.pi)
    by_skew = skew / 6.0 * square * bent + skew * skew / 72.0 * (((square - 9.0) * square + 9.0) * square + 3.0)
    by_kurtosis = kurtosis / 24.0 * ((square - 2.0) * square - 1.0)
    beyond = -density / tail * (1.0 + by_skew + by_kurtosis)
    return np.asarray(mean + np.minimum(beyond, bent) * spread)


def _bent(skew: _Array, kurtosis: _Array, tail: float) -> _Array:
    _check(tail)
    z = NormalDist().inv_cdf(tail)
    bent = z + (z**2 - 1) * skew / 6 + (z**3 - 3 * z) * kurtosis / 24 - (2 * z**3 - 5 * z) * skew**2 / 36
    slope = 1 + z * skew / 3 + (z**2 - 1) * kurtosis / 8 - (6 * z**2 - 5) * skew**2 / 36
    return np.asarray(np.where(slope > 0, bent, np.nan))


def _check(tail: float) -> None:
    if not 0 < tail < 1:
        raise BadInputError(f"a tail of {tail} is no share of days: give one between 0 and 1, such as 0.05")
