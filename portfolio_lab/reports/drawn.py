"""Drawn: a sheet on an unbroken calendar, worked out once for all of its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from portfolio_lab.engines.drawdown import drawdowns
from portfolio_lab.errors import BadInputError
from portfolio_lab.reports.sheet import Sheet
from portfolio_lab.reports.svg import Dates

_LONGEST_NAME = 12


@dataclass(frozen=True, slots=True)
class Drawn:
    """Returns day by day, NaN where unknown: from the first that is drawn to the last closed day."""

    sheet: Sheet
    returns: pd.Series
    """The known ones, on their dates."""
    benchmark: pd.Series | None
    """On the same dates."""
    days: np.ndarray
    """Of the calendar, datetime64[D]."""
    daily: np.ndarray
    """Returns on the calendar."""
    beside: np.ndarray | None
    """Those of the benchmark."""
    falls: pd.DataFrame
    """`drawdowns` of the returns, deepest first."""
    dates: Dates

    @property
    def name(self) -> str:
        """What a line of the portfolio is called, short."""
        name = self.sheet.name
        return name if len(name) <= _LONGEST_NAME else self.sheet.scope.capitalize()

    @property
    def other(self) -> str:
        """What a line of the benchmark is called, short."""
        name = "Benchmark" if self.benchmark is None else str(self.benchmark.name or "Benchmark")
        return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"

    def on_calendar(self, series: pd.Series) -> np.ndarray:
        """Return a dated series on the days of the calendar, NaN where it has none."""
        found = np.full(len(self.days), np.nan)
        found[_places(series, self.days[0])] = series.to_numpy(dtype="float64")
        return found


def drawn(sheet: Sheet) -> Drawn:
    """Return the sheet on its calendar.

    Raises:
        BadInputError: no return is known; one is infinite or below -100 %; two stand on one day, or a day is none.
    """
    returns = _checked(sheet.returns, sheet.name)
    first, last = returns.index[0], returns.index[-1]
    if len(sheet.missing) and sheet.missing[-1] > last:
        last = sheet.missing[-1]
    days = np.arange(first.to_datetime64().astype("datetime64[D]"), last.to_datetime64().astype("datetime64[D]") + 1)
    benchmark = None if sheet.benchmark is None else _beside(sheet, returns)
    daily = np.full(len(days), np.nan)
    daily[_places(returns, days[0])] = returns.to_numpy()
    beside = None if benchmark is None else np.full(len(days), np.nan)
    if beside is not None and benchmark is not None:
        beside[_places(benchmark, days[0])] = benchmark.to_numpy()
    return Drawn(sheet, returns, benchmark, days, daily, beside, drawdowns(returns), Dates(days[0], len(days)))


def index_of(daily: np.ndarray) -> np.ndarray:
    """Return what 1 has become, at the start and at the end of each day; NaN at the end of unknown ones.

    >>> index_of(np.array([0.1, np.nan, -0.5])).round(6).tolist()
    [1.0, 1.1, nan, 0.55]
    """
    known = ~np.isnan(daily)
    grown = np.cumprod(np.where(known, 1.0 + daily, 1.0))
    return np.concatenate(([1.0], np.where(known, grown, np.nan)))


def _places(series: pd.Series, first: np.datetime64) -> np.ndarray:
    days = series.index.to_numpy().astype("datetime64[D]")
    return np.asarray((days - first).astype("int64"))


def _beside(sheet: Sheet, returns: pd.Series) -> pd.Series | None:
    """Return the benchmark on the days of the returns; None where it has none of them."""
    if sheet.benchmark is None or not len(sheet.benchmark.dropna()):
        return None
    benchmark = _checked(sheet.benchmark, f"the benchmark of {sheet.name}")
    shared = benchmark.reindex(returns.index)
    return shared if shared.notna().any() else None


def _checked(series: pd.Series, whose: str) -> pd.Series:
    """Return the known ones, ascending, as float64."""
    if not isinstance(series.index, pd.DatetimeIndex) or series.index.hasnans:
        raise BadInputError(f"the returns of {whose} have no dates: give one return for each closed UTC day")
    known = series.astype("float64").dropna().sort_index()
    if not len(known):
        raise BadInputError(f"no return of {whose} is known: let sync run until a UTC day is closed, then draw again")
    _check_values(known, whose)
    return known


def _check_values(known: pd.Series, whose: str) -> None:
    if known.index.has_duplicates:
        day = known.index[known.index.duplicated()][0]
        raise BadInputError(f"{whose} has two returns on {day:%Y-%m-%d}: give one a day")
    if not np.isfinite(known.to_numpy()).all():
        day = known.index[~np.isfinite(known.to_numpy())][0]
        raise BadInputError(f"the return of {whose} on {day:%Y-%m-%d} is infinite: look at that day with lab.pnl()")
    if known.min() < -1:
        raise BadInputError(
            f"{whose} returned {known.min():+.0%} on {known.idxmin():%Y-%m-%d}: equity went through zero, "
            "so begin the sheet after that day, or look at it with lab.pnl()"
        )


