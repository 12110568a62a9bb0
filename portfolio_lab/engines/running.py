"""A day more, without reading the days before: the sums of many portfolios, kept up to date by the sync loop.

Everything but the figures that need all returns in order (the two tails) follows. The moments are those of
Welford and Terriberry, which stay exact over years; still, seed them anew from the stored returns now and then.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from portfolio_lab.engines.constitution import MINIMUM_CAGR_DAYS, MINIMUM_DAYS, OF_RETURNS
from portfolio_lab.engines.extremes import NAMES as _BY_CALENDAR
from portfolio_lab.engines.series import DAYS_A_YEAR, check_finite, day_rate
from portfolio_lab.engines.sums import FIELDS, Sums, figures
from portfolio_lab.errors import ReturnsError

NEEDS_ALL = ("value_at_risk", "expected_shortfall", "tail_ratio", *_BY_CALENDAR)
"""Figures that cannot be told from sums."""

FIGURES = tuple(figure.name for figure in OF_RETURNS if figure.name not in NEEDS_ALL)
"""Figures that `RunningFigures` knows."""

# Beside the sums: where the known returns began and ended, the peak and what has been lost since, and runs.
_BESIDE = ("first", "last", "peak", "peak_at", "bottom", "wins_now", "losses_now")
_PLACE = {name: place for place, name in enumerate((*FIELDS, *_BESIDE))}


class RunningFigures:
    """Sums of so many portfolios, of every period that was added.

    Args:
        portfolios: how many; they keep their order.
        periods_per_year: 365 for daily returns.
        risk_free: annual rate, a fraction.
    """

    def __init__(self, portfolios: int, periods_per_year: float = DAYS_A_YEAR, risk_free: float = 0.0) -> None:
        self.periods_per_year = periods_per_year
        self.added = 0
        self._rate = day_rate(risk_free, periods_per_year)
        self._state = np.zeros((len(_PLACE), portfolios))
        for name in ("wealth", "peak", "bottom"):
            self._state[_PLACE[name]] = 1.0
        self._state[_PLACE["best"]], self._state[_PLACE["worst"]] = -np.inf, np.inf

    @classmethod
    def seeded(cls, rows: np.ndarray, periods_per_year: float = DAYS_A_YEAR, risk_free: float = 0.0) -> RunningFigures:
        """Those of a history, portfolios x periods, NaN where unknown."""
        running = cls(len(rows), periods_per_year, risk_free)
        for day in np.ascontiguousarray(rows.T):
            running.add(day)
        return running

    def add(self, returns: np.ndarray | Sequence[float]) -> None:
        """Take in one period.

        Args:
            returns: one a portfolio, a fraction, NaN where unknown.

        Raises:
            ReturnsError: another number of returns than of portfolios, or one is infinite; nothing is taken in.
        """
        day = np.asarray(returns, dtype="float64")
        if day.shape != (self._state.shape[1],):
            raise ReturnsError(f"{day.shape} returns for {self._state.shape[1]} portfolios: give one for each")
        check_finite(day)
        known = ~np.isnan(day)
        if known.all():
            _add(self._state, day, self.added, self._rate)
        else:
            part = self._state[:, known]
            _add(part, day[known], self.added, self._rate)
            self._state[:, known] = part
        self.added += 1

    def figures(
        self, *, minimum_days: int = MINIMUM_DAYS, minimum_cagr_days: float = MINIMUM_CAGR_DAYS
    ) -> pd.DataFrame:
        """One row a portfolio, the columns `FIGURES`; as `performance.metrics`, NaN where unknown."""
        found = figures(
            self._sums(),
            self.periods_per_year,
            self._rate,
            minimum_days=minimum_days,
            minimum_cagr_days=minimum_cagr_days,
        )
        return pd.DataFrame({name: found[name] for name in FIGURES})

    def _sums(self) -> Sums:
        state = self._state.copy()
        days, last, peak_at = (state[_PLACE[name]] for name in ("days", "last", "peak_at"))
        state[_PLACE["elapsed"]] = np.where(days > 0, last - state[_PLACE["first"]] + 1, 0)
        longest = state[_PLACE["longest"]]
        is_under = state[_PLACE["wealth"]] < state[_PLACE["peak"]]
        np.maximum(longest, np.where(is_under, last - peak_at, 0.0), out=longest)
        for name in ("low", "high", "low_mean"):
            state[_PLACE[name]] = np.nan
        return Sums(*state[: len(FIELDS)])


def _add(state: np.ndarray, day: np.ndarray, place: int, rate: float) -> None:
    """Take in one known return for each column."""
    view = {name: state[row] for name, row in _PLACE.items()}
    begins = view["days"] == 0
    view["first"][begins] = place
    view["peak_at"][begins] = place - 1
    view["last"][:] = place
    _add_moments(view, day)
    _add_sides(view, day, rate)
    _add_path(view, day, place)
    _add_streaks(view, day)


def _add_moments(view: dict[str, np.ndarray], day: np.ndarray) -> None:
    before = view["days"].copy()
    view["days"] += 1.0
    count, second, third = view["days"], view["second"], view["third"]
    apart = day - view["mean"]
    step = apart / count
    square, term = step * step, apart * step * before
    view["mean"] += step
    view["fourth"] += term * square * (count * count - 3.0 * count + 3.0) + 6.0 * square * second - 4.0 * step * third
    third += term * step * (count - 2.0) - 3.0 * step * second
    second += term


def _add_sides(view: dict[str, np.ndarray], day: np.ndarray, rate: float) -> None:
    excess = day - rate
    missed = np.minimum(excess, 0.0)
    view["shortfall_squares"] += missed * missed
    view["below"] -= missed
    view["above"] += np.maximum(excess, 0.0)
    view["gains"] += np.maximum(day, 0.0)
    view["losses"] -= np.minimum(day, 0.0)
    view["wins"] += day > 0
    for name, choose in (("best", np.maximum), ("worst", np.minimum)):
        choose(view[name], day, out=view[name])


def _add_path(view: dict[str, np.ndarray], day: np.ndarray, place: int) -> None:
    wealth, peak, bottom = view["wealth"], view["peak"], view["bottom"]
    was_under = wealth < peak
    wealth *= 1.0 + day
    is_under = wealth < peak
    with np.errstate(all="ignore"):
        depth = np.where(is_under, wealth / peak - 1.0, 0.0)
        before = np.where(was_under, bottom / peak - 1.0, 0.0)
        np.minimum(bottom, wealth, out=bottom)
        view["fall_depths"] += np.where(is_under, bottom / peak - 1.0 - before, 0.0)
    view["depth_sum"] += depth
    view["depth_squares"] += depth * depth
    np.minimum(view["deepest"], depth, out=view["deepest"])
    view["under"] += is_under
    view["falls"] += is_under & ~was_under
    back = was_under & ~is_under
    longest = view["longest"]
    np.maximum(longest, np.where(back, place - view["peak_at"], 0.0), out=longest)
    at_peak = ~is_under
    for name, value in (("peak", wealth), ("bottom", wealth), ("peak_at", place)):
        np.copyto(view[name], value, where=at_peak)


def _add_streaks(view: dict[str, np.ndarray], day: np.ndarray) -> None:
    for now, most, goes_on in (("wins_now", "win_streak", day > 0), ("losses_now", "loss_streak", day < 0)):
        view[now] += 1.0
        view[now] *= goes_on
        np.maximum(view[most], view[now], out=view[most])
