"""The checked list: whatever stands in a page by quantstats has its element in ours, equal or with a reason."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.reports.content import ANSWERS, CHARTS, ROWS, TABLES
from portfolio_lab.reports.native import native_page
from portfolio_lab.reports.sheet import Sheet

NO_DAYS = pd.DatetimeIndex([])
DAYS = 1_096  # three calendar years
WORDS_OF_THE_HEAD = {"title", "date_range", "matched_dates", "params", "v", "eoy_title"}
DASH = "—"


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    rng = np.random.default_rng(11)
    dates = pd.date_range("2023-01-01", periods=DAYS, freq="D")
    market = rng.standard_t(6, DAYS) * 0.02 + 0.001
    returns = 0.4 * market + rng.standard_t(6, DAYS) * 0.011 + 0.001
    returns[[5, 77, 640]] = 0.0
    series = pd.Series(returns, dates, name="alice")
    return Sheet("alice", "user", series, series, pd.Series(market, dates, name="BTC"), (), NO_DAYS, NO_DAYS)


@pytest.fixture(scope="module")
def theirs(sheet: Sheet) -> pd.DataFrame:
    """Return their table of metrics as it is printed in their page, one column a series."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what an older library makes of newer ones is not ours to judge
        import quantstats  # noqa: PLC0415 - two seconds that only these tests should pay

        table = quantstats.reports.metrics(
            sheet.returns.copy(),
            sheet.benchmark.copy() if sheet.benchmark is not None else None,
            mode="full",
            display=False,
            periods_per_year=365,
            internal="True",
        )
    table.index = [name.replace("﹪", "").removesuffix("%").strip() for name in table.index]
    return table[table.index != ""]


@pytest.fixture(scope="module")
def page(sheet: Sheet) -> ET.Element:
    return ET.fromstring(native_page(sheet).replace("<!DOCTYPE html>", ""))  # noqa: S314 - our own page


def element(page: ET.Element, identity: str) -> ET.Element:
    found = page.findall(f".//*[@id='{identity}']")
    assert len(found) == 1, identity
    return found[0]


def number(text: str) -> tuple[float, bool]:
    """Return a printed number, and whether it was one of per cent."""
    plain = text.replace("−", "-").replace(",", "")
    return float(plain.rstrip("%")), plain.endswith("%")


# ---------------------------------------------------------------- metrics


def test_every_row_of_theirs_has_an_answer(theirs: pd.DataFrame) -> None:
    assert len(theirs) > 65
    assert set(theirs.index) == set(ANSWERS)


def test_every_answer_is_in_the_page_once(page: ET.Element) -> None:
    for row in ROWS:
        cells = element(page, row.id).findall("td")
        assert len(cells) == 2, row.id
        assert (cells[0].text or "").strip(), row.id


def test_no_figure_of_three_years_is_unknown_but_those_of_longer(page: ET.Element) -> None:
    unknown = {row.name for row in ROWS if element(page, row.id).findall("td")[0].text == DASH}
    assert unknown <= {"years_5", "years_10", "deepest_recovery"}


ALIKE = sorted(name for name, row in ANSWERS.items() if not row.why)


@pytest.mark.parametrize("name", ALIKE)
@pytest.mark.parametrize("side", ["Strategy", "Benchmark"])
def test_what_is_defined_alike_prints_alike(page: ET.Element, theirs: pd.DataFrame, name: str, side: str) -> None:
    ours = element(page, ANSWERS[name].id).findall("td")[side == "Benchmark"].text or ""
    printed = str(theirs.loc[name, side])
    if side == "Benchmark" and not ours:
        assert name in {"Beta", "Correlation", "R^2"}  # a benchmark has none to itself
        return
    if ANSWERS[name].kind == "date":
        assert ours == printed
        return
    (value, in_per_cent), (expected, theirs_in_per_cent) = number(ours), number(printed)
    scale = 100.0 if theirs_in_per_cent and not in_per_cent else 1.0
    # Both are rounded to two decimals; in a unit a hundred times as fine only as far as ours goes.
    assert value * scale == pytest.approx(expected, abs=0.0051 * scale + 1e-9)


def test_what_is_defined_otherwise_says_why_on_the_page(page: ET.Element) -> None:
    for row in ROWS:
        if row.why:
            assert element(page, f"why-{row.id}").text == row.title
            told = page.find(f".//dl/div/dt/span[@id='why-{row.id}']/../..")
            assert told is not None
            assert row.why in "".join(told.itertext())
            assert element(page, row.id).find(f".//a[@href='#why-{row.id}']") is not None


def test_every_definition_is_on_the_page(page: ET.Element) -> None:
    told = "".join(element(page, "definitions").itertext())
    for row in ROWS:
        assert row.definition
        assert row.definition in told


def test_the_differences_are_those_that_are_told(page: ET.Element, theirs: pd.DataFrame, sheet: Sheet) -> None:
    def ours(name: str) -> float:
        return number(element(page, ANSWERS[name].id).findall("td")[0].text or "")[0]

    def other(name: str) -> float:
        return number(str(theirs.loc[name, "Strategy"]))[0]

    # Cut by the portfolio's autocorrelation there: of the portfolio itself both are one.
    assert ours("Smart Sharpe") == pytest.approx(other("Smart Sharpe"), abs=0.006)
    assert ours("Smart Sortino") == pytest.approx(other("Smart Sortino"), abs=0.006)
    # The day at the start of the span counts there: take it away, and theirs is ours.
    before = sheet.returns.index[-1] - pd.DateOffset(months=3)
    linked = (1 + other("3M") / 100) / (1 + sheet.returns.loc[before]) - 1
    assert ours("3M") == pytest.approx(100 * linked, abs=0.02)
    # 252 days a year, and all of the time in the market.
    years = DAYS / 252
    wealth = 1 + other("Cumulative Return") / 100
    assert other("Risk-Adjusted Return") == pytest.approx(100 * (wealth ** (1 / years) - 1), abs=0.01)
    assert ours("Risk-Adjusted Return") == pytest.approx(ours("CAGR") / (DAYS - 3) * DAYS, abs=0.01)
    # The return of three years there, of one here.
    assert other("Treynor Ratio") == pytest.approx(other("Cumulative Return") / other("Beta"), rel=0.02)
    assert ours("Treynor Ratio") == pytest.approx(ours("CAGR") / 100 / ours("Beta"), rel=0.02)
    assert ours("Ulcer Performance Index") == pytest.approx(ours("CAGR") / 100 / ours("Ulcer Index"), rel=0.05)


# ---------------------------------------------------------------- charts and tables


def test_every_picture_and_table_of_theirs_has_one_of_ours(page: ET.Element) -> None:
    import quantstats  # noqa: PLC0415 - two seconds that only these tests should pay

    template = Path(quantstats.__file__).with_name("report.html").read_text(encoding="utf-8")
    places = set(re.findall(r"\{\{(\w+)\}\}", template))
    assert places == set(CHARTS) | set(TABLES) | WORDS_OF_THE_HEAD
    for identity in CHARTS.values():
        figure = element(page, identity)
        assert figure.tag == "figure"
        assert figure.find("svg") is not None or figure.find("table") is not None, identity
    for identity in TABLES.values():
        assert element(page, identity).find("table") is not None


def test_charts_that_compare_show_both(page: ET.Element) -> None:
    for name in ("returns", "log_returns", "vol_returns", "rolling_vol"):
        figure = element(page, CHARTS[name])
        assert figure.find(".//path[@class='a']") is not None
        assert figure.find(".//path[@class='b']") is not None
    beta = element(page, CHARTS["rolling_beta"])
    assert beta.find(".//path[@class='a']") is not None  # 6 months
    assert beta.find(".//path[@class='c']") is not None  # 12 months
    months = element(page, CHARTS["monthly_dist"])
    assert {path.get("class") for path in months.iter("path")} == {"b", "curve", "mean"}
    assert len(element(page, CHARTS["dd_periods"]).findall(".//rect[@class='fall']")) == 5
    assert len(element(page, CHARTS["returns_dist"]).findall(".//text[@class='row']")) == 5


def test_years_are_beside_the_benchmark_with_multiple_and_won(page: ET.Element, sheet: Sheet) -> None:
    rows = element(page, TABLES["eoy_table"]).findall(".//tbody/tr")
    own = [(1 + part).prod() - 1 for _, part in sheet.returns.groupby(sheet.returns.index.year)]
    assert [number(row.findall("td")[1].text or "")[0] for row in rows] == pytest.approx(
        [100 * value for value in own], abs=0.006
    )
    for row in rows:
        its, ours, multiple, won = [cell.text or "" for cell in row.findall("td")]
        assert number(multiple.rstrip("×"))[0] == pytest.approx(number(ours)[0] / number(its)[0], rel=0.02)
        assert won == ("yes" if number(ours)[0] >= number(its)[0] else "no")
