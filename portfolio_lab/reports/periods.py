"""Returns linked over weeks, months, quarters and years of the UTC calendar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Unit = Literal["week", "month", "quarter", "year"]

_TO_MONDAY = 3  # the epoch was a Thursday: day + 3 counts from a Monday
_MONTHS_A_QUARTER = 3


@dataclass(frozen=True, slots=True)
class Linked:
    """TWR of each calendar period with a known day, and the period's number since 1970, ascending."""

    labels: np.ndarray
    returns: np.ndarray


def linked(days: np.ndarray, returns: np.ndarray, unit: Unit) -> Linked:
    """Return the product of (1 + return), less one, of each period; the first and the last may be parts of one.

    Args:
        days: datetime64[D], ascending.
        returns: known ones, fractions.
        unit: a week is an ISO week.

    >>> days = np.array(["2026-01-30", "2026-01-31", "2026-02-01"], dtype="datetime64[D]")
    >>> linked(days, np.array([0.1, 0.1, -0.5]), "month").returns.round(6).tolist()
    [0.21, -0.5]
    """
    labels = _labels(days, unit)
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1)) if len(labels) else np.empty(0, dtype=np.intp)
    if not len(starts):
        return Linked(labels, returns)
    return Linked(labels[starts], np.multiply.reduceat(1.0 + returns, starts) - 1.0)


def year_of(label: int) -> int:
    """Return the year of the label of a year.

    >>> year_of(56)
    2026
    """
    return 1970 + label


def _labels(days: np.ndarray, unit: Unit) -> np.ndarray:
    if unit == "week":
        return np.asarray((days.astype("int64") + _TO_MONDAY) // 7)
    if unit == "year":
        return np.asarray(days.astype("datetime64[Y]").astype("int64"))
    months = days.astype("datetime64[M]").astype("int64")
    return np.asarray(months if unit == "month" else months // _MONTHS_A_QUARTER)
