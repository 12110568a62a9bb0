"""Whatever is given, the answer is a declared one or an error that says what to do."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.relative import relative
from portfolio_lab.errors import ReturnsError

DATES = pd.date_range("2026-01-01", periods=120)
GOOD = pd.Series(np.random.default_rng(3).normal(0.001, 0.02, 120), DATES)


@pytest.mark.parametrize("returns", [pd.Series([], dtype="float64"), pd.Series([], DATES[:0], dtype="float64")])
def test_empty(returns: pd.Series) -> None:
    found = metrics(returns)
    assert found["days"] == 0
    assert found.drop("days").isna().all()
    assert metrics(pd.DataFrame()).empty


def test_one_point() -> None:
    found = metrics(GOOD.iloc[:1])
    observed = ["days", "total_return", "best_day", "worst_day", "mean_day", "best_week", "worst_month"]
    assert found[observed].notna().all()
    assert found[["volatility", "sharpe", "cagr", "skew", "value_at_risk", "profit_factor"]].isna().all()


def test_constant() -> None:
    found = metrics(pd.Series(0.001, DATES))
    assert found["volatility"] == 0
    undefined = ["sharpe", "sharpe_low", "sharpe_high", "probabilistic_sharpe", "sortino", "omega", "tail_ratio"]
    undefined += ["skew", "kurtosis", "cornish_fisher_var", "calmar", "recovery_factor", "average_drawdown"]
    assert found[undefined].isna().all()
    assert found[["ulcer_index", "longest_drawdown", "time_under_water"]].tolist() == [0, 0, 0]


def test_all_unknown_in_a_frame_with_known_ones() -> None:
    found = metrics(pd.DataFrame({"known": GOOD, "unknown": math.nan}))
    assert found.loc["known"].notna().all()
    assert found.loc["unknown"].drop("days").isna().all()


def test_gaps_are_time() -> None:
    absent = metrics(GOOD.drop(DATES[50:60]))
    assert absent["days"] == 110
    pd.testing.assert_series_equal(absent, metrics(GOOD.where(~GOOD.index.isin(DATES[50:60]))))


def test_unsorted_and_with_a_zone_and_without() -> None:
    shuffled = GOOD.sample(frac=1.0, random_state=1)
    pd.testing.assert_series_equal(metrics(shuffled), metrics(GOOD))
    pd.testing.assert_series_equal(metrics(GOOD.tz_localize("UTC")), metrics(GOOD))
    tokyo = GOOD.tz_localize("UTC").tz_convert("Asia/Tokyo")
    pd.testing.assert_series_equal(metrics(tokyo), metrics(GOOD))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_midnights_of_a_zone_are_its_days_over_a_change_of_clocks(zone: str) -> None:
    with_a_gap = GOOD.drop(DATES[60:75])  # clocks of New York change on 2026-03-08, inside the days that stay
    pd.testing.assert_series_equal(metrics(with_a_gap.tz_localize(zone)), metrics(with_a_gap))
    weeks = GOOD.resample("W-MON").sum()
    pd.testing.assert_series_equal(metrics(weeks.tz_localize(zone), 52), metrics(weeks, 52))
    with pytest.raises(ReturnsError, match=f"days of {zone}, the benchmark's of UTC.*one zone"):
        relative(GOOD.tz_localize(zone), GOOD)


def test_periods_and_dates_of_python_are_dates() -> None:
    by_date = pd.Series(GOOD.to_numpy(), [day.date() for day in DATES]).drop(DATES[50].date())
    expected = metrics(GOOD.drop(DATES[50]))
    pd.testing.assert_series_equal(metrics(by_date.sample(frac=1.0, random_state=1)), expected)
    pd.testing.assert_series_equal(metrics(GOOD.drop(DATES[50]).to_period("D")), expected)


def test_a_masked_return_is_unknown() -> None:
    masked = np.ma.masked_invalid(np.where(GOOD > 0.03, np.nan, GOOD))
    masked.data[masked.mask] = 9.0
    assert metrics(masked)["days"].iloc[0] == (GOOD <= 0.03).sum()


@pytest.mark.parametrize("returns", [GOOD.tolist(), {"a": [0.1]}, None, 0.1, "BTC"])
def test_what_is_neither_pandas_nor_numpy_is_refused(returns: object) -> None:
    with pytest.raises(ReturnsError, match=f"came as {type(returns).__name__}: give a pandas Series"):
        metrics(returns)  # type: ignore[call-overload]


@pytest.mark.parametrize("returns", [GOOD > 0, GOOD.astype(complex), pd.Series(DATES), pd.Series(DATES - DATES[0])])
def test_what_only_looks_like_numbers_is_refused(returns: pd.Series) -> None:
    with pytest.raises(ReturnsError, match="no number"):
        metrics(returns)
    with pytest.raises(ReturnsError, match="no number"):
        metrics(returns.to_numpy())


def test_nullable_and_whole_numbers_are_numbers() -> None:
    with_null = GOOD.astype("Float64")
    with_null.iloc[3] = pd.NA
    assert metrics(with_null)["days"] == 119
    assert metrics(pd.Series([0, 1, None], dtype="object"))["days"] == 2


@pytest.mark.parametrize(
    ("returns", "words"),
    [
        (pd.concat([GOOD, GOOD.iloc[:1]]), "two returns stand on 2026-01-01.*one return a day"),
        (GOOD.where(GOOD > 0, math.inf), "infinite.*give NaN"),
        (GOOD.where(GOOD > 0, -math.inf), "infinite.*give NaN"),
        (GOOD.astype(str), None),
        (pd.Series(["a", "b"]), "no number.*NaN where unknown"),
        (pd.Series([0.1, 0.2], pd.DatetimeIndex(["2026-01-01", pd.NaT])), "no date.*leave it out"),
        (np.zeros((2, 2, 2)), "3 dimensions.*portfolios x days"),
    ],
)
def test_refused_with_a_remedy(returns: pd.Series, words: str | None) -> None:
    if words is None:  # numbers written as text are numbers
        pd.testing.assert_series_equal(metrics(returns), metrics(GOOD))
        return
    with pytest.raises(ReturnsError, match=words):
        metrics(returns)


@pytest.mark.parametrize("year", [0, -365, math.nan, math.inf])
def test_a_year_has_periods(year: float) -> None:
    with pytest.raises(ReturnsError, match="365 for daily returns"):
        metrics(GOOD, year)


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_a_rate_is_a_rate(rate: float) -> None:
    with pytest.raises(ReturnsError, match=r"such as 0\.04"):
        metrics(GOOD, risk_free=rate)


def test_returns_beyond_reason_are_never_infinite_figures() -> None:
    for scale in (1e150, 1e300):
        assert not np.isinf(metrics(GOOD.abs() * scale).to_numpy()).any()


def test_weeks_are_iso_and_months_those_of_the_calendar() -> None:
    # 2024-12-30 is the Monday of the first ISO week of 2025.
    dates = pd.DatetimeIndex(["2024-12-28", "2024-12-29", "2024-12-30", "2025-01-01", "2025-01-05", "2025-01-06"])
    found = metrics(pd.Series([0.01, 0.02, 0.03, 0.04, -0.5, 0.2], dates))
    assert found["best_week"] == pytest.approx(0.2)
    assert found["worst_week"] == pytest.approx(1.03 * 1.04 * 0.5 - 1)
    assert found["best_month"] == pytest.approx(1.01 * 1.02 * 1.03 - 1)
    assert found["worst_month"] == pytest.approx(1.04 * 0.5 * 1.2 - 1)


def test_runs_and_falls_by_hand() -> None:
    # Unknown days are left out of a run, but are time under water.
    found = metrics(pd.Series([0.1, 0.1, math.nan, 0.1, 0.0, -0.1, math.nan, -0.1, 0.5, -0.2]))
    assert found["longest_win_streak"] == 3
    assert found["longest_loss_streak"] == 2
    assert found["longest_drawdown"] == 4  # from the flat day to the rise
    assert found["time_under_water"] == pytest.approx(3 / 8)
    assert found["average_drawdown"] == pytest.approx((-0.19 - 0.2) / 2)
    assert found["pain_index"] == pytest.approx((0.1 + 0.19 + 0.2) / 8)
    assert found["ulcer_index"] == pytest.approx(math.sqrt((0.1**2 + 0.19**2 + 0.2**2) / 8))
    assert found["recovery_factor"] == pytest.approx(found["total_return"] / 0.2)


NO_NUMBERS = ["365", None, True, np.True_, math.nan, math.inf, -math.inf, [365], np.array([365.0, 365.0]), 365 + 0j]


@pytest.mark.parametrize("given", [*NO_NUMBERS, 0, -365], ids=repr)
def test_periods_that_are_no_number_are_refused_with_the_remedy(given: float) -> None:
    with pytest.raises(ReturnsError, match="periods a year: give a positive number, 365 for daily returns"):
        metrics(GOOD, given)
    with pytest.raises(ReturnsError, match="periods a year: give a positive number"):
        metrics(GOOD.to_numpy(), periods_per_year=given)
    with pytest.raises(ReturnsError, match="periods a year: give a positive number"):
        relative(GOOD, GOOD, given)


@pytest.mark.parametrize("given", [*NO_NUMBERS, -1, -2], ids=repr)
def test_a_rate_that_is_no_number_is_refused_with_the_remedy(given: float) -> None:
    with pytest.raises(ReturnsError, match=r"risk-free rate of .*: give a fraction a year above -1, such as 0\.04"):
        metrics(GOOD, risk_free=given)


@pytest.mark.parametrize("name", ["minimum_days", "minimum_cagr_days"])
@pytest.mark.parametrize("given", [*NO_NUMBERS, -1], ids=repr)
def test_a_least_number_of_days_that_is_none_is_refused(name: str, given: float) -> None:
    # NaN is in no comparison the greater: it hid nothing, and two days had a Sharpe ratio.
    with pytest.raises(ReturnsError, match=f"{name} is .*: give a number of days, 0 or more"):
        metrics(GOOD, **{name: given})


def test_numbers_of_numpy_are_numbers() -> None:
    plain = metrics(GOOD, 365, 0.5, minimum_days=2)
    pd.testing.assert_series_equal(metrics(GOOD, np.int64(365), np.float64(0.5), minimum_days=np.int32(2)), plain)
