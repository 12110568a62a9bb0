"""The readable reference: sums of a block of rows, in numpy, small enough for a second-level cache."""

from __future__ import annotations

import numpy as np

from portfolio_lab.engines.constitution import TAIL
from portfolio_lab.engines.sums import FIELDS, Sums

# A block of rows and its work arrays together fit into a second-level cache.
CELLS = 32_768

_Block = np.ndarray
_Parts = dict[str, np.ndarray]


def sums_of_rows(rows: _Block, rate: float) -> Sums:
    """Sums of each row.

    Args:
        rows: float64, portfolios x periods, NaN where unknown, nothing infinite.
        rate: risk-free, of one period.
    """
    if not rows.shape[1]:
        rows = np.full((len(rows), 1), np.nan)
    height = max(1, CELLS // rows.shape[1])
    with np.errstate(all="ignore"):
        blocks = [_sums(rows[start : start + height], rate) for start in range(0, len(rows), height)]
    if not blocks:
        return Sums(*(np.empty(0) for _ in FIELDS))
    return Sums(*(np.concatenate([block[name] for block in blocks]).astype("float64") for name in FIELDS))


def _sums(rows: _Block, rate: float) -> _Parts:
    missing = np.isnan(rows)
    ragged = bool(missing.any())
    known = ~missing if ragged else None
    filled = np.where(missing, 0.0, rows) if ragged else rows
    count = rows.shape[1] - missing.sum(axis=1)
    first, last = _ends(missing, count)
    return {
        "days": count,
        "elapsed": np.where(count > 0, last - first + 1, 0),
        **_moments(filled, known, count, rate),
        **_extremes(rows, filled, ragged=ragged),
        **_path(filled, known, first, last),
        **_streaks(rows[known] if known is not None else rows.ravel(), count),
        **_tail(rows, count),
    }


def _ends(missing: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the first and the last known return."""
    first = np.argmin(missing, axis=1)
    last = missing.shape[1] - 1 - np.argmin(missing[:, ::-1], axis=1)
    return first, np.where(count > 0, last, first)


def _moments(filled: _Block, known: np.ndarray | None, count: np.ndarray, rate: float) -> _Parts:
    mean = filled.sum(axis=1) / count
    spread = filled - mean[:, None]
    excess = filled - rate if rate else filled
    if known is not None:
        spread *= known
        excess = excess * known
    squares = spread * spread
    below = np.minimum(excess, 0.0)
    # Gains are summed for themselves: as "sum + losses" an account of losses would show 1e-16.
    above = np.maximum(excess, 0.0).sum(axis=1)
    missed = -below.sum(axis=1)
    return {
        "mean": mean,
        "second": squares.sum(axis=1),
        "third": np.vecdot(squares, spread),
        "fourth": np.vecdot(squares, squares),
        "shortfall_squares": np.vecdot(below, below),
        "above": above,
        "below": missed,
        "gains": np.maximum(filled, 0.0).sum(axis=1) if rate else above,
        "losses": -np.minimum(filled, 0.0).sum(axis=1) if rate else missed,
    }


def _extremes(rows: _Block, filled: _Block, *, ragged: bool) -> _Parts:
    return {
        "wins": np.count_nonzero(filled > 0, axis=1),
        "best": np.fmax.reduce(rows, axis=1) if ragged else rows.max(axis=1),
        "worst": np.fmin.reduce(rows, axis=1) if ragged else rows.min(axis=1),
    }


def _path(filled: _Block, known: np.ndarray | None, first: np.ndarray, last: np.ndarray) -> _Parts:
    wealth = np.cumprod(1.0 + filled, axis=1)
    # The start is a peak, and has a place of its own in front of the days.
    depth = np.empty((len(filled), filled.shape[1] + 1))
    depth[:, 0] = 0.0
    np.maximum.accumulate(wealth, axis=1, out=depth[:, 1:])
    np.maximum(depth[:, 1:], 1.0, out=depth[:, 1:])
    np.divide(wealth, depth[:, 1:], out=depth[:, 1:])
    depth[:, 1:] -= 1.0
    if known is not None:
        depth[:, 1:] *= known
    return {
        "wealth": wealth[:, -1].copy(),
        "deepest": depth.min(axis=1),
        "depth_sum": depth.sum(axis=1),
        "depth_squares": np.vecdot(depth, depth),
        "under": np.count_nonzero(depth, axis=1),
        **_falls(depth, known, first, last),
    }


def _falls(depth: np.ndarray, known: np.ndarray | None, first: np.ndarray, last: np.ndarray) -> _Parts:
    """Count drawdowns from peak to peak: how many, how deep together, and the longest in periods."""
    height, width = depth.shape
    peaks = depth >= 0
    if known is not None:
        peaks[:, 1:] &= known
        peaks[np.arange(height), first] = True  # the place in front of the first known day
    at = np.flatnonzero(peaks)
    bottom = np.minimum.reduceat(depth.ravel(), at)
    starts = np.searchsorted(at, np.arange(height) * width)
    until = np.append(at[1:], 0)
    until[np.append(starts[1:], len(at)) - 1] = np.arange(height) * width + last + 1
    return {
        "falls": np.add.reduceat((bottom < 0).astype("float64"), starts),
        "fall_depths": np.add.reduceat(bottom, starts),
        "longest": np.maximum.reduceat(np.where(bottom < 0, until - at, 0), starts),
    }


def _streaks(values: np.ndarray, count: np.ndarray) -> _Parts:
    """Longest runs of gains and of losses in rows of `count` known values that follow one another."""
    wins, losses = np.zeros(len(count)), np.zeros(len(count))
    if len(values):
        held = count > 0
        row_starts = (np.cumsum(count) - count)[held]
        sign = (values > 0).view("int8") - (values < 0).view("int8")
        turns = np.empty(len(values), dtype=bool)
        np.not_equal(sign[1:], sign[:-1], out=turns[1:])
        turns[row_starts] = True
        starts = np.flatnonzero(turns)
        length, kind = np.diff(starts, append=len(values)), sign[starts]
        rows = np.searchsorted(starts, row_starts)
        wins[held] = np.maximum.reduceat(length * (kind > 0), rows)
        losses[held] = np.maximum.reduceat(length * (kind < 0), rows)
    return {"win_streak": wins, "loss_streak": losses}


def _tail(rows: _Block, count: np.ndarray) -> _Parts:
    last = np.maximum(count - 1, 0)
    ordered = np.sort(rows, axis=1)  # NaN goes to the end; a partition at four places takes four times as long
    low = _quantile(ordered, last, TAIL)
    inside = rows <= low[:, None]
    return {
        "low": low,
        "high": _quantile(ordered, last, 1 - TAIL),
        "low_mean": np.where(inside, rows, 0.0).sum(axis=1) / np.count_nonzero(inside, axis=1),
    }


def _quantile(ordered: np.ndarray, last: np.ndarray, share: float) -> np.ndarray:
    place = last * share
    under = place.astype("int64")
    index = np.arange(len(ordered))
    low, high = ordered[index, under], ordered[index, np.minimum(under + 1, last)]
    return np.asarray(low + (high - low) * (place - under))
