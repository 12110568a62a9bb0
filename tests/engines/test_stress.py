from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.stress import (
    book_value_at_risk,
    concentration,
    drawn_shocks,
    first_to_fall,
    liquidation_distances,
    shock_grid,
    stressed,
    worst_case,
)
from portfolio_lab.errors import BadInputError

BOOK = pd.DataFrame({"BTC": [1000.0, -500.0], "ETH": [200.0, math.nan]}, index=["a", "b"])


def daily(days: int = 400, seed: int = 3) -> pd.DataFrame:
    drawn = np.random.default_rng(seed).multivariate_normal([0, 0], [[4e-4, 3e-4], [3e-4, 9e-4]], days)
    return pd.DataFrame(drawn, columns=["BTC", "ETH"], index=pd.date_range("2025-01-01", periods=days, tz="UTC"))


def test_the_grid_moves_the_market_and_each_underlying_alone() -> None:
    grid = shock_grid(["BTC", "ETH"], [-0.1, 0.1])
    assert list(grid) == ["market -10 %", "market +10 %", "BTC -10 %", "BTC +10 %", "ETH -10 %", "ETH +10 %"]
    assert grid["ETH -10 %"].tolist() == [0.0, -0.1]


def test_pnl_is_exposure_times_shock_and_unknown_where_the_exposure_is() -> None:
    pnl = stressed(BOOK, shock_grid(["BTC", "ETH"], [-0.1]))
    assert pnl.loc["a"].tolist() == pytest.approx([-120.0, -100.0, -20.0])
    assert pnl.loc["b", "BTC -10 %"] == 50.0
    assert math.isnan(pnl.loc["b", "market -10 %"])


def test_a_shock_that_is_unknown_makes_those_unknown_who_are_exposed_to_it() -> None:
    exposures = pd.DataFrame({"BTC": [100.0, 100.0], "NEW": [5.0, 0.0]}, index=["a", "b"])
    shocks = pd.DataFrame({"x": [-0.1, math.nan], "y": [-0.1, 0.0]}, index=["BTC", "NEW"])
    pnl = stressed(exposures, shocks)
    assert math.isnan(pnl.loc["a", "x"])
    assert (pnl.loc["b", "x"], pnl.loc["a", "y"]) == (-10.0, -10.0)


@given(st.floats(-0.99, 3.0), st.floats(1_000, 100_000), st.floats(0.01, 10), st.floats(-50_000, 50_000))
def test_a_coin_margined_account_is_linear_in_its_price(
    shock: float, price: float, coins: float, notional: float
) -> None:
    """Revalued in full: wallet W coins and a contract of N dollars entered at E."""
    entry = price * 0.9
    margin = coins + notional * (1 / entry - 1 / price)
    exposure = (margin + notional / price) * price
    moved = price * (1 + shock)
    exact = moved * (coins + notional * (1 / entry - 1 / moved)) - price * margin
    ours = stressed(pd.DataFrame({"BTC": [exposure]}), pd.DataFrame({"x": [shock]}, index=["BTC"])).iloc[0, 0]
    assert ours == pytest.approx(exact, rel=1e-9, abs=1e-6)


def test_drawn_shocks_have_the_volatility_and_the_correlation_asked_for() -> None:
    history = daily(3_000)
    shocks = drawn_shocks(history, scenarios=20_000, seed=1).T
    assert shocks.std().to_numpy() == pytest.approx(history.std().to_numpy(), rel=0.03)
    assert shocks.corr().iloc[0, 1] == pytest.approx(history.corr().iloc[0, 1], abs=0.03)
    assert drawn_shocks(history, correlation="together").T.corr().iloc[0, 1] == pytest.approx(1.0)
    assert abs(drawn_shocks(history, correlation="independent", scenarios=20_000).T.corr().iloc[0, 1]) < 0.03
    assert drawn_shocks(history, days=10_000).to_numpy().min() == -1.0
    pd.testing.assert_frame_equal(drawn_shocks(history, seed=4), drawn_shocks(history, seed=4))


def test_too_little_history_is_refused() -> None:
    with pytest.raises(BadInputError, match="5 days are known for all of BTC, ETH; 30 are needed"):
        drawn_shocks(daily(5))


def test_distance_to_liquidation() -> None:
    positions = pd.DataFrame({"mark_price": [100.0, 100.0, 100.0], "liquidation_price": [80.0, 130.0, math.nan]})
    found = liquidation_distances(positions)["distance"].tolist()
    assert found[:2] == pytest.approx([-0.2, 0.3])
    assert math.isnan(found[2])


def test_who_falls_first() -> None:
    exposures = pd.DataFrame(
        {"BTC": [10_000.0, 1_000.0, -2_000.0, 100.0]}, index=["tight", "liquidated", "short", "safe"]
    )
    equity = pd.Series({"tight": 1_000.0, "liquidated": 1_000.0, "short": 1_000.0, "safe": 1_000.0})
    positions = pd.DataFrame({"account": ["liquidated"], "mark_price": [100.0], "liquidation_price": [80.0]})
    found = first_to_fall(exposures, equity, positions)
    assert found.index.tolist() == ["tight", "liquidated", "short", "safe"]
    assert found.loc["tight", "fall"] == pytest.approx(-0.1)
    assert found["cause"].tolist() == ["equity", "liquidation", "equity", ""]
    assert found.loc["short", "rise"] == pytest.approx(0.5)
    assert math.isnan(found.loc["safe", "nearest"])


def orders(*rows: tuple[str, str, float, float, bool]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["underlying", "side", "quantity", "filled", "reduce_only"])


def test_the_worst_case_of_resting_orders() -> None:
    resting = orders(
        ("BTC", "buy", 2.0, 0.5, False), ("BTC", "sell", 9.0, 0.0, True), ("ETH", "sell", 10.0, 0.0, False)
    )
    found = worst_case(pd.Series({"BTC": 100.0}), resting, pd.Series({"BTC": 100.0, "ETH": 10.0}))
    assert found.loc["BTC"].tolist() == [100.0, 250.0, 100.0, 250.0]
    assert found.loc["ETH"].tolist() == [0.0, 0.0, -100.0, 100.0]
    unknown = worst_case(
        pd.Series({"BTC": 100.0}), orders(("BTC", "buy", math.nan, 0.0, False)), pd.Series({"BTC": 1.0})
    )
    assert math.isnan(unknown.loc["BTC", "if_buys_fill"])
    assert math.isnan(unknown.loc["BTC", "worst"])
    assert unknown.loc["BTC", "if_sells_fill"] == 100.0


def test_concentration() -> None:
    found = concentration(pd.Series([50.0, -30.0, 20.0]))
    assert found["largest"] == 0.5
    assert found["largest_three"] == 1.0
    assert found["herfindahl"] == pytest.approx(0.38)
    assert found["effective_number"] == pytest.approx(1 / 0.38)
    assert concentration(pd.Series([0.0])).isna().all()


def test_value_at_risk_of_the_present_book() -> None:
    history = daily()
    book = pd.Series({"BTC": 1_000.0, "ETH": -500.0, "USDT": 0.0})
    found = book_value_at_risk(book, history)
    pnl = 1_000.0 * history["BTC"] - 500.0 * history["ETH"]
    assert found["historical"] == pytest.approx(np.quantile(pnl, 0.05))
    assert found["expected_shortfall"] == pytest.approx(pnl[pnl <= np.quantile(pnl, 0.05)].mean())
    assert found["parametric"] == pytest.approx(NormalDist().inv_cdf(0.05) * pnl.std(ddof=1))
    assert found["days"] == 400
    assert book_value_at_risk(book, history, days=4)["historical"] == pytest.approx(2 * found["historical"])


def test_the_risk_of_what_has_no_history_is_unknown() -> None:
    assert math.isnan(book_value_at_risk(pd.Series({"NEW": 5.0}), daily())["historical"])
    assert book_value_at_risk(pd.Series({"BTC": 0.0}), daily())["historical"] == 0.0


def test_an_account_whose_equity_is_gone_has_fallen_already() -> None:
    exposures = pd.DataFrame({"BTC": [100.0, 100.0, 0.0]}, index=["sound", "gone", "empty"])
    none = pd.DataFrame({"account": [], "mark_price": [], "liquidation_price": []})
    ranked = first_to_fall(exposures, pd.Series({"sound": 50.0, "gone": -5.0, "empty": 0.0}), none)
    assert ranked.index.tolist() == ["gone", "sound", "empty"]
    assert ranked.loc["gone"].tolist() == [0.0, 0.0, 0.0, "equity"]
    assert math.isnan(ranked.loc["empty", "nearest"])
