"""A page by quantstats: fed so that it cannot guess, and drawn at about half of its own cost.

For as long as it draws, quantstats and matplotlib are changed in five places, and put back after:

* figures are drawn when they are saved and not before, for nobody looks at them earlier;
* margins are set once from the labels, where `tight_layout` draws each figure to find them;
* text stays text in the pictures (a third smaller, and it can be found and copied);
* the garbage collector does not look through figures that are about to be dropped;
* a series is never taken for prices, whatever it looks like.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import html
import logging
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, RISK_FREE, Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# pyplot, warnings and what is changed here belong to the whole process.
_ALONE = threading.Lock()

# Inches. What `tight_layout` finds for these figures, with room for a reader's wider letters.
_RIGHT, _BOTTOM, _TOP = 0.20, 0.86, 0.60
_LEFT, _LETTER = 0.34, 0.12

# From +100 % on, quantstats may take a series for prices and turn it into nonsense.
_TAKEN_FOR_PRICE = 1.0
_LOST = -1.0
# What the library may fall over; it checks little of what it is given.
_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_NATIVE = "the native tearsheet draws such a day (--kind native)"


def quantstats_page(sheet: Sheet) -> str:
    """Return the page as quantstats writes it, the sheet's returns beside its benchmark.

    Raises:
        BadInputError: a day of +100 % or more, or one that lost everything: quantstats cannot show either.
        PortfolioLabError: quantstats failed at it.
    """
    check_drawable(sheet)
    with _ALONE, _quiet(), _drawn_quickly(), tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "tearsheet.html"
        try:
            _draw(sheet, drawn)
        except _FAULTS as error:
            told = f"quantstats could not draw {sheet.name} ({type(error).__name__}: {error})"
            raise PortfolioLabError(f"{told}: the native tearsheet can (--kind native)") from error
        return drawn.read_text(encoding="utf-8")


def _draw(sheet: Sheet, output: Path) -> None:
    import quantstats  # noqa: PLC0415 - two seconds that only a report should pay

    quantstats.reports.html(  # type: ignore[no-untyped-call]  # the library has no types
        sheet.returns.copy(),
        benchmark=None if sheet.benchmark is None else sheet.benchmark.copy(),
        rf=RISK_FREE,
        title=html.escape(f"{sheet.name}: tearsheet"),
        strategy_title=_title(sheet),
        periods_per_year=PERIODS_PER_YEAR,
        match_dates=False,
        output=str(output),
    )


def check_drawable(sheet: Sheet) -> None:
    """Raise BadInputError when quantstats would print nonsense about the sheet."""
    for series, whose in ((sheet.returns, sheet.name), (sheet.benchmark, f"the benchmark of {sheet.name}")):
        if series is None:
            continue
        if series.max() >= _TAKEN_FOR_PRICE:
            raise BadInputError(
                f"{whose} returned {series.max():+.0%} on {series.idxmax():%Y-%m-%d}; quantstats takes returns of "
                f"+100 % or more for prices and would print nonsense: {_NATIVE}. Look at that day with lab.pnl()."
            )
        if series.min() <= _LOST:
            remedy = (
                _NATIVE if series.min() == _LOST else "equity went through zero, and no tearsheet has figures for that"
            )
            raise BadInputError(
                f"{whose} returned {series.min():+.0%} on {series.idxmin():%Y-%m-%d}; quantstats has no figures "
                f"for what is lost altogether: {remedy}. Look at that day with lab.pnl()."
            )


def _title(sheet: Sheet) -> str:
    # Columns of one name would become one column.
    alike = sheet.benchmark is not None and str(sheet.benchmark.name) == sheet.name
    return f"{sheet.name} (portfolio)" if alike else sheet.name


# ---------------------------------------------------------------- quicker


@contextlib.contextmanager
def _drawn_quickly() -> Iterator[None]:
    """Change what is told above, and put all of it back."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a report should pay
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415 - the same
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - the same
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    with contextlib.ExitStack() as changed:
        changed.enter_context(_without_a_window())
        theme = _theme()
        from quantstats import utils  # noqa: PLC0415 - after the theme, which is read when it is imported

        changed.enter_context(mpl.rc_context())
        mpl.rcParams.update(theme)
        mpl.rcParams["svg.fonttype"] = "none"
        for kind in (FigureCanvasBase, FigureCanvasAgg):
            if "draw_idle" in vars(kind):
                changed.enter_context(patch.object(kind, "draw_idle", _nothing))
        changed.enter_context(patch.object(Figure, "tight_layout", _set_margins))
        changed.enter_context(patch.object(utils, "_prepare_returns", _taken_as_returns))
        changed.enter_context(_without_collecting())
        yield


@functools.cache
def _theme() -> Any:  # noqa: ANN401 - the style, which only matplotlib reads
    """Return the style that quantstats sets for the whole process when it is imported; here it stays out of it."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a report should pay

    with mpl.rc_context():
        import quantstats  # noqa: F401, PLC0415 - for what its import does

        return {name: value for name, value in mpl.rcParams.items() if not name.startswith("backend")}


@contextlib.contextmanager
def _without_a_window() -> Iterator[None]:
    """Draw into memory, and leave the reader's own backend and figures as they were."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a report should pay
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the same

    before, kept = mpl.get_backend(), set(plt.get_fignums())
    mpl.use("Agg")
    try:
        yield
    finally:
        for number in set(plt.get_fignums()) - kept:
            plt.close(number)
        mpl.use(before)


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what quantstats makes of newer libraries and of fonts that are not there."""
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)  # it says so for every letter
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        fonts.setLevel(level)


def _nothing(*_: object, **__: object) -> None:
    """Stand in for drawing."""


def _set_margins(figure: Figure, *_: object, **__: object) -> None:
    """Stand in for `tight_layout`: as much room on the left as the longest label needs, the rest is known."""
    width, height = figure.get_size_inches()
    labels = [
        label
        for axes in figure.axes
        for label in axes.yaxis.get_major_formatter().format_ticks(list(axes.yaxis.get_majorticklocs()))
    ]
    left = _LEFT + _LETTER * max(map(len, labels), default=0)
    figure.subplots_adjust(left=left / width, right=1 - _RIGHT / width, bottom=_BOTTOM / height, top=1 - _TOP / height)


def _taken_as_returns(series: Any, *_: object, **__: object) -> Any:  # noqa: ANN401 - a Series or a DataFrame, as it came
    """Stand in for what guesses whether a series is one of prices: these are returns, above a rate of 0."""
    kept: pd.Series | pd.DataFrame = series.replace([np.inf, -np.inf], np.nan)
    return kept
