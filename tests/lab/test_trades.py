"""Trades of the sample lab, against what the venues themselves say was realised."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from portfolio_lab import demo_lab
from portfolio_lab.archive import Archive
from portfolio_lab.engines.trade_statistics import trade_statistics
from portfolio_lab.engines.trades import Trades
from portfolio_lab.lab import Lab
from portfolio_lab.store import Store
from portfolio_lab.trading import StoredPrices

CONTRACTS = ["linear", "inverse"]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return demo_lab()


@pytest.fixture(scope="module")
def trades(lab: Lab) -> Trades:
    return lab.trades("desk")


def everything(trades: Trades) -> pd.DataFrame:
    return pd.concat([part for part in (trades.closed, trades.open) if len(part)])


def test_each_contract_earned_what_its_venue_says_it_realised(lab: Lab, trades: Trades) -> None:
    fills = lab.facts("fills", "desk").dropna(subset="realised_pnl")
    dollars = fills["settle_asset"].ne(fills["underlying"])
    # A coin is worth what its fill says; a dollar coin within a tenth of a per cent of a dollar.
    value = fills["realised_pnl"] * np.where(dollars, 1.0, fills["price"])
    theirs = value.groupby([fills["account"], fills["instrument"]]).sum()
    ours = everything(trades).query("kind in @CONTRACTS").groupby(["account", "instrument"])["price_pnl"].sum()
    assert set(ours.index) == set(theirs.index)
    scale = everything(trades).groupby(["account", "instrument"])["turnover"].sum()
    assert ((ours - theirs).abs() < 0.001 * theirs.abs() + 1e-6 * scale[ours.index]).all()


def test_closings_add_up_to_what_their_trips_realised(trades: Trades) -> None:
    books = ["account", "instrument", "side"]
    realised = everything(trades).groupby(books)["price_pnl"].sum()
    closings = trades.closings.groupby(books)["price_pnl"].sum()
    pd.testing.assert_series_equal(closings.reindex(realised.index).fillna(0.0), realised)


def test_hedged_sides_share_the_funding_that_was_booked(lab: Lab, trades: Trades) -> None:
    booked = lab.facts("income", "desk").query("kind == 'funding' and account == 'binance:hedge' and asset == 'USDT'")
    # In the reporting currency: USDT is not a dollar, and what was paid and received nearly cancels.
    worth = booked["quantity"] * StoredPrices(Archive(Store.open(lab.settings.store_path))).at(booked, booked["asset"])
    theirs = worth.groupby(booked["instrument"]).sum()
    hedged = everything(trades).query("account == 'binance:hedge' and kind == 'linear'")
    ours = hedged.groupby("instrument")["funding"].sum()
    assert ours.to_numpy() == pytest.approx(theirs.to_numpy(), rel=1e-9)
    # With a positive rate the long side pays and the short side receives.
    sides = hedged.groupby(["instrument", "side"])["funding"].sum()
    assert (sides.loc[["BTCUSDT", "ETHUSDT"], "long"] < 0).all()


def test_statistics_by_kind_of_book(trades: Trades) -> None:
    figures = trade_statistics(trades.closings, by="kind", minimum=1)
    assert figures["trades"].sum() == len(trades.closings)
    assert figures["net_pnl"].sum() == pytest.approx(trades.closings["pnl"].sum())
    assert figures["win_rate"].between(0, 1).all()


def test_one_account_alone(lab: Lab, trades: Trades) -> None:
    alone = lab.trades("desk", account="okx:main")
    assert set(everything(alone)["account"]) == {"okx:main"}
    both = everything(trades).query("account == 'okx:main'")
    assert everything(alone)["price_pnl"].sum() == pytest.approx(both["price_pnl"].sum())
    assert lab.trades("desk", method="fifo").open["price_pnl"].sum() != trades.open["price_pnl"].sum()
