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
from typing import cast

import numba
import numpy as np

from portfolio_lab.engines import abreast, bits, constitution, lanes, quantiles, sums
from portfolio_lab.engines import compiled as compiling
from portfolio_lab.engines.abreast import ABREAST, paths, room
from portfolio_lab.engines.bits import WORD
from portfolio_lab.engines.compiled import FAST, compiled, compiled_for_known
from portfolio_lab.engines.lanes import WIDTH, each, least, most, sum_of, taken
from portfolio_lab.engines.quantiles import tails_of, up_to
from portfolio_lab.engines.sums import FIELDS, Sums

_WIDTH = len(FIELDS)
# Below so many returns a second thread costs more than it saves.
_WORTH_A_THREAD = 500_000


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
        with ThreadPoolExecutor(len(shares) - 1) as pool:  # this thread takes a share too
            others = pool.map(lambda share: _kept(ready[share], rate, found[share]), shares[1:])
            _kept(ready[shares[0]], rate, found[shares[0]])
            list(others)  # raises what one of them raised
    return Sums(*found.T.copy())


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shares(rows: np.ndarray, threads: int) -> list[slice]:
    """Whole groups of rows that go abreast, as even as they come: no row has other neighbours for being shared out."""
    parts = max(1, min(threads, rows.size // _WORTH_A_THREAD))
    step = -(-len(rows) // parts // ABREAST) * ABREAST if parts > 1 else max(len(rows), 1)
    return [slice(first, first + step) for first in range(0, len(rows), step)] or [slice(0, 0)]


@compiled
def _all_rows(rows: np.ndarray, rate: float, found: np.ndarray) -> None:
    periods = rows.shape[1]
    every = np.arange(periods)
    known, at, tails = np.empty(periods), np.empty(periods, dtype=np.int64), np.empty((2, periods + WORD))
    days, left = room()
    in_step = len(rows) // ABREAST * ABREAST
    for first in range(0, in_step, ABREAST):
        complete = paths(rows, first, days, left, found)
        for row in range(first, first + ABREAST):
            values, places = (rows[row], every) if complete else _without_gaps(rows[row], every, known, at)
            _rest(values, places, rate, tails, found[row])
    for row in range(in_step, len(rows)):
        values, places = _without_gaps(rows[row], every, known, at)
        _plain_sums(values, found[row])
        _rest(values, places, rate, tails, found[row])
        _path(values, places, found[row])
        _streaks(values, found[row])


@compiled
def _without_gaps(
    row: np.ndarray, every: np.ndarray, known: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the known returns and their places."""
    if not np.isnan(_total(row)):  # whatever is unknown makes the sum unknown too
        return row, every
    count = _known(row, known, at)
    return known[:count], at[:count]


@compiled_for_known
def _plain_sums(values: np.ndarray, sums: np.ndarray) -> None:
    """Enter what `paths` enters for rows in which nothing is unknown."""
    sums[2] = _total(values)
    sums[9], sums[10], sums[6] = _around(values, 0.0)
    sums[11] = len(values) - up_to(values, len(values), 0.0)


@compiled
def _rest(values: np.ndarray, places: np.ndarray, rate: float, tails: np.ndarray, sums: np.ndarray) -> None:
    """Enter all but the path; the plain sums are there already, that of all returns in place of the mean."""
    count = len(values)
    sums[0] = count
    if not count:
        sums[1] = sums[3] = sums[4] = sums[5] = sums[7] = sums[8] = 0.0
        sums[2] = sums[12] = sums[13] = sums[24] = sums[25] = sums[26] = np.nan
        return
    sums[1] = places[count - 1] - places[0] + 1
    sums[2] /= count
    sums[7], sums[8] = sums[9], sums[10]
    if rate:
        sums[7], sums[8], sums[6] = _around(values, rate)
    _moments(values, sums)
    tails_of(values, tails[0], tails[1], sums)


@compiled
def _total(values: np.ndarray) -> float:
    total = 0.0
    for day in range(len(values)):
        total += values[day]
    return total


@compiled
def _known(row: np.ndarray, known: np.ndarray, at: np.ndarray) -> int:
    """Move the known returns together; their places beside them."""
    count = 0
    for place in range(len(row)):
        value = row[place]
        known[count] = value
        at[count] = place
        count += value == value  # noqa: PLR0124 - only NaN differs from itself
    return count


@compiled_for_known
def _moments(values: np.ndarray, sums: np.ndarray) -> None:
    mean, second, third, fourth = sums[2], 0.0, 0.0, 0.0
    for day in range(len(values)):
        spread = values[day] - mean
        square = spread * spread
        second += square
        third += square * spread
        fourth += square * square
    sums[3], sums[4], sums[5] = second, third, fourth


@compiled_for_known
def _around(values: np.ndarray, border: float) -> tuple[float, float, float]:
    """Sum what is above a border, what is missing to it, and the squares of what is missing."""
    zero, edge, whole = each(0.0), each(border), len(values) // WIDTH * WIDTH
    above, below, squares = zero, zero, zero
    for day in range(0, whole, WIDTH):
        excess = taken(values, day) - edge
        missed = least(excess, zero)
        above, below, squares = above + most(excess, zero), below - missed, squares + missed * missed
    more, less, square = sum_of(above), sum_of(below), sum_of(squares)
    for day in range(whole, len(values)):
        last = values[day] - border
        gap = min(last, 0.0)
        more, less, square = more + max(last, 0.0), less - gap, square + gap * gap
    return more, less, square


@compiled_for_known
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


@compiled_for_known
def _close(sums: np.ndarray, depth: float, missing: float, squares: float, under: int, length: int) -> None:
    """Enter one drawdown."""
    sums[15] = min(sums[15], depth)
    sums[16] -= missing
    sums[17] += squares
    sums[18] += under
    sums[19] += 1
    sums[20] += depth
    sums[21] = max(sums[21], length)


@compiled
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


# ---------------------------------------------------------------- what is kept


def source_number(*files: Path) -> int:
    """Return a number that stands for the content of files: another one for any other content."""
    return int.from_bytes(sha256(b"".join(file.read_bytes() for file in files)).digest()[:7])


def _keeping(source: int) -> Callable[[np.ndarray, float, np.ndarray], int]:
    """Compile the whole, kept by its own source and by the number, since it holds that too."""

    @numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
    def kept(rows: np.ndarray, rate: float, found: np.ndarray) -> int:
        _all_rows(rows, rate, found)
        return source

    return cast("Callable[[np.ndarray, float, np.ndarray], int]", kept)


_PARTS = (abreast, bits, compiling, constitution, lanes, quantiles, sums)
_kept = _keeping(source_number(*(Path(str(module.__file__)) for module in _PARTS)))
