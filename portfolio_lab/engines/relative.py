"""Returns beside those of a benchmark: what moves with it, and what does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from portfolio_lab.engines.blocks import CELLS
from portfolio_lab.engines.constitution import ANNUAL_RATE, MINIMUM_DAYS, NO_RATE, NO_YEAR, YEAR, Constitution
from portfolio_lab.engines.series import DAYS_A_YEAR, Returns, check_finite, day_rate, rows_of
from portfolio_lab.engines.sums import deviation, ratio
from portfolio_lab.errors import ReturnsError


def _compared(name: str, title: str, symbol: str, unit: str, formula: str, unknown_when: str) -> Constitution:
    return Constitution(
        name=name,
        title=title,
        symbol=symbol,
        unit=unit,
        formula=f"{formula}; over days on which both returns are known",
        unknown_when=f"{unknown_when}; no day in common",
        source=_COMPARED_SOURCES[name],
        ddof=1,
        risk_free=ANNUAL_RATE if name in {"alpha", "beta"} else NO_RATE,
        periods=YEAR if unit.endswith("a year") else NO_YEAR,
    )


_COMPARED_SOURCES = {
    "shared_days": "count",
    "beta": "least squares; as empyrical",
    "alpha": "Jensen 1968; geometric, 365; as empyrical at the same periods",
    "correlation": "Pearson",
    "up_capture": "geometric mean a day on both sides; empyrical raises both to a year first",
    "down_capture": "geometric mean a day on both sides; empyrical raises both to a year first",
    "tracking_error": "as PerformanceAnalytics",
    "information_ratio": "arithmetic and annualised; quantstats and empyrical do not annualise, PerformanceAnalytics "
    "has the geometric active return above",
}
_STILL = "a benchmark without dispersion"

OF_BENCHMARK: tuple[Constitution, ...] = (
    _compared("shared_days", "Days compared", "n", "days", "days", "never"),
    _compared(
        "beta", "Beta", "beta", "ratio", "covariance with the benchmark / its variance, of excess returns", _STILL
    ),
    _compared(
        "alpha",
        "Alpha",
        "alpha",
        "fraction a year",
        "(1 + mean excess - beta x mean excess of it) ^ periods - 1",
        _STILL,
    ),
    _compared("correlation", "Correlation", "rho", "ratio", "covariance / both standard deviations", "one is constant"),
    _compared(
        "up_capture",
        "Up capture",
        "",
        "ratio",
        "geometric mean return on days on which the benchmark gained / that of it",
        "it never gained",
    ),
    _compared(
        "down_capture",
        "Down capture",
        "",
        "ratio",
        "geometric mean return on days on which the benchmark lost / that of it",
        "it never lost",
    ),
    _compared(
        "tracking_error",
        "Tracking error",
        "TE",
        "fraction a year",
        "sample standard deviation of (return - benchmark) x sqrt(periods)",
        "",
    ),
    _compared(
        "information_ratio",
        "Information ratio",
        "IR",
        "ratio, a year",
        "mean of (return - benchmark) / its sample standard deviation x sqrt(periods)",
        "no difference in dispersion",
    ),
)
"""Of returns beside those of a benchmark, in the order of `engines.relative.relative`."""

FIGURES: dict[str, str] = {figure.name: figure.definition for figure in OF_BENCHMARK}
"""Every figure that `relative` names, and its definition."""


def relative(
    returns: Returns,
    benchmark: pd.Series | np.ndarray,
    periods_per_year: float = DAYS_A_YEAR,
    risk_free: float = 0.0,
    *,
    minimum_days: int = MINIMUM_DAYS,
) -> pd.Series | pd.DataFrame:
    """The figures named in `FIGURES`, of one series or of many against one benchmark.

    Args:
        returns: as `performance.metrics` takes them.
        benchmark: returns of it, a fraction a period. With dates where `returns` have dates, and then days
            that only one of them has are left out; else of the same length.
        periods_per_year: 365 for daily returns.
        risk_free: annual rate, a fraction.
        minimum_days: fewer days on which both are known make all but their number NaN.

    Returns:
        float64, NaN where unknown: a Series for a Series, else a DataFrame with one row a portfolio.

    Raises:
        ReturnsError: the benchmark shares no day with the returns, is of another length or kind, or what
            `metrics` refuses.
    """
    rows, other, names = paired(returns, benchmark, periods_per_year)
    rate = day_rate(risk_free, periods_per_year)
    height = max(1, CELLS // rows.shape[1])
    parts = [
        _figures(_Shared.of(rows[start : start + height], other), rate, periods_per_year, minimum_days)
        for start in range(0, len(rows), height)
    ]
    found = {name: np.concatenate([part[name] for part in parts]) for name in FIGURES}
    if isinstance(returns, pd.Series):
        return pd.Series({name: float(found[name][0]) for name in FIGURES}, name=returns.name)
    return pd.DataFrame({name: found[name] for name in FIGURES}, index=names)


def _figures(shared: _Shared, rate: float, periods: float, minimum_days: int) -> dict[str, np.ndarray]:
    with np.errstate(all="ignore"):
        found = _slope(shared, rate, periods) | _captures(shared) | _active(shared, periods)
    few = shared.count < max(minimum_days, 1)
    found = {name: np.where(few | ~np.isfinite(values), np.nan, values) for name, values in found.items()}
    return found | {"shared_days": shared.count}


def paired(
    returns: Returns, benchmark: pd.Series | np.ndarray, periods_per_year: float
) -> tuple[np.ndarray, np.ndarray, pd.Index | None]:
    """Rows of returns, the benchmark period by period beside them, and the names of the rows.

    Raises:
        ReturnsError: they cannot be laid beside each other.
    """
    rows, other = rows_of(returns, periods_per_year), rows_of(benchmark, periods_per_year)
    if len(other.returns) != 1:
        raise ReturnsError(f"{len(other.returns)} benchmarks: give one series at a time")
    check_finite(rows.returns, other.returns)
    beside = other.returns[0]
    if (rows.dates is None) != (other.dates is None):
        raise ReturnsError("only one of returns and benchmark has dates: give both of them dates, or neither")
    if rows.zone != other.zone:
        raise ReturnsError(
            f"the returns are of days of {rows.zone}, the benchmark's of {other.zone}: give both for days of one zone"
        )
    if rows.dates is not None and other.dates is not None:
        beside = pd.Series(beside, other.dates).reindex(rows.dates).to_numpy()
    elif len(beside) != rows.returns.shape[1]:
        raise ReturnsError(
            f"{rows.returns.shape[1]} returns and {len(beside)} of the benchmark: give both dates, or one length"
        )
    if not (~np.isnan(rows.returns) & ~np.isnan(beside)).any():
        raise ReturnsError(
            f"the benchmark ({_span(other.dates)}) shares no known day with the returns ({_span(rows.dates)}): "
            "give one that covers their days"
        )
    return rows.returns, beside, rows.names


def _span(dates: pd.DatetimeIndex | None) -> str:
    return f"{dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}" if dates is not None and len(dates) else "without dates"


@dataclass(frozen=True, slots=True)
class _Shared:
    """Both sides on the days on which both are known; 0 on the others."""

    known: np.ndarray
    count: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, benchmark: np.ndarray) -> _Shared:
        known = ~np.isnan(rows) & ~np.isnan(benchmark)
        theirs = np.where(known, benchmark, 0.0)
        return cls(known, known.sum(axis=1).astype("float64"), np.where(known, rows, 0.0), theirs)

    def spread(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean, and distances from it."""
        mean = values.sum(axis=1) / self.count
        return mean, (values - mean[:, None]) * self.known


def _slope(shared: _Shared, rate: float, periods: float) -> dict[str, np.ndarray]:
    mean, ours = shared.spread(shared.ours)
    other_mean, theirs = shared.spread(shared.theirs)
    second, other_second = np.vecdot(ours, ours), np.vecdot(theirs, theirs)
    both = np.vecdot(ours, theirs)
    is_still = ~(deviation(other_second, shared.count, other_mean) > 0)
    beta = np.where(is_still, np.nan, both / other_second)
    is_constant = is_still | ~(deviation(second, shared.count, mean) > 0)
    alpha = mean - rate - beta * (other_mean - rate)
    return {
        "beta": beta,
        "alpha": np.where(alpha > -1, (1.0 + alpha) ** periods - 1.0, np.nan),
        "correlation": np.where(is_constant, np.nan, np.clip(both / np.sqrt(second * other_second), -1.0, 1.0)),
    }


def _captures(shared: _Shared) -> dict[str, np.ndarray]:
    return {"up_capture": _capture(shared, shared.theirs > 0), "down_capture": _capture(shared, shared.theirs < 0)}


def _capture(shared: _Shared, chosen: np.ndarray) -> np.ndarray:
    count = chosen.sum(axis=1)
    ours, theirs = (_growth(values, chosen) ** (1.0 / count) - 1.0 for values in (shared.ours, shared.theirs))
    return np.where(theirs != 0, ours / theirs, np.nan)


def _growth(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    growth = np.where(chosen, 1.0 + values, 1.0)
    # Through zero there is no mean growth.
    return np.where((growth < 0).any(axis=1), np.nan, np.abs(growth).prod(axis=1))


def _active(shared: _Shared, periods: float) -> dict[str, np.ndarray]:
    mean, distances = shared.spread(shared.ours - shared.theirs)
    error = deviation(np.vecdot(distances, distances), shared.count, mean)
    year = np.sqrt(periods)
    return {"tracking_error": error * year, "information_ratio": ratio(mean, error) * year}
