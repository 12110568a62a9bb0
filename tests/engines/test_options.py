"""Options under stress: worked by hand, laws that every premium keeps, and what is told when nothing can be solved."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.options import BLACK_76, BY_DELTA, black_76, gains, implied_spread, priced, terms_of
from portfolio_lab.engines.stress import first_to_fall, stressed

AT = datetime(2026, 6, 27, 8, tzinfo=UTC)
QUARTER_YEAR = pd.Timestamp(AT) + pd.Timedelta(days=365) / 4
FORWARD, VOLATILITY = 100.0, 0.6
SPREAD = VOLATILITY * 0.5
"""Over a quarter of a year."""


def held(**changed: Any) -> pd.DataFrame:
    """Return a written call at 100, worth what a volatility of 60 % makes of it."""
    row = {
        "account": "a", "instrument": "X-C", "side": "net", "underlying": "X", "quantity": -1.0, "strike": 100.0,
        "expires": QUARTER_YEAR, "is_call": True, "forward": FORWARD, "is_paid_in_coin": False, "delta": 0.55,
    } | changed  # fmt: skip
    worth = float(black_76(FORWARD, row["strike"], SPREAD, is_call=row["is_call"])) if row["strike"] > 0 else 1.0
    frame = pd.DataFrame([{"premium": worth} | row])
    return frame.assign(expires=pd.to_datetime(frame["expires"], utc=True))


def moved(*shocks: float) -> pd.DataFrame:
    return pd.DataFrame([shocks], index=["X"], dtype="float64")


def gained(option: pd.DataFrame, *shocks: float) -> list[float]:
    found: list[float] = gains(priced(option, AT), moved(*shocks))[0].tolist()
    return found


# ---------------------------------------------------------------- worked by hand


def test_black_76_by_hand() -> None:
    # d1 = 0.3 / 2 = 0.15 and d2 = -0.15 at the money; N(0.15) = 0.5596176924 (tables), so 100 x (2 N - 1).
    assert float(black_76(100.0, 100.0, 0.3, is_call=True)) == pytest.approx(11.92353847, abs=1e-8)
    # F 120, K 100, v sqrt(T) 0.2: d1 = 1.0116078, d2 = 0.8116078; N = 0.8441373, 0.7914917; 101.296480 - 79.149170
    assert float(black_76(120.0, 100.0, 0.2, is_call=True)) == pytest.approx(22.1473, abs=2e-4)


def test_a_name_tells_strike_side_and_the_hour_at_which_it_ends() -> None:
    ends = datetime(2026, 9, 25, 8, tzinfo=UTC)
    assert terms_of("BTC-260925-100000-C") == (100_000.0, ends, True)
    assert terms_of("ETH-USD-260925-1850.5-P") == (1_850.5, ends, False)
    for name in ("BTC-260925-100000", "BTC-261325-100000-C", "BTC-USD-SWAP", "BTC-260925-0-C", ""):
        assert terms_of(name) is None


def test_what_a_call_and_a_put_are_worth_when_nothing_is_left() -> None:
    assert black_76(0.0, 100.0, SPREAD, is_call=np.array([True, False])).tolist() == [0.0, 100.0]
    assert gained(held(quantity=1.0), -1.0, -2.0) == pytest.approx([-11.92353847] * 2, abs=1e-8)


# ---------------------------------------------------------------- laws


@given(st.floats(1.0, 1e6), st.floats(0.2, 5.0), st.floats(0.01, 3.0))
def test_put_call_parity(forward: float, ratio: float, spread: float) -> None:
    strike = forward * ratio
    call, put = black_76(forward, strike, spread, is_call=np.array([True, False]))
    assert call - put == pytest.approx(forward - strike, abs=1e-12 * (forward + strike))


@given(ratio=st.floats(0.8, 1.25), spread=st.floats(0.1, 2.0), is_call=st.booleans())
def test_the_volatility_that_a_premium_implies_gives_it_back(*, ratio: float, spread: float, is_call: bool) -> None:
    premium = float(black_76(100.0, 100.0 * ratio, spread, is_call=is_call))
    solved = implied_spread(premium, 100.0, 100.0 * ratio, is_call=is_call)
    assert float(black_76(100.0, 100.0 * ratio, solved[0], is_call=is_call)) == pytest.approx(premium, abs=1e-9)
    assert solved[0] == pytest.approx(spread, rel=1e-6)


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("is_paid_in_coin", [True, False])
@pytest.mark.parametrize("strike", [80.0, 100.0, 130.0])
def test_a_small_shock_is_delta_times_shock_to_second_order(
    *, is_call: bool, is_paid_in_coin: bool, strike: float
) -> None:
    near = math.log(FORWARD / strike) / SPREAD + SPREAD / 2
    normal = 0.5 * math.erfc(-near / math.sqrt(2.0))
    delta = normal if is_call else normal - 1.0
    gamma = math.exp(-near * near / 2) / math.sqrt(2 * math.pi) / (FORWARD * SPREAD)
    option = held(quantity=3.0, strike=strike, is_call=is_call, is_paid_in_coin=is_paid_in_coin)
    premium = float(option["premium"].iloc[0]) if is_paid_in_coin else 0.0
    for shock, found in zip((1e-3, -1e-3), gained(option, 1e-3, -1e-3), strict=True):
        by_delta = 3.0 * (delta - premium / FORWARD) * FORWARD * shock
        curve = 3.0 * gamma / 2 * (FORWARD * shock) ** 2
        assert found == pytest.approx(by_delta + curve, abs=0.02 * curve)
        assert abs(found - by_delta) == pytest.approx(curve, rel=0.05)


def test_a_written_call_loses_more_than_its_delta_says() -> None:
    up, down = gained(held(), 0.5, -0.5)
    # At 150: d1 = ln(1.5) / 0.3 + 0.15 = 1.50155, d2 = 1.20155; N = 0.93339, 0.88523; 140.009 - 88.523 = 51.486
    assert up == pytest.approx(-(51.486 - 11.9235), abs=2e-3)
    assert up < -0.55 * 50.0
    assert 0 < down < 0.55 * 50.0
    # What was written cannot bring more than its premium.
    assert down == pytest.approx(11.92353847, abs=0.1)


@given(shocks=st.lists(st.floats(-1.0, 5.0), min_size=1, max_size=20), is_call=st.booleans())
def test_a_bought_option_never_loses_more_than_it_is_worth(*, shocks: list[float], is_call: bool) -> None:
    option = held(quantity=2.0, is_call=is_call)
    assert min(gained(option, *shocks)) >= -2.0 * option["premium"].iloc[0] - 1e-12
    assert gained(option, 0.0) == [0.0]


def test_an_option_that_is_paid_in_its_coin_is_the_account_revalued_in_full() -> None:
    """2 coins of cash and 3 calls, worth 0.1192 coins each: dollars = price x (cash + 3 x premium / price)."""
    option = held(quantity=3.0, is_paid_in_coin=True)
    premium = float(option["premium"].iloc[0])
    balance = 2.0 + 3.0 * premium / FORWARD  # what the venue states as the coin's equity
    for shock in (-0.9, -0.3, 0.4, 2.0):
        price = FORWARD * (1 + shock)
        then = price * 2.0 + 3.0 * float(black_76(price, 100.0, SPREAD, is_call=True))
        exposures = pd.DataFrame({"X": [balance * FORWARD]}, index=["a"])
        found = stressed(exposures, moved(shock), priced(option, AT)).iloc[0, 0]
        assert found == pytest.approx(then - balance * FORWARD, rel=1e-9)


# ---------------------------------------------------------------- what cannot be solved


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"expires": pd.NaT, "strike": math.nan}, "its name tells no strike and no day on which it ends"),
        ({"expires": pd.Timestamp(AT)}, "its day is over"),
        ({"premium": math.nan}, "its underlying, or what it is paid in, has no price"),
        ({"forward": math.nan}, "its underlying, or what it is paid in, has no price"),
        ({"premium": 0.0}, "no volatility gives its premium"),
        ({"premium": 100.0}, "no volatility gives its premium"),
        ({"strike": 80.0, "premium": 20.0}, "no volatility gives its premium"),
    ],
)
def test_what_is_counted_by_its_delta_says_why(changed: dict[str, Any], reason: str) -> None:
    [found] = priced(held(**changed), AT).to_dict("records")
    assert (found["method"], found["reason"]) == (BY_DELTA if reason else BLACK_76, reason)
    assert math.isnan(found["volatility"]) == bool(reason)
    if not reason:
        assert found["volatility"] == pytest.approx(VOLATILITY, rel=1e-9)


def test_no_option_is_no_row() -> None:
    assert priced(held().iloc[:0], AT).empty
    exposures = pd.DataFrame({"X": [5.0]}, index=["a"])
    assert stressed(exposures, moved(0.1), priced(held().iloc[:0], AT)).to_numpy().tolist() == [[0.5]]


# ---------------------------------------------------------------- accounts


def test_options_are_added_to_the_accounts_that_hold_them() -> None:
    book = pd.concat([held(account="b"), held(account="b", quantity=-2.0), held(account="c"), held(account="not read")])
    exposures = pd.DataFrame({"Y": [10.0, 0.0, 7.0]}, index=["a", "b", "c"])
    shocks = pd.DataFrame([[0.5, 0.0], [0.5, 0.5]], index=["X", "Y"])
    pnl = stressed(exposures, shocks, priced(book.reset_index(drop=True), AT))
    [one] = gained(held(), 0.5)
    assert pnl[0].tolist() == pytest.approx([5.0, 3 * one, 3.5 + one])
    assert pnl[1].tolist() == pytest.approx([5.0, 0.0, 3.5])


def test_an_account_of_written_calls_falls_before_its_delta_says() -> None:
    none = pd.DataFrame({"account": [], "mark_price": [], "liquidation_price": []})
    exposures = pd.DataFrame({"Y": [0.0, -55.0]}, index=["a", "linear"])
    equity = pd.Series({"a": 30.0, "linear": 30.0})
    found = first_to_fall(exposures, equity, none, priced(held(), AT))
    assert found.loc["linear", "rise"] == pytest.approx(30 / 55)
    # The rise at which the call has lost 30 is one at which it is worth 41.92.
    rise = found.loc["a", "rise"]
    assert float(black_76(FORWARD * (1 + rise), 100.0, SPREAD, is_call=True)) == pytest.approx(41.92353847, abs=1e-3)
    assert rise < 30 / 55
    assert math.isnan(found.loc["a", "fall"])
    gone = first_to_fall(exposures, pd.Series({"a": -1.0, "linear": 30.0}), none, priced(held(), AT))
    assert gone.loc["a", ["fall", "rise", "nearest"]].tolist() == [0.0, 0.0, 0.0]


def test_fifty_accounts_with_options_in_a_thousand_scenarios() -> None:
    names = [f"account {place}" for place in range(50)]
    book = pd.concat([held(account=name, quantity=float(Decimal(place))) for place, name in enumerate(names)])
    shocks = moved(*np.linspace(-0.5, 0.5, 1_000).tolist())
    pnl = stressed(pd.DataFrame({"X": [1.0] * 50}, index=names), shocks, priced(book.reset_index(drop=True), AT))
    assert pnl.shape == (50, 1_000)
    [half] = gained(held(quantity=1.0), 0.5)
    assert pnl.loc["account 7", 999] == pytest.approx(7 * half + 0.5)
