"""Paths of sixteen portfolios side by side, compiled: the part of `kernel` in which each day needs the day before.

One portfolio alone waits for its own wealth of yesterday, and branches at every peak, which nobody can
guess. Sixteen in step wait for nothing and never branch, because each day is the same arithmetic for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np

_Function = TypeVar("_Function", bound=Callable[..., object])

ABREAST = 16
"""Portfolios in step."""

# So many days are turned at a time as stay in the first-level cache.
_DAYS = 128
# Where each value of the state begins; the sixteen portfolios follow one another in it.
_PLACES = tuple(place * ABREAST for place in range(17))
_WEALTH, _PEAK, _SINCE, _STARTED, _DEEP = _PLACES[:5]
_DEEPEST, _DEPTHS, _SQUARES, _UNDER, _FALLS, _FALL_DEPTHS, _LONGEST = _PLACES[5:12]
_WINS, _LOSSES, _MOST_WINS, _MOST_LOSSES, _SIZE = _PLACES[12:]


def _compiled(function: _Function) -> _Function:
    compiler = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
    return cast("_Function", compiler(function))


@_compiled
def room() -> tuple[np.ndarray, np.ndarray]:
    """Return what `paths` works in: the days that are turned, and the state."""
    return np.empty(ABREAST * _DAYS), np.empty(_SIZE)


@_compiled
def paths(
    rows: np.ndarray,
    first: int,
    turned: np.ndarray,
    state: np.ndarray,
    found: np.ndarray,
    complete: bool,  # noqa: FBT001 - compiled calls go by place
) -> None:
    """Enter wealth, drawdowns and streaks of sixteen rows from `first` on into `found`, rows x `sums.FIELDS`."""
    state[:] = 0.0
    state[_WEALTH : _PEAK + ABREAST] = 1.0
    state[_SINCE:_STARTED] = -1.0
    for start in range(0, rows.shape[1], _DAYS):
        stop = min(start + _DAYS, rows.shape[1])
        _turn(rows, first, start, stop, turned)
        # Two calls, so that the compiler leaves out of one what is only for unknown returns.
        if complete:
            for day in range(start, stop):
                _step(turned, (day - start) * ABREAST, float(day), state, True)
                _streak(turned, (day - start) * ABREAST, state, True)
        else:
            for day in range(start, stop):
                _step(turned, (day - start) * ABREAST, float(day), state, False)
                _streak(turned, (day - start) * ABREAST, state, False)
    for lane in range(ABREAST):
        sums = found[first + lane]
        sums[14] = state[_WEALTH + lane]
        for place in range(7):
            sums[15 + place] = state[_DEEPEST + place * ABREAST + lane]
        deep = state[_DEEP + lane]  # of a drawdown that is still open
        sums[19] += deep < 0.0
        sums[20] += deep
        sums[22], sums[23] = state[_MOST_WINS + lane], state[_MOST_LOSSES + lane]


@_compiled
def _turn(rows: np.ndarray, first: int, start: int, stop: int, turned: np.ndarray) -> None:
    """Put the returns of one day beside one another."""
    for lane in range(ABREAST):
        row = rows[first + lane]
        for day in range(start, stop):
            turned[(day - start) * ABREAST + lane] = row[day]


@_compiled
def _step(turned: np.ndarray, base: int, day: float, state: np.ndarray, complete: bool) -> None:  # noqa: FBT001 - compiled calls go by place
    """One day more of every drawdown; an unknown return moves nothing."""
    for lane in range(ABREAST):
        known = complete | (turned[base + lane] == turned[base + lane])
        wealth = state[_WEALTH + lane] * (1.0 + (turned[base + lane] if known else 0.0))
        peak, since = state[_PEAK + lane], state[_SINCE + lane]
        peaked = known & (wealth >= peak)
        peak = wealth if peaked else peak
        fallen = wealth / peak - 1.0
        depth = fallen if known else 0.0
        deep = min(state[_DEEP + lane], depth)
        length = day - since if known & (deep < 0.0) else 0.0
        # The place in front of the first known day is a peak too.
        started = 1.0 if known else state[_STARTED + lane]
        state[_STARTED + lane] = started
        state[_SINCE + lane] = day if peaked | (started == 0.0) else since
        state[_WEALTH + lane] = wealth
        state[_PEAK + lane] = peak
        state[_DEEP + lane] = 0.0 if peaked else deep
        state[_DEEPEST + lane] = min(state[_DEEPEST + lane], depth)
        state[_DEPTHS + lane] += depth
        state[_SQUARES + lane] += depth * depth
        state[_UNDER + lane] += 1.0 if depth < 0.0 else 0.0
        state[_FALLS + lane] += 1.0 if peaked & (deep < 0.0) else 0.0
        state[_FALL_DEPTHS + lane] += deep if peaked else 0.0
        state[_LONGEST + lane] = max(state[_LONGEST + lane], length)


@_compiled
def _streak(turned: np.ndarray, base: int, state: np.ndarray, complete: bool) -> None:  # noqa: FBT001 - compiled calls go by place
    for lane in range(ABREAST):
        value = turned[base + lane]
        unknown = (not complete) & (value != value)  # noqa: PLR0124 - only NaN differs from itself
        wins, losses = state[_WINS + lane], state[_LOSSES + lane]
        wins = wins + 1.0 if value > 0.0 else (wins if unknown else 0.0)
        losses = losses + 1.0 if value < 0.0 else (losses if unknown else 0.0)
        state[_WINS + lane] = wins
        state[_LOSSES + lane] = losses
        state[_MOST_WINS + lane] = max(state[_MOST_WINS + lane], wins)
        state[_MOST_LOSSES + lane] = max(state[_MOST_LOSSES + lane], losses)
