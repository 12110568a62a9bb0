"""Both tails of a row of returns, compiled: far returns are collected, and only among them ranks are looked for."""

from __future__ import annotations

import numpy as np

from portfolio_lab.engines.bits import WORD, lowest, ones
from portfolio_lab.engines.compiled import compiled, compiled_for_known
from portfolio_lab.engines.constitution import TAIL
from portfolio_lab.engines.lanes import WIDTH, answers, chosen, each, least, least_of, most, most_of, taken

# The tails are first narrowed to what is further than so many standard deviations from the mean.
_BORDERS = (1.35, 1.1, 0.6, -np.inf)
# So often the range of a tail is halved before its values are moved; when moving, so few are sorted.
_HALVINGS, _FEW = 24, 16
# Mostly there are no more of sixty-four returns in a tail.
_AT_ONCE = 8


@compiled
def tails_of(values: np.ndarray, lows: np.ndarray, highs: np.ndarray, sums: np.ndarray) -> None:
    """Enter best and worst, both quantiles, and the mean at or below the lower one, of known returns.

    Works in `lows` and `highs`, which hold `bits.WORD` more than there are returns. Of `sums`, in the order of
    `sums.FIELDS`, mean and second moment are there already.
    """
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
    sums[26] = _meanup_to(lows, kept[0], low)


@compiled
def _outside(
    values: np.ndarray, lows: np.ndarray, highs: np.ndarray, low_border: float, high_border: float
) -> tuple[int, int]:
    """Collect both tails, the upper one as negatives, without a branch that could be guessed wrong."""
    low_count, high_count, whole = 0, 0, len(values) // WORD * WORD
    low_edge, high_edge = each(low_border), each(high_border)
    for first in range(0, whole, WORD):
        below, above = np.uint64(0), np.uint64(0)
        for place in range(0, WORD, WIDTH):
            eight = taken(values, first + place)
            below |= answers(eight <= low_edge) << np.uint64(place)
            above |= answers(eight >= high_edge) << np.uint64(place)
        low_count = _moved(values, first, below, lows, low_count, 1.0)
        high_count = _moved(values, first, above, highs, high_count, -1.0)
    for day in range(whole, len(values)):
        value = values[day]
        lows[low_count] = value
        highs[high_count] = -value
        low_count += value <= low_border
        high_count += value >= high_border
    return low_count, high_count


@compiled
def _moved(values: np.ndarray, first: int, picked: np.uint64, tail: np.ndarray, count: int, sign: float) -> int:
    """Append what the bits pick; return how many the tail holds."""
    left, end = picked, count + ones(picked)
    # So many without asking whether there is one more: what is moved too often is written over, or behind the end.
    for place in range(count, count + _AT_ONCE):
        tail[place] = sign * values[first + lowest(left)]
        left &= left - np.uint64(1)  # without its lowest bit
    for place in range(count + _AT_ONCE, end):
        tail[place] = sign * values[first + lowest(left)]
        left &= left - np.uint64(1)
    return end


@compiled
def _all(values: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> tuple[int, int]:
    for day in range(len(values)):
        lows[day], highs[day] = values[day], -values[day]
    return len(values), len(values)


@compiled_for_known
def _least(work: np.ndarray, count: int) -> float:
    """Return the least value; the last eight may be looked at twice."""
    if count < WIDTH:
        low = work[0]
        for day in range(count):
            low = min(low, work[day])
        return float(low)
    eight = taken(work, count - WIDTH)
    for day in range(0, count - WIDTH, WIDTH):
        eight = least(taken(work, day), eight)
    return float(least_of(eight))


@compiled
def _meanup_to(work: np.ndarray, count: int, border: float) -> float:
    total, inside = 0.0, 0
    for day in range(count):
        value = work[day]
        within = value <= border
        total += value if within else 0.0
        inside += within
    return total / inside


@compiled
def _pair(work: np.ndarray, count: int, rank: int, lowest_value: float) -> tuple[float, float]:
    """Value of the rank before, and of this one."""
    low, high = lowest_value, _greatest(work, count)
    for _ in range(_HALVINGS if rank else 0):
        border = low + (high - low) * 0.5
        smaller = up_to(work, count, border)
        if smaller == rank:  # the border is between the two
            return _beside(work, count, border)
        # No branch, which would be guessed wrong every other time.
        low, high = (border if smaller < rank else low), (high if smaller < rank else border)
    _select(work, count, rank)  # equal values, or next to equal ones
    return _greatest(work, max(rank, 1)), work[rank]


@compiled
def up_to(work: np.ndarray, count: int, border: float) -> int:
    """Count the values up to the border."""
    edge, inside, whole = each(border), 0, count // WIDTH * WIDTH
    for day in range(0, whole, WIDTH):
        inside += ones(answers(taken(work, day) <= edge))
    for day in range(whole, count):
        inside += work[day] <= border
    return inside


@compiled_for_known
def _beside(work: np.ndarray, count: int, border: float) -> tuple[float, float]:
    """Return the greatest value up to the border, and the least one above it."""
    edge, lows, highs, whole = each(border), each(-np.inf), each(np.inf), count // WIDTH * WIDTH
    for day in range(0, whole, WIDTH):
        eight = taken(work, day)
        inside = eight <= edge
        lows = most(chosen(inside, eight, lows), lows)
        highs = least(chosen(inside, highs, eight), highs)
    low, high = most_of(lows), least_of(highs)
    for day in range(whole, count):
        value = work[day]
        low = max(low, value if value <= border else low)
        high = min(high, value if value > border else high)
    return low, high


@compiled_for_known
def _greatest(work: np.ndarray, count: int) -> float:
    """Return the greatest value; the last eight may be looked at twice."""
    if count < WIDTH:
        high = work[0]
        for day in range(count):
            high = max(high, work[day])
        return float(high)
    eight = taken(work, count - WIDTH)
    for day in range(0, count - WIDTH, WIDTH):
        eight = most(taken(work, day), eight)
    return float(most_of(eight))


@compiled
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


@compiled
def _middle(first: float, second: float, third: float) -> float:
    return max(min(first, second), min(max(first, second), third))
