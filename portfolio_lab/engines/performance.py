"""Performance: the named figures of one or many series of daily returns.

Conventions (docs/accounting.md, docs/metrics.md): daily returns net of cash flows; a flat day is 0, a
missing day NaN and left out; 365 days a year; sample standard deviation (n - 1); Sharpe from the
arithmetic mean; Sortino over all days; drawdown from an index that starts at 1; CAGR by elapsed time,
days without a return included; VaR historical; skew and kurtosis by moments.

What cannot be known is NaN, never 0 and never infinite: a ratio without dispersion, a profit
factor without a loss, any estimate from fewer than 30 days, a CAGR from fewer than 90.
"""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
import pandas as pd

from portfolio_lab.engines.blocks import sums_of_rows
from portfolio_lab.engines.constitution import MINIMUM_CAGR_DAYS, MINIMUM_DAYS, OF_RETURNS
from portfolio_lab.engines.extremes import extremes
from portfolio_lab.engines.series import DAYS_A_YEAR, Returns, check_finite, check_minimum, day_rate, rows_of
from portfolio_lab.engines.sums import Sums, figures
from portfolio_lab.errors import BadInputError

FIGURES: dict[str, str] = {figure.name: figure.definition for figure in OF_RETURNS}
"""Every figure that `metrics` names, and its definition."""

_COLUMNS = pd.Index(list(FIGURES))  # made once: it takes as long as a hundred portfolios

Engine = Literal["numpy", "numba"]


@overload
def metrics(
    returns: pd.Series,
    periods_per_year: float = ...,
    risk_free: float = ...,
    *,
    minimum_days: int = ...,
    minimum_cagr_days: float = ...,
    engine: Engine = ...,
) -> pd.Series: ...
@overload
def metrics(
    returns: pd.DataFrame | np.ndarray,
    periods_per_year: float = ...,
    risk_free: float = ...,
    *,
    minimum_days: int = ...,
    minimum_cagr_days: float = ...,
    engine: Engine = ...,
) -> pd.DataFrame: ...
def metrics(
    returns: Returns,
    periods_per_year: float = DAYS_A_YEAR,
    risk_free: float = 0.0,
    *,
    minimum_days: int = MINIMUM_DAYS,
    minimum_cagr_days: float = MINIMUM_CAGR_DAYS,
    engine: Engine = "numpy",
) -> pd.Series | pd.DataFrame:
    """The figures named in `FIGURES`, of one series or of many.

    Args:
        returns: fractions, oldest first, NaN where unknown. A Series (one portfolio), a
            DataFrame (one column a portfolio) or an array (one row a portfolio). Daily returns
            on dates are put in order, and days that are absent count as unknown.
        periods_per_year: 365 for daily returns of a market that never closes.
        risk_free: annual rate, a fraction; a period's is (1 + rate) ** (1 / periods) - 1. It is
            also what Sortino and Omega measure a shortfall from.
        minimum_days: fewer known returns make estimates and ratios NaN.
        minimum_cagr_days: fewer elapsed days make cagr and calmar NaN.
        engine: "numpy", or "numba": the same figures from a compiled kernel, for thousands of
            portfolios or years of minutes; its first use in a process takes a while.

    Returns:
        float64, NaN where unknown: for a Series a Series by figure; else a DataFrame with one
        row a portfolio and one column a figure. Weeks and months need dates.

    Raises:
        ReturnsError: a return is infinite or no number, two stand on one day, or an argument is no number that
            can be reckoned with (text, None, true, NaN, infinite, below what it may be).
        BadInputError: no such engine, or its library is not installed.
    """
    check_minimum(minimum_days=minimum_days, minimum_cagr_days=minimum_cagr_days)
    rows = rows_of(returns, periods_per_year)
    rate = day_rate(risk_free, periods_per_year)
    sums = _sums(rows.returns, rate, engine)
    check_finite(sums.best, sums.worst)  # the extremes tell, so that nobody need look at every return
    found = figures(
        sums, periods_per_year, rate, minimum_days=minimum_days, minimum_cagr_days=minimum_cagr_days
    ) | extremes(rows.returns, rows.dates)
    if isinstance(returns, pd.Series):
        return pd.Series({name: float(found[name][0]) for name in FIGURES}, name=returns.name)
    table = np.stack([found[name] for name in FIGURES])
    return pd.DataFrame(table.T, index=rows.names, columns=_COLUMNS, copy=False)


def _sums(rows: np.ndarray, rate: float, engine: Engine) -> Sums:
    if engine == "numpy":
        return sums_of_rows(rows, rate)
    if engine != "numba":
        raise BadInputError(f"there is no engine {engine!r}: use 'numpy' or 'numba'")
    try:
        from portfolio_lab.engines import kernel  # noqa: PLC0415 - takes 0.4 s and an optional library
    except ImportError as error:
        raise BadInputError("the compiled kernel needs numba: pip install 'portfolio-lab[fast]'") from error
    return kernel.sums_of_rows(rows, rate)
