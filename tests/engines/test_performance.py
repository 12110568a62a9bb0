"""The named figures: golden values, edges, peers on random series, and laws."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.engines.performance import FIGURES, metrics
from portfolio_lab.errors import ReturnsError

GOLDEN = [
    *(0.012, -0.008, 0.005, 0, -0.021, 0.017, 0.009, -0.004, 0.011, -0.013),
    *(0.006, 0, 0.022, -0.017, 0.003, 0.008, -0.002, 0.014, -0.009, 0.007),
]
ESTIMATES = ["volatility", "sharpe", "sortino", "calmar", "win_rate", "profit_factor", "skew", "kurtosis"]
EXACT = 1e-12


def figures(returns: object, **arguments: float) -> pd.Series:
    """All figures of a short series: the minima are lowered."""
    series = pd.Series(returns, dtype="float64")
    return metrics(series, minimum_days=1, minimum_cagr_days=0, **arguments)  # type: ignore[arg-type]


# ---------------------------------------------------------------- by hand


def test_golden_values_of_a_year_of_365_days() -> None:
    found = figures(GOLDEN)
    expected = {
        "days": 20.0,
        "sharpe": 3.343122879619487,
        "sortino": 5.238664812961063,
        "cagr": 1.0271942878441989,
        "volatility": 0.21835871018988334,
        "max_drawdown": -0.02397616,
        "calmar": 1.0271942878441989 / 0.02397616,
        "win_rate": 11 / 20,
        "profit_factor": 0.114 / 0.074,
        "best_day": 0.022,
        "worst_day": -0.021,
        "mean_day": 0.002,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=EXACT), name
    assert list(found.index) == list(FIGURES)


def test_golden_values_of_252_days() -> None:
    found = figures(GOLDEN, periods_per_year=252)
    assert found["sharpe"] == pytest.approx(2.7778332880119185, rel=EXACT)
    assert found["sortino"] == pytest.approx(4.352857500660069, rel=EXACT)


def test_tail_by_hand() -> None:
    # 21 returns: the 5 % quantile is the second lowest; the shortfall is the mean of the two lowest.
    found = figures([-0.06, -0.04, 0.0, *(day / 1000 for day in range(1, 19))])
    assert found["value_at_risk"] == pytest.approx(-0.04, rel=EXACT)
    assert found["expected_shortfall"] == pytest.approx(-0.05, rel=EXACT)


def test_risk_free_rate_is_annual() -> None:
    day = 1.05 ** (1 / 365) - 1
    excess = np.array(GOLDEN) - day
    found = figures(GOLDEN, risk_free=0.05)
    assert found["sharpe"] == pytest.approx(excess.mean() / excess.std(ddof=1) * math.sqrt(365), rel=EXACT)
    downside = math.sqrt((np.minimum(excess, 0) ** 2).mean())
    assert found["sortino"] == pytest.approx(excess.mean() / downside * math.sqrt(365), rel=EXACT)


# ---------------------------------------------------------------- edges


def test_fewer_than_thirty_days_give_no_ratio() -> None:
    short, enough = metrics(pd.Series(GOLDEN[:29] + GOLDEN[:9])), metrics(pd.Series(GOLDEN + GOLDEN[:10]))
    assert short["days"] == 29
    assert short[ESTIMATES].isna().all()
    assert short[["value_at_risk", "expected_shortfall"]].isna().all()
    assert short[["total_return", "max_drawdown", "best_day"]].notna().all()
    assert enough["days"] == 30
    assert enough[["sharpe", "sortino", "volatility", "profit_factor"]].notna().all()
    assert enough[["cagr", "calmar"]].isna().all()


@pytest.mark.parametrize(("days", "known"), [(89, False), (90, True)])
def test_less_than_ninety_days_give_no_cagr(days: int, *, known: bool) -> None:
    found = metrics(pd.Series((GOLDEN * 5)[:days]))
    assert pd.notna(found["cagr"]) == known
    assert pd.notna(found["calmar"]) == known


def test_days_without_a_return_count_as_time_but_not_as_days() -> None:
    dates = pd.date_range("2026-01-01", periods=100, freq="D", tz="UTC")
    returns = pd.Series(0.001, dates).where(dates.day != 15)
    returns.iloc[:5] = math.nan  # before the history begins: no time either
    found = metrics(returns, minimum_days=1)
    assert found["days"] == 92
    assert found["cagr"] == pytest.approx(1.001 ** (92 * 365 / 95) - 1, rel=EXACT)
    absent = metrics(returns.dropna(), minimum_days=1)
    pd.testing.assert_series_equal(absent, found)


def test_equal_returns_have_no_sharpe_but_a_volatility_of_nothing() -> None:
    found = figures([0.001] * 40)
    assert found["volatility"] == 0.0
    assert found[["sharpe", "sortino", "skew", "kurtosis", "profit_factor", "calmar"]].isna().all()


def test_flat_book() -> None:
    found = figures([0.0] * 40)
    assert found["total_return"] == 0.0
    assert found["win_rate"] == 0.0
    assert found[["sharpe", "sortino", "profit_factor", "calmar"]].isna().all()


def test_account_of_losses_has_a_profit_factor_of_exactly_zero() -> None:
    assert figures([-0.1, -0.017, -0.003])["profit_factor"] == 0.0


def test_nothing_known() -> None:
    for returns in ([], [math.nan] * 3):
        found = figures(returns)
        assert found["days"] == 0
        assert found.drop("days").isna().all()


def test_total_loss() -> None:
    found = figures([0.1, -1.0, 0.0])
    assert (found["total_return"], found["cagr"], found["max_drawdown"]) == (-1.0, -1.0, -1.0)


def test_infinite_return_is_refused() -> None:
    with pytest.raises(ReturnsError, match="infinite"):
        metrics(pd.Series([0.1, math.inf]))


def test_two_returns_on_one_day_are_refused() -> None:
    dates = pd.DatetimeIndex(["2026-01-01", "2026-01-01"])
    with pytest.raises(ReturnsError, match="two returns stand on 2026-01-01"):
        metrics(pd.Series([0.1, 0.2], dates))


def test_order_of_days_does_not_matter() -> None:
    dates = pd.date_range("2026-01-01", periods=20)
    series = pd.Series(GOLDEN, dates)
    pd.testing.assert_series_equal(figures(series.iloc[::-1]), figures(series))


# ---------------------------------------------------------------- many at once


def test_frame_and_array_agree_with_each_series() -> None:
    matrix = np.random.default_rng(1).normal(0.001, 0.02, (400, 120))
    matrix[5, :30] = matrix[7, 50:60] = math.nan
    matrix[9] = math.nan
    matrix[11] = 0.0
    many = metrics(matrix)
    frame = metrics(pd.DataFrame(matrix.T, columns=[f"p{row}" for row in range(400)]))
    assert list(frame.index[:2]) == ["p0", "p1"]
    np.testing.assert_array_equal(many.to_numpy(), frame.to_numpy())
    for row in (0, 5, 7, 9, 11, 399):
        alone = metrics(pd.Series(matrix[row]))
        np.testing.assert_allclose(many.iloc[row].to_numpy(), alone.to_numpy(), rtol=EXACT)


def test_no_portfolio_and_no_day() -> None:
    assert metrics(np.empty((0, 10))).shape == (0, len(FIGURES))
    assert metrics(np.empty((2, 0)))["days"].tolist() == [0.0, 0.0]


# ---------------------------------------------------------------- peers


@pytest.fixture(scope="module")
def year() -> pd.Series:
    dates = pd.date_range("2025-01-01", periods=365)
    return pd.Series(np.random.default_rng(3).standard_t(4, 365) * 0.01 + 0.0007, dates)


def test_empyrical_agrees_where_conventions_coincide(year: pd.Series) -> None:
    empyrical = pytest.importorskip("empyrical")
    found = metrics(year)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "sharpe": empyrical.sharpe_ratio(year, annualization=365),
            "sortino": empyrical.sortino_ratio(year, annualization=365),
            "volatility": empyrical.annual_volatility(year, annualization=365),
            "cagr": empyrical.annual_return(year, annualization=365),
            "max_drawdown": empyrical.max_drawdown(year),
            "calmar": empyrical.calmar_ratio(year, annualization=365),
            "total_return": empyrical.cum_returns_final(year),
            "value_at_risk": empyrical.value_at_risk(year),
        }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=EXACT), name


def test_quantstats_agrees_where_conventions_coincide(year: pd.Series) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = pytest.importorskip("quantstats").stats
        found = metrics(year)
        expected = {
            "sharpe": stats.sharpe(year, periods=365),
            "sortino": stats.sortino(year, periods=365),
            "volatility": stats.volatility(year, periods=365),
            "cagr": stats.cagr(year, periods=365),
            "max_drawdown": stats.max_drawdown(year),
            "calmar": stats.calmar(year, periods=365),
            "total_return": stats.comp(year),
            "profit_factor": stats.profit_factor(year),
        }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=EXACT), name


# ---------------------------------------------------------------- laws

daily = st.lists(st.floats(min_value=-0.5, max_value=0.5), min_size=2, max_size=80)


@given(daily)
def test_bounds(returns: list[float]) -> None:
    found = figures(returns)
    assert -1 <= found["max_drawdown"] <= 0
    assert 0 <= found["win_rate"] <= 1
    assert found["worst_day"] <= found["value_at_risk"] <= found["best_day"]
    # The mean of equal numbers may differ from them by rounding.
    assert found["expected_shortfall"] <= found["value_at_risk"] + 1e-15
    assert found["max_drawdown"] <= min(0.0, found["worst_day"]) + 1e-12
    assert not np.isinf(found.to_numpy()).any()


@given(daily)
def test_missing_days_change_nothing_but_the_elapsed_time(returns: list[float]) -> None:
    whole, holed = figures(returns), figures([math.nan, *returns, math.nan])
    np.testing.assert_allclose(holed.to_numpy(), whole.to_numpy(), rtol=1e-9, atol=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.1, 10.0))
def test_scaling_leaves_the_ratios_of_days(seed: int, scale: float) -> None:
    returns = np.random.default_rng(seed).standard_t(5, 60) * 0.005
    plain, scaled = figures(returns), figures(returns * scale)
    free = ["sharpe", "sharpe_low", "sharpe_high", "probabilistic_sharpe", "sortino", "omega", "profit_factor"]
    free += ["skew", "kurtosis", "tail_ratio", "win_rate", "longest_win_streak", "longest_loss_streak"]
    np.testing.assert_allclose(scaled[free].to_numpy(), plain[free].to_numpy(), rtol=1e-9, atol=1e-9)
    straight = ["volatility", "mean_day", "value_at_risk", "expected_shortfall", "cornish_fisher_var", "best_day"]
    np.testing.assert_allclose(scaled[straight].to_numpy(), plain[straight].to_numpy() * scale, rtol=1e-9, atol=1e-12)


@settings(max_examples=10)
@given(st.permutations(range(12)))
def test_portfolios_do_not_know_of_each_other(order: list[int]) -> None:
    rows = np.random.default_rng(9).normal(0, 0.02, (12, 50))
    rows[3, 10:20] = math.nan
    pd.testing.assert_frame_equal(
        metrics(rows[order]), metrics(rows).iloc[order].reset_index(drop=True), check_exact=False, rtol=EXACT
    )


@given(daily)
def test_order_of_what_is_lost(returns: list[float]) -> None:
    found = figures(returns)
    assert found["max_drawdown"] - 1e-12 <= -found["ulcer_index"] <= -found["pain_index"] + 1e-12 <= 1e-12
    assert 0 <= found["time_under_water"] <= 1
    assert found["longest_drawdown"] <= len(returns)
    assert found["longest_win_streak"] + found["longest_loss_streak"] <= len(returns)
    if pd.notna(found["average_drawdown"]):
        assert found["max_drawdown"] - 1e-12 <= found["average_drawdown"] <= 0
    if pd.notna(found["cornish_fisher_var"]):
        assert found["cornish_fisher_shortfall"] <= found["cornish_fisher_var"]
    if pd.notna(found["sharpe_low"]):
        assert found["sharpe_low"] <= found["sharpe"] <= found["sharpe_high"]
        assert 0 <= found["probabilistic_sharpe"] <= 1
