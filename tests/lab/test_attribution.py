"""Attribution of the sample lab: nothing is left over once the activity has been read."""

from __future__ import annotations

import pandas as pd
import pytest

from portfolio_lab import demo_lab
from portfolio_lab.engines.attribution import TERMS
from portfolio_lab.lab import Lab

USERS = ["alice", "carol", "desk"]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return demo_lab()


@pytest.mark.parametrize("user", USERS)
def test_each_day_is_explained_to_the_cent(lab: Lab, user: str) -> None:
    days = lab.attribution(user)
    equity = lab.pnl(user)["opening_equity"].reindex(days.index)
    read = ~days["pending"]
    assert read.sum() >= 30
    allowed = (equity * 1e-4).clip(lower=0.01)
    assert (days["residual"].abs() <= allowed)[read].all()
    assert (days.loc[read, "suspect"] == "").all()


@pytest.mark.parametrize("user", USERS)
def test_the_terms_add_up_to_pnl_and_flows(lab: Lab, user: str) -> None:
    days, pnl = lab.attribution(user), lab.pnl(user)
    change = (pnl["closing_equity"] - pnl["opening_equity"]).reindex(days.index)
    pd.testing.assert_series_equal(days["change"], change, check_names=False, rtol=1e-9)
    assert days[list(TERMS)].sum(axis=1).to_numpy() == pytest.approx(days["change"].to_numpy(), abs=1e-6)
    assert days["flow"].to_numpy() == pytest.approx(pnl["cash_flow"].reindex(days.index).to_numpy(), abs=1e-6)


def test_accounts_assets_and_instruments_are_ways_to_cut_the_same_sum(lab: Lab) -> None:
    whole = lab.attribution("desk")["change"]
    for by in ("account", "asset", "instrument"):
        parts = lab.attribution("desk", by=by)["change"].groupby("day").sum()
        assert parts.to_numpy() == pytest.approx(whole.to_numpy(), abs=1e-6)
    assert {"binance:main", "okx:main"} <= set(lab.attribution("desk", by="account").index.get_level_values("account"))


def test_days_whose_activity_has_not_been_read_are_marked(lab: Lab) -> None:
    days = lab.attribution("desk")
    assert days["pending"].iloc[-1]
    assert not days["pending"].iloc[:-2].any()
