"""The open positions."""

from __future__ import annotations

import math

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import item, money, number, percent, price, quantity, tone
from portfolio_lab.dashboard.html import Html, html_widget, joined, show
from portfolio_lab.dashboard.tables import Column, chip, empty, panel_title, table


class PositionsTable:
    """Open positions, largest exposure first."""

    def __init__(self) -> None:
        self.widget: widgets.HTML = html_widget(None, "pl-panel", "pl-positions")

    def draw(self, positions: pd.DataFrame, *, currency: str) -> None:
        """Show `positions` (Lab.positions)."""
        show(self.widget, positions_html(positions, currency))


def positions_html(positions: pd.DataFrame, currency: str) -> Html:
    """Return the panel of the open positions; a sentence when there are none."""
    if positions.empty:
        return joined(
            [panel_title("Positions"), empty("No open positions.", "What is held as coins stands in Allocation.")]
        )
    largest = positions["exposure"].map(lambda value: -abs(number(value))).sort_values(na_position="last").index
    rows = positions.loc[largest] if positions.index.is_unique else positions
    title = panel_title("Positions", f"{len(positions)} open")
    return joined([title, table(rows, _columns(currency), label="Open positions")])


def _columns(currency: str) -> list[Column]:
    return [
        Column("Underlying", lambda row: row["underlying"]),
        Column("Instrument", lambda row: row["instrument"], tone=_quiet),
        Column("Account", lambda row: row["account"], tone=_quiet),
        Column("Kind", lambda row: chip(row["kind"])),
        Column("Side", lambda row: _side(row)[0], tone=lambda row: _side(row)[1]),
        Column("Quantity", lambda row: quantity(row["quantity"]), figure=True),
        Column("Entry", lambda row: price(row["entry_price"]), figure=True, tone=_quiet),
        Column("Mark", lambda row: price(row["mark_price"]), figure=True),
        Column("Liquidation", lambda row: price(row["liquidation_price"]), figure=True, tone=_quiet),
        Column(
            "Distance", lambda row: percent(item(row, "distance"), decimals=1, signed=True), figure=True, tone=_quiet
        ),
        Column("Margin ratio", _margin_ratio, figure=True),
        Column("Exposure", lambda row: money(row["exposure"], currency), figure=True),
        Column(
            "Unrealised",
            lambda row: money(row["unrealised_pnl"], currency, signed=True),
            figure=True,
            tone=lambda row: tone(row["unrealised_pnl"]),
        ),
    ]


def _margin_ratio(row: pd.Series) -> str:
    told = item(row, "margin_ratio")
    return "Used up" if told == math.inf else percent(told, decimals=1)


def _side(row: pd.Series) -> tuple[str, str]:
    held = number(row["quantity"])
    if held == 0:
        return "Flat", ""
    return ("Long", "pl-up") if held > 0 else ("Short", "pl-down")


def _quiet(_row: pd.Series) -> str:
    return "pl-quiet"
