"""Differences: every row that quantstats prints, beside our figure of the same days, and why they differ."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass

import pandas as pd

from portfolio_lab.reports.content import ANSWERS, Row
from portfolio_lab.reports.drawn import drawn
from portfolio_lab.reports.native_figures import Figures, figures_of
from portfolio_lab.reports.sheet import Sheet

UNKNOWN = "-"
"""What quantstats prints for a figure that it does not know."""

_ROW = re.compile(r"<tr><td>([^<]+)</td>((?:<td>[^<]*</td>)+)</tr>")


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of quantstats' table as it is printed, and ours as it would be."""

    row: str
    theirs: str
    ours: str
    name: str
    """Of our figure; empty when we have none."""
    why: str
    """Why they are two figures; empty where both are one by definition."""

    @property
    def is_equal(self) -> bool:
        """Whether both print the same."""
        return _plain(self.theirs) == _plain(self.ours)


def compared(page: str, sheet: Sheet) -> tuple[Compared, ...]:
    """Return every row of the table of metrics in a page by quantstats, in its order, with ours of the same days."""
    found = drawn(sheet)
    figures = figures_of(found.ours, found.theirs, found.falls)
    return tuple(_beside(row, theirs, ANSWERS.get(row), figures) for row, theirs in _printed(page))


def table_of_differences(page: str, sheet: Sheet) -> str:
    """Return an HTML table of the rows that print otherwise than ours, and a line that names those that might."""
    rows = [row for row in compared(page, sheet) if row.name]
    cells = "".join(
        f"<tr><td>{html.escape(row.row)}</td><td>{html.escape(row.theirs)}</td><td>{html.escape(row.ours)}</td>"
        f'<td style="text-align:left">{html.escape(_reason(row))}</td></tr>'
        for row in rows
        if not row.is_equal
    )
    alike = ", ".join(html.escape(row.row) for row in rows if row.why and row.is_equal)
    return (
        '<table id="differences"><thead><tr><th>quantstats row</th><th>quantstats value</th><th>our value</th>'
        f'<th style="text-align:left">why they differ</th></tr></thead><tbody>{cells}</tbody></table>'
        + (f"<p>Defined otherwise too, but the same here to the printed digit: {alike}.</p>" if alike else "")
    )


def _beside(row: str, theirs: str, answer: Row | None, figures: Figures) -> Compared:
    if answer is None:
        return Compared(row, theirs, "", "", "no figure of ours")
    return Compared(row, theirs, _shown(theirs, answer, figures.get(answer.name)), answer.name, answer.why)


def _reason(row: Compared) -> str:
    if row.why:
        return row.why
    return "ours is unknown from so few days" if row.ours == UNKNOWN else "unknown to quantstats, or cut short by it"


# ---------------------------------------------------------------- theirs


def _printed(page: str) -> list[tuple[str, str]]:
    """Return name and value of the strategy, which stands last, of each row of the table of metrics."""
    begins = page.index("<h3>Key Performance Metrics</h3>")
    table = page[begins : page.index("</table>", begins)]
    found = [(html.unescape(name), re.findall(r"<td>([^<]*)</td>", cells)) for name, cells in _ROW.findall(table)]
    return [(name.replace("﹪", ""), html.unescape(values[-1])) for name, values in found]


# ---------------------------------------------------------------- ours


def _shown(theirs: str, answer: Row, value: float | pd.Timestamp | None) -> str:
    """Return our figure in the unit and with the digits that quantstats gives this row; "-" where it is unknown."""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if theirs.isdigit():
        return f"{value:.0f}"
    is_share = theirs.endswith("%") or (theirs == UNKNOWN and answer.kind == "share")
    return f"{100 * value:,.2f}%" if is_share else f"{value:.2f}"


def _plain(text: str) -> str | float:
    """Return what is printed without commas, trailing zeros and the sign of 0."""
    try:
        return float(text.rstrip("%").replace(",", "")) + 0.0
    except ValueError:
        return text
