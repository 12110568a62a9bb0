"""Where a figure comes from: its tree, each level folded until it is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from portfolio_lab.dashboard.figures import MINUS, UNKNOWN, money, number, percent, quantity
from portfolio_lab.dashboard.html import Html, html_widget, joined, show, tag
from portfolio_lab.dashboard.tables import empty, panel_title
from portfolio_lab.explanation import Node

CHOICES = {
    "Choose a figure": "",
    "Equity": "equity",
    "Exposure, gross": "exposure",
    "Exposure, net": "net_exposure",
    "PnL of the newest day": "pnl",
    "Time-weighted return": "twr",
    "Sharpe ratio": "sharpe",
    "Max drawdown": "max_drawdown",
}
PARTS_SHOWN = 120
"""So many parts of one figure are drawn; a line says how many more there are."""


class ExplanationPanel:
    """A choice of figures, and the tree of the chosen one; nothing is worked out before one is chosen."""

    def __init__(self) -> None:
        self.choice = widgets.Dropdown(options=list(CHOICES.items()), value="", description="Explain")
        self.choice.add_class("pl-choice")
        self._tree = html_widget(None, "pl-tree")
        head = widgets.Box([html_widget(panel_title("Where does it come from?")), self.choice])
        head.add_class("pl-head")
        self.widget = widgets.VBox([head, self._tree])
        for name in ("pl-panel", "pl-explanation"):
            self.widget.add_class(name)

    def draw(self, node: Node | None, *, currency: str) -> None:
        """Show the tree of `node` (Lab.explain); None while no figure is chosen."""
        show(self._tree, _CHOOSE if node is None else explanation_html(node, currency))

    def tell(self, sentence: str) -> None:
        """Show why there is no tree."""
        show(self._tree, empty(sentence))

    def on_choice(self, redraw: Callable[[Any], None]) -> None:
        """Call `redraw` when a figure is chosen."""
        self.choice.observe(redraw, names="value")


def explanation_html(node: Node, currency: str) -> Html:
    """Return the tree as nested folds, the first level open."""
    return _fold(node, currency, is_open=True)


def shown(node: Node, currency: str) -> str:
    """Return the value as its unit asks for: money, per cent, or units of an asset."""
    if node.unit == currency:
        return money(node.value, currency, decimals=2)
    if node.unit.startswith(("fraction", "probability")):
        return percent(node.value, decimals=4)
    known = number(node.value)
    if known != known:  # noqa: PLR0124 - NaN alone differs from itself
        return UNKNOWN
    size = f"{abs(known):,.6g}" if node.unit.startswith(("ratio", "days")) else quantity(abs(known))
    return f"{MINUS if known < 0 else ''}{size} {node.unit}".rstrip()


def _fold(node: Node, currency: str, *, is_open: bool = False) -> Html:
    line = _line(node, currency)
    if not node.children:
        return tag("div", line, class_="pl-leaf")
    parts = [_fold(child, currency) for child in node.children[:PARTS_SHOWN]]
    more = len(node.children) - PARTS_SHOWN
    note = tag("p", f"and {more:,} more", class_="pl-note") if more > 0 else ""
    return tag("details", tag("summary", line), *parts, note, open="" if is_open else None)


def _line(node: Node, currency: str) -> Html:
    formula = tag("i", f"= {node.formula}") if node.formula else ""
    source = tag("small", node.source) if node.source else ""
    return joined([tag("span", node.name), " ", tag("b", shown(node, currency)), " ", formula, source])


_CHOOSE = empty("Choose a figure to see what it is made of.", "Down to quantity, price and the venue's own answer.")
