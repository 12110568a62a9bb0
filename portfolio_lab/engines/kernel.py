"""The same sums as `blocks`, compiled: paths eight abreast (`abreast`), all else one portfolio after the other.

Imported only when it is asked for, because numba is optional and takes 0.4 s to import. The machine
code is kept beside this file (or in the user's cache), so that only the first process compiles. What is kept
is one function with all others inside it, by a number that stands for the source of all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TypeVar, cast

import numba
import numpy as np

from portfolio_lab.engines import abreast, bits, constitution, lanes, sums
from portfolio_lab.engines.abreast import ABREAST, paths, room
from portfolio_lab.engines.bits import WORD, lowest
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
_BORDERS = (1.35, 1.1, 0.6, -np.inf)
# Below so many returns a second thread costs more than it saves.
_WORTH_A_THREAD = 500_000
# So often the range of a tail is halved before its values are moved; when moving, so few are sorted.
_HALVINGS, _FEW = 24, 16


def _compiled(function: _Function) -> _Function:
    return cast("_Function", numba.njit(nogil=True, error_model="numpy", fastmath=_FAST)(function))


def _compiled_for_known(function: _Function) -> _Function:
    return cast("_Function", numba.njit(nogil=True, error_model="numpy", fastmath=_FASTER)(function))


def sums_of_rows(rows: np.ndarray, rate: float, *, threads: int | None = None) -> Sums:
    """Sums of each row; arguments and result are those of `blocks.sums_of_rows`, equal to 1e-12.

    Many rows are shared out among `threads`, by default as many as the process has processors. A row's sums
    are the same to the last bit, whoever makes them.
    """
    found, ready = np.empty((len(rows), _WIDTH)), np.ascontiguousarray(rows, dtype="float64")
    shares = _shares(ready, _processors() if threads is None else threads)
    if len(shares) == 1:
        _kept(ready, rate, found)
    else:
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(lambda share: _kept(ready[share], rate, found[share]), shares))
    return Sums(*found.T.copy())


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shares(rows: np.ndarray, threads: int) -> list[slice]:
    """Whole groups of rows that go abreast, as even as they come: no row has other neighbours for being shared out."""
    most = max(1, min(threads, rows.size // _WORTH_A_THREAD))
    step = -(-len(rows) // most // ABREAST) * ABREAST if most > 1 else max(len(rows), 1)
    return [slice(first, first + step) for first in range(0, len(rows), step)] or [slice(0, 0)]


@_compiled
def _all_rows(rows: np.ndarray, rate: float, found: np.ndarray) -> None:
    periods = rows.shape[1]
    every = np.arange(periods)
    known, at, tails = np.empty(periods), np.empty(periods, dtype=np.int64), np.empty((2, periods + 1))
    days, left = room()
    in_step = len(rows) // ABREAST * ABREAST
    strange = np.zeros(ABREAST, dtype=np.int64)
    for row in range(rows.shape[0]):
        if row < in_step and row % ABREAST == 0:
            for lane in range(ABREAST):
                strange[lane] = _strange(rows[row + lane])
            paths(rows, row, days, left, found, not strange.any())
        elif row >= in_step:
            strange[row % ABREAST] = _strange(rows[row])
        count = _known(rows[row], known, at) if strange[row % ABREAST] else periods
        values, places = (known[:count], at[:count]) if count < periods else (rows[row], every)
        _one_row(values, places, rate, tails, found[row])
        if row >= in_step:
            _path(values, places, found[row])
            _streaks(values, found[row])


@_compiled
def _one_row(values: np.ndarray, places: np.ndarray, rate: float, tails: np.ndarray, sums: np.ndarray) -> None:
    sums[0] = len(values)
    if not len(values):
        sums[1] = sums[3] = sums[4] = sums[5] = sums[6] = sums[7] = sums[8] = sums[9] = sums[10] = sums[11] = 0.0
        sums[2] = sums[12] = sums[13] = sums[24] = sums[25] = sums[26] = np.nan
        return
    sums[1] = places[len(values) - 1] - places[0] + 1
    _moments(values, rate, sums)
    _tails(values, tails[0], tails[1], sums)


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
    total = 0.0
    for day in range(count):
        total += values[day]
    mean = total / count
    second, third, fourth = 0.0, 0.0, 0.0
    for day in range(count):
        spread = values[day] - mean
        square = spread * spread
        second += square
        third += square * spread
        fourth += square * square
    sums[2], sums[3], sums[4], sums[5] = mean, second, third, fourth
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
    sums[14], sums[15:22] = 1.0, 0.0
    if not len(values):
        return
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
def _tails(values: np.ndarray, lows: np.ndarray, highs: np.ndarray, sums: np.ndarray) -> None:
    last = len(values) - 1
    mean, spread = sums[2], np.sqrt(sums[3] / len(values))
    low_place, high_place = last * TAIL, last * (1.0 - TAIL)
    low_under, high_under = int(low_place), int(high_place)
    low_over = min(low_under + 1, last)
    kept = (0, 0)
    for border in _BORDERS:
        far = border * spread
        kept = _outside(values, lows, highs, mean - far, mean + far) if border > 0 else _all(values, lows, highs)
        if kept[0] > low_over and kept[1] > last - high_under:
            break
    worst, best = _least(lows, kept[0]), -_least(highs, kept[1])
    below, above = _pair(lows, kept[0], low_over, worst)
    below = above if low_over == low_under else below
    low = below + (above - below) * (low_place - low_under)
    # The upper quantile is the lower one of the negatives, counted from the other end.
    above, below = _pair(highs, kept[1], last - high_under, -best)
    above = below if high_under == last else above
    sums[12], sums[13], sums[24] = best, worst, low
    sums[25] = -(below + (above - below) * (high_place - high_under))
    sums[26] = _mean_up_to(lows, kept[0], low)


@_compiled
def _outside(
    values: np.ndarray, lows: np.ndarray, highs: np.ndarray, low_border: float, high_border: float
) -> tuple[int, int]:
    """Collect both tails, the upper one as negatives, without a branch that could be guessed wrong."""
    low_count, high_count, whole = 0, 0, len(values) // WORD * WORD
    for first in range(0, whole, WORD):
        below, above = np.uint64(0), np.uint64(0)
        for place in range(WORD):
            value, bit = values[first + place], np.uint64(1) << np.uint64(place)
            below |= bit if value <= low_border else np.uint64(0)
            above |= bit if value >= high_border else np.uint64(0)
        while below:
            lows[low_count] = values[first + lowest(below)]
            low_count += 1
            below &= below - np.uint64(1)  # without its lowest bit
        while above:
            highs[high_count] = -values[first + lowest(above)]
            high_count += 1
            above &= above - np.uint64(1)
    for day in range(whole, len(values)):
        value = values[day]
        lows[low_count] = value
        highs[high_count] = -value
        low_count += value <= low_border
        high_count += value >= high_border
    return low_count, high_count


@_compiled
def _all(values: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> tuple[int, int]:
    for day in range(len(values)):
        lows[day], highs[day] = values[day], -values[day]
    return len(values), len(values)


@_compiled
def _least(work: np.ndarray, count: int) -> float:
    """Return the least value; four at a time, since one comparison would wait for the other."""
    first = second = third = fourth = work[0]
    for day in range(0, count - 3, 4):
        first, second = min(first, work[day]), min(second, work[day + 1])
        third, fourth = min(third, work[day + 2]), min(fourth, work[day + 3])
    for day in range(count - count % 4, count):
        first = min(first, work[day])
    return float(min(min(first, second), min(third, fourth)))  # noqa: PLW3301 - two that do not wait for one another


@_compiled
def _mean_up_to(work: np.ndarray, count: int, border: float) -> float:
    total, inside = 0.0, 0
    for day in range(count):
        value = work[day]
        within = value <= border
        total += value if within else 0.0
        inside += within
    return total / inside


@_compiled
def _pair(work: np.ndarray, count: int, rank: int, least: float) -> tuple[float, float]:
    """Value of the rank before, and of this one."""
    low, high = least, _greatest(work, count)
    for _ in range(_HALVINGS if rank else 0):
        border = low + (high - low) * 0.5
        smaller = 0
        for day in range(count):
            smaller += work[day] <= border
        if smaller == rank:  # the border is between the two
            return _beside(work, count, border)
        if smaller < rank:
            low = border
        else:
            high = border
    _select(work, count, rank)  # equal values, or next to equal ones
    return _greatest(work, max(rank, 1)), work[rank]


@_compiled
def _beside(work: np.ndarray, count: int, border: float) -> tuple[float, float]:
    """Return the greatest value up to the border, and the least one above it."""
    low, high = -np.inf, np.inf
    for day in range(count):
        value = work[day]
        low = max(low, value if value <= border else -np.inf)
        high = min(high, value if value > border else np.inf)
    return low, high


@_compiled
def _greatest(work: np.ndarray, count: int) -> float:
    greatest = work[0]
    for day in range(count):
        greatest = max(greatest, work[day])
    return float(greatest)


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


# ---------------------------------------------------------------- what is kept


def source_number(*files: Path) -> int:
    """Return a number that stands for the content of files: another one for any other content."""
    return int.from_bytes(sha256(b"".join(file.read_bytes() for file in files)).digest()[:7])


def _keeping(source: int) -> Callable[[np.ndarray, float, np.ndarray], int]:
    """Compile the whole, kept by its own source and by the number, since it holds that too."""

    @numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
    def kept(rows: np.ndarray, rate: float, found: np.ndarray) -> int:
        _all_rows(rows, rate, found)
        return source

    return cast("Callable[[np.ndarray, float, np.ndarray], int]", kept)


_kept = _keeping(source_number(*(Path(str(module.__file__)) for module in (abreast, bits, constitution, lanes, sums))))
