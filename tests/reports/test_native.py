"""The native sheet: coordinates and figures worked by hand, gaps, strangers' names, and what no sheet can be of."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.dashboard.theme import stylesheet
from portfolio_lab.engines.performance import metrics
from portfolio_lab.errors import BadInputError
from portfolio_lab.reports.content import CHARTS, ROWS, TABLES
from portfolio_lab.reports.drawn import calendar_of, drawn, index_of
from portfolio_lab.reports.native import native_page
from portfolio_lab.reports.native_figures import autocorrelation_penalty, figures_of
from portfolio_lab.reports.native_style import STYLE
from portfolio_lab.reports.periods import linked
from portfolio_lab.reports.sheet import Sheet
from portfolio_lab.reports.svg import ACROSS, Axis, Dates, area, line, stems, thinned

NO_DAYS = pd.DatetimeIndex([])
EVIL = "<img src=x onerror=alert(1)>\"'&"


def sheet_of(
    returns: Sequence[float] | np.ndarray,
    benchmark: Sequence[float] | np.ndarray | None = None,
    *,
    since: str = "2025-03-10",
    name: str = "alice",
) -> Sheet:
    """Return the sheet of daily returns, NaN on days that are missing."""
    dates = pd.date_range(since, periods=len(returns), freq="D")
    series = pd.Series(np.asarray(returns, dtype="float64"), dates)
    known = series.dropna()
    beside = None
    if benchmark is not None:
        beside = pd.Series(np.asarray(benchmark, dtype="float64"), dates, name="BTC")[series.notna()]
    return Sheet(name, "user", known, known, beside, ("A note.",), dates[series.isna()], NO_DAYS)


def noise(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.001, 0.02, count)


def tree(page: str) -> ET.Element:
    return ET.fromstring(page.replace("<!DOCTYPE html>", ""))  # noqa: S314 - our own page


def element(page: ET.Element, identity: str) -> ET.Element:
    found = page.find(f".//*[@id='{identity}']")
    assert found is not None, identity
    return found


def value(page: ET.Element, name: str, column: int = 0) -> str:
    row = next(row for row in ROWS if row.name == name)
    return element(page, row.id).findall("td")[column].text or ""


def path(page: ET.Element, chart: str, kind: str) -> str:
    found = element(page, CHARTS[chart]).find(f".//path[@class='{kind}']")
    assert found is not None
    return found.get("d") or ""


# ---------------------------------------------------------------- worked by hand


FOUR_DAYS = [0.10, -0.50, 0.20, 0.0]  # 1, 1.1, 0.55, 0.66, 0.66


def test_four_days_on_the_chart() -> None:
    page = tree(native_page(sheet_of(FOUR_DAYS)))
    # Four days across 10,000 units, the start at the left edge; from -45 % to +10 % with a 25th of
    # the height as room at both ends: 0 % stands at (10 + 2.2) / 59.4 of 290 pixels.
    points = re.findall(r"(\d+) (\d+)", path(page, "returns", "a"))
    assert [int(x) for x, _ in points] == [0, 2500, 5000, 7500, 10000]
    high, low = 0.10 + 0.04 * 0.55, -0.45 - 0.04 * 0.55
    expected = [2900 * (high - growth) / (high - low) for growth in (0.0, 0.10, -0.45, -0.34, -0.34)]
    assert [int(y) for _, y in points] == [round(y) for y in expected]


def test_four_days_in_the_tables() -> None:
    page = tree(native_page(sheet_of(FOUR_DAYS)))
    assert value(page, "total_return") == "−34.00%"
    assert value(page, "max_drawdown") == "−50.00%"
    assert value(page, "deepest_start") == value(page, "deepest_day") == "2025-03-11"
    assert value(page, "deepest_recovery") == "—"
    assert value(page, "time_in_market") == "75.00%"
    assert value(page, "win_months") == "0.00%"
    assert value(page, "this_month") == value(page, "this_year") == "−34.00%"
    assert value(page, "months_3") == "—"
    assert value(page, "sharpe") == value(page, "kelly") == value(page, "expected_year") == "—"
    fall = [cell.text for cell in element(page, TABLES["dd_info"]).findall(".//tbody/tr/td")]
    assert fall == ["2025-03-11", "2025-03-11", "open", "−50.00%", "3"]
    assert [cell.text for cell in element(page, TABLES["eoy_table"]).findall(".//tbody/tr/td")] == ["−34.00%"]
    march = element(page, CHARTS["monthly_heatmap"]).findall(".//td[@data-month='Mar']")
    assert [(cell.text, cell.get("class")) for cell in march] == [("−34.0", "down")]


def test_a_benchmark_has_its_own_column_and_may_win() -> None:
    page = tree(native_page(sheet_of([0.1, 0.1], [0.5, 0.0])))
    assert (value(page, "total_return"), value(page, "total_return", 1)) == ("21.00%", "50.00%")
    won = [cell.text for cell in element(page, TABLES["eoy_table"]).findall(".//tbody/tr/td")]
    assert won == ["50.00%", "21.00%", "0.42×", "no"]


def test_periods_are_open_at_their_start() -> None:
    # 10 March to 10 June: the three months are those after 10 March, so that day is not in them.
    returns = np.zeros(93)
    returns[0], returns[-1] = 0.5, 0.1
    figures = figures_of(calendar_of(sheet_of(returns).returns, "alice"))
    assert figures["last_day"] == pd.Timestamp("2025-06-10")
    assert figures["months_3"] == pytest.approx(0.1)
    assert np.isnan(figures["months_6"])  # type: ignore[arg-type]
    assert figures["this_year"] == pytest.approx(0.65)


def test_ratios_by_hand() -> None:
    # 20 gains of 2 %, 10 losses of 1 %, 10 flat days: p = 2 / 3, payoff 2, profit factor 4.
    figures = figures_of(calendar_of(sheet_of([0.02] * 20 + [-0.01] * 10 + [0.0] * 10).returns, "alice"))
    told = {
        name: figures[name] for name in ("payoff", "profit_factor", "kelly", "gain_to_pain", "mean_win", "win_rate")
    }
    assert told == pytest.approx(
        {"payoff": 2, "profit_factor": 4, "kelly": 0.5, "gain_to_pain": 3, "mean_win": 0.02, "win_rate": 0.5}
    )
    assert figures["cpc"] == pytest.approx(4 * 2 / 3 * 2)
    assert figures["ruin"] == pytest.approx(0.2**40)
    # Without a loss: 0.4 / 30 over 30 days; with one: 0.01 over 10.
    assert figures["profit_ratio"] == pytest.approx((0.4 / 30 / 30) / (0.01 / 10))


def test_penalty_of_returns_that_alternate() -> None:
    # Each day the opposite of the one before: |rho| = 1, so 1 + 2 (3 + 2 + 1) / 4.
    assert autocorrelation_penalty(np.array([0.01, -0.01, 0.01, -0.01])) == pytest.approx(2.0)


# ---------------------------------------------------------------- lines


def test_a_line_breaks_where_nothing_is_known() -> None:
    x, y = np.arange(0.0, 60.0, 10), np.array([1.0, np.nan, 3.0, 4.0, np.nan, 6.0])
    assert line(x, y) == "M0 1h0M20 3L30 4M50 6h0"
    assert area(x, y, 9.0) == "M20 3L30 4V9H20Z"
    assert stems(x, y, 2) == "M0 2V1M20 2V3M30 2V4M50 2V6"
    assert line(x, np.full(6, np.nan)) == ""


def test_thinning_keeps_the_extremes() -> None:
    count = 40_000
    y = np.zeros(count)
    y[12_345], y[30_001] = 500.0, -500.0
    x = np.linspace(0, ACROSS, count)
    kept = thinned(x, y)
    assert len(kept) <= 4_004
    assert {0, 12_345, 30_001, count - 1} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    assert "500" in line(x, y)
    assert "-500" in line(x, y)


def test_missing_days_are_gaps_in_every_line_over_time() -> None:
    returns = noise(400)
    returns[200:230] = np.nan
    page = tree(native_page(sheet_of(returns, noise(400, 5))))
    for chart in ("returns", "log_returns", "vol_returns", "rolling_sharpe", "rolling_vol", "dd_periods"):
        assert path(page, chart, "a").count("M") == 2, chart
    assert path(page, "dd_plot", "d").count("M") == 2
    left = 201 / 400 * ACROSS
    right = 231 / 400 * ACROSS
    drawn_at = [float(x) for x in re.findall(r"[ML ](\d+) \d+", path(page, "returns", "a"))]
    assert not [x for x in drawn_at if left - 20 < x < right - 20 and left < x < right - 1]


def test_days_missing_at_the_end_are_on_the_time_axis() -> None:
    found = drawn(sheet_of([0.01, 0.02, np.nan, np.nan]))
    assert found.ours.days[-1] == np.datetime64("2025-03-13")
    assert "2025-03-13" in native_page(sheet_of([0.01, 0.02, np.nan, np.nan]))


def test_estimated_days_have_a_mark() -> None:
    plain = sheet_of(noise(10))
    marked = Sheet("a", "user", plain.known, plain.returns, None, (), NO_DAYS, plain.returns.index[3:5])
    assert path(tree(native_page(marked)), "daily_returns", "guess").count("M") == 2
    assert 'class="guess"' not in native_page(plain)


@pytest.mark.parametrize(
    ("low", "high"), [(-0.45, 0.1), (0.0, 2.0), (-1.0, 0.0), (3.0, 3.0), (0.0, 0.0), (-1e-9, 1e-9)]
)
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    axis = Axis.over(np.array([low, high, np.nan]), pixels=100)
    assert axis.low <= low <= high <= axis.high
    assert axis.low < axis.high
    assert len(axis.ticks) >= 2
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert 0 <= axis.y(high) <= axis.y(low) <= 100


def test_dates_are_named_by_the_span() -> None:
    def labels(since: str, count: int) -> list[str]:
        return re.findall(r">([^<]+)<", Dates(np.datetime64(since), count).axis(0))

    assert labels("2025-03-10", 5) == ["10 Mar", "11 Mar", "12 Mar", "13 Mar", "14 Mar"]
    assert labels("2025-01-01", 181) == ["2025", "Feb", "Mar", "Apr", "May", "Jun"]
    assert labels("2023-01-01", 1_096) == ["2023", "Jul", "2024", "Jul", "2025", "Jul"]
    assert labels("2014-01-01", 4_380) == ["2014", "2016", "2018", "2020", "2022", "2024"]


def test_months_and_years_are_linked() -> None:
    days = np.arange("2024-12-30", "2025-01-03", dtype="datetime64[D]")
    returns = np.array([0.1, 0.1, 0.5, 0.5])
    assert linked(days, returns, "year").returns.tolist() == pytest.approx([0.21, 1.25])
    assert linked(days, returns, "week").returns.tolist() == pytest.approx([1.21 * 2.25 - 1])  # all in ISO week 1


# ---------------------------------------------------------------- short, flat, wild


CASES = {
    "one day": ([0.01], None),
    "one day that lost everything": ([-1.0], None),
    "two days": ([0.01, -0.02], None),
    "two days, flat benchmark": ([0.01, -0.02], [0.0, 0.0]),
    "a month": (noise(30), noise(30, 5)),
    "flat": (np.zeros(400), noise(400, 5)),
    "flat benchmark": (noise(400), np.zeros(400)),
    "constant": (np.full(400, 0.001), noise(400, 5)),
    "no benchmark": (noise(400), None),
    "one day short of a window": (noise(182), noise(182, 5)),
    "one day over a window": (noise(184), noise(184, 5)),
    "+300 % in a day": ([*noise(100), 1.5, 3.0, *noise(100)], noise(202, 5)),
    "wiped out": ([*noise(100), -1.0, *np.zeros(300)], noise(401, 5)),
    "every third day missing": (np.where(np.arange(400) % 3, noise(400), np.nan), noise(400, 5)),
    "only gains": (np.abs(noise(300)), noise(300, 5)),
    "only losses": (-np.abs(noise(300)), noise(300, 5)),
    "tiny": (noise(300) * 1e-9, noise(300, 5)),
    "20 % a day": (np.full(300, 0.2), noise(300, 5)),
    "twelve years": (noise(4_380), noise(4_380, 5)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_history_has_a_whole_page(case: str) -> None:
    returns, benchmark = CASES[case]
    text = native_page(sheet_of(returns, benchmark))
    page = tree(text)
    for identity in (*CHARTS.values(), *TABLES.values(), *(row.id for row in ROWS)):
        element(page, identity)
    attributes = [found for item in page.iter() for found in item.attrib.items()]
    drawing = [text for name, text in attributes if name in {"d", "x", "y", "x1", "x2", "y1", "y2", "width", "height"}]
    assert not [text for text in drawing if re.search(r"nan|inf", text)]
    shown = " ".join(page.itertext()).replace(STYLE, "")
    assert not re.search(r"\b(nan|NaN|inf|None|NaT)\b|%%", shown)


def test_a_chart_that_wants_more_days_says_so() -> None:
    page = tree(native_page(sheet_of(noise(40), noise(40, 5))))
    for chart in ("rolling_beta", "rolling_vol", "rolling_sharpe", "rolling_sortino"):
        told = "".join(element(page, CHARTS[chart]).itertext())
        assert "Needs a history of 183 days; this one has 40." in told
        assert element(page, CHARTS[chart]).find("svg") is None
    assert "Needs 3 calendar months; there are 2." in "".join(element(page, CHARTS["monthly_dist"]).itertext())


def test_a_chart_that_wants_a_benchmark_says_so() -> None:
    page = tree(native_page(sheet_of(noise(400))))
    for chart in ("rolling_beta", "vol_returns"):
        assert "Needs a benchmark." in "".join(element(page, CHARTS[chart]).itertext())
    assert value(page, "beta") == value(page, "alpha") == "—"


def test_flat_returns_have_no_ratio() -> None:
    page = tree(native_page(sheet_of(np.zeros(400))))
    assert value(page, "total_return") == "0.00%"
    assert {value(page, name) for name in ("sharpe", "sortino", "calmar", "profit_factor", "payoff", "omega")} == {"—"}
    assert "Needs a window with 30 known returns that are not all alike." in native_page(sheet_of(np.zeros(400)))


def test_a_wipe_out_is_shown_as_one() -> None:
    page = tree(native_page(sheet_of([*noise(100), -1.0, *np.zeros(300)])))
    assert value(page, "total_return") == value(page, "max_drawdown") == "−100.00%"
    assert "the line ends there" in "".join(element(page, CHARTS["log_returns"]).itertext())
    assert "0.00×" in "".join(element(page, CHARTS["log_returns"]).itertext())
    assert path(page, "log_returns", "a").count("L") == 1


REFUSED = {
    "nothing": ([], "no return of alice is known: let sync run"),
    "nothing known": ([np.nan, np.nan], "no return of alice is known: let sync run"),
    "below -100 %": ([0.01, -1.2], r"alice returned -120% on 2025-03-11: equity went through zero"),
    "infinite": ([0.01, np.inf], r"on 2025-03-11 is infinite: look at that day"),
    "beyond any number": (np.full(400, 9.0), r"grew beyond any number: look at 2025-03-10"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_sheet_can_be_of_is_refused_with_the_remedy(case: str) -> None:
    returns, told = REFUSED[case]
    with pytest.raises(BadInputError, match=told):
        native_page(sheet_of(returns))


def test_two_returns_on_a_day_are_refused_and_no_dates_too() -> None:
    plain = sheet_of(noise(3))
    twice = pd.Series([0.01, 0.02], pd.DatetimeIndex(["2025-03-10", "2025-03-10"]))
    with pytest.raises(BadInputError, match="two returns on 2025-03-10: give one a day"):
        native_page(Sheet("a", "user", twice, twice, None, (), NO_DAYS, NO_DAYS))
    numbered = plain.returns.reset_index(drop=True)
    with pytest.raises(BadInputError, match="have no dates: give one return for each"):
        native_page(Sheet("a", "user", numbered, numbered, None, (), NO_DAYS, NO_DAYS))


def test_unsorted_returns_are_the_same_sheet() -> None:
    plain = sheet_of(noise(50), noise(50, 5))
    assert plain.benchmark is not None
    mixed = plain.returns.iloc[::-1]
    other = Sheet("alice", "user", mixed, mixed, plain.benchmark.iloc[::-1], plain.notes, NO_DAYS, NO_DAYS)
    assert native_page(other) == native_page(plain)


def test_headline_is_of_all_known_days_and_the_table_of_those_compared() -> None:
    plain = sheet_of(noise(100), noise(100, 5))
    assert plain.benchmark is not None
    known, drawn_days = plain.returns, plain.returns.iloc[40:]
    page = tree(native_page(Sheet("a", "user", known, drawn_days, plain.benchmark.iloc[40:], (), NO_DAYS, NO_DAYS)))
    tile = element(page, "headline").findall(".//dd")[0].text
    assert tile == f"{(1 + known).prod() - 1:.2%}".replace("-", "−")
    assert value(page, "total_return") == f"{(1 + drawn_days).prod() - 1:.2%}".replace("-", "−")


# ---------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def text() -> str:
    return native_page(sheet_of(noise(800), noise(800, 5)))


def test_the_page_leads_nowhere(text: str) -> None:
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert not re.search(r"https?:|//|<script|<link|<iframe|<img|@import|url\(|\bon\w+=", text)
    assert all(item.get("href", "#").startswith("#") for item in tree(text).iter())


def test_the_same_sheet_gives_the_same_bytes(text: str) -> None:
    assert native_page(sheet_of(noise(800), noise(800, 5))) == text


def test_names_are_text_wherever_they_stand() -> None:
    plain = sheet_of(noise(100), noise(100, 5), name=EVIL)
    assert plain.benchmark is not None
    for scope_name in (EVIL, EVIL[:12]):
        evil = Sheet(
            scope_name,
            "user",
            plain.known,
            plain.returns,
            plain.benchmark.rename("<b>x</b>"),
            (EVIL,),
            NO_DAYS,
            NO_DAYS,
        )
        page = native_page(evil)
        assert "<img" not in page
        assert "<b>x" not in page
        heading = tree(page).find(".//h1")
        assert heading is not None
        assert heading.text == scope_name


def test_every_chart_tells_a_reader_who_does_not_see_it(text: str) -> None:
    page = tree(text)
    pictures = page.findall(".//svg[@role='img']")
    assert len(pictures) == len(CHARTS) - 1  # the months are a table, which reads itself
    assert all(len(picture.get("aria-label") or "") > 20 for picture in pictures)
    assert element(page, CHARTS["monthly_heatmap"]).find("table") is not None


def test_colours_are_the_dashboards_and_nowhere_else(text: str) -> None:
    body = text[text.index("<body>") :]
    assert not re.search(r"#[0-9a-f]{6}|rgb\(", body)
    theirs = stylesheet()
    for name in ("ground", "panel", "edge", "grid", "text", "muted", "accent", "up", "down"):
        ours = set(re.findall(rf"--{name}: (#\w+)", STYLE))
        assert ours == set(re.findall(rf"--pl-{name}: (#\w+)", theirs)), name
    assert "prefers-color-scheme: dark" in STYLE
    assert "@media print" in STYLE
    used = set(re.findall(r"var\(--(\w+)", STYLE))
    assert {"accent", "other", "up", "down", "muted", "grid"} <= used


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _mixed(colour: str, ground: str, share: float) -> str:
    pairs = ((int(colour[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(share * one + (1 - share) * other):02x}" for one, other in pairs)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out(scheme: int) -> None:
    def colour(name: str) -> str:
        return str(re.findall(rf"--{name}: (#\w+)", STYLE)[scheme])

    for name in ("text", "muted", "accent", "other", "up", "down", "third"):
        assert _contrast(colour(name), colour("panel")) >= 4.5, name
    for name in ("text", "muted"):
        assert _contrast(colour(name), colour("ground")) >= 4.5, name
    for name in ("up", "down"):  # the strongest cell of the table of months
        assert _contrast(colour("text"), _mixed(colour(name), colour("panel"), 0.42)) >= 4.5, name


def test_neither_matplotlib_nor_quantstats_is_loaded() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, portfolio_lab.reports.native; print({'matplotlib', 'quantstats'} & set(sys.modules))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert told.stdout.strip() == "set()"


# ---------------------------------------------------------------- laws


returns_of_days = st.lists(st.floats(-0.9, 2.0) | st.just(float("nan")) | st.just(0.0), min_size=1, max_size=80)


@settings(max_examples=25, deadline=None)
@given(returns_of_days)
def test_any_returns_make_a_page_or_a_refusal(returns: list[float]) -> None:
    if not np.isfinite(returns).any():
        with pytest.raises(BadInputError):
            native_page(sheet_of(returns))
        return
    page = tree(native_page(sheet_of(returns)))
    assert len(page.findall(".//figure")) == len(CHARTS)


@settings(max_examples=25, deadline=None)
@given(returns_of_days)
def test_figures_are_those_of_the_engines(returns: list[float]) -> None:
    if not np.isfinite(returns).any():
        return
    series = sheet_of(returns).returns
    figures, engines = figures_of(calendar_of(series, "alice")), metrics(series)
    for name, found in engines.items():
        assert figures[str(name)] == pytest.approx(found, nan_ok=True), name
    grown = index_of(calendar_of(series, "alice").returns)
    assert grown[~np.isnan(grown)][-1] - 1 == pytest.approx(engines["total_return"])
