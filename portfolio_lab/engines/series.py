"""Series, frames and arrays of returns as rows that can be reckoned with, or a clear refusal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from portfolio_lab.errors import ReturnsError

DAYS_A_YEAR = 365
TWO_DIMENSIONS = 2

_UTC = "UTC"
_NO_RETURNS = "cmMb"  # complex numbers, lengths of time, instants, and true or false

Returns = pd.Series | pd.DataFrame | np.ndarray


@dataclass(frozen=True, slots=True)
class Rows:
    """Returns, one row a portfolio; `dates` (naive, of `zone`) and `names` where the input had them."""

    returns: np.ndarray
    names: pd.Index | None
    dates: pd.DatetimeIndex | None
    zone: str = _UTC


def rows_of(returns: Returns, periods_per_year: float) -> Rows:
    """Rows of a Series (one portfolio), a DataFrame (a column each) or an array (a row each).

    Dates are put in order; dates without a zone are those of UTC. Midnights of another zone are days of that
    zone, 23 or 25 hours long twice a year; other instants are those of UTC. Daily returns get a row for every
    day between the first and the last, unknown where absent.

    Raises:
        ReturnsError: a return is no number, two stand at one time, a date is missing, or the
            array has more than two dimensions, or the year has no periods, or it is another kind of thing.
    """
    if not (_is_finite(periods_per_year) and periods_per_year > 0):
        raise ReturnsError(f"{periods_per_year!r} periods a year: give a positive number, 365 for daily returns")
    if isinstance(returns, np.ndarray):
        if returns.ndim > TWO_DIMENSIONS:
            raise ReturnsError(f"{returns.ndim} dimensions: give an array of portfolios x days")
        return Rows(_numbers(np.atleast_2d(returns)), None, None)
    if not isinstance(returns, pd.Series | pd.DataFrame):
        raise ReturnsError(
            f"returns came as {type(returns).__name__}: give a pandas Series, a DataFrame with a column a portfolio, "
            "or a numpy array with a row a portfolio"
        )
    frame = returns.to_frame() if isinstance(returns, pd.Series) else returns
    frame, zone = _without_zone(_with_dates(frame))
    ordered = _ordered(frame, periods_per_year)
    dates = ordered.index if isinstance(ordered.index, pd.DatetimeIndex) else None
    return Rows(_numbers(ordered), frame.columns, dates, zone)


def day_rate(annual: float, periods_per_year: float) -> float:
    """Risk-free return of one period from that of a year.

    Raises:
        ReturnsError: the rate is no number above -100 %.
    """
    if not (_is_finite(annual) and annual > -1):
        raise ReturnsError(f"a risk-free rate of {annual!r}: give a fraction a year above -1, such as 0.04")
    return float((1.0 + annual) ** (1.0 / periods_per_year) - 1.0)


def _is_finite(given: object) -> bool:
    """Tell a finite number from everything else: text, nothing, and true or false, which Python counts as 1 and 0."""
    return not isinstance(given, bool) and isinstance(given, Real) and math.isfinite(given)


def check_minimum(**days: float) -> None:
    """Refuse a least number of days, told by its name, that nothing can be measured against.

    Raises:
        ReturnsError: one is no finite number, or below 0.
    """
    for name, given in days.items():
        if not (_is_finite(given) and given >= 0):
            raise ReturnsError(f"{name} is {given!r}: give a number of days, 0 or more")


def _with_dates(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame on instants also where it stands on periods, or on dates of Python."""
    index = frame.index
    if isinstance(index, pd.PeriodIndex):
        return frame.set_axis(index.to_timestamp())
    return frame.set_axis(pd.DatetimeIndex(index)) if index.inferred_type == "date" else frame


def _without_zone(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        return frame, _UTC
    universal, local = index.tz_convert(_UTC).tz_localize(None), index.tz_localize(None)
    if _are_days(universal) or not _are_days(local):
        return frame.set_axis(universal), _UTC
    return frame.set_axis(local), str(index.tz)


def _are_days(index: pd.DatetimeIndex) -> bool:
    return bool((index == index.normalize()).all())


def _ordered(frame: pd.DataFrame, periods_per_year: float) -> pd.DataFrame:
    if not isinstance(frame.index, pd.DatetimeIndex):
        return frame
    if frame.index.hasnans:
        raise ReturnsError("a return stands on no date (NaT): leave it out, or give its date")
    if frame.index.has_duplicates:
        double = frame.index[frame.index.duplicated()][0]
        raise ReturnsError(f"two returns stand on {double}: give one return a day")
    ordered = frame.sort_index()
    days = pd.DatetimeIndex(ordered.index)
    on_days = periods_per_year == DAYS_A_YEAR and _are_days(days)
    return ordered.asfreq("D") if on_days and len(ordered) else ordered


def _numbers(values: np.ndarray | pd.DataFrame) -> np.ndarray:
    kinds = {dtype.kind for dtype in values.dtypes} if isinstance(values, pd.DataFrame) else {values.dtype.kind}
    if kinds & set(_NO_RETURNS):
        raise ReturnsError("a return is no number: give fractions, NaN where unknown")
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype("float64"), np.nan)
    try:
        rows = values.to_numpy(dtype="float64", na_value=np.nan).T if isinstance(values, pd.DataFrame) else values
        return np.ascontiguousarray(rows, dtype="float64")
    except (TypeError, ValueError) as error:
        raise ReturnsError("a return is no number: give fractions, NaN where unknown") from error


def check_finite(*values: np.ndarray) -> None:
    """Refuse infinite returns.

    Raises:
        ReturnsError: one is infinite.
    """
    if any(np.isinf(part).any() for part in values):
        raise ReturnsError("a return is infinite: a period that opens with nothing has no return, give NaN")


def without_index(returns: pd.Series) -> np.ndarray:
    """Tell of each return whether the index has no meaning any more: one so far is below -100 %, or infinite."""
    values = returns.to_numpy(dtype="float64")
    return np.asarray(np.logical_or.accumulate((values < -1.0) | np.isinf(values)))
