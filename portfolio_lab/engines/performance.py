"""Performance: the named figures of one or many series of daily returns.

Conventions (docs/accounting.md): daily returns net of cash flows; a flat day is 0, a missing
day NaN and left out; 365 days a year; sample standard deviation (n - 1); Sharpe from the
arithmetic mean; Sortino over all days; drawdown from an index that starts at 1; CAGR by
elapsed time, days without a return included; VaR historical; skew and kurtosis by moments.

What cannot be known is NaN, never 0 and never infinite: a ratio without dispersion, a profit
factor without a loss, any estimate from fewer than 30 days, a CAGR from fewer than 90.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import pandas as pd

from portfolio_lab.errors import ReturnsError

FIGURES: dict[str, str] = {
    "days": "days with a known return",
    "total_return": "product of (1 + return), less one; fraction",
    "cagr": "(1 + total return) ** (1 / years) - 1, years by elapsed time; fraction a year",
    "volatility": "sample standard deviation x sqrt(365); fraction a year",
    "sharpe": "mean excess return / sample standard deviation x sqrt(365)",
    "sortino": "mean excess return / downside deviation over all days x sqrt(365)",
    "max_drawdown": "lowest point of the index below its peak; fraction, <= 0",
    "calmar": "cagr / |max_drawdown|",
    "win_rate": "days with a gain / days, flat days included; fraction (days, not trades)",
    "profit_factor": "sum of gains / |sum of losses| (days, not trades)",
    "best_day": "highest daily return; fraction",
    "worst_day": "lowest daily return; fraction",
    "mean_day": "mean daily return; fraction",
    "skew": "third standardised moment of daily returns",
    "kurtosis": "fourth standardised moment of daily returns, less 3",
    "value_at_risk": "5 % quantile of daily returns, historical, linear; fraction, a loss is < 0",
    "expected_shortfall": "mean of the daily returns at or below value_at_risk; fraction",
}
"""Every figure that `metrics` names, and its definition."""

MINIMUM_DAYS = 30
MINIMUM_CAGR_DAYS = 90
TAIL = 0.05

_DAYS_A_YEAR = 365
_ESTIMATES = (
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "win_rate",
    "profit_factor",
    "skew",
    "kurtosis",
    "value_at_risk",
    "expected_shortfall",
)
# A block of rows and its work arrays together fit into a second-level cache.
_BLOCK_CELLS = 32_768
# Below this share of the mean, dispersion is what rounding leaves of equal returns.
_ROUNDING = 1e-12

_Block = np.ndarray


@overload
def metrics(
    returns: pd.Series,
    periods_per_year: float = ...,
    risk_free: float = ...,
    *,
    minimum_days: int = ...,
    minimum_cagr_days: float = ...,
) -> pd.Series: ...
@overload
def metrics(
    returns: pd.DataFrame | np.ndarray,
    periods_per_year: float = ...,
    risk_free: float = ...,
    *,
    minimum_days: int = ...,
    minimum_cagr_days: float = ...,
) -> pd.DataFrame: ...
def metrics(
    returns: pd.Series | pd.DataFrame | np.ndarray,
    periods_per_year: float = 365,
    risk_free: float = 0.0,
    *,
    minimum_days: int = MINIMUM_DAYS,
    minimum_cagr_days: float = MINIMUM_CAGR_DAYS,
) -> pd.Series | pd.DataFrame:
    """The figures named in `FIGURES`, of one series or of many.

    Args:
        returns: fractions, oldest first, NaN where unknown. A Series (one portfolio), a
            DataFrame (one column a portfolio) or an array (one row a portfolio). Daily returns
            on dates are put in order, and days that are absent count as unknown.
        periods_per_year: 365 for daily returns of a market that never closes.
        risk_free: annual rate, a fraction; a period's is (1 + rate) ** (1 / periods) - 1. It is
            also what Sortino measures its downside from.
        minimum_days: fewer known returns make estimates and ratios NaN.
        minimum_cagr_days: fewer elapsed days make cagr and calmar NaN.

    Returns:
        float64, NaN where unknown: for a Series a Series by figure; else a DataFrame with one
        row a portfolio and one column a figure.

    Raises:
        ReturnsError: a return is infinite, or two stand on one day.
    """
    rows, names = _rows(returns, periods_per_year)
    _check(rows)
    daily_rate = (1.0 + risk_free) ** (1.0 / periods_per_year) - 1.0
    height = max(1, _BLOCK_CELLS // max(1, rows.shape[1]))
    blocks = [
        _figures(rows[start : start + height], periods_per_year, daily_rate) for start in range(0, len(rows), height)
    ]
    found = {name: np.concatenate([block[name] for block in blocks]) if blocks else np.empty(0) for name in FIGURES}
    elapsed = np.concatenate([block["elapsed"] for block in blocks]) if blocks else np.empty(0)
    _hide(found, elapsed * _DAYS_A_YEAR / periods_per_year, minimum_days, minimum_cagr_days)
    if isinstance(returns, pd.Series):
        return pd.Series({name: float(values[0]) for name, values in found.items()}, name=returns.name)
    return pd.DataFrame(found, index=names)


def _rows(
    returns: pd.Series | pd.DataFrame | np.ndarray, periods_per_year: float
) -> tuple[np.ndarray, pd.Index | None]:
    if isinstance(returns, np.ndarray):
        rows = np.atleast_2d(np.asarray(returns, dtype="float64"))
        return rows, None
    frame = returns.to_frame() if isinstance(returns, pd.Series) else returns
    ordered = _every_day(frame, periods_per_year)
    return np.ascontiguousarray(ordered.to_numpy(dtype="float64").T), frame.columns


def _every_day(frame: pd.DataFrame, periods_per_year: float) -> pd.DataFrame:
    if not isinstance(frame.index, pd.DatetimeIndex):
        return frame
    if frame.index.has_duplicates:
        double = frame.index[frame.index.duplicated()][0]
        raise ReturnsError(f"two returns stand on {double}: give one return a day")
    ordered = frame.sort_index()
    days = pd.DatetimeIndex(ordered.index)
    on_days = periods_per_year == _DAYS_A_YEAR and bool((days == days.normalize()).all())
    return ordered.asfreq("D") if on_days and len(ordered) else ordered


def _check(rows: np.ndarray) -> None:
    if np.isinf(rows).any():
        raise ReturnsError("a return is infinite: a period that opens with nothing has no return, give NaN")


# ---------------------------------------------------------------- one block of portfolios


def _figures(rows: _Block, periods: float, daily_rate: float) -> dict[str, np.ndarray]:
    """Figures of a block (portfolios x days), before what is too little is hidden."""
    missing = np.isnan(rows)
    ragged = bool(missing.any())
    filled = np.where(missing, 0.0, rows) if ragged else rows
    count = rows.shape[1] - missing.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = _moments(filled, missing if ragged else None, count, periods, daily_rate)
        found |= _path(filled, _span(missing, count), periods)
        found |= _gains(filled, missing if ragged else None, count)
        found |= _tail(rows, count, sorted_whole=ragged)
        found["calmar"] = _ratio(found["cagr"], -found["max_drawdown"])
    found["days"] = count.astype("float64")
    return found


def _span(missing: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Periods from the first known return to the last, both included; 0 where there is none."""
    first = (~missing).argmax(axis=1) if missing.shape[1] else np.zeros(len(missing), dtype=int)
    last = missing.shape[1] - ((~missing[:, ::-1]).argmax(axis=1) if missing.shape[1] else 0)
    return np.where(count > 0, last - first, 0)


def _moments(
    filled: _Block, missing: np.ndarray | None, count: np.ndarray, periods: float, daily_rate: float
) -> dict[str, np.ndarray]:
    mean = filled.sum(axis=1) / count
    spread = filled - mean[:, None]
    if missing is not None:
        spread[missing] = 0.0
    squares = spread * spread
    second = squares.sum(axis=1)
    deviation = np.sqrt(second / (count - 1))
    deviation = np.where((count > 1) & (deviation > _ROUNDING * np.abs(mean)), deviation, np.nan)
    variance = np.where(np.isnan(deviation), np.nan, second / count)
    excess, year = mean - daily_rate, np.sqrt(periods)
    below = np.minimum(filled - daily_rate, 0.0)
    if missing is not None:
        below[missing] = 0.0
    downside = np.sqrt(np.vecdot(below, below) / count)
    return {
        "mean_day": mean,
        "volatility": _flat_is_zero(deviation, count) * year,
        "sharpe": _ratio(excess, deviation) * year,
        "sortino": _ratio(excess, downside) * year,
        "skew": np.vecdot(squares, spread) / count / variance**1.5,
        "kurtosis": np.vecdot(squares, squares) / count / variance**2 - 3.0,
    }


def _flat_is_zero(deviation: np.ndarray, count: np.ndarray) -> np.ndarray:
    # Equal returns do have a volatility, it is 0; only ratios over it have no meaning.
    return np.where((count > 1) & np.isnan(deviation), 0.0, deviation)


def _path(filled: _Block, span: np.ndarray, periods: float) -> dict[str, np.ndarray]:
    if not filled.shape[1]:
        unknown = np.full(len(filled), np.nan)
        return {"total_return": unknown, "max_drawdown": unknown, "cagr": unknown, "elapsed": unknown}
    wealth = np.cumprod(1.0 + filled, axis=1)
    last = wealth[:, -1].copy()
    peak = np.maximum(np.maximum.accumulate(wealth, axis=1), 1.0)
    lowest = (wealth / peak).min(axis=1) - 1.0
    known = span > 0
    years = span / periods
    cagr = np.where(last >= 0, np.abs(last) ** (1.0 / years), np.nan) - 1.0
    return {
        "total_return": np.where(known, last - 1.0, np.nan),
        "max_drawdown": np.where(known, np.minimum(lowest, 0.0), np.nan),
        "cagr": np.where(known, cagr, np.nan),
        "elapsed": span.astype("float64"),
    }


def _gains(filled: _Block, missing: np.ndarray | None, count: np.ndarray) -> dict[str, np.ndarray]:
    # Gains are summed for themselves: as "sum + losses" an account of losses would show 1e-16.
    gain = np.maximum(filled, 0.0).sum(axis=1)
    loss = -np.minimum(filled, 0.0).sum(axis=1)
    known = count > 0
    high, low = filled, filled
    if missing is not None:
        high, low = np.where(missing, -np.inf, filled), np.where(missing, np.inf, filled)
    return {
        "win_rate": np.count_nonzero(filled > 0, axis=1) / count,
        "profit_factor": _ratio(gain, loss),
        "best_day": np.where(known, high.max(axis=1, initial=-np.inf), np.nan),
        "worst_day": np.where(known, low.min(axis=1, initial=np.inf), np.nan),
    }


def _tail(rows: _Block, count: np.ndarray, *, sorted_whole: bool) -> dict[str, np.ndarray]:
    place = np.maximum(count - 1, 0) * TAIL
    below = place.astype("int64")
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    if not rows.shape[1]:
        unknown = np.full(len(rows), np.nan)
        return {"value_at_risk": unknown, "expected_shortfall": unknown}
    if sorted_whole:
        ordered = np.sort(rows, axis=1)  # NaN goes to the end
    else:
        # All rows are equally long: one partition puts the whole tail, unsorted, in front.
        cut = int(above[0]) if len(above) else 0
        ordered = np.partition(rows, cut, axis=1)
        ordered[:, :cut].sort(axis=1)
    index = np.arange(len(rows))
    low, high = ordered[index, below], ordered[index, above]
    value_at_risk = low + (high - low) * (place - below)
    inside = rows <= value_at_risk[:, None]
    shortfall = np.where(inside, rows, 0.0).sum(axis=1) / np.count_nonzero(inside, axis=1)
    return {"value_at_risk": value_at_risk, "expected_shortfall": shortfall}


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    ratio = above / below
    return np.where((below > 0) & np.isfinite(ratio), ratio, np.nan)


def _hide(found: dict[str, np.ndarray], elapsed_days: np.ndarray, minimum_days: int, minimum_cagr_days: float) -> None:
    few, short = found["days"] < minimum_days, ~(elapsed_days >= minimum_cagr_days - _ROUNDING)
    for name in _ESTIMATES:
        found[name][few] = np.nan
    for name in ("cagr", "calmar"):
        found[name][short] = np.nan
