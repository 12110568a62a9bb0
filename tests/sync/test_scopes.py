"""Flows by scope: what moves between own accounts is no flow of the user; accounts that join and leave are."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from cycles import MINUTE, Cycles, binance, equity, grade, okx
from fake_venues import MIDNIGHT, btc

from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.holdings import Balance

NOON = MIDNIGHT + timedelta(hours=12)
TXID = "0x" + "ab" * 32
SPOT, TRADING = ("alice", Wallet.SPOT), ("alice", Wallet.TRADING)


def left(at: object, quantity: str = "-0.101", txid: str = TXID) -> CashFlow:
    return CashFlow(at, "w1", "withdrawal", "BTC", Decimal(quantity), Decimal("0.001"), txid)  # type: ignore[arg-type]


def came(at: object, quantity: str = "0.1", txid: str = TXID.upper()) -> CashFlow:
    return CashFlow(at, "d1", "deposit", "BTC", Decimal(quantity), Decimal(0), txid)  # type: ignore[arg-type]


@pytest.fixture
def desk(cycles: Cycles) -> Cycles:
    """Alice: 0.301 BTC at binance, 0.1 BTC at okx."""
    cycles.configure(binance(Wallet.SPOT), okx(Wallet.TRADING))
    cycles.venue.holdings[SPOT] = btc("0.301")
    cycles.venue.holdings[TRADING] = btc("0.1")
    for name in ("binance:main", "okx:main"):
        cycles.venue.flows_by_account[name] = []
    return cycles


async def test_the_two_ends_of_a_move_cancel_and_the_way_between_is_in_transit(desk: Cycles) -> None:
    await desk.at(NOON)
    desk.venue.flows_by_account["binance:main"] = [left(NOON + timedelta(seconds=30))]
    desk.venue.holdings[SPOT] = btc("0.2")
    assert [equity(await desk.next()) for _ in range(2)] == [15_000.0, 15_000.0]
    (flow,) = desk.rows("cash_flows")
    assert (flow["scope"], flow["pair_id"]) == ("external", None)
    desk.venue.flows_by_account["okx:main"] = [came(NOON + timedelta(seconds=150))]
    desk.venue.holdings[TRADING] = btc("0.2")
    assert equity(await desk.next()) == 20_000.0
    rows = desk.rows("cash_flows")
    assert {row["scope"] for row in rows} == {"internal"}
    assert len({row["pair_id"] for row in rows}) == 1
    curve = [row["equity"] for row in desk.rows("portfolio_snapshots")]
    assert curve == [20_050.0, 20_000.0, 20_000.0, 20_000.0]
    for name in ("net_exposure", "gross_exposure", "gross_instrument_exposure"):
        assert [row[name] for row in desk.rows("portfolio_snapshots")] == curve, "coins on their way are still held"
    assert {row["slot"]: row["equity"] for row in desk.rows("wallets", wallet="in_transit")} == {
        NOON + MINUTE: 5_000.0,
        NOON + 2 * MINUTE: 5_000.0,
    }
    assert {row["reason"] for row in desk.rows("restatements")} == {"in_transit"}


async def test_the_day_of_a_move_has_no_cash_flow_but_its_fee(desk: Cycles) -> None:
    await desk.at(NOON)
    desk.venue.flows_by_account["binance:main"] = [left(NOON + timedelta(seconds=30))]
    desk.venue.holdings[SPOT] = btc("0.2")
    await desk.next()
    desk.venue.flows_by_account["okx:main"] = [came(NOON + timedelta(seconds=90))]
    desk.venue.holdings[TRADING] = btc("0.2")
    await desk.next()
    await desk.at(MIDNIGHT + timedelta(days=1))
    (day,) = desk.rows("performance_history")
    assert (day["cash_flow"], day["pnl"]) == (0.0, -50.0)


async def test_a_move_is_told_anew_once_however_often_it_is_run(desk: Cycles) -> None:
    await test_the_two_ends_of_a_move_cancel_and_the_way_between_is_in_transit(desk)
    desk.restart()
    await desk.next()
    assert [row["equity"] for row in desk.rows("portfolio_snapshots")][:4] == [20_050.0, 20_000.0, 20_000.0, 20_000.0]


async def test_what_goes_to_a_stranger_stays_external(desk: Cycles) -> None:
    await desk.at(NOON)
    desk.venue.flows_by_account["binance:main"] = [left(NOON + timedelta(seconds=30))]
    desk.venue.flows_by_account["okx:main"] = [came(NOON + timedelta(seconds=40), txid="cd" * 32)]
    desk.venue.holdings[SPOT] = btc("0.2")
    desk.venue.holdings[TRADING] = btc("0.2")
    await desk.next()
    assert {row["scope"] for row in desk.rows("cash_flows")} == {"external"}


# ---------------------------------------------------------------- accounts that come and go


async def test_an_account_that_joins_brings_its_equity_as_a_flow(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT))
    cycles.venue.holdings[SPOT] = btc("0.1")
    await cycles.at(NOON)
    assert cycles.rows("cash_flows") == []
    cycles.configure(binance(Wallet.SPOT), okx(Wallet.TRADING))
    cycles.venue.holdings[TRADING] = (Balance("USDT", Decimal(700)),)
    assert equity(await cycles.next()) == 5_700.0
    (joined,) = cycles.rows("cash_flows")
    assert (joined["kind"], joined["account"], joined["value"], joined["scope"]) == (
        "joined",
        "okx:main",
        700.0,
        "external",
    )
    await cycles.at(MIDNIGHT + timedelta(days=1))
    (day,) = cycles.rows("performance_history")
    assert (day["cash_flow"], day["pnl"], day["day_return"]) == (700.0, 0.0, 0.0)


async def test_an_account_that_leaves_takes_it_away(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT), okx(Wallet.TRADING))
    cycles.venue.holdings[SPOT] = btc("0.1")
    cycles.venue.holdings[TRADING] = (Balance("USDT", Decimal(700)),)
    await cycles.at(NOON)
    cycles.configure(binance(Wallet.SPOT))
    cycles.restart()
    assert equity(await cycles.next()) == 5_000.0
    (gone,) = cycles.rows("cash_flows")
    assert (gone["kind"], gone["account"], gone["value"]) == ("left", "okx:main", -700.0)
    await cycles.next()
    assert len(cycles.rows("cash_flows")) == 1


async def test_each_account_is_valued_at_its_own_region(cycles: Cycles) -> None:
    world, europe = okx(Wallet.TRADING), Account("alice", "okx", "eu", wallets=(Wallet.FUNDING,), region="eea")
    cycles.configure(world, europe)
    cycles.venue.prices["SOL"] = Decimal(100)
    cycles.venue.holdings[TRADING] = btc("0.1")
    cycles.venue.holdings["alice", Wallet.FUNDING] = (Balance("SOL", Decimal(2)),)
    report = await cycles.next()
    assert (grade(report), equity(report)) == ("complete", 5_200.0)
    assert cycles.rows("portfolio_snapshots")[-1]["gross_exposure"] == 5_200.0
    assert {row["asset"] for row in cycles.rows("prices")} >= {"BTC", "SOL"}
