"""Tearsheet: one self-contained HTML page from the daily TWR returns of a user, an account or the desk.

There are two kinds. "quantstats" is drawn by that library, with our own headline figures first and
a table of what it defines otherwise, because its conventions differ in places (its VaR is gaussian,
its win rate leaves flat days out). "native" is drawn by ourselves, in milliseconds. Neither loads
anything from anywhere: no icon, no link, no script of others.
"""

from __future__ import annotations

import html
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from portfolio_lab.engines.constitution import OF_RETURNS
from portfolio_lab.engines.performance import FIGURES, metrics
from portfolio_lab.errors import BadInputError
from portfolio_lab.reports.cache import SheetCache, write_whole
from portfolio_lab.reports.differences import table_of_differences
from portfolio_lab.reports.drawing import quantstats_page
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, Sheet, sheet_of

if TYPE_CHECKING:
    from portfolio_lab.lab import Lab

Kind = Literal["quantstats", "native"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_SHARES = frozenset(figure.name for figure in OF_RETURNS if figure.is_fraction)
_COUNTS = frozenset(figure.name for figure in OF_RETURNS if figure.unit == "days")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_UNSAFE = re.compile(r"[^a-z0-9_-]")


def write_tearsheet(
    lab: Lab,
    user: str | None,
    output: Path,
    *,
    account: str | None = None,
    kind: Kind = "quantstats",
    benchmark: str | None = "BTC",
    cache: SheetCache | None = None,
) -> Path:
    """Write the tearsheet of a user, an account or the desk to `output` and return that path.

    Returns are daily TWR of closed UTC days, annualised on 365; days without a known return are
    left out, and the page says how many. The file appears whole or not at all.

    Args:
        lab: where the returns come from.
        user: whose; None for the whole desk.
        output: the HTML file; its folder must exist. An older one is replaced.
        account: "venue:label" of the user; None for all of them.
        kind: "quantstats" or "native".
        benchmark: an asset whose stored prices are compared with; None for none. Left out, and
            said so, when too few of its prices are stored.
        cache: where pages that were drawn before are kept; None to draw in any case.

    Raises:
        BadInputError: unknown user or account; fewer than two days with a known return; nothing but
            flat days; for quantstats a day of +100 % or more, which it would take for a price; no such folder.
    """
    output = Path(output)
    if not output.parent.is_dir():
        raise BadInputError(f"there is no folder {output.parent}: make it first, or name another output")
    page = page_of(sheet_of(lab, user, account, benchmark=benchmark), kind, cache)
    try:
        write_whole(output, page)
    except OSError as error:
        raise BadInputError(f"cannot write {output} ({error.strerror or error}): name another output") from error
    return output


def page_of(sheet: Sheet, kind: Kind, cache: SheetCache | None = None) -> str:
    """Return the page of a sheet, from the cache where it was drawn before.

    Raises:
        BadInputError: no such kind, or quantstats cannot draw it.
    """
    if kind not in KINDS:
        raise BadInputError(f"there is no tearsheet of kind {kind!r}: use {' or '.join(KINDS)}")
    return _drawn(sheet, kind) if cache is None else cache.page(sheet, kind, lambda: _drawn(sheet, kind))


def file_name(user: str | None, account: str | None, kind: Kind, suffix: str = ".html") -> str:
    """Return a file name that is safe in any folder, and that no other tearsheet has.

    >>> file_name("alice", "binance:main", "native"), file_name(None, None, "native", ".pdf")
    ('tearsheet-alice.binance.main-native.html', 'tearsheet-desk.all-native.pdf')
    """
    # A user may be called desk too, but has no dot in the name.
    names = ("desk", "all") if user is None else (user, *(account.split(":") if account else ()))
    parts = (_UNSAFE.sub(lambda found: f"%{ord(found[0]):x}", name) for name in names)
    return f"tearsheet-{'.'.join(parts)}-{kind}{suffix}"


def _drawn(sheet: Sheet, kind: Kind) -> str:
    if kind == "native":
        from portfolio_lab.reports.native import native_page  # noqa: PLC0415 - only who draws it needs it

        return native_page(sheet)
    return _offline(quantstats_page(sheet).replace("CAGR﹪", "CAGR"), sheet)  # a sign that few fonts have


# ---------------------------------------------------------------- what we add to the page by quantstats


def _offline(page: str, sheet: Sheet) -> str:
    """Return the page without anything that leads out of it, and with our own figures first."""
    added = _headline(sheet) + _differences(page, sheet)
    name = html.escape(sheet.name)
    page = re.sub(r"<link\b[^>]*>", "", page)
    page = re.sub(r"<script\b.*?</script\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<a\b[^>]*>(.*?)</a>", r"\1", page, flags=re.DOTALL)
    page = re.sub(r"<body\b[^>]*>", "<body>", page)
    page = re.sub(r"<title>.*?</title>", lambda _: f"<title>{name}: tearsheet</title>", page, flags=re.DOTALL)
    # Inside each picture: its document type and metadata only name addresses and the time of drawing.
    page = re.sub(r"<\?xml\b.*?\?>|<!DOCTYPE svg\b.*?>|<metadata>.*?</metadata>", "", page, flags=re.DOTALL)
    page = page.replace("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">', 1)
    return page.replace("<hr>", f"<hr>\n{added}", 1)


def _headline(sheet: Sheet) -> str:
    figures = metrics(sheet.known, PERIODS_PER_YEAR)
    rows = "".join(
        f"<tr><td>{html.escape(name.replace('_', ' '))}</td><td>{_figure(name, float(figures[name]))}</td>"
        f'<td style="text-align:left">{html.escape(definition)}</td></tr>'
        for name, definition in FIGURES.items()
    )
    notes = " ".join(html.escape(note) for note in sheet.notes)
    return (
        f'<section id="headline"><h3>Headline figures</h3><p>{notes} What is not known is a dash.</p>'
        f"<table><thead><tr><th>Figure</th><th>Value</th>"
        f'<th style="text-align:left">Definition</th></tr></thead><tbody>{rows}</tbody></table></section>'
    )


def _differences(page: str, sheet: Sheet) -> str:
    return (
        "<section><h3>Where quantstats differs</h3><p>Charts and tables below are drawn by quantstats. "
        "These rows of its table mean something else than ours, of the same days.</p>"
        f"{table_of_differences(page, sheet)}</section>"
    )


def _figure(name: str, value: float) -> str:
    if math.isnan(value):
        return "&ndash;"
    if name in _COUNTS:
        return f"{value:.0f}"
    return f"{value:.2%}" if name in _SHARES else f"{value:.3f}"
