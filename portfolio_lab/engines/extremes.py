"""Best and worst week and month, by the calendar of UTC."""

from __future__ import annotations

import numpy as np
import pandas as pd

NAMES = ("best_week", "worst_week", "best_month", "worst_month")
_TO_MONDAY = 3  # the epoch was a Thursday: day + 3 counts from a Monday


def extremes(rows: np.ndarray, dates: pd.DatetimeIndex | None) -> dict[str, np.ndarray]:
    """TWR of the best and the worst ISO week and calendar month of each row; fractions, NaN without dates.

    Args:
        rows: portfolios x periods, NaN where unknown; a week or month without a known return is none.
        dates: of the periods, in order, UTC.
    """
    if dates is None or not len(dates):
        return {name: np.full(len(rows), np.nan) for name in NAMES}
    missing = np.isnan(rows)
    growth = 1.0 + np.where(missing, 0.0, rows)
    known = ~missing
    days = dates.to_numpy().astype("datetime64[D]")
    weeks = (days.astype("int64") + _TO_MONDAY) // 7
    best_week, worst_week = _ends(growth, known, weeks)
    best_month, worst_month = _ends(growth, known, days.astype("datetime64[M]").astype("int64"))
    return dict(zip(NAMES, (best_week, worst_week, best_month, worst_month), strict=True))


def _ends(growth: np.ndarray, known: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    with np.errstate(all="ignore"):
        linked = np.multiply.reduceat(growth, starts, axis=1) - 1.0
    linked[~np.isfinite(linked)] = np.nan
    linked[(growth < 0).any(axis=1)] = np.nan  # an index through zero has no meaning
    linked[~np.logical_or.reduceat(known, starts, axis=1)] = np.nan
    return np.fmax.reduce(linked, axis=1), np.fmin.reduce(linked, axis=1)
