"""Figures of the last so many periods, day by day.

A window reaches over at most two blocks of its own length. Each block is summed from its edges inwards, so
a window is the end of one block and the beginning of the next, merged. Nothing is ever subtracted from
a sum over the whole history: an old crash leaves no rounding in a quiet present.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from portfolio_lab.engines.constitution import MINIMUM_DAYS
from portfolio_lab.engines.relative import paired
from portfolio_lab.engines.series import DAYS_A_YEAR, check_finite, day_rate, rows_of
from portfolio_lab.engines.sums import deviation, ratio
from portfolio_lab.errors import ReturnsError

FIGURES = ("volatility", "sharpe", "sortino", "beta", "correlation")


def rolling(
    returns: pd.Series,
    window: int,
    benchmark: pd.Series | None = None,
    *,
    periods_per_year: float = DAYS_A_YEAR,
    risk_free: float = 0.0,
    minimum_days: int = MINIMUM_DAYS,
) -> pd.DataFrame:
    """Volatility, Sharpe and Sortino ratio of each window, with a benchmark also beta and correlation.

    Their definitions are those of the whole history (`constitution`), over the window.

    Args:
        returns: one series, as `performance.metrics` takes it.
        window: periods, unknown ones included.
        benchmark: returns of it, as `relative.relative` takes it.
        periods_per_year: 365 for daily returns.
        risk_free: annual rate, a fraction.
        minimum_days: known returns that a window needs.

    Returns:
        One row a period (a day that was absent has a row too), by the end of its window; NaN where unknown.

    Raises:
        ReturnsError: the window is shorter than `minimum_days` or than 2, or what `metrics` refuses.
    """
    if window < max(minimum_days, 2):
        raise ReturnsError(
            f"a window of {window} never holds {minimum_days} known returns: take a longer one, or lower minimum_days"
        )
    rows = rows_of(returns, periods_per_year)
    values = rows.returns[0]
    check_finite(values)
    rate = day_rate(risk_free, periods_per_year)
    found = _alone(values, window, rate, periods_per_year, minimum_days)
    if benchmark is not None:
        _, beside, _ = paired(returns, benchmark, periods_per_year)
        found |= _beside(values, beside, window, minimum_days)
    index = returns.index if rows.dates is None else rows.dates
    return pd.DataFrame(found, index=index, columns=[name for name in FIGURES if name in found])


def _alone(values: np.ndarray, window: int, rate: float, periods: float, minimum: int) -> dict[str, np.ndarray]:
    moments = _windows(values, values, window)
    below = np.minimum(values - rate, 0.0)
    squares = _total(np.where(np.isnan(below), 0.0, below) ** 2, window)
    year = np.sqrt(periods)
    with np.errstate(all="ignore"):
        spread = deviation(moments.both, moments.count, moments.mean)
        downside = np.sqrt(squares / moments.count)
    excess = moments.mean - rate
    found = {
        "volatility": spread * year,
        "sharpe": ratio(excess, spread) * year,
        "sortino": ratio(excess, downside) * year,
    }
    return {name: np.where(moments.count >= minimum, figure, np.nan) for name, figure in found.items()}


def _beside(values: np.ndarray, other: np.ndarray, window: int, minimum: int) -> dict[str, np.ndarray]:
    known = ~np.isnan(values) & ~np.isnan(other)
    ours, theirs = np.where(known, values, np.nan), np.where(known, other, np.nan)
    both, own, its = (_windows(*pair, window) for pair in ((ours, theirs), (ours, ours), (theirs, theirs)))
    enough = both.count >= minimum
    moves = enough & (deviation(its.both, its.count, its.mean) > 0)
    both_move = moves & (deviation(own.both, own.count, own.mean) > 0)
    with np.errstate(all="ignore"):
        beta = both.both / its.both
        correlation = np.clip(both.both / np.sqrt(own.both * its.both), -1.0, 1.0)
    return {"beta": np.where(moves, beta, np.nan), "correlation": np.where(both_move, correlation, np.nan)}


# ---------------------------------------------------------------- windows of two blocks


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of each window: known values, their means, and the sum of products of distances from those."""

    count: np.ndarray
    mean: np.ndarray
    other_mean: np.ndarray
    both: np.ndarray


def _windows(values: np.ndarray, others: np.ndarray, window: int) -> _Moments:
    """Moments of the window that ends at each place; where it reaches before the first, of what there is."""
    blocks, other_blocks = _blocks(values, window), _blocks(others, window)
    length = len(values)
    ending = _prefix(blocks, other_blocks)
    # What a window takes of the block before are the places after its own end, seen from the right.
    mirrored = _prefix(blocks[:, ::-1], other_blocks[:, ::-1])
    return _merged(_before(mirrored, window, length), _flat(ending, length))


def _blocks(values: np.ndarray, window: int) -> np.ndarray:
    height = -(-len(values) // window)
    padded = np.full(height * window, np.nan)
    padded[: len(values)] = values
    return padded.reshape(height, window)


def _prefix(values: np.ndarray, others: np.ndarray) -> _Moments:
    """Moments of the first 1, 2, ... of each block, centred on what the block is about."""
    known = ~np.isnan(values) & ~np.isnan(others)
    count = np.cumsum(known, axis=1).astype("float64")
    centre, other_centre = _centre(values, known), _centre(others, known)
    ours, theirs = (np.where(known, part - at, 0.0) for part, at in ((values, centre), (others, other_centre)))
    total, other_total = np.cumsum(ours, axis=1), np.cumsum(theirs, axis=1)
    divisor = np.maximum(count, 1.0)
    both = np.cumsum(ours * theirs, axis=1) - total * other_total / divisor
    return _Moments(count, centre + total / divisor, other_centre + other_total / divisor, both)


def _centre(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    total = np.where(known, values, 0.0).sum(axis=1, keepdims=True)
    return np.asarray(total / np.maximum(known.sum(axis=1, keepdims=True), 1))


def _parts(moments: _Moments) -> tuple[np.ndarray, ...]:
    return moments.count, moments.mean, moments.other_mean, moments.both


def _flat(moments: _Moments, length: int) -> _Moments:
    return _Moments(*(part.ravel()[:length] for part in _parts(moments)))


def _before(mirrored: _Moments, window: int, length: int) -> _Moments:
    """Moments of the last window - 1 - k places of the block before, at place k of each block."""
    return _Moments(*(_shifted(part, window)[:length] for part in _parts(mirrored)))


def _shifted(part: np.ndarray, window: int) -> np.ndarray:
    found = np.zeros(part.shape)
    # Place k of the mirrored block sums k + 1 values; a window at place k needs window - 1 - k of them.
    found[1:, : window - 1] = part[:-1, window - 2 :: -1] if window > 1 else 0.0
    return found.ravel()


def _merged(first: _Moments, second: _Moments) -> _Moments:
    count = first.count + second.count
    share = second.count / np.maximum(count, 1.0)
    apart, other_apart = second.mean - first.mean, second.other_mean - first.other_mean
    return _Moments(
        count,
        np.where(count > 0, first.mean + apart * share, np.nan),
        np.where(count > 0, first.other_mean + other_apart * share, np.nan),
        first.both + second.both + apart * other_apart * first.count * share,
    )


def _total(values: np.ndarray, window: int) -> np.ndarray:
    """Sum over each window; no value is unknown."""
    blocks = np.nan_to_num(_blocks(values, window))
    ending, mirrored = np.cumsum(blocks, axis=1), np.cumsum(blocks[:, ::-1], axis=1)
    return cast("np.ndarray", ending.ravel()[: len(values)] + _shifted(mirrored, window)[: len(values)])
