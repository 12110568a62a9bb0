"""Reconciliation: a futures wallet by hand, and laws."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.engines.attribution import TERMS
from portfolio_lab.engines.reconciliation import (
    ACCOUNT_EQUITY,
    CHANGE_OF_VALUE,
    EARNED,
    WALLET_BALANCE,
    Definition,
    reconciled,
)
from portfolio_lab.errors import BadInputError

FUTURES = ("binance:main", "usd_m")


def terms(wallet: tuple[str, str] = FUTURES, **values: float) -> pd.DataFrame:
    rows = [(*wallet, term, value) for term, value in values.items()]
    return pd.DataFrame(rows, columns=["account", "wallet", "term", "value"])


def test_a_futures_page_leaves_open_pnl_and_the_price_of_money_out() -> None:
    # +120 realised, -8 funding, -2 commission; the open position lost 300; 1,000 moved in; the coins gained 5.
    day = terms(transfer=1_000.0, realised=120.0, funding=-8.0, fee=-2.0, unrealised=-300.0, revaluation=5.0)
    row = reconciled(day, {FUTURES: WALLET_BALANCE}).loc[FUTURES]
    assert row["venue"] == 110.0
    assert row["ours"] == -185.0
    assert row["difference"] == -295.0
    assert (row["unrealised"], row["revaluation"], row["realised"]) == (-300.0, 5.0, 0.0)


def test_a_spot_page_counts_what_we_count() -> None:
    spot = ("binance:main", "spot")
    row = reconciled(terms(spot, flow=50.0, revaluation=7.0, fee=-1.0), {spot: CHANGE_OF_VALUE}).loc[spot]
    assert (row["ours"], row["venue"], row["difference"]) == (6.0, 6.0, 0.0)


def test_a_wallet_of_which_nothing_is_shown_has_no_figure() -> None:
    row = reconciled(terms(reward=3.0), {}).loc[FUTURES]
    assert row["ours"] == 3.0
    assert math.isnan(row["venue"])
    assert math.isnan(row["difference"])
    assert not row["verified"]


def test_what_nobody_has_verified_says_so() -> None:
    trading = ("okx:main", "trading")
    assert not reconciled(terms(trading, realised=1.0), {trading: ACCOUNT_EQUITY}).loc[trading, "verified"]


def test_an_unknown_term_leaves_both_unknown() -> None:
    row = reconciled(terms(realised=1.0, revaluation=math.nan), {FUTURES: WALLET_BALANCE}).loc[FUTURES]
    assert math.isnan(row["ours"])
    assert math.isnan(row["difference"])


@given(
    st.dictionaries(st.sampled_from(list(TERMS)), st.floats(-1e6, 1e6), min_size=1), st.sets(st.sampled_from(EARNED))
)
@settings(deadline=None, max_examples=40)
def test_the_difference_is_the_listed_terms(values: dict[str, float], out: set[str]) -> None:
    row = reconciled(terms(**values), {FUTURES: Definition("any", frozenset(out))}).loc[FUTURES]
    assert math.fsum(row[list(EARNED)]) == pytest.approx(row["difference"], abs=1e-9)
    assert row["ours"] - row["venue"] == pytest.approx(row["difference"], abs=1e-6)
    assert row["venue"] == pytest.approx(sum(values.get(term, 0.0) for term in set(EARNED) - out), abs=1e-6)


def test_bad_definitions_and_frames_are_refused() -> None:
    with pytest.raises(BadInputError, match="no part of PnL"):
        Definition("wrong", frozenset({"flow"}))
    with pytest.raises(BadInputError, match="wallet"):
        reconciled(terms(fee=1.0).drop(columns="wallet"), {})
