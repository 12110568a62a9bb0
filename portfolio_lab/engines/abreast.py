"""Paths of eight portfolios side by side, compiled: the part of `kernel` in which each day needs the day before.

One portfolio alone waits for its own wealth of yesterday, and branches at every peak, which nobody can
guess. Eight in step wait for little and never branch, because each day is the same arithmetic for all; and
what they carry from day to day stays in registers (`lanes`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from portfolio_lab.engines.compiled import compiled
from portfolio_lab.engines.lanes import WIDTH, answers, chosen, each, least, most, put, taken, turned

_Lanes = Any  # eight numbers, or a tuple of such: numba knows what they are, mypy cannot

ABREAST = WIDTH
"""Portfolios in step."""

# So many days are turned at a time as stay in the first-level cache.
_DAYS = 128
# Columns of `sums.FIELDS` from wealth to the streaks: what a path leaves behind; and those of the plain sums.
_FIRST, _LEFT = 14, 10
_PLAIN = (2, 9, 10, 6, 11)
_EVERY = 2**WIDTH - 1  # the answers of all lanes


@compiled
def room() -> tuple[np.ndarray, np.ndarray]:
    """Return what `paths` works in: the days that are turned, and what is left at the end."""
    return np.empty(ABREAST * _DAYS), np.empty(ABREAST * (_LEFT + len(_PLAIN)))


@compiled
def paths(rows: np.ndarray, first: int, days: np.ndarray, left: np.ndarray, found: np.ndarray) -> bool:
    """Enter the path and the plain sums of eight rows from `first` on into `found`, rows x `sums.FIELDS`.

    The path is wealth, drawdowns and streaks; plain sums are that of all returns (in place of the mean), gains,
    losses and their squares, and wins. Returns whether every return is known.
    """
    complete = bool(_walk_known(rows, first, days, left))
    if not complete:
        _walk_gaps(rows, first, days, left)
    for lane in range(ABREAST):
        for place in range(_LEFT):
            found[first + lane, _FIRST + place] = left[place * ABREAST + lane]
        for place, column in enumerate(_PLAIN):
            found[first + lane, column] = left[(_LEFT + place) * ABREAST + lane]
    return complete


@compiled
def _turn(rows: np.ndarray, first: int, start: int, stop: int, days: np.ndarray) -> None:
    """Put the returns of one day beside one another."""
    whole = start + (stop - start) // ABREAST * ABREAST
    for day in range(start, whole, ABREAST):
        turned(rows, first, day, days, (day - start) * ABREAST)
    for day in range(whole, stop):
        for lane in range(ABREAST):
            days[(day - start) * ABREAST + lane] = rows[first + lane, day]


# Each of the following is compiled twice, so that what is only for unknown returns is left out where none is
# unknown.


def _index(*, complete: bool) -> Callable[..., Any]:
    @compiled
    def index(value: _Lanes, wealth: _Lanes, peak: _Lanes) -> tuple[_Lanes, ...]:
        """One day more of wealth and its peak; an unknown return moves nothing, and makes no peak."""
        moved = wealth * (each(1.0) + value)
        peaked = moved >= peak
        wealth = moved if complete else chosen(value == value, moved, wealth)  # noqa: PLR0124 - only NaN differs from itself
        peak = chosen(peaked, wealth, peak)
        depth = wealth / peak - each(1.0)
        return wealth, peak, peaked, depth if complete else chosen(value == value, depth, each(0.0))  # noqa: PLR0124

    return cast("Callable[..., Any]", index)


def _drawdowns(*, complete: bool) -> Callable[..., Any]:
    @compiled
    def drawdowns(value: _Lanes, today: _Lanes, peaked: _Lanes, depth: _Lanes, state: _Lanes) -> tuple[_Lanes, ...]:
        """One day more of every drawdown; `deep` is of the one under way, and `since` its peak."""
        deepest, depths, squares, under, falls, fall_depths, longest, deep, since, started = state
        zero, one = each(0.0), each(1.0)
        deep = least(depth, deep)
        fallen = deep < zero
        length = chosen(fallen, today - since, zero)
        longest = most(length if complete else chosen(value == value, length, zero), longest)  # noqa: PLR0124
        falls = chosen(fallen & peaked, falls + one, falls)
        fall_depths = chosen(peaked, fall_depths + deep, fall_depths)
        since = chosen(peaked, today, since)
        if not complete:  # the place in front of the first known day is a peak too
            started = chosen(value == value, one, started)  # noqa: PLR0124
            since = chosen(started > zero, since, today)
        under = chosen(depth < zero, under + one, under)
        over = chosen(peaked, zero, deep)
        depths, squares = depths + depth, squares + depth * depth
        return least(deep, deepest), depths, squares, under, falls, fall_depths, longest, over, since, started

    return cast("Callable[..., Any]", drawdowns)


def _streaks(*, complete: bool) -> Callable[..., Any]:
    @compiled
    def streaks(value: _Lanes, state: _Lanes) -> tuple[_Lanes, ...]:
        """One day more of both streaks; an unknown return neither makes one longer nor ends it."""
        most_wins, most_losses, wins, losses = state
        zero, one = each(0.0), each(1.0)
        other_wins = zero if complete else chosen(value == value, zero, wins)  # noqa: PLR0124 - only NaN differs from itself
        other_losses = zero if complete else chosen(value == value, zero, losses)  # noqa: PLR0124
        wins = chosen(value > zero, wins + one, other_wins)
        losses = chosen(value < zero, losses + one, other_losses)
        return most(wins, most_wins), most(losses, most_losses), wins, losses

    return cast("Callable[..., Any]", streaks)


def _plain(*, complete: bool) -> Callable[..., Any]:
    @compiled
    def plain(value: _Lanes, state: _Lanes) -> tuple[_Lanes, ...]:
        """One day more of what needs no day before it; an unknown return adds nothing."""
        total, gains, losses, squares, wins = state
        zero = each(0.0)
        moved = value if complete else chosen(value == value, value, zero)  # noqa: PLR0124 - only NaN differs from itself
        loss = least(moved, zero)
        wins = chosen(moved > zero, wins + each(1.0), wins)
        return total + moved, gains + most(moved, zero), losses - loss, squares + loss * loss, wins

    return cast("Callable[..., Any]", plain)


@compiled
def _added(one: _Lanes, other: _Lanes) -> tuple[_Lanes, ...]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3], one[4] + other[4]


def _walker(*, complete: bool) -> Callable[[np.ndarray, int, np.ndarray, np.ndarray], bool]:
    """Return the walk of eight rows over all days; that of known returns ends early, and says so, where one is not."""
    index, drawdowns = _index(complete=complete), _drawdowns(complete=complete)
    streaks, plain = _streaks(complete=complete), _plain(complete=complete)

    @compiled
    def walk(rows: np.ndarray, first: int, days: np.ndarray, left: np.ndarray) -> bool:
        zero = each(0.0)
        wealth, peak = each(1.0), each(1.0)
        falls = (zero, zero, zero, zero, zero, zero, zero, zero, each(-1.0), zero)
        runs = (zero, zero, zero, zero)
        sums = (zero, zero, zero, zero, zero)
        for start in range(0, rows.shape[1], _DAYS):
            stop = min(start + _DAYS, rows.shape[1])
            _turn(rows, first, start, stop, days)
            part = (zero, zero, zero, zero, zero)  # sums of parts are rounded less than one long sum
            for day in range(start, stop):
                value = taken(days, (day - start) * ABREAST)
                wealth, peak, peaked, depth = index(value, wealth, peak)
                falls = drawdowns(value, each(float(day)), peaked, depth, falls)
                runs = streaks(value, runs)
                part = plain(value, part)
            # Whatever is unknown makes the sum unknown too.
            if complete and answers(part[0] == part[0]) != _EVERY:
                return False
            sums = _added(sums, part)
        _leave(wealth, falls, runs, sums, left)
        return True

    return cast("Callable[[np.ndarray, int, np.ndarray, np.ndarray], bool]", walk)


@compiled
def _leave(wealth: _Lanes, falls: _Lanes, runs: _Lanes, sums: _Lanes, left: np.ndarray) -> None:
    """Write down what is left; a drawdown that is still open is one too."""
    deepest, depths, squares, under, count, fall_depths, longest, deep = falls[:8]
    count = chosen(deep < each(0.0), count + each(1.0), count)
    put(left, 0, wealth)
    put(left, ABREAST, deepest)
    put(left, 2 * ABREAST, depths)
    put(left, 3 * ABREAST, squares)
    put(left, 4 * ABREAST, under)
    put(left, 5 * ABREAST, count)
    put(left, 6 * ABREAST, fall_depths + deep)
    put(left, 7 * ABREAST, longest)
    put(left, 8 * ABREAST, runs[0])
    put(left, 9 * ABREAST, runs[1])
    put(left, 10 * ABREAST, sums[0])
    put(left, 11 * ABREAST, sums[1])
    put(left, 12 * ABREAST, sums[2])
    put(left, 13 * ABREAST, sums[3])
    put(left, 14 * ABREAST, sums[4])


_walk_known, _walk_gaps = _walker(complete=True), _walker(complete=False)
