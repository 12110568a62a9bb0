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

# Loops go by place, because those over an array itself are never run several abreast; and sums may be
# taken in any order, so that they are.
_FAST = {"reassoc", "contract", "nsz"}
# What only known returns reach may also take it for granted that there is no NaN.
_FASTER = {*_FAST, "nnan"}
_WIDTH = len(FIELDS)
# The tails are first narrowed to what is further than so many standard deviations from the mean.
_BORDERS = (1.5, 1.2, 0.6, -np.inf)
# Up to this many values, counting the smaller ones of each beats moving them; when moving, so few are sorted.
_COUNTED, _FEW = 256, 16


def _compiled(function: _Function) -> _Function:
    return cast("_Function", numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)(function))


def _compiled_for_known(function: _Function) -> _Function:
    return cast("_Function", numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FASTER)(function))


def sums_of_rows(rows: np.ndarray, rate: float) -> Sums:
    """Sums of each row; arguments and result are those of `blocks.sums_of_rows`, equal to 1e-12."""
    found = np.empty((len(rows), _WIDTH))
    _all_rows(np.ascontiguousarray(rows, dtype="float64"), rate, found)
    return Sums(*found.T.copy())


@_compiled
def _all_rows(rows: np.ndarray, rate: float, found: np.ndarray) -> None:
    periods = rows.shape[1]
    every = np.arange(periods)
    known, at, work = np.empty(periods), np.empty(periods, dtype=np.int64), np.empty(periods + 1)
    for row in range(rows.shape[0]):
        strange = _strange(rows[row])
        if not strange:
            _one_row(rows[row], every, rate, work, found[row])
        else:
            count = _known(rows[row], known, at)
            _one_row(known[:count], at[:count], rate, work, found[row])


@_compiled
def _one_row(values: np.ndarray, places: np.ndarray, rate: float, work: np.ndarray, sums: np.ndarray) -> None:
    sums[:] = 0.0
    sums[0] = len(values)
    sums[14] = 1.0
    if not len(values):
        sums[2] = sums[12] = sums[13] = sums[24] = sums[25] = sums[26] = np.nan
        return
    sums[1] = places[len(values) - 1] - places[0] + 1
    _moments(values, rate, sums)
    _path(values, places, sums)
    _streaks(values, sums)
    _tails(values, work, sums)


@_compiled
def _strange(row: np.ndarray) -> int:
    """Count what is unknown."""
    strange = 0
    for day in range(len(row)):
        value = row[day]
        strange += value != value  # noqa: PLR0124 - only NaN differs from itself
    return strange


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


@_compiled_for_known
def _moments(values: np.ndarray, rate: float, sums: np.ndarray) -> None:
    count = len(values)
    total, best, worst = 0.0, values[0], values[0]
    for day in range(count):
        total += values[day]
        best = max(best, values[day])
        worst = min(worst, values[day])
    mean = total / count
    second, third, fourth = 0.0, 0.0, 0.0
    for day in range(count):
        spread = values[day] - mean
        square = spread * spread
        second += square
        third += square * spread
        fourth += square * square
    sums[2], sums[3], sums[4], sums[5], sums[12], sums[13] = mean, second, third, fourth, best, worst
    _sides(values, rate, sums)


@_compiled_for_known
def _sides(values: np.ndarray, rate: float, sums: np.ndarray) -> None:
    """Gains and losses, and what is above and below the risk-free return."""
    above, below, shortfall, gains, losses, wins = 0.0, 0.0, 0.0, 0.0, 0.0, 0
    for day in range(len(values)):
        excess = values[day] - rate
        missed = min(excess, 0.0)
        above += max(excess, 0.0)
        below -= missed
        shortfall += missed * missed
    for day in range(len(values)):
        gains += max(values[day], 0.0)
        losses -= min(values[day], 0.0)
    for day in range(len(values)):
        wins += values[day] > 0.0
    sums[6], sums[7], sums[8], sums[9], sums[10], sums[11] = shortfall, above, below, gains, losses, wins


@_compiled_for_known
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


@_compiled_for_known
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
    for day in range(len(values)):
        value = values[day]
        # -1 has every bit set and 0 none: no branch, which would be guessed wrong every other day.
        wins = (wins + 1) & -int(value > 0.0)
        losses = (losses + 1) & -int(value < 0.0)
        most_wins = max(most_wins, wins)
        most_losses = max(most_losses, losses)
    sums[22], sums[23] = most_wins, most_losses


# ---------------------------------------------------------------- tails


@_compiled
def _tails(values: np.ndarray, work: np.ndarray, sums: np.ndarray) -> None:
    mean, spread = sums[2], np.sqrt(sums[3] / len(values))
    low, kept = _lower(values, work, 1.0, mean, spread, TAIL)
    total, inside = 0.0, 0
    for day in range(kept):
        value = work[day]
        within = value <= low
        total += value if within else 0.0
        inside += within
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
    kept = 0
    for border in _BORDERS:
        kept = _below(values, work, sign, sign * mean - border * spread if border > 0 else np.inf)
        if kept > neighbour:
            break
    low, high = _pair(work, kept, neighbour)
    if rank == neighbour:
        low = high
    return (low + (high - low) * part if sign > 0 else high + (low - high) * part), kept


@_compiled
def _pair(work: np.ndarray, kept: int, rank: int) -> tuple[float, float]:
    """Value of the rank before, and of this one."""
    if kept > _COUNTED:
        _select(work, kept, rank)
        low = work[0]
        for day in range(rank):
            value = work[day]
            low = max(low, value)
        return low, work[rank]
    for place in range(kept):
        candidate = work[place]
        smaller, equal = 0, 0
        for day in range(kept):
            value = work[day]
            smaller += value < candidate
            equal += value == candidate
        if smaller <= rank < smaller + equal:
            low = -np.inf
            for day in range(kept):
                value = work[day]
                low = max(low, value if value < candidate else -np.inf)
            return (low if smaller == rank else candidate), candidate
    return np.nan, np.nan


@_compiled
def _below(values: np.ndarray, work: np.ndarray, sign: float, border: float) -> int:
    """Collect what is at or below the border, without a branch that could be guessed wrong."""
    kept = 0
    for day in range(len(values)):
        value = values[day]
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
