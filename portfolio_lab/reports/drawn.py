"""Drawn: a sheet on an unbroken calendar, worked out once for all of its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from portfolio_lab.engines.drawdown import drawdown, drawdowns
from portfolio_lab.errors import BadInputError
from portfolio_lab.reports.sheet import Sheet
from portfolio_lab.reports.svg import Dates

_LONGEST_NAME = 12
_LARGEST_LOG = 600.0
_COLUMNS = ("start", "valley", "recovery", "depth", "length")


@dataclass(frozen=True, slots=True)
class Falls:
    """Drawdowns, deepest first, one value each (`engines.drawdown.drawdowns`), days as places on a calendar."""

    starts: np.ndarray
    valleys: np.ndarray
    recoveries: np.ndarray
    """NaN while it is open."""
    depths: np.ndarray
    lengths: np.ndarray
    daily: np.ndarray
    """How deep each day of the calendar stood, <= 0, NaN where unknown."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Every day (datetime64[D]) from the first known return on, and the return of each, NaN where unknown."""

    days: np.ndarray
    returns: np.ndarray

    @property
    def known(self) -> Calendar:
        """The days with a known return, and no others."""
        known = ~np.isnan(self.returns)
        return Calendar(self.days[known], self.returns[known])

    def falls(self) -> Falls:
        """Return the drawdowns of the returns."""
        series = pd.Series(self.returns)
        found = drawdowns(series)
        starts, valleys, recoveries, depths, lengths = (found[name].to_numpy(dtype="float64") for name in _COLUMNS)
        return Falls(starts, valleys, recoveries, depths, lengths, drawdown(series).to_numpy())

    def day(self, place: float) -> np.datetime64:
        """Return the day at a place of the calendar."""
        found: np.datetime64 = self.days[int(place)]
        return found


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sheet from the first day that is drawn to the last closed one."""

    sheet: Sheet
    ours: Calendar
    theirs: Calendar | None
    """The benchmark on the same days; None without one."""
    falls: Falls
    dates: Dates

    @property
    def name(self) -> str:
        """What a line of the portfolio is called, short."""
        name = self.sheet.name
        return name if len(name) <= _LONGEST_NAME else self.sheet.scope.capitalize()

    @property
    def other(self) -> str:
        """What a line of the benchmark is called, short."""
        named = None if self.sheet.benchmark is None else self.sheet.benchmark.name
        name = "Benchmark" if named is None else str(named)
        return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def drawn(sheet: Sheet) -> Drawn:
    """Return the sheet on its calendar.

    Raises:
        BadInputError: no return is known; one is infinite or below -100 %; two stand on one day, or a day is none.
    """
    last = sheet.missing[-1] if len(sheet.missing) else None
    ours = calendar_of(sheet.returns, sheet.name, last)
    theirs = None if sheet.benchmark is None else _beside(sheet.benchmark, ours, f"the benchmark of {sheet.name}")
    return Drawn(sheet, ours, theirs, ours.falls(), Dates(ours.days[0], len(ours.days)))


def calendar_of(series: pd.Series, whose: str, last: pd.Timestamp | None = None) -> Calendar:
    """Return daily returns on every day from the first known one to the last, or to `last` where that is later.

    Raises:
        BadInputError: as `drawn`.
    """
    days, returns = _checked(series, whose)
    end = days[-1] if last is None else max(days[-1], last.to_datetime64().astype("datetime64[D]"))
    calendar = np.arange(days[0], end + 1)
    return Calendar(calendar, _placed(calendar, days, returns))


def index_of(daily: np.ndarray) -> np.ndarray:
    """Return what 1 has become, at the start and at the end of each day; NaN at the end of unknown ones.

    >>> index_of(np.array([0.1, np.nan, -0.5])).round(6).tolist()
    [1.0, 1.1, nan, 0.55]
    """
    known = ~np.isnan(daily)
    grown = np.cumprod(np.where(known, 1.0 + daily, 1.0))
    return np.concatenate(([1.0], np.where(known, grown, np.nan)))


def places_of(days: pd.DatetimeIndex, calendar: Calendar) -> np.ndarray:
    """Return the places of those days that are on the calendar with a known return."""
    at = (days.to_numpy().astype("datetime64[D]") - calendar.days[0]).astype("int64")
    at = at[(at >= 0) & (at < len(calendar.days))]
    return np.asarray(at[~np.isnan(calendar.returns[at])])


def grows_too_far(returns: np.ndarray) -> bool:
    """Return whether the gains alone, linked, could be more than a number can hold."""
    return bool(np.log1p(returns[returns > 0]).sum() > _LARGEST_LOG)


def _placed(calendar: np.ndarray, days: np.ndarray, returns: np.ndarray) -> np.ndarray:
    found = np.full(len(calendar), np.nan)
    found[(days - calendar[0]).astype("int64")] = returns
    return found


def _beside(benchmark: pd.Series, ours: Calendar, whose: str) -> Calendar | None:
    """Return the benchmark on the calendar; None where it has no day in common with the returns."""
    if not benchmark.notna().any():
        return None
    days, returns = _checked(benchmark, whose)
    inside = (days >= ours.days[0]) & (days <= ours.days[-1])
    found = _placed(ours.days, days[inside], returns[inside])
    found = np.where(np.isnan(ours.returns), np.nan, found)
    return None if np.isnan(found).all() else Calendar(ours.days, found)


def _checked(series: pd.Series, whose: str) -> tuple[np.ndarray, np.ndarray]:
    """Return days and values of the known returns, ascending."""
    if not isinstance(series.index, pd.DatetimeIndex) or series.index.hasnans:
        raise BadInputError(f"the returns of {whose} have no dates: give one return for each closed UTC day")
    values = series.to_numpy(dtype="float64")
    days = series.index.to_numpy().astype("datetime64[D]")
    order = np.argsort(days, kind="stable")
    order = order[~np.isnan(values[order])]
    if not len(order):
        raise BadInputError(f"no return of {whose} is known: let sync run until a UTC day is closed, then draw again")
    _check_values(days[order], values[order], whose)
    return days[order], values[order]


def _check_values(days: np.ndarray, values: np.ndarray, whose: str) -> None:
    twice = np.flatnonzero(days[1:] == days[:-1])
    if len(twice):
        raise BadInputError(f"{whose} has two returns on {days[twice[0]]}: give one a day")
    if not np.isfinite(values).all():
        day = days[~np.isfinite(values)][0]
        raise BadInputError(f"the return of {whose} on {day} is infinite: look at that day with lab.pnl()")
    if values.min() >= -1 and grows_too_far(values):
        day = days[values.argmax()]
        raise BadInputError(f"{whose} grew beyond any number: look at {day}, its best day, with lab.pnl()")
    if values.min() < -1:
        raise BadInputError(
            f"{whose} returned {values.min():+.0%} on {days[values.argmin()]}: equity went through zero, "
            "so begin the sheet after that day, or look at it with lab.pnl()"
        )
