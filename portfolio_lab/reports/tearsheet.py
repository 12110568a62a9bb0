"""Tearsheet: one self-contained HTML page from daily TWR returns, drawn by quantstats.

Our own headline figures stand first, each with its definition, because quantstats has other
conventions for some (its VaR is gaussian, its win rate leaves flat days out). The page loads
nothing from anywhere: no icon, no link, no script.
"""

from __future__ import annotations

import contextlib
import html
import logging
import math
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from portfolio_lab.engines.constitution import OF_RETURNS
from portfolio_lab.engines.performance import FIGURES, metrics
from portfolio_lab.errors import BadInputError

if TYPE_CHECKING:
    from portfolio_lab.lab import Lab

PERIODS_PER_YEAR = 365

_FEWEST_DAYS = 2
# From +100 % on, quantstats may take a series (or a month of it) for prices and turn it into nonsense.
_TAKEN_FOR_PRICE = 1.0
_SHARES = frozenset(figure.name for figure in OF_RETURNS if figure.is_fraction)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class _Sheet:
    user: str
    known: pd.Series  # every day with a known return: what our figures are of
    returns: pd.Series  # what is drawn: those of them that have a benchmark, where there is one
    benchmark: pd.Series | None
    notes: tuple[str, ...]


def write_tearsheet(lab: Lab, user: str, output: Path, *, benchmark: str | None = "BTC") -> Path:
    """Write the tearsheet of one user to `output` and return that path.

    Returns are daily TWR of closed UTC days, annualised on 365; days without a known return are
    left out, and the page says how many. The file appears whole or not at all.

    Args:
        lab: where the returns come from.
        user: whose.
        output: the HTML file; its folder must exist. An older one is replaced.
        benchmark: an asset whose stored prices are compared with; None for none. Left out, and
            said so, when too few of its prices are stored.

    Raises:
        BadInputError: unknown user; fewer than two days with a known return; nothing but flat
            days; a day of +100 % or more, which quantstats would take for a price; no such folder.
    """
    output = Path(output)
    if not output.parent.is_dir():
        raise BadInputError(f"there is no folder {output.parent}: make it first, or name another output")
    sheet = _sheet(lab, user, benchmark)
    page = _offline(_drawn(sheet), sheet)
    _write_whole(output, page)
    return output


# ---------------------------------------------------------------- what goes in


def _sheet(lab: Lab, user: str, benchmark: str | None) -> _Sheet:
    returns = _dated(lab.returns(user))
    known = returns.dropna()
    _check(known, f"user {user}")
    notes = [f"Closed UTC days, net of cash flows: {len(known)}, at {PERIODS_PER_YEAR} a year."]
    if dropped := len(returns) - len(known):
        notes.append(f"Left out, because their return is not known: {dropped}.")
    compared = None if benchmark is None else _benchmark(lab, benchmark, known)
    if benchmark is not None and compared is None:
        notes.append(f"No benchmark: too few stored prices of {benchmark}.")
    if compared is not None and len(compared) < len(known):
        notes.append(f"Not in the charts, for want of a price of {benchmark}: {len(known) - len(compared)}.")
    drawn = known if compared is None else known.loc[compared.index]
    return _Sheet(user, known, drawn, compared, tuple(notes))


def _dated(series: pd.Series) -> pd.Series:
    """Return the series on tz-naive UTC dates, in order, one value a date."""
    index = pd.DatetimeIndex(series.index)
    dates = (index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index).normalize()
    dated = pd.Series(series.to_numpy(dtype="float64"), dates).sort_index()
    return dated[~dated.index.duplicated(keep="last")]


def _check(known: pd.Series, whose: str) -> None:
    if len(known) < _FEWEST_DAYS:
        raise BadInputError(
            f"a tearsheet needs {_FEWEST_DAYS} closed days with a known return; {whose} has {len(known)}. "
            "Let sync run for longer, or mend the days that are not complete."
        )
    if not known.any():
        raise BadInputError(f"every return of {whose} is 0: there is nothing to draw yet")
    if known.max() >= _TAKEN_FOR_PRICE:
        day = known.idxmax()
        raise BadInputError(
            f"{whose} returned {known.max():+.0%} on {day:%Y-%m-%d}; quantstats takes returns of +100 % or more "
            "for prices and would print nonsense. Look at that day with lab.pnl(), and use lab.performance() instead."
        )


def _benchmark(lab: Lab, asset: str, known: pd.Series) -> pd.Series | None:
    prices = _dated(lab.benchmark(asset))
    # A day without prices is in the next day's change, as a day without snapshots is in ours.
    changes = prices.ffill().pct_change(fill_method=None).reindex(known.index).dropna()
    if len(changes) < max(_FEWEST_DAYS, len(known) // 2) or not changes.any():
        return None
    _check(changes, f"benchmark {asset}")
    if not known.loc[changes.index].any():
        return None
    return changes.rename(asset)


# ---------------------------------------------------------------- quantstats


def _drawn(sheet: _Sheet) -> str:
    """Return the page as quantstats writes it."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a report should pay

    mpl.use("Agg")
    # The fonts that quantstats asks for first are seldom there; it says so for every letter.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder, _drawn_once():
        warnings.simplefilter("ignore")  # about its own use of newer libraries; nothing a reader can mend
        import quantstats  # noqa: PLC0415 - two seconds, the same

        drawn = Path(folder) / "tearsheet.html"
        quantstats.reports.html(  # type: ignore[no-untyped-call]  # the library has no types
            sheet.returns,
            benchmark=sheet.benchmark,
            title=html.escape(f"{sheet.user}: tearsheet"),
            strategy_title=sheet.user,
            periods_per_year=PERIODS_PER_YEAR,
            match_dates=False,
            output=str(drawn),
        )
        mpl.pyplot.close("all")
        return drawn.read_text(encoding="utf-8")


@contextlib.contextmanager
def _drawn_once() -> Iterator[None]:
    """Let each figure be drawn when it is saved, and not before: nobody looks at it earlier."""
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415 - half a second that only a report should pay
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - the same

    kinds = [kind for kind in (FigureCanvasBase, FigureCanvasAgg) if "draw_idle" in vars(kind)]
    kept = {kind: kind.draw_idle for kind in kinds}
    for kind in kinds:
        kind.draw_idle = lambda *_, **__: None  # type: ignore[method-assign]  # put back below
    try:
        yield
    finally:
        for kind, draw in kept.items():
            kind.draw_idle = draw  # type: ignore[method-assign]  # what was taken away above


def _offline(page: str, sheet: _Sheet) -> str:
    """Return the page without anything that leads out of it, and with our own figures first."""
    page = re.sub(r"<link\b[^>]*>", "", page)
    page = re.sub(r"<script\b.*?</script\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<a\b[^>]*>(.*?)</a>", r"\1", page, flags=re.DOTALL)
    page = re.sub(r"<body\b[^>]*>", "<body>", page)
    page = re.sub(r"<title>.*?</title>", f"<title>{html.escape(sheet.user)}: tearsheet</title>", page, flags=re.DOTALL)
    # Inside each picture: its document type and metadata only name addresses and the time of drawing.
    page = re.sub(r"<\?xml\b.*?\?>|<!DOCTYPE svg\b.*?>|<metadata>.*?</metadata>", "", page, flags=re.DOTALL)
    page = page.replace("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">', 1)
    return page.replace("<hr>", f"<hr>\n{_headline(sheet)}", 1)


def _headline(sheet: _Sheet) -> str:
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
        f'<th style="text-align:left">Definition</th></tr></thead><tbody>{rows}</tbody></table>'
        f"<p>Charts and tables below are drawn by quantstats, whose conventions differ in places.</p></section>"
    )


def _figure(name: str, value: float) -> str:
    if math.isnan(value):
        return "&ndash;"
    if name == "days":
        return f"{value:.0f}"
    return f"{value:.2%}" if name in _SHARES else f"{value:.3f}"


# ---------------------------------------------------------------- the file


def _write_whole(output: Path, page: str) -> None:
    unfinished = output.with_name(f".{output.name}-{secrets.token_hex(6)}.part")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(output)
    except OSError as error:
        raise BadInputError(f"cannot write {output} ({error.strerror or error}): name another output") from error
    finally:
        unfinished.unlink(missing_ok=True)
