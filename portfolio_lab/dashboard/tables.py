"""Tables as HTML: escaped, with figures set flush right and cards on a phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from portfolio_lab.dashboard.html import Html, tag

ROWS_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading and how a row fills it; `figure` sets it flush right."""

    heading: str
    cell: Callable[[Any], object]
    figure: bool = False
    tone: Callable[[Any], str] | None = None


def table(frame: pd.DataFrame, columns: Sequence[Column], *, label: str) -> Html:
    """Return `frame` as a table, its first column as row headings; 300 rows at most, and it says so."""
    head = tag("tr", *(tag("th", column.heading, scope="col", class_=_class(column)) for column in columns))
    rows = [_row(row, columns) for _, row in frame.head(ROWS_SHOWN).iterrows()]
    body = tag("table", tag("thead", head), tag("tbody", *rows), class_="pl-table", aria_label=label)
    more = len(frame) - ROWS_SHOWN
    note = tag("p", f"and {more:,} more rows", class_="pl-note") if more > 0 else Html("")
    return tag("div", body, note, class_="pl-scroll", tabindex="0", role="region", aria_label=label)


def panel_title(title: str, note: str = "") -> Html:
    """Return a panel's heading with a quiet note beside it."""
    return tag("h2", title, tag("small", note) if note else "", class_="pl-title")


def empty(sentence: str, hint: str = "") -> Html:
    """Return what a panel shows when it has nothing to show, and why."""
    return tag("div", tag("p", sentence), tag("p", hint, class_="pl-note") if hint else "", class_="pl-empty")


def chip(text: object) -> Html:
    """Return a word in a small box."""
    return tag("span", text, class_="pl-chip")


def _row(row: pd.Series, columns: Sequence[Column]) -> Html:
    first, *others = columns
    heading = tag("th", first.cell(row), scope="row", class_=_class(first, row))
    cells = (tag("td", c.cell(row), class_=_class(c, row), data_heading=c.heading) for c in others)
    return tag("tr", heading, *cells)


def _class(column: Column, row: pd.Series | None = None) -> str | None:
    shade = column.tone(row) if column.tone and row is not None else ""
    return f"{'pl-num' if column.figure else ''} {shade}".strip() or None
