"""What the trades say: figures of round trips and of single closings side by side, and by underlying."""

from __future__ import annotations

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import UNKNOWN, money, percent, ratio, tone
from portfolio_lab.dashboard.html import Html, html_widget, joined, show, tag
from portfolio_lab.dashboard.tables import Column, empty, panel_title, table

_KINDS = {"trips": "Round trips", "closings": "Closings"}


class TradesPanel:
    """Number, win rate with its interval, profit factor and expectancy; then the same by underlying."""

    def __init__(self) -> None:
        soon = joined([panel_title("Trades"), empty("Trades follow in a moment.")])
        self.widget: widgets.HTML = html_widget(soon, "pl-panel", "pl-trades")

    def draw(self, statistics: pd.DataFrame, by_underlying: pd.DataFrame, *, currency: str) -> None:
        """Show `statistics` (rows "trips" and "closings") and those of closings by underlying."""
        show(self.widget, trades_html(statistics, by_underlying, currency))


def trades_html(statistics: pd.DataFrame, by_underlying: pd.DataFrame, currency: str) -> Html:
    """Return the panel; a sentence when nothing was closed yet."""
    title = panel_title("Trades", "average cost, net of fees; a rate from fewer than 20 is not told")
    if not float(statistics["trades"].sum()):
        return joined([title, empty("No position has been closed yet.", "Trades appear once fills have been read.")])
    rows = pd.DataFrame({"name": list(_FIGURES)} | {kind: _told(statistics, kind, currency) for kind in _KINDS})
    columns = [Column("", lambda row: row["name"])]
    columns += [Column(word, lambda row, kind=kind: row[kind], figure=True) for kind, word in _KINDS.items()]  # type: ignore[misc]
    parts = [table(rows, columns, label="Figures of trades"), _by_underlying(by_underlying, currency)]
    note = tag("p", _NOTE, class_="pl-note")
    return joined([title, tag("div", *parts, class_="pl-trades-body"), note])


_NOTE = (
    "A round trip runs from flat to flat and counts its funding; a closing is one reduction of a position, "
    "flat or not, without funding. In brackets: Wilson's 95 % interval."
)


def _told(statistics: pd.DataFrame, kind: str, currency: str) -> list[str]:
    row = statistics.loc[kind]
    return [render(row, currency) for render in _FIGURES.values()]


def _win_rate(row: pd.Series, *_: object) -> str:
    rate = percent(row["win_rate"], decimals=1)
    if rate == UNKNOWN:
        return rate
    low, high = (percent(row[f"win_rate_{end}"], decimals=0) for end in ("low", "high"))
    return f"{rate} ({low} to {high})"


_FIGURES = {
    "Closed": lambda row, _: ratio(row["trades"], decimals=0),
    "Win rate": _win_rate,
    "Profit factor": lambda row, _: ratio(row["profit_factor"]),
    "Expectancy": lambda row, currency: money(row["expectancy"], currency, signed=True),
    "Payoff": lambda row, _: ratio(row["payoff"]),
    "SQN": lambda row, _: ratio(row["sqn"]),
    "Net PnL": lambda row, currency: money(row["net_pnl"], currency, signed=True) if row["trades"] else UNKNOWN,
    "Best": lambda row, currency: money(row["best"], currency, signed=True),
    "Worst": lambda row, currency: money(row["worst"], currency, signed=True),
}


def _by_underlying(statistics: pd.DataFrame, currency: str) -> Html:
    columns = [
        Column("Closings of", lambda row: row["underlying"]),
        Column("Closed", lambda row: ratio(row["trades"], decimals=0), figure=True),
        Column("Win rate", _win_rate, figure=True),
        Column("Profit factor", lambda row: ratio(row["profit_factor"]), figure=True),
        Column("Expectancy", lambda row: money(row["expectancy"], currency, signed=True), figure=True),
        Column(
            "Net PnL",
            lambda row: money(row["net_pnl"], currency, signed=True),
            figure=True,
            tone=lambda row: tone(row["net_pnl"]),
        ),
    ]
    ordered = statistics.sort_values("net_pnl", ascending=False, kind="stable")
    return table(ordered.rename_axis("underlying").reset_index(), columns, label="Trades by underlying")
