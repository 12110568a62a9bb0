"""Tables of the native sheet: headline figures, every figure, years, drawdowns, and what each figure means."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import pandas as pd

from portfolio_lab.dashboard.figures import UNKNOWN, percent, ratio
from portfolio_lab.reports.content import ROWS, SECTIONS, TABLES, Row
from portfolio_lab.reports.drawn import Calendar, Drawn
from portfolio_lab.reports.native_figures import Figure, Figures
from portfolio_lab.reports.period_charts import years_of
from portfolio_lab.reports.periods import year_of
from portfolio_lab.reports.svg import text

_HEADLINE = (
    "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar", "value_at_risk", "win_rate",
    "worst_day",
)  # fmt: skip
_WORST = 10
_BY_NAME = {row.name: row for row in ROWS}
_BESIDE = "Beside the benchmark"


def shown(row: Row, value: Figure) -> str:
    """Return a figure as the dashboard writes it; a dash where it is unknown.

    >>> shown(_BY_NAME["sharpe"], -1.234), shown(_BY_NAME["cagr"], None)
    ('−1.23', '—')
    """
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if row.kind == "date" or value is None:
        return UNKNOWN
    if row.kind == "share":
        return percent(value)
    return ratio(value, decimals=0 if row.kind == "count" else 2)


def headline(known: Figures) -> str:
    """Return the tiles of what is asked first."""
    return f'<dl class="tiles" id="headline">{"".join(_tile(_BY_NAME[name], known) for name in _HEADLINE)}</dl>'


def _tile(row: Row, known: Figures) -> str:
    below = ""
    if row.name == "sharpe":
        ends = [shown(row, known[f"sharpe_{end}"]) for end in ("low", "high")]
        below = "" if UNKNOWN in ends else f"<small>95 %: {text(' to '.join(ends))}</small>"
    if row.name == "max_drawdown":
        days = shown(_BY_NAME["longest_drawdown"], known["longest_drawdown"])
        below = f"<small>longest {days} {'day' if days == '1' else 'days'}</small>"
    value = text(shown(row, known[row.name]))
    return f'<div title="{text(row.definition)}"><dt>{text(row.title)}</dt><dd>{value}{below}</dd></div>'


def figures_table(drawn: Drawn, ours: Figures, theirs: Figures | None) -> str:
    """Return every figure of the portfolio, and of the benchmark where there is one."""
    names = [drawn.name, *([drawn.other] if theirs is not None else [])]
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    body = "".join(_section(title, rows, ours, theirs) for title, rows in SECTIONS.items())
    return (
        f'<section class="panel" id="{TABLES["metrics"]}"><h2>Figures</h2><table class="figures"><thead><tr>'
        f'<th scope="col">Figure</th>{head}</tr></thead>{body}</table></section>'
    )


def _section(title: str, rows: tuple[Row, ...], ours: Figures, theirs: Figures | None) -> str:
    columns = 2 if theirs is None else 3
    body = "".join(_row(row, ours, theirs, alone=title == _BESIDE) for row in rows)
    return f'<tbody><tr class="section"><th colspan="{columns}" scope="rowgroup">{title}</th></tr>{body}</tbody>'


@functools.cache
def _row_head(row: Row) -> str:
    mark = f'<a href="#why-{row.id}" aria-label="differs from quantstats">°</a>' if row.why else ""
    return f'<tr id="{row.id}" title="{text(row.definition)}"><th scope="row">{text(row.title)}{mark}</th>'


def _row(row: Row, ours: Figures, theirs: Figures | None, *, alone: bool) -> str:
    other = "" if theirs is None else f"<td>{'' if alone else text(shown(row, theirs.get(row.name)))}</td>"
    return f"{_row_head(row)}<td>{text(shown(row, ours.get(row.name)))}</td>{other}</tr>"


def years_table(drawn: Drawn) -> str:
    """Return the calendar years; beside the benchmark, the multiple of it and whether it was beaten."""
    ours, theirs = years_of(drawn)
    heads = ["Year", drawn.name] if theirs is None else ["Year", drawn.other, drawn.name, "Multiple", "Won"]
    beside = {} if theirs is None else dict(zip(theirs.labels.tolist(), theirs.returns.tolist(), strict=True))
    rows = "".join(
        f'<tr><th scope="row">{year_of(year)}</th>{_year(total, beside.get(year), alone=theirs is None)}</tr>'
        for year, total in zip(ours.labels.tolist(), ours.returns.tolist(), strict=True)
    )
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    title = "Years" if theirs is None else "Years beside the benchmark"
    return (
        f'<section class="panel" id="{TABLES["eoy_table"]}"><h2>{title}</h2><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _year(total: float, other: float | None, *, alone: bool) -> str:
    if alone:
        return f"<td>{percent(total)}</td>"
    if other is None:
        return f"<td>{UNKNOWN}</td><td>{percent(total)}</td><td>{UNKNOWN}</td><td>{UNKNOWN}</td>"
    multiple = ratio(total / other, suffix="×") if other else UNKNOWN
    won = "yes" if total >= other else "no"
    return f"<td>{percent(other)}</td><td>{percent(total)}</td><td>{multiple}</td><td>{won}</td>"


def falls_table(drawn: Drawn) -> str:
    """Return the ten deepest drawdowns."""
    falls = drawn.falls
    parts = (falls.starts, falls.valleys, falls.recoveries, falls.depths, falls.lengths)
    worst = zip(*(part[:_WORST].tolist() for part in parts), strict=True)
    rows = "".join(_fall(drawn.ours, number, *values) for number, values in enumerate(worst, 1))
    body = rows or '<tr><td colspan="6">There was none.</td></tr>'
    head = "".join(f'<th scope="col">{name}</th>' for name in ("#", "Started", "Trough", "Recovered", "Depth", "Days"))
    return (
        f'<section class="panel" id="{TABLES["dd_info"]}"><h2>Worst ten drawdowns</h2><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></section>"
    )


def _fall(calendar: Calendar, number: int, *values: float) -> str:
    *places, depth, length = values
    days = "".join(f"<td>{'open' if math.isnan(place) else calendar.day(place)}</td>" for place in places)
    return f'<tr><th scope="row">{number}</th>{days}<td>{percent(depth)}</td><td>{length:,.0f}</td></tr>'


@functools.cache
def definitions() -> str:
    """Return what every figure means, and where quantstats prints another number, why; alike ones together."""
    meant = _told((row, row.definition, f"what-{row.id}") for row in ROWS)
    differs = _told((row, row.why, f"why-{row.id}") for row in ROWS if row.why)
    return (
        f'<section class="panel words" id="definitions"><h2>What each figure means</h2><dl>{meant}</dl></section>'
        '<section class="panel words" id="differences"><h2>Where quantstats prints another number (°)</h2>'
        f"<dl>{differs}</dl></section>"
    )


def _told(rows: Iterable[tuple[Row, str, str]]) -> str:
    """Return names and what is said of them, in order, names of which the same is said beside each other."""
    names: dict[str, list[str]] = {}
    for row, said, identity in rows:
        names.setdefault(said, []).append(f'<span id="{identity}">{text(row.title)}</span>')
    return "".join(f"<div><dt>{'; '.join(titles)}</dt><dd>{text(said)}</dd></div>" for said, titles in names.items())
