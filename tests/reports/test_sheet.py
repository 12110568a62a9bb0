"""What a tearsheet is drawn from: days, dates and the benchmark, before anything is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.errors import BadInputError
from portfolio_lab.lab import Lab
from portfolio_lab.reports.sheet import sheet_of
from portfolio_lab.sample import demo_lab


def days(*dates: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(dates, tz="UTC")


class Shelf:
    """Stands in for a lab: rows of one user and prices of one asset."""

    def __init__(self, returns: pd.Series, prices: pd.Series | None = None, estimated: tuple[str, ...] = ()) -> None:
        self._returns = returns
        self._estimated = days(*estimated)
        self._prices = pd.Series(dtype="float64", index=days()) if prices is None else prices

    def returns(self, user: str) -> pd.Series:
        return self._returns

    def pnl(self, user: str) -> pd.DataFrame:
        return pd.DataFrame({"estimated": self._returns.index.isin(self._estimated)}, self._returns.index)

    def benchmark(self, asset: str) -> pd.Series:
        return self._prices


FOUR = days("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


@pytest.fixture(scope="module")
def lab() -> Lab:
    return demo_lab()


# ---------------------------------------------------------------- by hand


def test_a_closed_day_is_known_or_missing() -> None:
    sheet = sheet_of(Shelf(pd.Series([0.1, np.nan, 0.2, 0.0], FOUR)), "alice")  # type: ignore[arg-type]
    assert sheet.known.to_dict() == {
        pd.Timestamp("2026-01-01"): 0.1,
        pd.Timestamp("2026-01-03"): 0.2,
        pd.Timestamp("2026-01-04"): 0.0,
    }
    assert list(sheet.missing) == [pd.Timestamp("2026-01-02")]
    assert (sheet.name, sheet.scope) == ("alice", "user")


def test_a_day_without_a_row_is_missing_too() -> None:
    rows = pd.Series([0.1, 0.2], days("2026-01-01", "2026-01-04"))
    sheet = sheet_of(Shelf(rows), "alice", benchmark=None)  # type: ignore[arg-type]
    assert [f"{day:%d}" for day in sheet.missing] == ["02", "03"]
    assert "Left out, because their return is not known: 2." in sheet.notes


def test_only_a_known_return_can_be_an_estimate() -> None:
    rows = pd.Series([0.1, np.nan, 0.2, 0.0], FOUR)
    sheet = sheet_of(Shelf(rows, estimated=("2026-01-01", "2026-01-02")), "alice")  # type: ignore[arg-type]
    assert list(sheet.estimated) == [pd.Timestamp("2026-01-01")]


def test_the_benchmark_has_the_dates_of_what_is_drawn() -> None:
    # No price before the 2nd: its change is known from the 3rd on, 110 / 100 and 99 / 110.
    prices = pd.Series([100.0, 110.0, 99.0], FOUR[1:])
    sheet = sheet_of(Shelf(pd.Series([0.1, 0.1, 0.2, 0.3], FOUR), prices), "alice")  # type: ignore[arg-type]
    assert sheet.benchmark is not None
    assert sheet.benchmark.name == "BTC"
    assert sheet.benchmark.tolist() == pytest.approx([0.1, -0.1])
    assert sheet.returns.tolist() == [0.2, 0.3]
    assert len(sheet.known) == 4


def test_a_benchmark_that_was_worth_nothing_is_no_benchmark() -> None:
    prices = pd.Series([0.0, 1.0, 0.0, 1.0], FOUR)
    sheet = sheet_of(Shelf(pd.Series([0.1, 0.1, 0.2, 0.3], FOUR), prices), "alice")  # type: ignore[arg-type]
    assert sheet.benchmark is None
    assert "No benchmark: too few stored prices of BTC." in sheet.notes


def test_a_day_above_100_per_cent_is_a_day() -> None:
    sheet = sheet_of(Shelf(pd.Series([0.1, 2.5, 0.2, 0.3], FOUR)), "alice")  # type: ignore[arg-type]
    assert sheet.known.max() == 2.5


@pytest.mark.parametrize(
    ("values", "dates", "message"),
    [
        ([0.1, 0.2], days("2026-01-01", "2026-01-01"), "alice has two returns on 2026-01-01"),
        ([0.1, -np.inf], days("2026-01-01", "2026-01-02"), "of alice on 2026-01-02 is infinite"),
        ([np.nan, np.nan], days("2026-01-01", "2026-01-02"), "user alice has 0"),
        ([0.0, 0.0], days("2026-01-01", "2026-01-02"), "every return of user alice is 0"),
        ([], days(), "user alice has 0"),
    ],
)
def test_what_is_no_series_of_days_is_refused(values: list[float], dates: pd.DatetimeIndex, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        sheet_of(Shelf(pd.Series(values, dates, dtype="float64")), "alice")  # type: ignore[arg-type]


# ---------------------------------------------------------------- of a lab


def test_each_part_of_the_book_has_its_own_returns(lab: Lab) -> None:
    user, desk = sheet_of(lab, "desk"), sheet_of(lab)
    account = sheet_of(lab, "desk", "okx:main")
    assert [(sheet.name, sheet.scope) for sheet in (user, desk, account)] == [
        ("desk", "user"),
        ("desk", "desk"),
        ("desk / okx / main", "account"),
    ]
    for sheet, part in ((user, lab.scope("desk")), (desk, lab.scope()), (account, lab.scope("desk", "okx:main"))):
        theirs = part.returns().dropna()
        assert sheet.known.to_numpy() == pytest.approx(theirs.to_numpy())
        assert list(sheet.known.index) == list(theirs.index.tz_localize(None))
        assert sheet.known.index.is_monotonic_increasing
        assert not set(sheet.missing) & set(sheet.known.index)
    assert not np.allclose(user.known, account.known)


def test_an_unknown_account_is_refused(lab: Lab) -> None:
    with pytest.raises(BadInputError, match="no reading of okx:nowhere"):
        sheet_of(lab, "desk", "okx:nowhere")
