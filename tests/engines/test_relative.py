"""Against a benchmark: by hand, peers, laws, and benchmarks that do not fit."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.relative import FIGURES, relative
from portfolio_lab.errors import ReturnsError

DATES = pd.date_range("2025-01-01", periods=300)
CHANCE = np.random.default_rng(11)
BENCHMARK = pd.Series(CHANCE.standard_t(5, 300) * 0.02 + 0.001, DATES)
RETURNS = 0.4 * BENCHMARK + pd.Series(CHANCE.normal(0.0005, 0.01, 300), DATES)


def short(ours: list[float], theirs: list[float], **arguments: float) -> pd.Series:
    found = relative(pd.Series(ours), pd.Series(theirs), minimum_days=1, **arguments)  # type: ignore[arg-type]
    assert isinstance(found, pd.Series)
    return found


# ---------------------------------------------------------------- by hand


def test_by_hand() -> None:
    found = short([0.02, -0.01, 0.03], [0.01, -0.02, 0.04], periods_per_year=1)
    # Means 4/300 and 1/100; distances of the benchmark 0, -3/100, 3/100 (sum of squares 18e-4).
    assert found["beta"] == pytest.approx((0.03 * 0.01 + 0.03 * 0.03) / 18e-4)
    assert found["alpha"] == pytest.approx(0.04 / 3 - found["beta"] * 0.01)
    assert found["up_capture"] == pytest.approx((math.sqrt(1.02 * 1.03) - 1) / (math.sqrt(1.01 * 1.04) - 1))
    assert found["down_capture"] == pytest.approx(0.5)
    # Differences 0.01, 0.01, -0.01: mean 1/300, sample deviation sqrt(8/3 / 2) / 100.
    assert found["tracking_error"] == pytest.approx(math.sqrt(4 / 3) / 100)
    assert found["information_ratio"] == pytest.approx(1 / 300 / (math.sqrt(4 / 3) / 100))
    assert found["shared_days"] == 3


def test_risk_free_rate_is_in_beta_and_alpha_only() -> None:
    rate = 0.01
    ours, theirs = [0.02, -0.01, 0.03], [0.01, -0.02, 0.04]
    plain, above = short(ours, theirs, periods_per_year=1), short(ours, theirs, periods_per_year=1, risk_free=rate)
    assert above["beta"] == pytest.approx(plain["beta"])
    assert above["alpha"] == pytest.approx(plain["alpha"] - rate * (1 - plain["beta"]))
    assert above["tracking_error"] == plain["tracking_error"]


def test_itself() -> None:
    found = relative(BENCHMARK, BENCHMARK)
    assert found["beta"] == pytest.approx(1)
    assert found["correlation"] == pytest.approx(1)
    assert found["alpha"] == pytest.approx(0, abs=1e-12)
    assert found[["up_capture", "down_capture"]].tolist() == pytest.approx([1, 1])
    assert found["tracking_error"] == 0
    assert math.isnan(found["information_ratio"])


# ---------------------------------------------------------------- many, and days that only one has


def test_frame_and_array_agree_with_each_series() -> None:
    rows = CHANCE.normal(0.001, 0.02, (150, 300))
    rows[3, :100] = rows[4, ::7] = math.nan
    rows[5] = math.nan
    many = relative(rows, BENCHMARK.to_numpy())
    frame = relative(pd.DataFrame(rows.T, DATES), BENCHMARK)
    assert list(many.columns) == list(FIGURES)
    np.testing.assert_array_equal(many.to_numpy(), frame.to_numpy())
    for row in (0, 3, 4, 149):
        alone = relative(pd.Series(rows[row], DATES), BENCHMARK)
        np.testing.assert_allclose(many.iloc[row].to_numpy(), alone.to_numpy(), rtol=1e-12)
    assert many.loc[5, "shared_days"] == 0
    assert many.loc[5].drop("shared_days").isna().all()


def test_only_shared_days_count_and_zones_are_days_of_utc() -> None:
    moved = BENCHMARK.tz_localize("UTC").iloc[::-1]
    some = RETURNS.iloc[:200]
    pd.testing.assert_series_equal(relative(some, moved), relative(some, BENCHMARK.iloc[:200]))


def test_fewer_shared_days_than_thirty() -> None:
    found = relative(RETURNS, BENCHMARK.iloc[:29])
    assert found["shared_days"] == 29
    assert found.drop("shared_days").isna().all()


def test_benchmark_that_stands_still_or_only_falls() -> None:
    flat = relative(RETURNS, pd.Series(0.001, DATES))
    assert flat[["beta", "alpha", "correlation", "down_capture"]].isna().all()
    assert flat[["tracking_error", "information_ratio"]].notna().all()
    assert math.isnan(relative(RETURNS, -BENCHMARK.abs())["up_capture"])


# ---------------------------------------------------------------- what cannot be compared


@pytest.mark.parametrize(
    ("benchmark", "words"),
    [
        (pd.Series(0.1, pd.date_range("2030-01-01", periods=40)), "shares no known day"),
        (pd.Series([math.nan] * 300, DATES), "shares no known day"),
        (pd.Series([], dtype="float64", index=pd.DatetimeIndex([])), "shares no known day"),
        (pd.Series([0.1] * 300), "give both of them dates"),
        (np.zeros((2, 300)), "one series at a time"),
        (pd.Series([math.inf, *[0.1] * 299], DATES), "infinite"),
        (pd.Series(0.1, DATES[[0, 0, 1]]), "two returns stand on 2025-01-01"),
        (pd.Series(["up"] * 300, DATES), "no number"),
    ],
)
def test_benchmark_that_does_not_fit(benchmark: pd.Series, words: str) -> None:
    with pytest.raises(ReturnsError, match=words):
        relative(RETURNS, benchmark)


def test_without_dates_the_lengths_must_agree() -> None:
    with pytest.raises(ReturnsError, match="300 returns and 3 of the benchmark"):
        relative(RETURNS.to_numpy(), np.zeros(3))


# ---------------------------------------------------------------- peers


def test_empyrical_agrees_where_conventions_coincide() -> None:
    empyrical = pytest.importorskip("empyrical")
    found = relative(RETURNS, BENCHMARK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["beta"] == pytest.approx(empyrical.beta(RETURNS, BENCHMARK), rel=1e-12)
        assert found["alpha"] == pytest.approx(empyrical.alpha(RETURNS, BENCHMARK, annualization=365), rel=1e-10)
        # The peer does not annualise.
        ratio = empyrical.excess_sharpe(RETURNS, BENCHMARK) * math.sqrt(365)
        assert found["information_ratio"] == pytest.approx(ratio, rel=1e-12)
        # The peer raises both sides to a year before it divides.
        up = empyrical.up_capture(RETURNS, BENCHMARK, period="daily")
    chosen = BENCHMARK > 0
    ours, theirs = ((1 + side[chosen]).prod() ** (1 / chosen.sum()) for side in (RETURNS, BENCHMARK))
    assert found["up_capture"] == pytest.approx((ours - 1) / (theirs - 1), rel=1e-12)
    assert up == pytest.approx((ours**252 - 1) / (theirs**252 - 1), rel=1e-9)


def test_quantstats_agrees_where_conventions_coincide() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = pytest.importorskip("quantstats").stats
        greeks = stats.greeks(RETURNS, BENCHMARK, periods=365)
        ratio = stats.information_ratio(RETURNS, BENCHMARK)
    found = relative(RETURNS, BENCHMARK)
    assert found["beta"] == pytest.approx(greeks["beta"], rel=1e-12)
    # The peer multiplies the daily alpha by the days of a year, we compound it.
    assert (1 + greeks["alpha"] / 365) ** 365 - 1 == pytest.approx(found["alpha"], rel=1e-10)
    assert found["information_ratio"] == pytest.approx(ratio * math.sqrt(365), rel=1e-12)


# ---------------------------------------------------------------- laws


@given(st.lists(st.floats(-0.3, 0.3), min_size=35, max_size=60), st.floats(0.1, 3.0), st.floats(-0.01, 0.01))
def test_of_a_line_beta_is_its_slope(theirs: list[float], slope: float, shift: float) -> None:
    benchmark = np.array(theirs)
    if benchmark.std() < 1e-3:
        return
    found = relative((slope * benchmark + shift).reshape(1, -1), benchmark).iloc[0]
    assert found["beta"] == pytest.approx(slope, rel=1e-9)
    assert found["correlation"] == pytest.approx(1, rel=1e-9)
