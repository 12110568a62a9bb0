"""Charts of months and years: bars, a histogram, the table of months, and how returns of each length spread."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from portfolio_lab.dashboard.figures import UNKNOWN, percent, round_ticks
from portfolio_lab.reports.content import CHARTS
from portfolio_lab.reports.drawn import Calendar, Drawn
from portfolio_lab.reports.periods import Linked, Unit, linked, year_of
from portfolio_lab.reports.pictures import FOOT, Picture, caption, sentence, stroke
from portfolio_lab.reports.svg import ACROSS, UNITS, Axis, line, text, value_axis, word

_PIXELS = 196
_FEWEST_MONTHS = 3
_MOST_LABELS = 8
_MOST_SHORT = 14
_LABELLED = 1.14
_BINS = 14
_COUNT_STEPS, _MOST_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200), 6
_CURVE_POINTS = 80
_STRONG_MONTH = 0.25
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ROW = 50
_FEWEST_FOR_A_BOX = 5
_REACH = 1.5
_UNITS: tuple[tuple[str, Unit | None], ...] = (
    ("Days", None),
    ("Weeks", "week"),
    ("Months", "month"),
    ("Quarters", "quarter"),
    ("Years", "year"),
)


def years_chart(drawn: Drawn) -> str:
    """Return a bar for each calendar year, beside the benchmark's."""
    ours, theirs = years_of(drawn)
    both = [ours.returns] if theirs is None else [ours.returns, theirs.returns]
    room = [_LABELLED * float(edge(part)) for part in both for edge in (np.min, np.max)]
    axis = Axis.over(*both, pixels=_PIXELS, include=[0.0, *room])
    slot = ACROSS / len(ours.labels)
    width = min(0.36 * slot if theirs is not None else 0.5 * slot, 1100)
    plots, words = [], []
    for place, year in enumerate(ours.labels):
        middle = slot * (place + 0.5)
        start = middle - width - 0.02 * slot if theirs is not None else middle - width / 2
        words.append(word(middle / 100, _PIXELS + 16, _year_label(int(year), place, len(ours.labels)), "date mid"))
        plots.append(_bar(axis, start, width, float(ours.returns[place]), "a"))
        words.append(_bar_label(axis, start + width / 2, float(ours.returns[place]), len(ours.labels)))
        if theirs is not None and (found := np.flatnonzero(theirs.labels == year)).size:
            value = float(theirs.returns[found[0]])
            plots.append(_bar(axis, middle + 0.02 * slot, width, value, "b"))
            words.append(_bar_label(axis, middle + 0.02 * slot + width / 2, value, 2 * len(ours.labels)))
    told = " ".join(f"{year_of(int(y))}: {percent(r)}." for y, r in zip(ours.labels, ours.returns, strict=True))
    return Picture(
        id=CHARTS["eoy_returns"],
        title="Returns by year",
        told=told,
        plot="".join(plots),
        around=value_axis(axis, fraction=True) + "".join(words),
        pixels=_PIXELS,
        note="the first and the last may be parts",
        keys=_keys(drawn),
    ).html()


def _year_label(label: int, place: int, years: int) -> str:
    """Return "2026", or "’26" where many stand side by side, or nothing where there is no room."""
    if years <= _MOST_LABELS:
        return str(year_of(label))
    return "" if place % -(-years // _MOST_SHORT) else f"’{year_of(label) % 100:02}"


def _keys(drawn: Drawn) -> list[tuple[str, str]]:
    return [("a", drawn.name)] + ([] if drawn.theirs is None else [("b", drawn.other)])


def _bar(axis: Axis, left: float, width: float, value: float, kind: str) -> str:
    top, base = axis.y(value) * UNITS, axis.y(0.0) * UNITS
    return (
        f'<rect class="bar {kind}" x="{left:.0f}" width="{width:.0f}" y="{min(top, base):.0f}" '
        f'height="{abs(top - base):.0f}"/>'
    )


def _bar_label(axis: Axis, middle: float, value: float, years: int) -> str:
    if years > _MOST_LABELS:
        return ""
    top = axis.y(value) + (-5 if value >= 0 else 13)
    return word(middle / 100, top, percent(value, decimals=0, signed=True), "mid over")


# ---------------------------------------------------------------- months


def months_chart(drawn: Drawn) -> str:
    """Return the histogram of monthly returns, their normal curve and mean, and the benchmark's outline."""
    identity, title = CHARTS["monthly_dist"], "Distribution of months"
    ours = _linked(drawn.ours, "month").returns
    if len(ours) < _FEWEST_MONTHS:
        return sentence(identity, title, f"Needs {_FEWEST_MONTHS} calendar months; there are {len(ours)}.")
    theirs = None if drawn.theirs is None else _linked(drawn.theirs, "month").returns
    edges = _edges(ours if theirs is None else np.concatenate((ours, theirs)))
    counts = np.histogram(ours, edges)[0]
    beside = np.zeros_like(counts) if theirs is None else np.histogram(theirs, edges)[0]
    curve = _normal_curve(ours, edges)
    axis = Axis.over(counts, beside, curve[1], pixels=_PIXELS, include=[0.0])
    mean = float(ours.mean())
    plots = [
        *(_bar(axis, left, right - left - 12, count, "a") for left, right, count in _bins(edges, counts) if count),
        stroke(_outline(axis, edges, beside), "b") if theirs is not None else "",
        stroke(line(_across(curve[0], edges), axis.at(curve[1])), "curve"),
        stroke(f"M{_across(np.array([mean]), edges)[0]:.0f} 0V{_PIXELS * UNITS}", "mean"),
    ]
    return Picture(
        id=identity,
        title=title,
        told=f"{len(ours)} months, mean {percent(mean)}, {int((ours > 0).sum())} with a gain.",
        plot="".join(plots),
        around=_count_axis(axis) + _edge_labels(edges),
        pixels=_PIXELS,
        note=f"{len(ours)} months; dashed: mean {percent(mean)}; curve: normal",
        keys=_keys(drawn),
    ).html()


def _edges(months: np.ndarray) -> np.ndarray:
    """Return round borders of equal bins around all of the values."""
    low, high = float(months.min()), float(months.max())
    if high - low < 1e-9:  # noqa: PLR2004 - all alike
        low, high = low - 0.01, high + 0.01
    ticks = round_ticks(low, high, about=_BINS)
    step = ticks[1] - ticks[0]
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return np.arange(first, last + 1) * step


def _across(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint((values - edges[0]) / (edges[-1] - edges[0]) * ACROSS))


def _bins(edges: np.ndarray, counts: np.ndarray) -> list[tuple[float, float, float]]:
    x = _across(edges, edges)
    return list(zip(x[:-1].tolist(), x[1:].tolist(), counts.tolist(), strict=True))


def _outline(axis: Axis, edges: np.ndarray, counts: np.ndarray) -> str:
    tops = axis.at(counts.astype("float64"))
    steps = "".join(f"V{top:.0f}H{right:.0f}" for (_, right, _), top in zip(_bins(edges, counts), tops, strict=True))
    base = axis.y(0.0) * UNITS
    return f"M0 {base:.0f}{steps}V{base:.0f}"


def _normal_curve(months: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return returns, and the months that a normal distribution would put into a bin there; none without a spread."""
    spread = float(months.std(ddof=1))
    if not spread > 0:
        return edges[:1], np.full(1, np.nan)
    at = np.linspace(edges[0], edges[-1], _CURVE_POINTS)
    height = len(months) * (edges[1] - edges[0]) * NormalDist(0.0, spread).pdf(0.0)
    return at, height * np.exp(-0.5 * ((at - months.mean()) / spread) ** 2)


def _count_axis(axis: Axis) -> str:
    rows = []
    step = next(step for step in _COUNT_STEPS if axis.high < _MOST_COUNTS * step)
    for tick in range(0, int(axis.high) + 1, step):
        top = axis.y(tick)
        rows.append(f'<line x1="0" x2="100%" y1="{top:.6g}" y2="{top:.6g}"{_zero(tick)}/>')
        rows.append(word(0, top + 4, tick, "tick", dx=-7))
    return "".join(rows)


def _zero(tick: float) -> str:
    return ' class="zero"' if tick == 0 else ""


def _edge_labels(edges: np.ndarray) -> str:
    ticks = round_ticks(float(edges[0]), float(edges[-1]), about=6)
    places = _across(np.array(ticks), edges) / 100
    return "".join(
        word(
            place,
            _PIXELS + 16,
            percent(tick, decimals=0 if tick * 100 == round(tick * 100) else 1),
            "date mid odd"[: 8 if number % 2 == 0 else 12],
        )
        for number, (tick, place) in enumerate(zip(ticks, places.tolist(), strict=True))
    )


def heat_map(drawn: Drawn) -> str:
    """Return the table of monthly returns, newest year first, shaded by gain and loss."""
    months, years = _linked(drawn.ours, "month"), _linked(drawn.ours, "year")
    found = dict(zip(months.labels.tolist(), months.returns.tolist(), strict=True))
    strongest = min(max(abs(value) for value in found.values()) or 1.0, _STRONG_MONTH)
    rows = "".join(
        f'<tr><th scope="row">{year_of(year)}</th>'
        + "".join(_cell(found.get(12 * year + month), _MONTHS[month], strongest) for month in range(12))
        + f'<td class="total" data-month="Year">{_points(total)}</td></tr>'
        for year, total in sorted(zip(years.labels.tolist(), years.returns.tolist(), strict=True), reverse=True)
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Year", *_MONTHS, "Total"))
    title = caption("Monthly returns", "%, time-weighted; the first and the last may be parts")
    return (
        f'<figure id="{CHARTS["monthly_heatmap"]}" class="panel wide">{title}<table class="heat" '
        f'aria-label="Monthly returns in per cent"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></figure>'
    )


def _cell(value: float | None, month: str, strongest: float) -> str:
    if value is None:
        return f'<td data-month="{month}" class="blank">{UNKNOWN}</td>'
    kind = "up" if value > 0 else "down" if value < 0 else ""
    strength = 8 + 34 * min(abs(value) / strongest, 1.0)
    return f'<td data-month="{month}" class="{kind}" style="--s:{strength:.0f}%">{_points(value)}</td>'


def _points(value: float) -> str:
    return text(percent(value, decimals=1, signed=True).rstrip("%"))


# ---------------------------------------------------------------- spread


def spread_chart(drawn: Drawn) -> str:
    """Return a box of quartiles for the returns of days, weeks, months, quarters and years, each on its own scale."""
    days = drawn.ours.known.returns
    rows = [(name, days if unit is None else _linked(drawn.ours, unit).returns) for name, unit in _UNITS]
    plots, words = zip(*(_spread(place, name, part) for place, (name, part) in enumerate(rows)), strict=True)
    told = " ".join(f"{name}: median {percent(float(np.median(part)))}." for name, part in rows)
    return Picture(
        id=CHARTS["returns_dist"],
        title="Spread of returns by length",
        told=told,
        plot="".join(plots),
        around="".join(words),
        pixels=_ROW * len(rows) - FOOT + 6,
        note="box: quartiles and median; whiskers: 1.5 × the box; dots: beyond; each row on its own scale",
        kind="wide spread",
    ).html()


def _spread(place: int, name: str, values: np.ndarray) -> tuple[str, str]:
    middle, low, high = _ROW * place + 24, float(values.min()), float(values.max())
    left, right = min(low, 0.0), max(high, 0.0)
    if right - left <= 0:
        return "", word(0, middle, f"{name} ({len(values):,}): every one {percent(0.0)}", "row")
    x = np.rint((values - left) / (right - left) * ACROSS)
    zero = -left / (right - left) * ACROSS
    y = middle * UNITS
    plot = stroke(f"M{zero:.0f} {y - 130}V{y + 130}", "origin") + _box(values, x, y)
    count = f"{name} ({len(values):,})"
    words = (
        word(0, middle - 14, count, "row")
        + word(100, middle - 14, f"{percent(low)} to {percent(high, signed=True)}", "span")
        + word(0, middle + 4, "", "tick")
    )
    return plot, words


def _box(values: np.ndarray, x: np.ndarray, y: int) -> str:
    if len(values) < _FEWEST_FOR_A_BOX:
        return stroke("".join(f"M{at:.0f} {y}h0" for at in np.unique(x)), "dot a")
    low, high = np.quantile(values, [0.25, 0.75])
    reach = _REACH * (high - low)
    inside = (values >= low - reach) & (values <= high + reach)
    a, b, c = np.quantile(x, [0.25, 0.5, 0.75])
    ends = x[inside].min(), x[inside].max()
    dots = "".join(f"M{at:.0f} {y}h0" for at in np.unique(x[~inside]))
    return (
        stroke(
            f"M{ends[0]:.0f} {y}H{a:.0f}M{c:.0f} {y}H{ends[1]:.0f}M{ends[0]:.0f} {y - 40}v80M{ends[1]:.0f} {y - 40}v80",
            "whisker",
        )
        + f'<rect class="box" x="{a:.0f}" width="{max(c - a, 1):.0f}" y="{y - 70}" height="140"/>'
        + stroke(f"M{b:.0f} {y - 70}v140", "median")
        + stroke(dots, "dot out")
    )


def years_of(drawn: Drawn) -> tuple[Linked, Linked | None]:
    """Return the calendar years of the returns and of the benchmark."""
    return _linked(drawn.ours, "year"), None if drawn.theirs is None else _linked(drawn.theirs, "year")


def _linked(calendar: Calendar, unit: Unit) -> Linked:
    known = calendar.known
    return linked(known.days, known.returns, unit)
