"""The row of headline figures."""

from __future__ import annotations

from dataclasses import dataclass

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import UNKNOWN, instant, money, percent, ratio, tone
from portfolio_lab.dashboard.html import Html, html_widget, joined, show, tag

_LINE_POINTS = 60


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure: what it is, its value, a line below it, and the CSS classes of both."""

    label: str
    value: str
    below: str
    value_tone: str = ""
    below_tone: str = ""


class MetricsBar:
    """Net equity, PnL over 24 h and 30 d, unrealised PnL, drawdown, exposure and Sharpe ratio."""

    def __init__(self) -> None:
        self.widget: widgets.HTML = html_widget(None, "pl-panel", "pl-metrics")

    def draw(self, headline: pd.Series, *, currency: str, curve: pd.Series | None = None) -> None:
        """Show `headline` (Lab.headline); `curve` is the recent equity behind the first figure."""
        tiles = headline_tiles(headline, currency)
        line = sparkline(curve) if curve is not None else Html("")
        cells = [_cell(tile, line if place == 0 else Html("")) for place, tile in enumerate(tiles)]
        show(self.widget, tag("dl", *cells, class_="pl-tiles", aria_label="Headline figures"))


def headline_tiles(headline: pd.Series, currency: str) -> list[Tile]:
    """Return the seven tiles of a headline; what it does not know is "—"."""
    return [
        Tile("Net equity", money(headline.get("equity"), currency), f"as of {instant(headline.get('at'))}"),
        _pnl_tile("P&L 24h", headline.get("pnl_24h"), headline.get("return_24h"), currency),
        _pnl_tile("P&L 30d", headline.get("pnl_30d"), headline.get("return_30d"), currency),
        Tile(
            "Unrealised",
            money(headline.get("unrealised_pnl"), currency, signed=True),
            "open positions",
            tone(headline.get("unrealised_pnl")),
        ),
        Tile("Drawdown", percent(headline.get("drawdown")), _below_drawdown(headline)),
        _exposure_tile(headline, currency),
        Tile("Sharpe 365d", ratio(headline.get("sharpe")), _days(headline.get("days"))),
    ]


def sparkline(values: pd.Series) -> Html:
    """Return a small line through `values`, for the eye only; nothing when it has no two points."""
    known = values.dropna().tail(_LINE_POINTS)
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return Html("")
    low, high = float(known.min()), float(known.max())
    height = (high - low) or 1.0
    points = " ".join(
        f"{place / (len(known) - 1) * 100:.1f},{30 - (value - low) / height * 28:.1f}"
        for place, value in enumerate(known)
    )
    line = tag("polyline", points=points)
    return tag("svg", line, class_="pl-spark", viewBox="0 0 100 32", preserveAspectRatio="none", aria_hidden="true")


def _pnl_tile(label: str, pnl: object, fraction: object, currency: str) -> Tile:
    return Tile(label, money(pnl, currency, signed=True), percent(fraction, signed=True), tone(pnl), tone(fraction))


def _exposure_tile(headline: pd.Series, currency: str) -> Tile:
    gross, net = (ratio(headline.get(name), suffix="×") for name in ("gross_share", "net_share"))
    return Tile("Gross / net", f"{gross} / {net}", f"{money(headline.get('gross_exposure'), currency)} gross")


def _below_drawdown(headline: pd.Series) -> str:
    if isinstance(reason := headline.get("drawdown_reason"), str) and reason:
        return reason
    return f"max {percent(headline.get('max_drawdown'))}"


def _days(days: object) -> str:
    known = ratio(days, decimals=0)
    return "annualised ×√365" if known == UNKNOWN else f"{known} days, ×√365"


def _cell(tile: Tile, extra: Html) -> Html:
    return tag(
        "div",
        tag("dt", tile.label),
        tag("dd", tile.value, class_=f"pl-value {tile.value_tone}".strip()),
        joined([tag("dd", tile.below, class_=f"pl-below {tile.below_tone}".strip())]),
        extra,
        class_="pl-tile",
    )
