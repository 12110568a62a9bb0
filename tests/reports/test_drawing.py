"""The page by quantstats: fed so that it cannot guess, and everything as it was when it is done."""

from __future__ import annotations

import gc
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from portfolio_lab.errors import PortfolioLabError
from portfolio_lab.reports import drawing
from portfolio_lab.reports.content import ANSWERS
from portfolio_lab.reports.conventions import CONVENTIONS
from portfolio_lab.reports.differences import Compared, compared, table_of_differences
from portfolio_lab.reports.drawing import quantstats_page
from portfolio_lab.reports.sheet import Sheet

NO_DAYS = pd.DatetimeIndex([])


def sheet_from(returns: np.ndarray, benchmark: np.ndarray | None = None, name: str = "alice") -> Sheet:
    dates = pd.date_range("2025-01-01", periods=len(returns), freq="D")
    series = pd.Series(returns, dates)
    beside = None if benchmark is None else pd.Series(benchmark, dates, name="BTC")
    return Sheet(name, "user", series, series, beside, (), NO_DAYS, NO_DAYS)


def noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.001, 0.02, count)


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    market = noise(400, 2)
    returns = 0.4 * market + noise(400, 1)
    returns[[5, 77, 200]] = 0.0
    return sheet_from(returns, market)


@pytest.fixture(scope="module")
def page(sheet: Sheet) -> str:
    return quantstats_page(sheet)


@pytest.fixture(scope="module")
def rows(page: str, sheet: Sheet) -> dict[str, Compared]:
    return {row.row: row for row in compared(page, sheet)}


# ---------------------------------------------------------------- the same figures


SAME = [row for row, answer in ANSWERS.items() if not answer.why and row not in {"Start Period", "End Period"}]


@pytest.mark.parametrize("row", SAME)
def test_what_is_defined_alike_prints_alike(rows: dict[str, Compared], row: str) -> None:
    assert rows[row].is_equal, (rows[row].theirs, rows[row].ours)


def test_every_convention_is_a_row_of_theirs(rows: dict[str, Compared]) -> None:
    assert {convention.row for convention in CONVENTIONS} <= set(rows)
    assert len(rows) > 60
    assert {row for row in rows if not rows[row].name} == set(), "a row that no figure of ours answers"


def test_each_difference_is_the_one_that_is_told(rows: dict[str, Compared], sheet: Sheet) -> None:
    returns, n = sheet.returns, len(sheet.returns)

    def number(text: str) -> float:
        return float(text.rstrip("%"))

    # Not annualised: ours / sqrt(365).
    ratio = rows["Information Ratio"]
    assert number(ratio.theirs) == pytest.approx(number(ratio.ours) / 365**0.5, abs=0.006)
    # Three flat days of 400 are left out there.
    days = rows["Win Days"]
    assert number(days.ours) == pytest.approx(number(days.theirs) * (n - 3) / n, abs=0.01)
    # The plain sum of returns, here a loss, without its sign.
    factor = rows["Recovery Factor"]
    deepest = abs(number(rows["Max Drawdown"].theirs)) / 100
    assert number(factor.theirs) == pytest.approx(abs(returns.sum()) / deepest, abs=0.02)
    assert not factor.is_equal
    # Normal distribution: mean - 1.645 standard deviations.
    risk = rows["Daily Value-at-Risk"]
    assert number(risk.theirs) == pytest.approx(100 * (returns.mean() - 1.6449 * returns.std()), abs=0.006)
    assert number(risk.ours) == pytest.approx(100 * np.quantile(returns, 0.05), abs=0.006)
    # Daily alpha summed over a year, not compounded.
    alpha = rows["Alpha"]
    assert number(alpha.ours) == pytest.approx((1 + number(alpha.theirs) / 365) ** 365 - 1, abs=0.01)


def test_the_table_gives_a_reason_for_each_row(page: str, sheet: Sheet, rows: dict[str, Compared]) -> None:
    table = table_of_differences(page, sheet)
    cells = re.findall(r"<tr><td>([^<]+)</td><td>([^<]+)</td><td>([^<]+)</td><td [^>]*>([^<]+)</td></tr>", table)
    assert len(cells) == table.count("<tr><td>")
    assert {row for row, *_ in cells} == {row for row, one in rows.items() if not one.is_equal}
    alike = re.search(r"<p>Defined otherwise too, .*: ([^<]+)\.</p>", table)
    assert alike is not None
    assert {row for row, one in rows.items() if one.why} == {row for row, *_ in cells} | set(alike[1].split(", "))


def test_unknown_of_ours_is_a_dash() -> None:
    few = sheet_from(np.array([0.01, -0.02, 0.03]))
    shown = {row.row: row for row in compared(_table({"Sharpe": "1.0"}), few)}
    assert (shown["Sharpe"].ours, shown["Sharpe"].name) == ("-", "sharpe")
    assert "ours is unknown from so few days" in table_of_differences(_table({"Sharpe": "1.0"}), few)


def _table(values: dict[str, str]) -> str:
    cells = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in values.items())
    return f"<h3>Key Performance Metrics</h3><table>{cells}</table>"


# ---------------------------------------------------------------- no guess


def test_months_above_100_per_cent_without_a_loss_are_no_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    # 9 % a day makes more than 100 % a month: quantstats by itself takes such months for prices.
    import quantstats  # noqa: PLC0415 - after matplotlib

    asked: list[float] = []
    theirs = quantstats.utils.aggregate_returns

    def watched(returns: Any, *rest: Any, **more: Any) -> Any:
        asked.append(float(np.max(returns)))
        return theirs(returns, *rest, **more)

    monkeypatch.setattr(quantstats.utils, "aggregate_returns", watched)
    page = quantstats_page(sheet_from(np.full(59, 0.09)))
    assert asked
    best = re.search(r"<tr><td>Best Month</td><td>([^<]*)%</td></tr>", page)
    assert best is not None
    assert float(best[1]) == pytest.approx(100 * (1.09**31 - 1), abs=0.01)


def test_a_portfolio_that_is_called_like_its_benchmark_keeps_its_column() -> None:
    alike = sheet_from(noise(40, 1), noise(40, 2), name="BTC")
    assert "<th>BTC</th><th>BTC (portfolio)</th>" in quantstats_page(alike)


# ---------------------------------------------------------------- as it was


def state() -> tuple[Any, ...]:
    from quantstats import utils  # noqa: PLC0415 - after matplotlib

    kept = {name: value for name, value in mpl.rcParams.items() if name != "backend"}
    canvas = FigureCanvasAgg.draw_idle
    level = logging.getLogger("matplotlib.font_manager").level
    return (kept, mpl.get_backend(), canvas, Figure.tight_layout, utils._prepare_returns, gc.isenabled(), level)


def fails(*_: object, **__: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("ends", [None, fails])
def test_everything_is_put_back(ends: Callable[..., None] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    import quantstats  # noqa: PLC0415 - after matplotlib

    shown = plt.figure()
    before, filters = state(), list(warnings.filters)
    if ends is not None:
        monkeypatch.setattr(quantstats.reports, "html", ends)
        with pytest.raises(MemoryError):
            quantstats_page(sheet_from(noise(5, 1)))
    else:
        quantstats_page(sheet_from(noise(5, 1)))
    assert state() == before
    assert warnings.filters == filters
    assert plt.get_fignums() == [shown.number]
    assert not drawing._ALONE.locked()
    plt.close(shown)


def test_what_quantstats_falls_over_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import quantstats  # noqa: PLC0415 - after matplotlib

    def falls(*_: object, **__: object) -> None:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(quantstats.reports, "html", falls)
    with pytest.raises(PortfolioLabError, match=r"draw alice \(ZeroDivisionError: float .*\(--kind native\)"):
        quantstats_page(sheet_from(noise(5, 1)))


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with drawing._without_collecting():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_longest_label_has_room() -> None:
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot([0, 10_000_000])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}%")
    drawing._set_margins(figure)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # the canvas in memory has one
    widest = min(label.get_window_extent(renderer).x0 for label in axes.get_yticklabels())
    assert widest >= 0
    plt.close(figure)


def test_the_page_of_the_docs_tells_every_difference(repository: Path) -> None:
    text = (repository / "docs" / "tearsheets.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE))
    assert {(one.row, one.why) for one in CONVENTIONS if one.why} <= {(row, why) for row, _, why in told}
