"""Reconciliation of the sample lab: the venue's figure out of its own rows, and ours out of ours."""

from __future__ import annotations

import pandas as pd
import pytest

from portfolio_lab import demo_lab
from portfolio_lab.engines.reconciliation import EARNED
from portfolio_lab.errors import BadInputError
from portfolio_lab.lab import Lab

MONTH = ("2026-08-02", "2026-09-06")
FUTURES = [("alice", "binance:main"), ("desk", "binance:main"), ("desk", "binance:hedge")]


@pytest.fixture(scope="module")
def sample() -> Lab:
    return demo_lab()


@pytest.mark.parametrize("user", ["alice", "desk", "carol"])
def test_the_difference_is_the_terms_that_the_venue_leaves_out(sample: Lab, user: str) -> None:
    table = sample.reconciliation(user, MONTH).dropna(subset="venue")
    assert (table["ours"] - table["venue"]).to_numpy() == pytest.approx(table["difference"].to_numpy(), abs=1e-6)
    assert table[list(EARNED)].sum(axis=1).to_numpy() == pytest.approx(table["difference"].to_numpy(), abs=1e-6)


@pytest.mark.parametrize(("user", "account"), FUTURES)
def test_a_futures_page_is_the_change_of_its_wallet_balance(sample: Lab, user: str, account: str) -> None:
    table = sample.reconciliation(user, MONTH)
    first, last = table.attrs["opening_slot"], table.attrs["closing_slot"]
    rows = sample.facts("balances", user, first, last + pd.Timedelta(seconds=1))
    rows = rows.query("account == @account and wallet == 'usd_m' and asset == 'USDT'").set_index("slot")
    moves = sample.facts("transfers", user, first, last).query("account == @account and asset == 'USDT'")
    moved = moves.query("target == 'usd_m'")["quantity"].sum() - moves.query("source == 'usd_m'")["quantity"].sum()
    theirs = rows["wallet_balance"].loc[last] - rows["wallet_balance"].loc[first] - float(moved)
    # Within a tenth of a per cent: it was booked in USDT, and is told in dollars of its time.
    assert table.loc[(account, "usd_m"), "venue"] == pytest.approx(theirs * rows["price"].loc[last], rel=1e-3)


@pytest.mark.parametrize(("user", "account"), FUTURES)
def test_and_the_sum_of_what_was_booked(sample: Lab, user: str, account: str) -> None:
    table = sample.reconciliation(user, MONTH)
    first, last = table.attrs["opening_slot"], table.attrs["closing_slot"]
    income = sample.facts("income", user, first, last + pd.Timedelta(seconds=1))
    booked = income.query("account == @account and wallet == 'usd_m' and at > @first and at <= @last")
    assert table.loc[(account, "usd_m"), "venue"] == pytest.approx(booked["quantity"].sum(), rel=1e-3)


def test_wallets_add_up_to_the_user(sample: Lab) -> None:
    day = "2026-08-20"
    whole = sample.pnl("alice")["pnl"][pd.Timestamp(day, tz="UTC")]
    assert sample.reconciliation("alice", day)["ours"].sum() == pytest.approx(whole, abs=1e-6)


def test_days_of_a_month_are_the_month(sample: Lab) -> None:
    month = sample.reconciliation("carol", "2026-08")["ours"]
    days = pd.date_range("2026-08-01", "2026-08-31").strftime("%Y-%m-%d")
    parts = [sample.reconciliation("carol", day)["ours"] for day in days[-5:]]
    assert pd.concat(parts).groupby(level=[0, 1]).sum().to_numpy() == pytest.approx(
        sample.reconciliation("carol", (days[-5], days[-1]))["ours"].to_numpy(), abs=1e-6
    )
    assert set(parts[0].index) <= set(month.index)


@pytest.mark.parametrize("period", ["yesterday", "2026-99", "2020-01-01", ("2026-08-20", "no day")])
def test_a_period_that_is_none_is_refused(sample: Lab, period: str | tuple[str, str]) -> None:
    with pytest.raises(BadInputError, match=r"period|no day"):
        sample.reconciliation("alice", period)
