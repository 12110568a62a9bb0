"""Our figures beside empyrical's and quantstats' on series of chance: equal, or apart by a named factor."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.engines.drawdown import drawdown
from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.rolling import rolling

EXACT = 1e-12
seeds = st.tuples(st.integers(0, 10_000), st.integers(90, 500), st.floats(2.5, 30.0), st.floats(-0.003, 0.003))


def series(seed: tuple[int, int, float, float]) -> pd.Series:
    """Returns with fat tails and a drift, some of them flat."""
    number, days, freedom, drift = seed
    chance = np.random.default_rng(number)
    values = np.clip(chance.standard_t(freedom, days) * 0.015 + drift, -0.6, 0.6)
    values[chance.random(days) < 0.05] = 0.0
    return pd.Series(values, pd.date_range("2024-01-01", periods=days))


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def empyrical() -> ModuleType:
    return pytest.importorskip("empyrical")


@pytest.fixture(scope="module")
def stats() -> ModuleType:
    pytest.importorskip("matplotlib").use("Agg")
    return pytest.importorskip("quantstats").stats


def agree(ours: pd.Series, theirs: dict[str, float], tolerance: float = EXACT) -> None:
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=tolerance, abs=1e-14), name


@settings(max_examples=6, deadline=None)
@given(seeds)
def test_empyrical(empyrical: ModuleType, seed: tuple[int, int, float, float]) -> None:
    returns = series(seed)
    found = metrics(returns)
    tail = empyrical.tail_ratio(returns)
    agree(found, {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.annual_return(returns, annualization=365),
        "volatility": empyrical.annual_volatility(returns, annualization=365),
        "sharpe": empyrical.sharpe_ratio(returns, annualization=365),
        "sortino": empyrical.sortino_ratio(returns, annualization=365),
        "max_drawdown": empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns, annualization=365),
        "omega": empyrical.omega_ratio(returns),
        "tail_ratio": tail,
        "value_at_risk": empyrical.value_at_risk(returns),
        "best_week": empyrical.aggregate_returns(returns, "weekly").max(),
        "worst_month": empyrical.aggregate_returns(returns, "monthly").min(),
    })  # fmt: skip
    # The peer takes the k lowest with k = int(5 % of n - 1) + 1, ours is everything at or below the quantile.
    lowest = np.sort(returns.to_numpy())
    assert empyrical.conditional_value_at_risk(returns) == pytest.approx(
        lowest[: int((len(lowest) - 1) * 0.05) + 1].mean()
    )
    inside = returns[returns <= found["value_at_risk"]]
    assert found["expected_shortfall"] == pytest.approx(inside.mean(), rel=EXACT)
    # 252 days, the peer's default, is another number by exactly this factor.
    assert found["sharpe"] == pytest.approx(empyrical.sharpe_ratio(returns) * math.sqrt(365 / 252), rel=EXACT)


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_quantstats(stats: ModuleType, seed: tuple[int, int, float, float]) -> None:
    returns = series(seed)
    found, days = metrics(returns), len(returns)
    agree(found, {
        "total_return": stats.comp(returns),
        "cagr": stats.cagr(returns, periods=365),
        "volatility": stats.volatility(returns, periods=365),
        "sharpe": stats.sharpe(returns, periods=365),
        "sortino": stats.sortino(returns, periods=365),
        "max_drawdown": stats.max_drawdown(returns),
        "calmar": stats.calmar(returns, periods=365),
        "profit_factor": stats.profit_factor(returns),
        "tail_ratio": stats.tail_ratio(returns),
        "best_day": stats.best(returns),
        "worst_day": stats.worst(returns),
        "longest_win_streak": stats.consecutive_wins(returns),
        "longest_loss_streak": stats.consecutive_losses(returns),
        # Where the peer's convention is another one, its figure times the factor between the two:
        "win_rate": stats.win_rate(returns) * (returns != 0).sum() / days,  # it leaves flat days out
        "ulcer_index": stats.ulcer_index(returns) * math.sqrt((days - 1) / days),  # it divides by n - 1
        "skew": stats.skew(returns) * (days - 2) / math.sqrt(days * (days - 1)),  # it corrects for the sample
        "recovery_factor": stats.recovery_factor(returns) * found["total_return"] / abs(returns.sum()),  # plain sum
    }, 1e-10)  # fmt: skip
    # Its kurtosis is corrected for the sample; its value at risk is the normal law's.
    corrected = ((days + 1) * found["kurtosis"] + 6) * (days - 1) / ((days - 2) * (days - 3))
    assert stats.kurtosis(returns) == pytest.approx(corrected, rel=1e-9)
    normal = returns.mean() - 1.6448536269514722 * returns.std()
    assert stats.value_at_risk(returns) == pytest.approx(normal, rel=1e-9)


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_quantstats_draws_the_same_water(stats: ModuleType, seed: tuple[int, int, float, float]) -> None:
    returns = series(seed)
    theirs = stats.to_drawdown_series(returns)
    np.testing.assert_allclose(drawdown(returns).to_numpy(), theirs.to_numpy(), atol=1e-12)


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_rolling_beside_empyrical(empyrical: ModuleType, seed: tuple[int, int, float, float]) -> None:
    returns = series(seed)
    found = rolling(returns, 60)
    theirs = empyrical.roll_sharpe_ratio(returns, window=60, annualization=365)
    np.testing.assert_allclose(found["sharpe"].iloc[59:].to_numpy(), np.asarray(theirs), rtol=1e-9, atol=1e-12)
