"""Money-weighted return: the one rate at which the flows in grow to the flows out.

    sum C_i (1 + r) ** (-(t_i - t_0) / 365 days) = 0,   C = -opening, -F_i, +closing

Time counts to the microsecond, not by whole days, because money here moves by the minute. The
equation may have several roots or none: the one nearest 0 is taken, and all of them are told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from portfolio_lab.errors import BadInputError

DAYS_A_YEAR = 365.0

_GRID = np.linspace(-80.0, 80.0, 4001)
"""Where roots are looked for: ln(1 + r) x length, wide enough for 30 years at 1,300 %."""
_STEPS = 200
_SHORTEST = 1e-9


@dataclass(frozen=True, slots=True)
class MoneyWeighted:
    """A money-weighted return over `days`.

    `rate` is a fraction a year, NaN when there is no root; `period_return` the same rate over the
    period, what a headline shows when `days` < 365. `roots` are all rates found, rising: with more than
    one the figure is ambiguous, and should be shown with that word.
    """

    rate: float
    period_return: float
    days: float
    roots: tuple[float, ...]


def money_weighted_return(
    opening: float,
    closing: float,
    flows: pd.DataFrame,
    *,
    opened_at: pd.Timestamp,
    closed_at: pd.Timestamp,
) -> MoneyWeighted:
    """Return the money-weighted return of a book between two complete snapshots.

    Args:
        opening: equity at `opened_at`; money.
        closing: equity at `closed_at`; money.
        flows: `at` and `value` (money, + in, - out); those with opened_at < at <= closed_at count.
        opened_at: instant of the opening snapshot.
        closed_at: instant of the closing snapshot, later.

    Returns:
        NaN rates when a flow has no value, or no rate solves the equation.

    Raises:
        BadInputError: `closed_at` is not later than `opened_at`.
    """
    if not closed_at > opened_at:
        raise BadInputError(f"a period must end after it begins: {opened_at} to {closed_at}")
    inside = flows[(flows["at"] > opened_at) & (flows["at"] <= closed_at)]
    at = pd.DatetimeIndex([opened_at, *inside["at"], closed_at])
    amounts = [-opening, *(-inside["value"].to_numpy(dtype="float64")), closing]
    return _solved(at, np.asarray(amounts, dtype="float64"))


def xirr(at: list[str] | pd.DatetimeIndex, amounts: Sequence[float]) -> float:
    """Return the internal rate of dated amounts (- paid in, + received), a fraction a year of 365 days.

    NaN when an amount is unknown, all are of one sign, or no rate solves the equation.

    >>> round(xirr(["2010-01-01", "2010-12-31"], [-200, 210]), 6)
    0.050141
    """
    found = np.asarray(amounts, dtype="float64")
    if len(at) != len(found):
        raise BadInputError(f"{len(at)} instants for {len(found)} amounts: give one for each")
    return _solved(pd.DatetimeIndex(pd.to_datetime(at, utc=True)), found).rate


def _solved(at: pd.DatetimeIndex, amounts: np.ndarray) -> MoneyWeighted:
    times = at.as_unit("us").asi8.astype("float64") / (DAYS_A_YEAR * 86_400e6)
    times = times - times.min() if len(times) else times
    length = float(times.max()) if len(times) else 0.0
    days = length * DAYS_A_YEAR
    if length < _SHORTEST or not np.isfinite(amounts).all() or not (amounts.min() < 0 < amounts.max()):
        return MoneyWeighted(math.nan, math.nan, days, ())
    growths = _roots(times / length, amounts)
    if not growths:
        return MoneyWeighted(math.nan, math.nan, days, ())
    nearest = min(growths, key=abs)
    roots = tuple(math.expm1(growth / length) if growth / length < _LARGEST else math.inf for growth in growths)
    rate = math.expm1(nearest / length) if nearest / length < _LARGEST else math.nan
    return MoneyWeighted(rate, math.expm1(nearest), days, roots)


_LARGEST = 700.0
"""exp of more is no float: an annual rate that cannot be written down."""


def _roots(shares: np.ndarray, amounts: np.ndarray) -> list[float]:
    """Return every growth g = ln(1 + r) x length with sum C exp(-g x share) = 0, rising."""
    values = _value(_GRID, shares, amounts)
    signs = np.sign(values)
    found = [float(_GRID[place]) for place in np.flatnonzero(signs == 0)]
    crossings = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    found += [_bisected(float(_GRID[place]), float(_GRID[place + 1]), shares, amounts) for place in crossings]
    return sorted(found)


def _value(growth: np.ndarray, shares: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    total: np.ndarray = np.exp(-np.multiply.outer(growth, shares)) @ amounts
    return total


def _bisected(low: float, high: float, shares: np.ndarray, amounts: np.ndarray) -> float:
    """Return the root between two ends of different sign: Newton while it stays inside, else the middle."""
    rising = float(_value(np.array([low]), shares, amounts)[0]) < 0
    guess = (low + high) / 2
    for _ in range(_STEPS):
        parts = amounts * np.exp(-guess * shares)
        value, slope = float(parts.sum()), -float(parts @ shares)
        if value == 0.0 or high - low <= 4 * math.ulp(max(abs(low), abs(high))):
            break
        low, high = (guess, high) if (value < 0) == rising else (low, guess)
        step = guess - value / slope if slope else math.nan
        closer = step if low < step < high else (low + high) / 2
        if abs(closer - guess) <= math.ulp(guess):
            break
        guess = closer
    return guess
