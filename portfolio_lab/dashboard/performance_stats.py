"""Figures of performance, and the returns month by month."""

from __future__ import annotations

import math
from collections.abc import Callable

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import UNKNOWN, number, percent, ratio
from portfolio_lab.dashboard.html import Html, html_widget, joined, show, tag
from portfolio_lab.dashboard.tables import empty, panel_title
from portfolio_lab.engines.constitution import OF_RETURNS

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STRONG_MONTH = 0.25
_FRACTIONS = frozenset(figure.name for figure in OF_RETURNS if figure.is_fraction)
_COUNTS = frozenset(figure.name for figure in OF_RETURNS if figure.unit == "days")
_WORDS = {figure.name: figure.title for figure in OF_RETURNS}
_DEFINITIONS = {figure.name: figure.definition for figure in OF_RETURNS}
HEADLINE = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "longest_drawdown",
    "value_at_risk",
    "expected_shortfall",
    "win_rate",
    "profit_factor",
    "best_day",
    "worst_day",
    "days",
)
"""What is seen at once, in this order; every other figure is behind a fold."""


class PerformanceStats:
    """Named figures on the left, a table of monthly returns on the right."""

    def __init__(self) -> None:
        self.figures: widgets.HTML = html_widget()
        self.months: widgets.HTML = html_widget(None, "pl-panel", "pl-months")

    def draw(self, performance: pd.Series, monthly: pd.DataFrame) -> None:
        """Show `performance` (Lab.performance) and `monthly` (Lab.monthly_returns)."""
        show(self.figures, performance_html(performance))
        show(self.months, months_html(monthly))


def performance_html(performance: pd.Series) -> Html:
    """Return the panel of named figures; a sentence when none is known yet."""
    title = panel_title("Performance", "daily TWR, 365 days")
    if performance.dropna().empty:
        return joined([title, empty("No closed day yet.", "Figures appear when the first UTC day is over.")])
    first = [name for name in HEADLINE if name in performance.index]
    rest = [str(name) for name in performance.index if name not in HEADLINE]
    fold = tag("details", tag("summary", f"{len(rest)} more figures"), _rows(performance, rest), class_="pl-more")
    return joined([title, _rows(performance, first), fold if rest else ""])


def _rows(performance: pd.Series, names: list[str]) -> Html:
    rows = (
        tag("div", tag("dt", words(name), title=_DEFINITIONS.get(name)), tag("dd", _told(performance, name)))
        for name in names
    )
    return tag("dl", *rows, class_="pl-figures")


def _told(performance: pd.Series, name: str) -> str:
    """Return a figure; the Sharpe ratio with its 95 % interval."""
    text = _figure(name, performance[name])
    ends = [_figure(name, performance.get(f"sharpe_{end}")) for end in ("low", "high")]
    return f"{text} ({ends[0]} to {ends[1]})" if name == "sharpe" and UNKNOWN not in ends else text


def months_html(monthly: pd.DataFrame) -> Html:
    """Return the panel of monthly returns, newest year first; a sentence when there is none."""
    title = panel_title("Monthly returns", "%, time-weighted")
    if monthly.empty:
        return joined([title, empty("No closed day yet.")])
    head = tag("tr", tag("th", "Year", scope="col"), *(tag("th", name, scope="col") for name in (*_MONTHS, "Total")))
    rows = (_year(int(year), row) for year, row in monthly.sort_index(ascending=False).iterrows())  # type: ignore[call-overload]
    body = tag(
        "table", tag("thead", head), tag("tbody", *rows), class_="pl-heat", aria_label="Monthly returns in per cent"
    )
    return joined(
        [title, tag("div", body, class_="pl-scroll", tabindex="0", role="region", aria_label="Monthly returns")]
    )


def words(name: str) -> str:
    """Return the reader's words for a figure's name: "max_drawdown" is "Max drawdown"."""
    return _WORDS.get(name) or name.replace("_", " ").capitalize()


def _figure(name: str, value: object) -> str:
    render: Callable[[object], str] = percent if name in _FRACTIONS else ratio
    return ratio(value, decimals=0) if name in _COUNTS else render(value)


def _year(year: int, row: pd.Series) -> Html:
    months = (_month(number(row.get(month)), _MONTHS[month - 1]) for month in range(1, 13))
    total = number(row.get("year"))
    return tag("tr", tag("th", year, scope="row"), *months, _month(total, "Total", total=True))


def _month(fraction: float, name: str, *, total: bool = False) -> Html:
    if math.isnan(fraction):
        return tag("td", "", class_="pl-blank", aria_label=f"{name}: unknown")
    strength = min(abs(fraction) / _STRONG_MONTH, 1.0)
    side = "pl-heat-total" if total else "pl-heat-up" if fraction > 0 else "pl-heat-down" if fraction < 0 else ""
    shade = f"pl-{'up' if fraction > 0 else 'down'}" if total and fraction else ""
    text = percent(fraction, decimals=1, signed=True).rstrip("%")
    return tag("td", text, class_=f"{side} {shade}".strip(), style=f"--strength:{12 + 68 * strength:.0f}%")
