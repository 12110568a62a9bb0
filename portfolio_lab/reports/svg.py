"""SVG from arrays: whole-number coordinates, paths that break where nothing is known, axes with round ticks.

A plot is an inner picture that is stretched to whatever width there is, `ACROSS` units wide and
`UNITS` a pixel high; lines keep their thickness (the page's style says so). Words stand outside it
in pixels and per cent, so that they are as large on a phone as on a desk.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from portfolio_lab.dashboard.figures import percent, ratio, round_ticks

ACROSS = 10_000
"""Units across a plot."""

UNITS = 10
"""Units a pixel, downwards: coordinates are whole tenths of a pixel."""

COLUMNS = 1_000
"""Pixels across that a line is thinned to, its highest and lowest in each kept."""

_ROOM = 0.04
_FEW_DAYS = 130
_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
_MOST_TICKS = 8


def text(value: object) -> str:
    """Return `value` as text that is safe in a page, quotes too."""
    return html.escape(str(value), quote=True)


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` at the foot to `high` at the top of a plot of so many pixels, and the round ones between."""

    low: float
    high: float
    pixels: int
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, *parts: np.ndarray, pixels: int, include: Iterable[float] = (), about: int = 4) -> Axis:
        """Return the axis of all known values of the parts, with a little room unless it ends at zero.

        Args:
            parts: what is drawn; NaN is left out.
            pixels: height.
            include: further values that must be on it.
            about: how many ticks.
        """
        known = np.concatenate([*(part.ravel() for part in parts), np.fromiter(include, dtype="float64")])
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        if high - low <= 1e-12 * max(abs(high), abs(low), 1e-12):
            low, high = low - (abs(low) / 2 or 0.01), high + (abs(high) / 2 or 0.01)
        room = _ROOM * (high - low)
        # What ends at zero stands on the line of zero; everything else gets some air.
        low, high = low - room * (low != 0), high + room * (high != 0)
        return cls(low, high, pixels, tuple(round_ticks(low, high, about=about)))

    def at(self, values: np.ndarray) -> np.ndarray:
        """Return units from the top, rounded; NaN stays."""
        return np.asarray(np.rint((self.high - values) / (self.high - self.low) * self.pixels * UNITS))

    def y(self, value: float) -> float:
        """Return pixels from the top."""
        return (self.high - value) / (self.high - self.low) * self.pixels


# ---------------------------------------------------------------- paths


def line(x: np.ndarray, y: np.ndarray) -> str:
    """Return the path through the points, broken where y is NaN; a point without neighbours is a dot.

    >>> line(np.array([0, 10, 20, 30, 40]), np.array([5.0, 6.0, np.nan, 7.0, np.nan]))
    'M0 5L10 6M30 7h0'
    """
    return "".join(_run(x[start:end], y[start:end]) for start, end in _runs(y))


def area(x: np.ndarray, y: np.ndarray, base: float) -> str:
    """Return the closed path between the points and a level, in as many pieces as there are.

    >>> area(np.array([0, 10]), np.array([5.0, 6.0]), 0)
    'M0 5L10 6V0H0Z'
    """
    pieces = (
        f"{_run(x[start:end], y[start:end])}V{base:.0f}H{x[start]:.0f}Z" for start, end in _runs(y) if end - start > 1
    )
    return "".join(pieces)


def stems(x: np.ndarray, y: np.ndarray, base: float) -> str:
    """Return an upright stroke from a level to each known point; of many in one pixel, the outermost.

    >>> stems(np.array([0, 10, 20]), np.array([5.0, np.nan, 7.0]), 6)
    'M0 6V5M20 6V7'
    """
    known = np.flatnonzero(~np.isnan(y))
    x, y = x[known], y[known]
    if len(x) > 2 * COLUMNS:
        kept = thinned(x, y)
        x, y = x[kept], y[kept]
    pattern = f"M%d {base:.0f}V%d"
    return pattern * len(x) % tuple(np.column_stack((x, y)).ravel().tolist())


def thinned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the places, ascending, that keep the first, lowest, highest and last known point of each pixel."""
    column = (x * COLUMNS // ACROSS).astype("int64")
    starts = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
    ends = np.append(starts[1:], len(x)) - 1
    order = np.lexsort((y, column))
    return np.unique(np.concatenate((starts, order[starts], order[ends], ends)))


def _run(x: np.ndarray, y: np.ndarray) -> str:
    if len(x) > 2 * COLUMNS:
        kept = thinned(x, y)
        x, y = x[kept], y[kept]
    if len(x) == 1:
        return f"M{x[0]:.0f} {y[0]:.0f}h0"
    pairs = np.column_stack((x, y)).ravel().tolist()
    return ("M%d %dL" + "%d %d " * (len(x) - 1))[:-1] % tuple(pairs)


def _runs(y: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each stretch of known values."""
    known = np.concatenate(([False], ~np.isnan(y), [False]))
    turns = np.flatnonzero(known[1:] != known[:-1])
    yield from zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True)


# ---------------------------------------------------------------- words around a plot


def word(left: float, top: float, words: object, name: str = "", dx: int = 0) -> str:
    """Return text at `left` per cent and `top` pixels of the picture, as plain text."""
    kind = f' class="{name}"' if name else ""
    moved = f' dx="{dx}"' if dx else ""
    return f'<text x="{left:.6g}%" y="{top:.6g}"{moved}{kind}>{text(words)}</text>'


def value_axis(axis: Axis, *, fraction: bool, leave: Iterable[float] = ()) -> str:
    """Return a thin line and a label for each tick.

    Args:
        axis: of the values.
        fraction: whether they are printed in per cent.
        leave: ticks that have a label of another kind already.
    """
    skipped = set(leave)
    decimals = _decimals(axis.ticks, fraction=fraction)
    rows = []
    for tick in axis.ticks:
        top = axis.y(tick)
        name = ' class="zero"' if tick == 0 else ""
        rows.append(f'<line x1="0" x2="100%" y1="{top:.6g}" y2="{top:.6g}"{name}/>')
        if tick not in skipped:
            told = percent(tick, decimals=decimals) if fraction else ratio(tick, decimals=decimals)
            rows.append(word(0, top + 4, told, "tick", dx=-7))
    return "".join(rows)


def _decimals(ticks: tuple[float, ...], *, fraction: bool) -> int:
    """Return as many decimals as tell the ticks apart."""
    step = (ticks[1] - ticks[0] if len(ticks) > 1 else 1.0) * (100 if fraction else 1)
    return next((places for places in range(4) if abs(step - round(step, places)) < 1e-9 * step), 4)


@dataclass(frozen=True, slots=True)
class Dates:
    """Days from `first` on, the day before it at the left edge and the last at the right one."""

    first: np.datetime64
    count: int

    @property
    def x(self) -> np.ndarray:
        """Units from the left of the day before the first and of every day."""
        return np.asarray(np.rint(np.arange(self.count + 1) * (ACROSS / max(self.count, 1))))

    def at(self, place: float) -> float:
        """Return where the end of a day is, as a share of the width; the first day's place is 0."""
        return (place + 1) / max(self.count, 1)

    def axis(self, top: float) -> str:
        """Return labels of years, months or days, as the span asks for; every other one is "odd", days are "long"."""
        first, long = self._first, " long" if self.count <= _FEW_DAYS else ""
        marks = [(self.at((day - first).days), told) for day, told in self._marks()]
        return "".join(
            word(100 * share, top, told, f"date{long}{' odd' if number % 2 else ''}")
            for number, (share, told) in enumerate(marks)
            if 0 <= share <= 1
        )

    @property
    def _first(self) -> dt.date:
        return dt.date.fromisoformat(str(self.first))

    def _marks(self) -> list[tuple[dt.date, str]]:
        first = self._first
        last = first + dt.timedelta(days=self.count - 1)
        if self.count <= _FEW_DAYS:
            step = max(1, -(-self.count // 6))
            days = (first + dt.timedelta(days=step * number) for number in range(-(-self.count // step)))
            return [(day, f"{day.day} {day:%b}") for day in days]
        spanned = (last.year - first.year) * 12 + last.month - first.month
        months = next((step for step in _STEPS if spanned < step * _MOST_TICKS), _STEPS[-1])
        numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
        firsts = [dt.date(number // 12, number % 12 + 1, 1) for number in numbers if number % months == 0]
        return [(day, f"{day.year}" if day.month == 1 else f"{day:%b}") for day in firsts]
