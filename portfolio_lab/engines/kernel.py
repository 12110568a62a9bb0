"""The same sums as `blocks`, compiled: one portfolio after the other, each while it is in the first-level cache.

Imported only when it is asked for, because numba is optional and takes 0.4 s to import. The machine
code is kept beside this file (or in the user's cache), so that only the first process compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np

from portfolio_lab.engines.constitution import TAIL
from portfolio_lab.engines.sums import FIELDS, Sums

_Function = TypeVar("_Function", bound=Callable[..., object])

# Sums may be taken in any order, so that they run four or eight abreast; NaN keeps its meaning.
_FAST = {"reassoc", "contract", "nsz"}
_WIDTH = len(FIELDS)
# The tails are first narrowed to what is further than this many standard deviations from the mean.
_NEAR, _NEARER = 1.35, 0.6
# Below this many values, sorting by insertion is the quickest.
_FEW = 16


def _compiled(function: _Function) -> _Function:
    return cast("_Function", numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)(function))


def sums_of_rows(rows: np.ndarray, rate: float) -> Sums:
    """Sums of each row; arguments and result are those of `blocks.sums_of_rows`, equal to 1e-12."""
    found = np.empty((len(rows), _WIDTH))
    _all_rows(np.ascontiguousarray(rows, dtype="float64"), rate, found)
    return Sums(*found.T.copy())


@_compiled
def _all_rows(rows: np.ndarray, rate: float, found: np.ndarray) -> None:
    periods = rows.shape[1]
    known, at, work = np.empty(periods), np.empty(periods, dtype=np.int64), np.empty(periods + 1)
    for row in range(rows.shape[0]):
        count = _known(rows[row], known, at)
        values, places, sums = known[:count], at[:count], found[row]
        sums[:] = 0.0
        sums[0] = count
        if count:
            sums[1] = places[count - 1] - places[0] + 1
            _moments(values, rate, sums)
            _path(values, places, sums)
            _streaks(values, sums)
            _tails(values, work, sums)
        else:
            sums[2] = sums[11 + 1] = sums[13] = sums[24] = sums[25] = sums[26] = np.nan
            sums[14] = 1.0


@_compiled
def _known(row: np.ndarray, known: np.ndarray, at: np.ndarray) -> int:
    """Move the known returns together; their places beside them."""
    count = 0
    for place in range(len(row)):
        value = row[place]
        known[count] = value
        at[count] = place
        count += value == value  # noqa: PLR0124 - only NaN differs from itself
    return count


@_compiled
def _moments(values: np.ndarray, rate: float, sums: np.ndarray) -> None:
    total, best, worst, wins = 0.0, values[0], values[0], 0
    above, below, shortfall, gains, losses = 0.0, 0.0, 0.0, 0.0, 0.0
    for value in values:
        total += value
        excess = value - rate
        missed = min(excess, 0.0)
        above += max(excess, 0.0)
        below -= missed
        shortfall += missed * missed
        gains += max(value, 0.0)
        losses -= min(value, 0.0)
        best = max(best, value)
        worst = min(worst, value)
        wins += value > 0.0
    mean = total / len(values)
    second, third, fourth = 0.0, 0.0, 0.0
    for value in values:
        spread = value - mean
        square = spread * spread
        second += square
        third += square * spread
        fourth += square * square
    sums[2], sums[3], sums[4], sums[5] = mean, second, third, fourth
    sums[6], sums[7], sums[8], sums[9], sums[10] = shortfall, above, below, gains, losses
    sums[11], sums[12], sums[13] = wins, best, worst


@_compiled
def _path(values: np.ndarray, places: np.ndarray, sums: np.ndarray) -> None:
    wealth, peak, peak_at, bottom = 1.0, 1.0, places[0] - 1, 1.0
    missing, squares, under = 0.0, 0.0, 0  # of the drawdown that is under way
    for day in range(len(values)):
        wealth *= 1.0 + values[day]
        if wealth < peak:
            short = peak - wealth
            missing += short
            squares += short * short
            under += 1
            bottom = min(bottom, wealth)
            continue
        if under:
            _close(sums, bottom / peak - 1.0, missing / peak, squares / (peak * peak), under, places[day] - peak_at)
            missing, squares, under = 0.0, 0.0, 0
        peak, peak_at, bottom = wealth, places[day], wealth
    if under:
        length = places[len(values) - 1] - peak_at
        _close(sums, bottom / peak - 1.0, missing / peak, squares / (peak * peak), under, length)
    sums[14] = wealth


@_compiled
def _close(sums: np.ndarray, depth: float, missing: float, squares: float, under: int, length: int) -> None:
    """Enter one drawdown."""
    sums[15] = min(sums[15], depth)
    sums[16] -= missing
    sums[17] += squares
    sums[18] += under
    sums[19] += 1
    sums[20] += depth
    sums[21] = max(sums[21], length)


@_compiled
def _streaks(values: np.ndarray, sums: np.ndarray) -> None:
    wins, losses, most_wins, most_losses = 0, 0, 0, 0
    for value in values:
        wins = wins + 1 if value > 0.0 else 0
        losses = losses + 1 if value < 0.0 else 0
        most_wins = max(most_wins, wins)
        most_losses = max(most_losses, losses)
    sums[22], sums[23] = most_wins, most_losses


# ---------------------------------------------------------------- tails


@_compiled
def _tails(values: np.ndarray, work: np.ndarray, sums: np.ndarray) -> None:
    count = len(values)
    mean, spread = sums[2], np.sqrt(sums[3] / count)
    low, kept = _lower(values, work, 1.0, mean, spread, TAIL)
    total, inside = 0.0, 0
    for value in work[:kept]:
        if value <= low:
            total += value
            inside += 1
    sums[24], sums[26] = low, total / inside
    # The upper quantile is the lower one of the negatives, counted from the other end.
    sums[25] = -_lower(values, work, -1.0, mean, spread, 1.0 - TAIL)[0]


@_compiled
def _lower(
    values: np.ndarray, work: np.ndarray, sign: float, mean: float, spread: float, share: float
) -> tuple[float, int]:
    """Quantile at `share`, of the values times `sign`; `work` then holds all that are at or below it, and more."""
    last = len(values) - 1
    place = last * share
    under = int(place)
    part = place - under
    over = min(under + 1, last)
    rank, neighbour = (under, over) if sign > 0 else (last - over, last - under)
    kept = _below(values, work, sign, sign * mean - _NEAR * spread)
    if kept <= neighbour:
        kept = _below(values, work, sign, sign * mean - _NEARER * spread)
    if kept <= neighbour:
        kept = _below(values, work, sign, np.inf)
    _select(work, kept, neighbour)
    high = work[neighbour]
    low = high
    if rank < neighbour:
        low = work[0]
        for value in work[:neighbour]:
            low = max(low, value)
    if sign > 0:
        return low + (high - low) * part, kept
    return high + (low - high) * part, kept


@_compiled
def _below(values: np.ndarray, work: np.ndarray, sign: float, border: float) -> int:
    """Collect what is at or below the border, without a branch that could be guessed wrong."""
    kept = 0
    for value in values:
        signed = value * sign
        work[kept] = signed
        kept += signed <= border
    return kept


@_compiled
def _select(work: np.ndarray, count: int, rank: int) -> None:
    """Put the value of this rank into its place, smaller ones before it (Hoare's quickselect)."""
    left, right = 0, count - 1
    while right - left > _FEW:
        pivot = _middle(work[left], work[(left + right) // 2], work[right])
        i, j = left, right
        while i <= j:
            while work[i] < pivot:
                i += 1
            while work[j] > pivot:
                j -= 1
            if i <= j:
                work[i], work[j] = work[j], work[i]
                i += 1
                j -= 1
        if rank <= j:
            right = j
        elif rank >= i:
            left = i
        else:
            return
    for i in range(left + 1, right + 1):
        value, j = work[i], i - 1
        while j >= left and work[j] > value:
            work[j + 1] = work[j]
            j -= 1
        work[j + 1] = value


@_compiled
def _middle(first: float, second: float, third: float) -> float:
    return max(min(first, second), min(max(first, second), third))
