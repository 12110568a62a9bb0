"""How sure a Sharpe ratio is: its error, the chance that it is above another, and what search takes off it.

All ratios here are of one period, not annualised: divide an annual one by sqrt(periods).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from portfolio_lab.engines.constitution import CONFIDENCE, Constitution
from portfolio_lab.errors import BadInputError

WIDTH = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
"""Standard errors on either side of the ratio that the interval reaches."""

_EULER = 0.5772156649015329
_ERF = np.frompyfunc(math.erf, 1, 1)
_Number = float | np.ndarray

DEFLATED = Constitution(
    name="deflated_sharpe",
    title="Chance that the Sharpe ratio is not luck of the search",
    symbol="DSR",
    unit="probability",
    formula="probabilistic Sharpe ratio against the highest ratio that so many trials without any skill would show: "
    "sqrt(variance of the trials' ratios) x ((1 - c) z(1 - 1 / N) + c z(1 - 1 / (N e))), c = 0.5772",
    unknown_when="no dispersion, fewer than 2 trials are refused",
    source="Bailey and López de Prado 2014; the number of trials must be told, it cannot be seen in the returns",
    minimum="2 known days; the dashboard asks for 30",
    ddof=1,
)
"""Of the one figure that is not of a series alone."""


def standard_error(ratio: _Number, days: _Number, *, skew: _Number = 0.0, kurtosis: _Number = 0.0) -> np.ndarray:
    """Standard error of a Sharpe ratio of one period; NaN below two days.

        sqrt((1 - skew s + (kurtosis + 2) / 4 s^2) / (n - 1))

    With a skew and an excess kurtosis of 0 (the normal case) it is Lo's, but for n - 1.

    >>> float(standard_error(0.1, 101).round(6))
    0.10025
    """
    each = np.asarray(ratio, dtype="float64")
    count = np.asarray(days, dtype="float64")
    with np.errstate(all="ignore"):
        variance = (1.0 - skew * each + (np.asarray(kurtosis) + 2.0) / 4.0 * each**2) / (count - 1.0)
        return np.where(count > 1, np.sqrt(variance), np.nan)


def probabilistic_sharpe(
    ratio: _Number, days: _Number, *, skew: _Number, kurtosis: _Number, against: _Number = 0.0
) -> np.ndarray:
    """Chance that the true ratio is above `against`, both of one period; kurtosis is excess; NaN where unknown."""
    error = standard_error(ratio, days, skew=skew, kurtosis=kurtosis)
    with np.errstate(all="ignore"):
        return normal_share((np.asarray(ratio, dtype="float64") - against) / error)


def highest_by_luck(trials: int, variance: float) -> float:
    """Highest Sharpe ratio to expect of `trials` attempts without skill, whose ratios have this variance.

    Raises:
        BadInputError: fewer than two trials, or a negative variance.

    >>> round(highest_by_luck(100, 0.5 / 250), 4)
    0.1132
    """
    if trials < 2 or not variance >= 0:  # noqa: PLR2004 - one trial is no search
        raise BadInputError(
            f"{trials} trials with a variance of {variance}: give at least 2 and a variance that is not negative; "
            "with one trial use probabilistic_sharpe"
        )
    upper = NormalDist().inv_cdf
    blend = (1.0 - _EULER) * upper(1.0 - 1.0 / trials) + _EULER * upper(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * blend


def deflated_sharpe(
    ratio: _Number, days: _Number, *, skew: _Number, kurtosis: _Number, trials: int, variance: float
) -> np.ndarray:
    """Chance that a ratio, the best of `trials`, is above what luck alone would show; ratios of one period.

    Args:
        ratio: of the chosen series.
        days: known returns in it.
        skew: of it.
        kurtosis: excess, of it.
        trials: independent attempts that it was chosen from.
        variance: of the Sharpe ratios of all attempts.

    Raises:
        BadInputError: fewer than two trials, or a negative variance.
    """
    luck = highest_by_luck(trials, variance)
    return probabilistic_sharpe(ratio, days, skew=skew, kurtosis=kurtosis, against=luck)


def normal_share(standard: _Number) -> np.ndarray:
    """Share of a normal distribution below so many standard deviations; NaN stays NaN."""
    scaled = np.asarray(standard, dtype="float64") / math.sqrt(2.0)
    return np.asarray(0.5 * (1.0 + np.asarray(_ERF(scaled), dtype="float64")))
