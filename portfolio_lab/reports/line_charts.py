"""Charts over time: growth, rolling figures, drawdowns, and the returns day by day."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from portfolio_lab.dashboard.figures import percent, ratio, round_ticks
from portfolio_lab.engines.constitution import MINIMUM_DAYS
from portfolio_lab.engines.rolling import rolling
from portfolio_lab.reports.content import CHARTS
from portfolio_lab.reports.drawn import Calendar, Drawn, grows_too_far, index_of, places_of
from portfolio_lab.reports.pictures import End, Picture, end_labels, level, sentence, stroke
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, RISK_FREE
from portfolio_lab.reports.svg import ACROSS, UNITS, Axis, area, line, stems, value_axis, word

HALF_YEAR, YEAR = 183, 365
"""Days of the rolling windows."""

_HIGH, _LOW = 290, 196
_WORST = 5
_FEWEST = 3
_ROUNDING = 1e-12
_STEMS, _THICKEST = 320, 8.0
_MANY = 10
_HALF_DECADE, _MANY_DECADES = 0.5, 3


def growth_charts(drawn: Drawn) -> list[str]:
    """Return cumulative returns: plain, on a log scale, and at the benchmark's volatility."""
    lines = [("a", drawn.name, index_of(drawn.ours.returns))]
    if drawn.theirs is not None:
        lines.append(("b", drawn.other, index_of(drawn.theirs.returns)))
    return [_cumulative(drawn, lines), _logarithmic(drawn, lines), _matched(drawn)]


_Line = tuple[str, str, np.ndarray]


def _cumulative(drawn: Drawn, lines: Sequence[_Line]) -> str:
    names = CHARTS["returns"], "Cumulative returns", "TWR, net of cash flows"
    return _growth(drawn, lines, names, kind="wide", pixels=_HIGH)


def _growth(
    drawn: Drawn, lines: Sequence[_Line], names: tuple[str, str, str], *, kind: str = "", pixels: int = _LOW
) -> str:
    """Return the chart of lines of growth; `names` are its id, title and note."""
    identity, title, note = names
    axis = Axis.over(*(values - 1 for _, _, values in lines), pixels=pixels, include=[0.0], about=5)
    plots, ends = [], []
    for shade, name, values in reversed(lines):
        plots.append(stroke(line(drawn.dates.x, axis.at(values - 1)), shade))
        last = _last(values) - 1
        ends.append(End(last, name, _total(last), shade))
    return Picture(
        id=identity,
        title=title,
        told=f"{_span(drawn)} {_told(ends)}",
        plot="".join(plots),
        around=value_axis(axis, fraction=True) + drawn.dates.axis(pixels + 16) + end_labels(axis, ends),
        pixels=pixels,
        note=note,
        kind=f"{kind} ends",
    ).html()


def _logarithmic(drawn: Drawn, lines: Sequence[_Line]) -> str:
    title = "Cumulative returns, log scale"
    logs = [(shade, name, values, np.log10(np.where(values > 0, values, np.nan))) for shade, name, values in lines]
    axis, grid = _log_axis([logged for *_, logged in logs])
    plots, ends = [], []
    for shade, name, values, logged in reversed(logs):
        plots.append(stroke(line(drawn.dates.x, axis.at(logged)), shade))
        ends.append(End(_last(logged), name, ratio(_last(values), suffix="×"), shade))
    gone = any(bool((values == 0).any()) for _, _, values in lines)
    return Picture(
        id=CHARTS["log_returns"],
        title=title,
        told=f"{_span(drawn)} What 1 became: {_told(ends)}",
        plot="".join(plots),
        around=grid + drawn.dates.axis(_LOW + 16) + end_labels(axis, ends),
        pixels=_LOW,
        note="nothing left has no logarithm: the line ends there" if gone else "what 1 became",
        kind="ends",
    ).html()


def _log_axis(logs: Sequence[np.ndarray]) -> tuple[Axis, str]:
    """Return the axis of logarithms, and its lines and labels, which are round numbers of growth."""
    known = np.concatenate(logs)
    known = known[np.isfinite(known)]
    low, high = float(min(known.min(), 0.0)), float(max(known.max(), 0.0))
    room = max(0.04 * (high - low), 0.004)
    axis = Axis(low - room, high + room, _LOW, ())
    steps: tuple[float, ...] = (1, 2, 5) if high - low > _HALF_DECADE else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    decades = range(math.floor(axis.low), math.ceil(axis.high) + 1)
    marks = [step * 10.0**decade for decade in decades for step in (steps if high - low < _MANY_DECADES else (1,))]
    marks = [mark for mark in marks if axis.low <= math.log10(mark) <= axis.high]
    if len(marks) < _FEWEST:
        marks = [mark for mark in round_ticks(10**axis.low, 10**axis.high) if mark > 0]
    return axis, "".join(_log_mark(axis, mark) for mark in marks)


def _log_mark(axis: Axis, mark: float) -> str:
    top = axis.y(math.log10(mark))
    zero = ' class="zero"' if mark == 1 else ""
    return f'<line x1="0" x2="100%" y1="{top:.6g}" y2="{top:.6g}"{zero}/>' + word(
        0, top + 4, f"{mark:,.4g}×", "tick", -7
    )


def _matched(drawn: Drawn) -> str:
    identity, title = CHARTS["vol_returns"], "At the benchmark's volatility"
    if drawn.theirs is None:
        return sentence(identity, title, "Needs a benchmark.")
    count = len(drawn.ours.known.days)
    if count < MINIMUM_DAYS:
        return sentence(identity, title, f"Needs {MINIMUM_DAYS} days with a known return; there are {count}.")
    ours, theirs = drawn.ours.returns, drawn.theirs.returns
    own, its = float(np.nanstd(ours, ddof=1)), float(np.nanstd(theirs, ddof=1))
    if not own > _ROUNDING:
        return sentence(identity, title, "Needs returns that vary: a flat line has no volatility to be matched.")
    scaled = ours * (its / own)
    if np.nanmin(scaled) < -1 or grows_too_far(scaled):
        return sentence(identity, title, "Cannot be drawn: scaled so far, one day alone would be worth everything.")
    lines = [("a", drawn.name, index_of(scaled)), ("b", drawn.other, index_of(theirs))]
    note = f"cumulative, each day's return × {its / own:.2f}"
    return _growth(drawn, lines, (identity, title, note))


# ---------------------------------------------------------------- rolling


def rolling_charts(drawn: Drawn) -> list[str]:
    """Return rolling beta, volatility, Sharpe and Sortino ratio."""
    half = _window(drawn, HALF_YEAR)
    charts = [_rolling_beta(drawn, half)]
    charts.append(_rolling_volatility(drawn, half))
    for name, title in (("sharpe", "Rolling Sharpe ratio"), ("sortino", "Rolling Sortino ratio")):
        identity = CHARTS[f"rolling_{name}"]
        charts.append(_rolled(drawn, identity, title, [("a", drawn.name, half[name].to_numpy())], fraction=False))
    return charts


def _window(drawn: Drawn, window: int) -> pd.DataFrame:
    """Return the rolling figures of whole windows, NaN before the first."""
    beside = None if drawn.theirs is None else pd.Series(drawn.theirs.returns)
    return _rolling(drawn.ours, window, beside)


def _rolling(calendar: Calendar, window: int, beside: pd.Series | None = None) -> pd.DataFrame:
    # On places rather than dates: the calendar is whole already.
    series = pd.Series(calendar.returns)
    found = rolling(series, window, beside, periods_per_year=PERIODS_PER_YEAR, risk_free=RISK_FREE)
    found.iloc[: window - 1] = np.nan
    return found


def _rolling_beta(drawn: Drawn, half: pd.DataFrame) -> str:
    identity, title = CHARTS["rolling_beta"], "Rolling beta"
    if drawn.theirs is None:
        return sentence(identity, title, "Needs a benchmark.")
    lines = [("a", "6 months", half["beta"].to_numpy()), ("c", "12 months", _window(drawn, YEAR)["beta"].to_numpy())]
    return _rolled(drawn, identity, title, lines, fraction=False, note=f"to {drawn.other}; {HALF_YEAR} and {YEAR} days")


def _rolling_volatility(drawn: Drawn, half: pd.DataFrame) -> str:
    lines = [("a", drawn.name, half["volatility"].to_numpy())]
    if drawn.theirs is not None:
        lines.append(("b", drawn.other, _rolling(drawn.theirs, HALF_YEAR)["volatility"].to_numpy()))
    return _rolled(drawn, CHARTS["rolling_vol"], "Rolling volatility", lines, fraction=True)


def _rolled(
    drawn: Drawn,
    identity: str,
    title: str,
    lines: Sequence[_Line],
    *,
    fraction: bool,
    note: str = "",
) -> str:
    shown = [part for part in lines if np.isfinite(part[2]).any()]
    if not shown:
        return sentence(identity, title, _short(drawn))
    mean = float(np.nanmean(shown[0][2]))
    # Over days that are unknown a window still has a value, but the day has none: the line breaks there.
    known = ~np.isnan(drawn.ours.returns)
    axis = Axis.over(*(values for *_, values in shown), pixels=_LOW, include=[0.0] if fraction else [])
    plots, ends = [level(axis, mean, "mean")], []
    for shade, name, values in reversed(shown):
        days = np.concatenate(([np.nan], axis.at(np.where(known, values, np.nan))))
        plots.append(stroke(line(drawn.dates.x, days), shade))
        last = _last(values)
        ends.append(End(last, name, percent(last, decimals=1) if fraction else ratio(last), shade))
    told = percent(mean, decimals=1) if fraction else ratio(mean)
    window = note or f"{HALF_YEAR} days"
    return Picture(
        id=identity,
        title=title,
        told=f"{_span(drawn)} Last values: {_told(ends)} Mean {told}.",
        plot="".join(plots),
        around=value_axis(axis, fraction=fraction) + drawn.dates.axis(_LOW + 16) + end_labels(axis, ends),
        pixels=_LOW,
        note=f"{window}; dashed: mean {told}",
        kind="ends",
    ).html()


def _short(drawn: Drawn) -> str:
    if len(drawn.ours.days) < HALF_YEAR:
        return f"Needs a history of {HALF_YEAR} days; this one has {len(drawn.ours.days)}."
    return f"Needs a window with {MINIMUM_DAYS} known returns that are not all alike."


# ---------------------------------------------------------------- drawdowns and days


def drawdown_charts(drawn: Drawn) -> list[str]:
    """Return the worst five drawdowns on the line of returns, and how deep each day stood."""
    return [_falls(drawn), _underwater(drawn)]


def _falls(drawn: Drawn) -> str:
    pixels = _HIGH - 40
    grown = index_of(drawn.ours.returns) - 1
    axis = Axis.over(grown, pixels=pixels, include=[0.0])
    depths = drawn.falls.depths[:_WORST].tolist()
    bands, numbers = [], []
    for number, (left, right) in enumerate(_ends(drawn), 1):
        wide = f"{left * ACROSS:.0f}", f"{max(right - left, 0.002) * ACROSS:.0f}"
        bands.append(f'<rect class="fall" x="{wide[0]}" width="{wide[1]}" y="0" height="{pixels * UNITS}"/>')
        numbers.append(word(50 * (left + right), 11, number, "number"))
    told = " ".join(f"{place}: {percent(depth)}." for place, depth in enumerate(depths, 1))
    last = _last(grown)
    ending = End(last, drawn.name, _total(last), "a")
    return Picture(
        id=CHARTS["dd_periods"],
        title="Worst five drawdowns",
        told=f"{_span(drawn)} {told}" if depths else "There was none.",
        plot="".join(bands) + stroke(line(drawn.dates.x, axis.at(grown)), "a"),
        around=value_axis(axis, fraction=True)
        + "".join(numbers)
        + drawn.dates.axis(pixels + 16)
        + end_labels(axis, [ending]),
        pixels=pixels,
        note="shaded from the peak to the day back at it; numbers as in the table" if depths else "there was none",
        kind="wide ends",
    ).html()


def _ends(drawn: Drawn) -> list[tuple[float, float]]:
    """Return where each of the worst begins and ends, as shares of the width."""
    last = np.flatnonzero(~np.isnan(drawn.ours.returns))[-1]
    starts, ends = drawn.falls.starts[:_WORST], drawn.falls.recoveries[:_WORST]
    both = zip((starts - 1).tolist(), np.where(np.isnan(ends), last, ends).tolist(), strict=True)
    return [(drawn.dates.at(start), drawn.dates.at(end)) for start, end in both]


def _underwater(drawn: Drawn) -> str:
    depth = np.concatenate(([0.0], drawn.falls.daily))
    axis = Axis.over(depth, pixels=_LOW - 10, include=[0.0])
    y, mean = axis.at(depth), float(np.nanmean(depth[1:]))
    deepest = float(np.nanmin(depth))
    last = _last(depth)
    return Picture(
        id=CHARTS["dd_plot"],
        title="Under water",
        told=f"{_span(drawn)} Deepest {percent(deepest)}, mean {percent(mean)}, now {percent(last)}.",
        plot=stroke(area(drawn.dates.x, y, axis.at(np.zeros(1))[0]), "depth")
        + stroke(line(drawn.dates.x, y), "d")
        + level(axis, mean, "mean"),
        around=value_axis(axis, fraction=True)
        + drawn.dates.axis(axis.pixels + 16)
        + end_labels(axis, [End(last, "now", percent(last, decimals=1), "d")]),
        pixels=axis.pixels,
        note=f"below the peak; dashed: mean {percent(mean)}, deepest {percent(deepest)}",
        kind="wide ends",
    ).html()


def days_chart(drawn: Drawn) -> str:
    """Return each day's return as a stroke from zero; days whose return is an estimate have a mark at the foot."""
    pixels = _LOW
    axis = Axis.over(drawn.ours.returns, pixels=pixels, include=[0.0])
    x, y, base = drawn.dates.x[1:], axis.at(drawn.ours.returns), float(axis.at(np.zeros(1))[0])
    up, down = np.where(drawn.ours.returns > 0, y, np.nan), np.where(drawn.ours.returns < 0, y, np.nan)
    thick = min(max(_STEMS / len(x), 1.0), _THICKEST)
    guessed = _marks(drawn, drawn.sheet.estimated, pixels)
    values = drawn.ours.known.returns
    note = f"mean {percent(values.mean())}, best {percent(values.max())}, worst {percent(values.min())}"
    return Picture(
        id=CHARTS["daily_returns"],
        title="Daily returns",
        told=f"{_span(drawn)} {note.capitalize()}.",
        plot=stroke(stems(x, up, base), "up", thick) + stroke(stems(x, down, base), "down", thick) + guessed,
        around=value_axis(axis, fraction=True) + drawn.dates.axis(pixels + 16),
        pixels=pixels,
        note=note + ("; marks at the foot: estimated" if guessed else ""),
        kind="wide",
    ).html()


def _marks(drawn: Drawn, days: pd.DatetimeIndex, pixels: int) -> str:
    x = drawn.dates.x[1:][places_of(days, drawn.ours)]
    return stroke(f"M%d {pixels * UNITS}v-60" * len(x) % tuple(x.tolist()), "guess") if len(x) else ""


# ---------------------------------------------------------------- in words


def _last(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known[-1]) if len(known) else math.nan


def _total(fraction: float) -> str:
    return percent(fraction, decimals=0 if abs(fraction) >= _MANY else 1, signed=True)


def _span(drawn: Drawn) -> str:
    return f"{drawn.ours.days[0]} to {drawn.ours.days[-1]}."


def _told(ends: Sequence[End]) -> str:
    return " ".join(f"{end.name} {end.told}." for end in reversed(ends))
