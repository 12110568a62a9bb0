"""Drawdown: how far the index of returns stands below its own peak. Never of equity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from portfolio_lab.engines.series import DAYS_A_YEAR, check_finite, rows_of, without_index
from portfolio_lab.errors import ReturnsError

COLUMNS = ("start", "valley", "recovery", "length", "to_valley", "depth", "is_open")
"""The columns of `drawdowns`."""


def drawdown(returns: pd.Series) -> pd.Series:
    """Drawdown at the end of each period, a fraction <= 0.

        drawdown = index / its running peak - 1

    The index starts at 1 and that start is a peak, so a loss on the first day counts. A
    deposit or a withdrawal is no part of a return and so moves nothing here.

    Args:
        returns: net of cash flows, one a period; NaN where unknown. Dated ones may come in any order.

    Returns:
        Same index. NaN where the return is unknown; the days after go on from the last known level. NaN from
        a return below -100 % on, or an infinite one: the index then has no meaning.

    >>> drawdown(pd.Series([0.1, -0.5, 0.2])).round(6).tolist()
    [0.0, -0.5, -0.4]
    """
    by_time = np.argsort(returns.index, kind="stable") if isinstance(returns.index, pd.DatetimeIndex) else slice(None)
    known = returns.astype("float64").iloc[by_time]
    index = (1.0 + known).cumprod().mask(without_index(known))
    found = pd.Series(np.nan, returns.index, name="drawdown")
    found.iloc[by_time] = index / index.cummax().clip(lower=1.0) - 1.0
    return found


def drawdowns(returns: pd.Series) -> pd.DataFrame:
    """Every drawdown from a peak back to it, deepest first.

    Args:
        returns: net of cash flows, one a period; NaN where unknown. Dated ones may come in any order.

    Returns:
        One row a drawdown: `start`, the first period below the peak; `valley`, its lowest; `recovery`, the
        first back at the peak, missing while it is open; `length`, periods from the peak to the recovery
        (or to the last known return), and `to_valley` to the lowest, unknown periods included; `depth`, a
        fraction < 0; `is_open`. No row where there never was one.

    Raises:
        ReturnsError: what `performance.metrics` refuses, or a return below -100 %: the index then has no meaning.

    >>> drawdowns(pd.Series([0.1, -0.5, 1.5]))[["length", "depth", "is_open"]].values.tolist()
    [[2, -0.5, False]]
    """
    rows = rows_of(returns, DAYS_A_YEAR)
    values = rows.returns[0]
    check_finite(values)
    if (values < -1).any():
        raise ReturnsError("a return is below -100 %: equity went through zero, so begin a new series after it")
    index = returns.index if rows.dates is None else rows.dates
    at = np.flatnonzero(~np.isnan(values))
    depth = drawdown(pd.Series(values[at])).to_numpy()
    found = pd.DataFrame([_row(index, at, depth, *ends) for ends in _falls(depth)], columns=list(COLUMNS))
    return found.sort_values("depth", kind="stable", ignore_index=True)


def _falls(depth: np.ndarray) -> Iterator[tuple[int, int]]:
    """First period under water and first not any more, of each drawdown."""
    under = np.concatenate(([False], depth < 0, [False]))
    turns = np.flatnonzero(under[1:] != under[:-1])
    yield from zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True)


def _row(
    index: pd.Index, at: np.ndarray, depth: np.ndarray, start: int, end: int
) -> tuple[object, object, object, int, int, float, bool]:
    valley = start + int(depth[start:end].argmin())
    is_open = end == len(depth)
    peak = at[start - 1] if start else at[0] - 1
    until = at[end - 1] if is_open else at[end]
    recovery = None if is_open else index[at[end]]
    length, to_valley = int(until - peak), int(at[valley] - peak)
    return index[at[start]], index[at[valley]], recovery, length, to_valley, float(depth[valley]), is_open
