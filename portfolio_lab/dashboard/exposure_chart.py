"""Net exposure per underlying as a share of equity, with the totals below."""

from __future__ import annotations

import bqplot as bq
import ipywidgets as widgets
import numpy as np
import pandas as pd

from portfolio_lab.dashboard.figures import money, number, percent, ratio, round_ticks
from portfolio_lab.dashboard.html import Html, html_widget, show, tag
from portfolio_lab.dashboard.tables import empty, panel_title
from portfolio_lab.dashboard.theme import DOWN, GRID, MUTED, UP

BARS_SHOWN = 8


class ExposureChart:
    """Bars to the right for long, to the left for short; the largest eight underlyings."""

    def __init__(self) -> None:
        self._names = bq.OrdinalScale()
        self._shares = bq.LinearScale()
        self.bars = bq.Bars(
            x=[],
            y=[],
            orientation="horizontal",
            type="stacked",
            colors=[UP, DOWN],
            scales={"x": self._names, "y": self._shares},
            padding=0.45,
            stroke="transparent",
        )
        self._axis = bq.Axis(
            scale=self._shares, tick_format=".0%", grid_color=GRID, color=GRID, num_ticks=4, tick_style={"fill": MUTED}
        )
        names = bq.Axis(scale=self._names, side="left", grid_lines="none", color="transparent")
        self.figure = bq.Figure(
            marks=[self.bars],
            axes=[self._axis, names],
            animation_duration=0,
            fig_margin={"top": 6, "bottom": 26, "left": 62, "right": 18},
            layout=widgets.Layout(width="100%", height="210px"),
            background_style={"fill": "transparent"},
        )
        self._totals = html_widget(None, "pl-totals")
        title = html_widget(panel_title("Exposure", "net, % of equity · long / short"))
        self.widget = widgets.VBox([title, self.figure, self._totals])
        self.widget.add_class("pl-panel")
        self.widget.add_class("pl-exposure")

    def draw(self, exposure: pd.DataFrame, *, currency: str) -> None:
        """Show `exposure` (Lab.exposure), whose attrs["total"] holds the totals."""
        shown = shown_rows(exposure)
        self.figure.layout.display = "none" if shown.empty else ""
        show(self._totals, totals_html(exposure, shown, currency))
        if shown.empty:
            return
        shares = shown["share"].to_numpy(dtype=float)
        self._axis.tick_values = np.array(share_ticks(shares))
        with self.bars.hold_sync():
            self.bars.x = [str(name) for name in shown.index]
            self.bars.y = np.vstack([shares.clip(min=0.0), shares.clip(max=0.0)])
        self.figure.layout.height = f"{44 + 30 * len(shown)}px"


def share_ticks(shares: np.ndarray) -> list[float]:
    """Return round ticks over the bars; zero is always among them."""
    return sorted({0.0, *round_ticks(min(0.0, float(shares.min())), max(0.0, float(shares.max())), about=5)})


def shown_rows(exposure: pd.DataFrame) -> pd.DataFrame:
    """Return the largest known shares, the largest last (bars are drawn from below)."""
    known = exposure[exposure["share"].astype(float).notna()] if not exposure.empty else exposure
    if known.empty:
        return known
    order = known["share"].astype(float).abs().sort_values(kind="stable").index[-BARS_SHOWN:]
    return known.loc[order]


def totals_html(exposure: pd.DataFrame, shown: pd.DataFrame, currency: str) -> Html:
    """Return the totals line, with how many underlyings are not drawn; a sentence when there is no exposure."""
    if exposure.empty:
        return empty("No exposure.", "Cash in the reporting currency carries none.")
    total = exposure.attrs.get("total", {})
    hidden = len(exposure) - len(shown)
    unknown = int(exposure["share"].map(lambda share: np.isnan(number(share))).sum())
    cells = [
        _cell("Net", ratio(total.get("net_share"), suffix="×"), money(total.get("net"), currency, decimals=0)),
        _cell("Gross", ratio(total.get("gross_share"), suffix="×"), money(total.get("gross"), currency, decimals=0)),
        _cell("Long", "", money(total.get("long"), currency, decimals=0)),
        _cell("Short", "", money(total.get("short"), currency, decimals=0)),
    ]
    notes = [f"{hidden - unknown} smaller ones not drawn"] if hidden > unknown else []
    notes += [f"{unknown} without a known price"] if unknown else []
    described = "; ".join(f"{name} {percent(row['share'])}" for name, row in shown.iloc[::-1].iterrows())
    return tag(
        "div",
        tag("p", f"Net exposure, per cent of equity: {described}", class_="pl-unseen"),
        tag("dl", *cells, class_="pl-total-cells"),
        tag("p", " · ".join(notes), class_="pl-note") if notes else "",
    )


def _cell(label: str, share: str, amount: str) -> Html:
    return tag("div", tag("dt", label), tag("dd", tag("b", share) if share else "", amount))
