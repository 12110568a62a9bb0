"""The open orders."""

from __future__ import annotations

import math

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import UNKNOWN, as_instant, number, percent, price, quantity
from portfolio_lab.dashboard.html import Html, html_widget, joined, show
from portfolio_lab.dashboard.tables import Column, chip, empty, panel_title, table


class OrdersTable:
    """Open orders, newest first."""

    def __init__(self) -> None:
        self.widget: widgets.HTML = html_widget(None, "pl-panel", "pl-orders")

    def draw(self, orders: pd.DataFrame) -> None:
        """Show `orders` (Lab.open_orders)."""
        show(self.widget, orders_html(orders))


def orders_html(orders: pd.DataFrame) -> Html:
    """Return the panel of the open orders; a sentence when there are none."""
    if orders.empty:
        return joined([panel_title("Open orders"), empty("No open orders.")])
    rows = orders.sort_values("placed_at", ascending=False)
    title = panel_title("Open orders", f"{len(orders)} resting · UTC")
    return joined([title, table(rows, _COLUMNS, label="Open orders")])


def _placed(row: pd.Series) -> str:
    at = as_instant(row["placed_at"])
    return UNKNOWN if at is None else f"{at:%d %b %H:%M:%S}"


def _price(row: pd.Series) -> str:
    if not math.isnan(number(row["price"])):
        return price(row["price"])
    return "market"


def _filled(row: pd.Series) -> str:
    ordered = number(row["quantity"])
    return percent(number(row["filled"]) / ordered, decimals=0) if ordered else UNKNOWN


_SIDE_TONES: dict[str, str] = {"buy": "pl-up", "sell": "pl-down"}
_COLUMNS = [
    Column("Instrument", lambda row: row["instrument"]),
    Column("Placed", _placed, tone=lambda _row: "pl-quiet"),
    Column("Account", lambda row: row["account"], tone=lambda _row: "pl-quiet"),
    Column("Side", lambda row: str(row["side"]).capitalize(), tone=lambda row: _SIDE_TONES.get(str(row["side"]), "")),
    Column("Type", lambda row: chip(row["order_type"])),
    Column("Quantity", lambda row: quantity(row["quantity"]), figure=True),
    Column("Filled", _filled, figure=True, tone=lambda _row: "pl-quiet"),
    Column("Price", _price, figure=True),
    Column("Trigger", lambda row: price(row["trigger_price"]), figure=True, tone=lambda _row: "pl-quiet"),
]
