"""What a series of returns leaves behind: sums of which every figure is made.

Three ways lead to them, all equal: blocks of rows in numpy (`blocks`, the reference), a compiled
kernel (`kernel`), and a running state that takes one day more (`running`). The figures are made
of the sums in one place only, here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from portfolio_lab.engines import sharpe, tail
from portfolio_lab.engines.constitution import MINIMUM_CAGR_DAYS, MINIMUM_DAYS, OF_RETURNS

_DAYS_A_YEAR = 365
# Below this share of the mean, dispersion is what rounding leaves of equal returns.
ROUNDING = 1e-12
_ESTIMATES = tuple(figure.name for figure in OF_RETURNS if figure.minimum.startswith(str(MINIMUM_DAYS)))
_PATH = (
    *("total_return", "cagr", "max_drawdown", "calmar", "ulcer_index", "pain_index", "average_drawdown"),
    *("longest_drawdown", "time_under_water", "recovery_factor"),
)


@dataclass(frozen=True, slots=True)
class Sums:
    """One float64 a portfolio in each field, over its known returns x; `depth` is the drawdown, <= 0."""

    days: np.ndarray
    elapsed: np.ndarray  # periods from the first known return to the last, both included
    mean: np.ndarray
    second: np.ndarray  # sums of (x - mean) ^ k
    third: np.ndarray
    fourth: np.ndarray
    shortfall_squares: np.ndarray  # of what is missing to the risk-free return
    above: np.ndarray  # what is above the risk-free return, and what is missing to it
    below: np.ndarray
    gains: np.ndarray
    losses: np.ndarray  # >= 0
    wins: np.ndarray
    best: np.ndarray
    worst: np.ndarray
    wealth: np.ndarray  # what 1 has become
    deepest: np.ndarray
    depth_sum: np.ndarray  # over days
    depth_squares: np.ndarray
    under: np.ndarray  # days below a peak
    falls: np.ndarray  # drawdowns, an open one included, and the sum of their depths
    fall_depths: np.ndarray
    longest: np.ndarray  # periods
    win_streak: np.ndarray
    loss_streak: np.ndarray
    low: np.ndarray  # the quantiles of both tails, and the mean at or below the lower one
    high: np.ndarray
    low_mean: np.ndarray


FIELDS = tuple(field.name for field in fields(Sums))
"""The order of the columns in which the kernel writes them."""

Figures = dict[str, np.ndarray]


def figures(
    sums: Sums,
    periods: float,
    rate: float,
    *,
    minimum_days: int = MINIMUM_DAYS,
    minimum_cagr_days: float = MINIMUM_CAGR_DAYS,
) -> Figures:
    """Every figure of `constitution.OF_RETURNS` that needs no dates, one value a portfolio, NaN where unknown.

    Args:
        sums: of the portfolios.
        periods: a year.
        rate: risk-free, of one period; the same that the sums were made with.
        minimum_days: fewer known returns hide the estimates.
        minimum_cagr_days: fewer elapsed days hide what is raised to a year.
    """
    with np.errstate(all="ignore"):
        found = _observed(sums) | _moments(sums, periods, rate) | _path(sums, periods) | _tails(sums)
        found |= _confidence(found, sums, periods)
        _hide(found, sums, minimum_days, minimum_cagr_days * periods / _DAYS_A_YEAR)
    table = np.stack(list(found.values()))  # one call for all of them: few portfolios spend more on calls than on sums
    return dict(zip(found, np.where(np.isfinite(table), table, np.nan), strict=True))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient where the divisor is positive and the result finite, else NaN."""
    with np.errstate(all="ignore"):
        quotient = above / below
    return np.where((below > 0) & np.isfinite(quotient), quotient, np.nan)


def deviation(second: np.ndarray, count: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sample standard deviation; 0 where it is only rounding, NaN below two values."""
    with np.errstate(all="ignore"):
        root = np.sqrt(second / (count - 1))
    root = np.where(root > ROUNDING * np.abs(mean), root, 0.0)
    return np.where(count > 1, root, np.nan)


def _observed(sums: Sums) -> Figures:
    return {
        "days": sums.days,
        "mean_day": sums.mean,
        "best_day": sums.best,
        "worst_day": sums.worst,
        "win_rate": ratio(sums.wins, sums.days),
        "profit_factor": ratio(sums.gains, sums.losses),
        "longest_win_streak": sums.win_streak,
        "longest_loss_streak": sums.loss_streak,
    }


def _moments(sums: Sums, periods: float, rate: float) -> Figures:
    spread = deviation(sums.second, sums.days, sums.mean)
    variance = np.where(spread > 0, sums.second / sums.days, np.nan)
    excess, year = sums.mean - rate, np.sqrt(periods)
    return {
        "volatility": spread * year,
        "sharpe": ratio(excess, spread) * year,
        "sortino": ratio(excess, np.sqrt(sums.shortfall_squares / sums.days)) * year,
        "omega": ratio(sums.above, sums.below),
        "skew": sums.third / sums.days / variance**1.5,
        "kurtosis": sums.fourth / sums.days / variance**2 - 3.0,
    }


def _path(sums: Sums, periods: float) -> Figures:
    years = sums.elapsed / periods
    total = sums.wealth - 1.0
    cagr = np.where(sums.wealth >= 0, np.abs(sums.wealth) ** (1.0 / years), np.nan) - 1.0
    return {
        "total_return": total,
        "cagr": cagr,
        "max_drawdown": sums.deepest,
        "calmar": ratio(cagr, -sums.deepest),
        "ulcer_index": np.sqrt(sums.depth_squares / sums.days),
        "pain_index": np.abs(sums.depth_sum / sums.days),
        "average_drawdown": -ratio(-sums.fall_depths, sums.falls),
        "longest_drawdown": sums.longest,
        "time_under_water": ratio(sums.under, sums.days),
        "recovery_factor": ratio(total, -sums.deepest),
    }


def _tails(sums: Sums) -> Figures:
    return {
        "value_at_risk": sums.low,
        "expected_shortfall": sums.low_mean,
        "tail_ratio": np.where(sums.high > 0, ratio(sums.high, -sums.low), np.nan),
    }


def _confidence(found: Figures, sums: Sums, periods: float) -> Figures:
    """Make what stands on skew and kurtosis."""
    year = np.sqrt(periods)
    each = found["sharpe"] / year
    skew, kurtosis = found["skew"], found["kurtosis"]
    error = sharpe.standard_error(each, sums.days, skew=skew, kurtosis=kurtosis)
    spread = np.sqrt(sums.second / sums.days)
    return {
        "sharpe_low": (each - sharpe.WIDTH * error) * year,
        "sharpe_high": (each + sharpe.WIDTH * error) * year,
        "probabilistic_sharpe": sharpe.normal_share(each / error),
        "cornish_fisher_var": tail.cornish_fisher(sums.mean, spread, skew, kurtosis),
        "cornish_fisher_shortfall": tail.cornish_fisher_shortfall(sums.mean, spread, skew, kurtosis),
    }


def _hide(found: Figures, sums: Sums, minimum_days: int, minimum_periods: float) -> None:
    """Make unknown what is too little, and whatever has no known day at all or an index through zero."""
    rules = (
        (sums.days < 1, found.keys() - {"days"}),
        (sums.days < minimum_days, _ESTIMATES),
        ((sums.worst < -1.0) | ~np.isfinite(sums.wealth), _PATH),
        (~(sums.elapsed >= minimum_periods - ROUNDING), ("cagr", "calmar")),
    )
    for hidden, names in rules:
        if hidden.any():
            found.update({name: np.where(hidden, np.nan, found[name]) for name in names})
