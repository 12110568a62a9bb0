"""What the equity is made of: a ring for what is owned, rows for its names, debts apart."""

from __future__ import annotations

import bqplot as bq
import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import money, percent
from portfolio_lab.dashboard.html import Html, html_widget, joined, show, tag
from portfolio_lab.dashboard.tables import empty, panel_title
from portfolio_lab.dashboard.theme import SLICES

DIMENSIONS = {"Asset": "asset", "Wallet": "wallet", "Account": "account", "Venue": "venue"}
OTHER = "other"


class AssetAllocationChart:
    """A ring of positive values with its legend; liabilities are printed below it, never drawn."""

    def __init__(self) -> None:
        self.choice = widgets.Dropdown(options=list(DIMENSIONS.items()), value="asset", description="Allocation by")
        self.choice.add_class("pl-choice")
        self._title = html_widget(panel_title("Allocation"))
        self._centre = html_widget(None, "pl-ring-centre")
        self._rows = html_widget(None, "pl-ring-rows")
        self.pie = bq.Pie(
            sizes=[], radius=92, inner_radius=66, display_labels="none", stroke="var(--pl-panel)", sort=False
        )
        self._figure = bq.Figure(
            marks=[self.pie],
            animation_duration=0,
            fig_margin={"top": 4, "bottom": 4, "left": 4, "right": 4},
            layout=widgets.Layout(width="200px", height="200px"),
            background_style={"fill": "transparent"},
        )
        self.ring = widgets.Box([self._figure, self._centre])
        self.ring.add_class("pl-ring")
        head = widgets.Box([self._title, self.choice])
        head.add_class("pl-head")
        body = widgets.Box([self.ring, self._rows])
        body.add_class("pl-ring-body")
        self.widget = widgets.VBox([head, body])
        self.widget.add_class("pl-panel")
        self.widget.add_class("pl-allocation")

    def draw(self, allocation: pd.DataFrame, *, currency: str) -> None:
        """Show `allocation` (Lab.allocation)."""
        owned, owed, unknown = parts(allocation)
        slices = largest(owned)
        self.pie.sizes = slices["value"].to_numpy(dtype=float)
        self.pie.colors = list(SLICES)
        self.ring.layout.display = "none" if owned.empty else ""
        show(self._centre, tag("div", tag("strong", money(owned["value"].sum(), currency, decimals=0)), "assets"))
        show(self._rows, rows_html(slices, owed, unknown, currency))


def parts(allocation: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return what is owned (largest first), what is owed, and what has no known value."""
    value = allocation["value"].astype(float)
    owned = allocation[value > 0].sort_values("value", ascending=False)
    return owned, allocation[value < 0].sort_values("value"), allocation[value.isna()]


def largest(owned: pd.DataFrame) -> pd.DataFrame:
    """Return at most as many rows as there are colours; the small ones are put together as "other"."""
    if len(owned) <= len(SLICES):
        return owned
    head, rest = owned.iloc[: len(SLICES) - 1], owned.iloc[len(SLICES) - 1 :]
    other = pd.DataFrame(
        {"value": [rest["value"].sum()], "weight": [rest["weight"].sum()]}, index=[f"{OTHER} ({len(rest)})"]
    )
    return pd.concat([head, other])


def rows_html(slices: pd.DataFrame, owed: pd.DataFrame, unknown: pd.DataFrame, currency: str) -> Html:
    """Return the legend: assets with their colours, then liabilities, then what is not priced."""
    if slices.empty and owed.empty and unknown.empty:
        return empty("Nothing is held yet.", "Allocation appears with the first complete snapshot.")
    assets = (_row(name, row, currency, colour) for (name, row), colour in zip(slices.iterrows(), SLICES, strict=False))
    debts = [_row(name, row, currency, None) for name, row in owed.iterrows()]
    unpriced = [tag("li", tag("span", name), tag("em", "not priced"), class_="pl-legend-row") for name in unknown.index]
    return joined([
        tag("ul", *assets, class_="pl-legend"),
        tag("h3", "Liabilities") if debts else "",
        tag("ul", *debts, class_="pl-legend pl-owed") if debts else "",
        tag("ul", *unpriced, class_="pl-legend") if unpriced else "",
    ])  # fmt: skip


def _row(name: object, row: pd.Series, currency: str, colour: str | None) -> Html:
    dot = tag("i", class_="pl-dot", style=f"background:{colour}" if colour else None)
    weight = tag("b", percent(row["weight"], decimals=1))
    return tag(
        "li",
        dot,
        tag("span", name),
        weight,
        tag("em", money(row["value"], currency, decimals=0)),
        class_="pl-legend-row",
    )
