"""The tearsheet: what it says, what it refuses, and that it leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.engines.performance import metrics
from portfolio_lab.errors import BadInputError
from portfolio_lab.reports import tearsheet
from portfolio_lab.reports.tearsheet import write_tearsheet

NEXT_TO_NOTHING = "<head><hr><h3>Key Performance Metrics</h3></table>"


class Shelf:
    """Stands in for a lab: returns of one user and prices of one asset."""

    def __init__(self, returns: pd.Series, prices: pd.Series | None = None) -> None:
        self._returns = returns
        self._prices = pd.Series(dtype="float64", index=pd.DatetimeIndex([], tz="UTC")) if prices is None else prices

    def returns(self, user: str) -> pd.Series:
        return self._returns

    def pnl(self, user: str) -> pd.DataFrame:
        return pd.DataFrame({"estimated": False}, self._returns.index)

    def benchmark(self, asset: str = "BTC") -> pd.Series:
        return self._prices


def days(count: int, start: str = "2026-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="D", tz="UTC", name="day")


def noise(count: int, seed: int = 5) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).normal(0.001, 0.02, count), days(count))


def prices(count: int) -> pd.Series:
    return pd.Series(100 * np.cumprod(1 + noise(count + 1, seed=6).to_numpy()), days(count + 1, "2025-12-31"))


def write(shelf: Shelf, output: Path, **arguments: object) -> str:
    user = str(arguments.pop("user", "alice"))
    return write_tearsheet(shelf, user, output, **arguments).read_text(encoding="utf-8")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def returns() -> pd.Series:
    holed = noise(120)
    holed.iloc[[7, 50]] = np.nan
    return holed


@pytest.fixture(scope="module")
def page(returns: pd.Series, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(Shelf(returns.iloc[::-1], prices(120)), tmp_path_factory.mktemp("reports") / "alice.html")


# ---------------------------------------------------------------- what it says


def test_our_figures_stand_first(page: str, returns: pd.Series) -> None:
    figures = metrics(returns)
    headline = page[page.index('<section id="headline">') : page.index("</section>")]
    assert f"<td>sharpe</td><td>{figures['sharpe']:.3f}</td>" in headline
    assert f"<td>cagr</td><td>{figures['cagr']:.2%}</td>" in headline
    assert "<td>days</td><td>118</td>" in headline
    assert "Closed UTC days, net of cash flows: 118, at 365 a year." in headline
    assert "Left out, because their return is not known: 2." in headline
    assert page.index('<section id="headline">') < page.index("<svg")


def test_quantstats_drew_the_same_returns(page: str, returns: pd.Series) -> None:
    figures = metrics(returns)
    assert "Periods/Year: 365" in page
    assert "<th>BTC</th><th>alice</th>" in page
    row = re.search(r"<tr><td>Sharpe</td><td>[^<]*</td><td>([^<]*)</td></tr>", page)
    assert row is not None
    assert float(row[1]) == pytest.approx(figures["sharpe"], abs=0.005)
    total = re.search(r"<tr><td>Cumulative Return</td><td>[^<]*</td><td>([^<]*)%</td></tr>", page)
    assert total is not None
    assert float(total[1]) == pytest.approx(100 * figures["total_return"], abs=0.01)


def test_benchmark_is_its_stored_prices(page: str, returns: pd.Series) -> None:
    stored = prices(120)
    stored.index = stored.index.tz_localize(None)
    total = re.search(r"<tr><td>Cumulative Return</td><td>([^<]*)%</td>", page)
    assert total is not None
    held = stored.pct_change()[returns.dropna().index.tz_localize(None)]
    assert float(total[1]) == pytest.approx(100 * (np.prod(1 + held) - 1), abs=0.01)


OUTSIDE = ("<script", "<link", "<a ", "onload", "qtpylib", "quantstats.io", "matplotlib.org")


def test_page_leads_nowhere(page: str) -> None:
    assert [word for word in OUTSIDE if word in page] == []
    assert set(re.findall(r"https?://[^\"' )<>]+", page)) <= {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    assert "default-src 'none'" in page


def test_without_a_benchmark_it_says_so(tmp_path: Path) -> None:
    page = write(Shelf(noise(10)), tmp_path / "alice.html")
    assert "No benchmark: too few stored prices of BTC." in page
    assert "<th>alice</th>" in page


def test_days_without_a_benchmark_price_stay_in_our_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[pd.Series] = []
    monkeypatch.setattr(tearsheet, "quantstats_page", lambda sheet: drawn.append(sheet.returns) or NEXT_TO_NOTHING)
    page = write(Shelf(noise(40), prices(40).iloc[11:]), tmp_path / "alice.html")
    assert len(drawn[0]) == 29
    assert "Not in the charts, for want of a price of BTC: 11." in page
    assert f"<td>total return</td><td>{metrics(noise(40))['total_return']:.2%}</td>" in page


def test_text_is_escaped(tmp_path: Path) -> None:
    page = write(Shelf(noise(5)), tmp_path / "x.html", user="<b>mallory</b>", benchmark=None)
    assert "<b>mallory" not in page


def test_two_days_are_enough_and_the_file_is_replaced(tmp_path: Path) -> None:
    output = tmp_path / "alice.html"
    output.write_text("old")
    assert "net of cash flows: 2," in write(Shelf(noise(2)), output, benchmark=None)
    assert [path.name for path in tmp_path.iterdir()] == ["alice.html"]


def test_draws_what_a_real_lab_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[pd.Series] = []
    monkeypatch.setattr(tearsheet, "quantstats_page", lambda sheet: drawn.append(sheet.returns) or NEXT_TO_NOTHING)
    late = noise(4)
    late.index = late.index.tz_convert("Asia/Tokyo")
    write(Shelf(late.iloc[[3, 1, 0, 2]]), tmp_path / "a.html", benchmark=None)
    assert drawn[0].index.tz is None
    assert drawn[0].tolist() == late.tolist()
    assert list(drawn[0].index) == list(days(4).tz_localize(None))


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "needs 2 closed days with a known return; user alice has 0"),
        ([0.01], "user alice has 1"),
        ([0.01, np.nan, np.nan], "user alice has 1"),
        ([0.0, 0.0, 0.0], "every return of user alice is 0"),
        (
            [0.0, 0.1, 1.2, 0.05],
            r"returned \+120% on 2026-01-03; quantstats takes .* for prices.*--kind native",
        ),
        ([-0.1, 0.0, 1.0], "for prices"),
        ([-0.1, 0.0, -1.0], r"returned -100% on 2026-01-03;.*--kind native"),
        ([-0.1, 0.0, -1.5], r"returned -150% on 2026-01-03; .* equity went through zero"),
        ([0.1, np.inf, 0.1], "on 2026-01-02 is infinite"),
    ],
)
def test_refuses_what_would_be_drawn_wrong(tmp_path: Path, values: list[float], message: str) -> None:
    shelf = Shelf(pd.Series(values, days(len(values)), dtype="float64"))
    with pytest.raises(BadInputError, match=message):
        write(shelf, tmp_path / "alice.html")
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no folder"):
        write(Shelf(noise(3)), tmp_path / "nowhere" / "alice.html")


def test_returns_just_below_the_guess_are_not_taken_for_prices(tmp_path: Path) -> None:
    page = write(Shelf(pd.Series([0.0, 0.1, 0.99, 0.05], days(4))), tmp_path / "alice.html", benchmark=None)
    total = re.search(r"<tr><td>Cumulative Return</td><td>([^<]*)%</td></tr>", page)
    assert total is not None
    assert float(total[1]) == pytest.approx(100 * (1.1 * 1.99 * 1.05 - 1), abs=0.01)
    assert re.search(r"<td>max drawdown</td><td>-?0.00%</td>", page)


def test_failed_drawing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "alice.html"
    output.write_text("old")

    def fail(sheet: object) -> str:
        raise MemoryError

    monkeypatch.setattr(tearsheet, "quantstats_page", fail)
    with pytest.raises(MemoryError):
        write(Shelf(noise(3)), output)
    assert output.read_text() == "old"
