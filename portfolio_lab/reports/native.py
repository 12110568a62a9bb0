"""The native tearsheet: one page of SVG and tables from the returns themselves, in milliseconds.

It holds every chart and every figure of a page by quantstats (`content` says which answers which),
by our own definitions, and opens without a network or a script. The same sheet gives the same bytes.
"""

from __future__ import annotations

from portfolio_lab.reports.drawn import Drawn, calendar_of, drawn
from portfolio_lab.reports.line_charts import days_chart, drawdown_charts, growth_charts, rolling_charts
from portfolio_lab.reports.native_figures import figures_of
from portfolio_lab.reports.native_style import STYLE
from portfolio_lab.reports.native_tables import definitions, falls_table, figures_table, headline, years_table
from portfolio_lab.reports.period_charts import heat_map, months_chart, spread_chart, years_chart
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, Sheet
from portfolio_lab.reports.svg import text

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SCOPES = {"user": "User", "account": "Account", "desk": "Whole desk"}
_FOOT = (
    f"Daily returns are time-weighted, net of cash flows, of closed UTC days; a year has {PERIODS_PER_YEAR}. "
    "What is not known is a dash, and a day without a known return is a gap in a line, never 0. "
    "Made from stored records only; nothing on this page is loaded from elsewhere."
)


def native_page(sheet: Sheet) -> str:
    """Return the page of a sheet: HTML that is whole in itself, light and dark, for a desk, a phone and paper.

    A chart that the history is too short for is a sentence that says what it needs; a figure that
    is not known is a dash. Headline figures are of every known day, all else of the days compared.

    Raises:
        BadInputError: no return is known; one is infinite or below -100 %; two stand on one day.
    """
    found = drawn(sheet)
    ours = figures_of(found.ours, found.theirs, found.falls)
    theirs = None if found.theirs is None else figures_of(found.theirs)
    is_whole = sheet.known is sheet.returns or sheet.known.equals(sheet.returns)
    known = ours if is_whole else figures_of(calendar_of(sheet.known, sheet.name))
    tables = figures_table(found, ours, theirs) + years_table(found) + falls_table(found)
    return (
        f'<!DOCTYPE html>\n<html lang="en">{_head(sheet)}<body>{_title(found)}{headline(known)}'
        f'<main><div class="charts">{_charts(found)}</div><div class="tables">{tables}</div></main>'
        f"{definitions()}<footer>{text(_FOOT)}</footer></body></html>\n"
    )


def _head(sheet: Sheet) -> str:
    return (
        f'<head><meta charset="utf-8"/><meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<meta name="color-scheme" content="light dark"/><title>{text(sheet.name)}: tearsheet</title>'
        f"<style>{STYLE}</style></head>"
    )


def _title(found: Drawn) -> str:
    beside = "" if found.theirs is None else f", beside {found.other}"
    span = f"{_SCOPES[found.sheet.scope]}, {found.ours.days[0]} to {found.ours.days[-1]}{beside}"
    notes = " ".join(found.sheet.notes)
    return f'<header><h1>{text(found.sheet.name)}</h1><p>{text(span)}</p><p class="notes">{text(notes)}</p></header>'


def _charts(found: Drawn) -> str:
    plain, logarithmic, matched = growth_charts(found)
    falls, underwater = drawdown_charts(found)
    charts = (
        *(plain, logarithmic, matched, heat_map(found), years_chart(found), months_chart(found), days_chart(found)),
        *(falls, underwater, *rolling_charts(found), spread_chart(found)),
    )
    return "".join(charts)
