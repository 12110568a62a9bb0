"""Equity over time, with the benchmark rebased onto it and the drawdown below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np
import pandas as pd
from bqplot.interacts import IndexSelector

from portfolio_lab.dashboard.figures import UNKNOWN, as_instant, instant, money, percent, round_ticks, short_money
from portfolio_lab.dashboard.html import Html, html_widget, show, tag
from portfolio_lab.dashboard.tables import empty, panel_title
from portfolio_lab.dashboard.theme import ACCENT, DOWN, GRID, MUTED

RANGES: dict[str, timedelta | None] = {
    "1D": timedelta(days=1),
    "1W": timedelta(days=7),
    "1M": timedelta(days=30),
    "3M": timedelta(days=91),
    "1Y": timedelta(days=365),
    "All": None,
}
_LONG = timedelta(days=200)
_MIDDLE = timedelta(days=3)
_DRAWDOWN_TITLE = tag("h3", "Drawdown", tag("small", "of the time-weighted index"))
_MARGIN = {"left": 22, "right": 58}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the chart shows now; the read-out looks into it."""

    curve: pd.DataFrame
    benchmark: pd.Series
    currency: str


class EquityChart:
    """A line with an area, a crosshair that reads it out, and the drawdown on the same time axis."""

    def __init__(self, *, benchmark_name: str = "BTC") -> None:
        self.ranges = widgets.ToggleButtons(options=list(RANGES), value="All", description="Range")
        self.ranges.add_class("pl-ranges")
        self.with_benchmark = widgets.Checkbox(value=True, description=f"{benchmark_name}, rebased", indent=False)
        self.with_benchmark.add_class("pl-benchmark")
        self._benchmark_name = benchmark_name
        self._drawn: Drawn | None = None
        self._x = bq.DateScale()
        self._money, self._below = bq.LinearScale(), bq.LinearScale(max=0.0)
        self.line = _line(self._x, self._money, ACCENT, fill="bottom", opacity=0.12, width=1.8)
        self.other = _line(self._x, self._money, MUTED, width=1.1)
        self.under = _line(self._x, self._below, DOWN, fill="top", opacity=0.2, width=1.2)
        self._axes = [_value_axis(self._money), _value_axis(self._below, tick_format=".0%")]
        self._times = [_time_axis(self._x), _time_axis(self._x)]
        self.crosshair = IndexSelector(scale=self._x, marks=[self.line], line_width=1, color=MUTED)
        self.figure = _figure([self.other, self.line], [self._times[0], self._axes[0]], "392px", self.crosshair)
        self.drawdown_figure = _figure([self.under], [self._times[1], self._axes[1]], "180px")
        self._read_out = html_widget(None, "pl-read-out")
        self._empty = html_widget()
        self.crosshair.observe(self._follow, names="selected")
        self._charts = widgets.VBox([
            self._read_out, self.figure, html_widget(_DRAWDOWN_TITLE), self.drawdown_figure,
        ])  # fmt: skip
        self._charts.add_class("pl-charts")
        head = widgets.Box([html_widget(panel_title("Equity")), self.with_benchmark, self.ranges])
        head.add_class("pl-head")
        self.widget = widgets.VBox([head, self._charts, self._empty])
        for name in ("pl-panel", "pl-equity"):
            self.widget.add_class(name)

    def since(self, newest: object) -> pd.Timestamp | None:
        """Return where the chosen range begins, counted back from instant `newest`; None for all."""
        length, end = RANGES[self.ranges.value], as_instant(newest)
        return None if length is None or end is None else end - length

    def draw(self, curve: pd.DataFrame, benchmark: pd.Series, *, currency: str) -> None:
        """Show `curve` (Lab.equity_curve) and `benchmark` (prices; an empty series leaves it out)."""
        known = curve.dropna(subset=["equity"]) if not curve.empty else curve
        self._drawn = Drawn(known, rebased(benchmark, known), currency)
        enough = len(known) > 1
        self._charts.layout.display = "" if enough else "none"
        show(self._empty, Html("") if enough else _too_short(known, currency))
        if enough:
            self._draw_lines(self._drawn)
            self._draw_axes(self._drawn)
        self._tell(self.crosshair.selected)

    def _draw_lines(self, drawn: Drawn) -> None:
        times = _naive(drawn.curve.index)
        fall = drawn.curve["drawdown"].to_numpy(dtype=float)
        for mark, x, y in (
            (self.line, times, drawn.curve["equity"].to_numpy(dtype=float)),
            (self.under, times, fall),
            (self.other, _naive(drawn.benchmark.index), drawn.benchmark.to_numpy(dtype=float)),
        ):
            mark.visible = len(x) > 0
            if len(x):
                with mark.hold_sync():
                    mark.x, mark.y = x, y

    def _draw_axes(self, drawn: Drawn) -> None:
        values = np.concatenate([drawn.curve["equity"].to_numpy(dtype=float), drawn.benchmark.to_numpy(dtype=float)])
        low, high = bounds(values)
        self._money.min, self._money.max = low, high
        ticks = round_ticks(low, high, about=6)
        # Labels first, in a message of their own: bqplot draws new values a frame later with the labels of this moment,
        # and one message for both holds them in any order.
        self._axes[0].tick_labels = {_tick_key(tick): short_money(tick, drawn.currency) for tick in ticks}
        self._axes[0].tick_values = np.array(ticks)
        depth = float(np.nanmin([*drawn.curve["drawdown"].to_numpy(dtype=float), -0.01])) * 1.08
        self._below.min = depth
        self._axes[1].tick_values = np.array(round_ticks(depth, 0.0, about=3))
        self._axes[1].tick_format = ".0%" if depth < -0.03 else ".1%"  # noqa: PLR2004 - finer where it is shallow
        first, last = drawn.curve.index[0], drawn.curve.index[-1]
        self._x.min, self._x.max = first.to_pydatetime(), last.to_pydatetime()
        for axis in self._times:
            axis.tick_format = _time_format(last - first)

    def _follow(self, change: dict[str, Any]) -> None:
        self._tell(change["new"])

    def _tell(self, selected: Any) -> None:  # noqa: ANN401 - bqplot sends an array, a date or None
        if self._drawn is None or self._drawn.curve.empty:
            return
        at, index = first_instant(selected), self._drawn.curve.index
        if at is not None and not index[0] <= at <= index[-1]:
            at = None  # the crosshair stood in a range that is no longer shown
        show(self._read_out, read_out(self._drawn, at, self._benchmark_name))

    def on_choice(self, redraw: Callable[[Any], None]) -> None:
        """Call `redraw` when a range is chosen or the benchmark is switched."""
        self.ranges.observe(redraw, names="value")
        self.with_benchmark.observe(redraw, names="value")


def rebased(benchmark: pd.Series, curve: pd.DataFrame) -> pd.Series:
    """Return benchmark prices scaled so that they meet the equity line where both begin; drawing only."""
    if benchmark.empty or curve.empty:
        return pd.Series(dtype=float)
    prices = benchmark.dropna().astype(float)
    if not prices.empty and prices.index.tz is None:  # type: ignore[attr-defined]
        prices.index = pd.DatetimeIndex(prices.index).tz_localize("UTC")
    inside = prices[(prices.index >= curve.index[0]) & (prices.index <= curve.index[-1])]
    if len(inside) < 2 or inside.iloc[0] <= 0:  # noqa: PLR2004 - a line has two ends
        return pd.Series(dtype=float)
    place = min(int(curve.index.searchsorted(inside.index[0])), len(curve) - 1)
    scale = float(curve["equity"].iloc[place]) / float(inside.iloc[0])
    return pd.Series(inside.to_numpy(dtype=float) * scale, index=inside.index)


def bounds(values: np.ndarray) -> tuple[float, float]:
    """Return where the money axis begins and ends: the values with a little air."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    air = (high - low) * 0.08 or abs(high) * 0.01 or 1.0
    return low - air, high + air


def first_instant(selected: Any) -> pd.Timestamp | None:  # noqa: ANN401 - bqplot sends an array, a date or None
    """Return the instant under the crosshair; None while there is no crosshair."""
    if selected is None:
        return None
    places = np.atleast_1d(np.asarray(selected))
    return as_instant(pd.Timestamp(places[0])) if len(places) else None


def read_out(drawn: Drawn, at: pd.Timestamp | None, benchmark_name: str) -> Html:
    """Return the line above the chart: the point under the crosshair, else the range and its end."""
    curve = drawn.curve
    place = len(curve) - 1 if at is None else int(curve.index.get_indexer([at], method="nearest")[0])  # type: ignore[arg-type]
    row = curve.iloc[place]
    when = instant(curve.index[place]) if at is not None else f"{instant(curve.index[0])} – {instant(curve.index[-1])}"
    other = drawn.benchmark
    name = tag(
        "span",
        tag("i", class_="pl-key pl-key-other"),
        f"{benchmark_name}, rebased ",
        _value_at(other, curve.index[place], drawn.currency),
    )
    return tag(
        "div",
        tag("span", tag("i", class_="pl-key"), "Portfolio ", tag("b", money(row["equity"], drawn.currency))),
        name if len(other) else "",
        tag("span", f"{when} · drawdown {percent(row['drawdown'])}", class_="pl-when"),
        class_="pl-read-out-line",
    )


def _value_at(values: pd.Series, at: pd.Timestamp, currency: str) -> str:
    place = int(values.index.searchsorted(at, side="right")) - 1 if len(values) else -1
    return money(values.iloc[place], currency, decimals=0) if place >= 0 else UNKNOWN


def _too_short(known: pd.DataFrame, currency: str) -> Html:
    if known.empty:
        return empty(
            "No complete snapshot in this range.",
            "A curve needs two of them; choose a longer range, or run portfolio-lab sync.",
        )
    value, at = money(known["equity"].iloc[0], currency), instant(known.index[0])
    return empty(f"One complete snapshot so far: {value} at {at}.", "The curve begins with the second one.")


def _line(
    x: bq.DateScale, y: bq.LinearScale, colour: str, *, width: float, fill: str = "none", opacity: float = 0.0
) -> bq.Lines:
    return bq.Lines(
        x=[], y=[], scales={"x": x, "y": y}, colors=[colour], stroke_width=width,
        fill=fill, fill_colors=[colour], fill_opacities=[opacity],
    )  # fmt: skip


def _value_axis(scale: bq.LinearScale, tick_format: str = "") -> bq.Axis:
    return bq.Axis(
        scale=scale, side="right", grid_color=GRID, color="transparent", tick_format=tick_format, num_ticks=4
    )


def _time_axis(scale: bq.DateScale) -> bq.Axis:
    return bq.Axis(scale=scale, grid_lines="none", color="transparent", num_ticks=6)


def _figure(
    marks: list[bq.Mark], axes: list[bq.Axis], height: str, interaction: IndexSelector | None = None
) -> bq.Figure:
    return bq.Figure(
        marks=marks,
        axes=axes,
        interaction=interaction,
        animation_duration=0,
        fig_margin={"top": 10, "bottom": 26, **_MARGIN},
        layout=widgets.Layout(width="100%", height=height),
        background_style={"fill": "transparent"},
    )


def _naive(index: pd.Index) -> np.ndarray:
    instants = pd.DatetimeIndex(index)
    if instants.tz is not None:
        instants = instants.tz_convert("UTC").tz_localize(None)
    return instants.to_numpy().astype("datetime64[ms]")


def _time_format(length: timedelta) -> str:
    if length > _LONG:
        return "%b '%y"
    return "%d %b" if length > _MIDDLE else "%H:%M"


def _tick_key(tick: float) -> str:
    return str(int(tick)) if tick == int(tick) else str(tick)
