"""What is easily told twice, half or never: moves that overlap, cross midnight, or meet a doubted slot."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cycles import MINUTE, Cycles, binance, equity, grade, okx
from fake_venues import MIDNIGHT, Died, btc

from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.holdings import Balance

NOON = MIDNIGHT + timedelta(hours=12)
SPOT, TRADING = ("alice", Wallet.SPOT), ("alice", Wallet.TRADING)


def left(name: str, at: datetime, quantity: str = "0.1", asset: str = "BTC") -> CashFlow:
    """A withdrawal without a fee, whose transaction is named after it."""
    return CashFlow(at, f"w{name}", "withdrawal", asset, -Decimal(quantity), Decimal(0), name * 64)


def came(name: str, at: datetime, quantity: str = "0.1", asset: str = "BTC") -> CashFlow:
    return CashFlow(at, f"d{name}", "deposit", asset, Decimal(quantity), Decimal(0), name * 64)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def desk(cycles: Cycles) -> Cycles:
    """Alice: 0.4 BTC (20,000) at binance, 0.1 BTC at okx (5,000)."""
    cycles.configure(binance(Wallet.SPOT), okx(Wallet.TRADING))
    hold(cycles, "0.4", "0.1")
    for name in ("binance:main", "okx:main"):
        cycles.venue.flows_by_account[name] = []
    return cycles


def hold(desk: Cycles, at_binance: str, at_okx: str) -> None:
    desk.venue.holdings[SPOT] = btc(at_binance)
    desk.venue.holdings[TRADING] = btc(at_okx)


def tell(desk: Cycles, *flows: CashFlow) -> None:
    for flow in flows:
        desk.venue.flows_by_account["binance:main" if flow.kind == "withdrawal" else "okx:main"].append(flow)


def curve(desk: Cycles) -> list[float | None]:
    return [row["equity"] for row in sorted(desk.rows("portfolio_snapshots"), key=lambda row: row["slot"])]


# ---------------------------------------------------------------- several moves at once


async def test_two_moves_under_way_at_once_add_up(desk: Cycles) -> None:
    await desk.at(NOON)
    tell(desk, left("a", after(30)), left("b", after(90)))
    hold(desk, "0.3", "0.1")
    await desk.next()
    hold(desk, "0.2", "0.1")
    await desk.next()
    tell(desk, came("a", after(150)))
    hold(desk, "0.2", "0.2")
    await desk.next()
    tell(desk, came("b", after(210)))
    hold(desk, "0.2", "0.3")
    await desk.next()
    assert curve(desk) == [25_000.0] * 5
    under_way = {row["slot"] - NOON: row["equity"] for row in desk.rows("wallets", wallet="in_transit")}
    assert under_way == {1 * MINUTE: 5_000.0, 2 * MINUTE: 10_000.0, 3 * MINUTE: 5_000.0}
    held = [row["value"] for row in desk.rows("balances", wallet="in_transit", slot=NOON + 2 * MINUTE)]
    assert sum(held) == 10_000.0


async def test_two_moves_that_arrive_in_the_same_cycle_add_up(desk: Cycles) -> None:
    await desk.at(NOON)
    tell(desk, left("a", after(30)), left("b", after(40)))
    hold(desk, "0.2", "0.1")
    await desk.next()
    tell(desk, came("a", after(70)), came("b", after(80)))
    hold(desk, "0.2", "0.3")
    await desk.next()
    assert curve(desk) == [25_000.0] * 3
    (row,) = desk.rows("wallets", wallet="in_transit")
    assert row["equity"] == 10_000.0


async def test_a_venue_that_tells_a_found_move_in_other_words_does_not_part_it(desk: Cycles) -> None:
    await desk.at(NOON)
    tell(desk, left("a", after(30)))
    hold(desk, "0.3", "0.1")
    await desk.next()
    tell(desk, came("a", after(70)))
    hold(desk, "0.3", "0.2")
    await desk.next()
    desk.venue.flows_by_account["binance:main"] = [
        CashFlow(after(35), "wa", "withdrawal", "BTC", Decimal("-0.1"), Decimal(0), "a" * 64 + ":0")
    ]
    await desk.next()
    rows = desk.rows("cash_flows")
    assert [(row["scope"], row["pair_id"]) for row in rows] == [("internal", rows[0]["pair_id"])] * 2
    assert curve(desk) == [25_000.0] * 4


async def test_a_guessed_pair_is_parted_when_the_transaction_shows_the_true_one(desk: Cycles) -> None:
    await desk.at(NOON)
    stranger = CashFlow(after(70), "d1", "deposit", "BTC", Decimal("0.1"), Decimal(0), "")
    tell(desk, left("a", after(30)))
    hold(desk, "0.3", "0.1")
    await desk.next()
    tell(desk, stranger)
    hold(desk, "0.3", "0.2")
    await desk.next()
    assert {row["scope"] for row in desk.rows("cash_flows")} == {"internal"}, "nobody else was in question"
    assert curve(desk) == [25_000.0] * 3
    tell(desk, came("a", after(130)))
    hold(desk, "0.3", "0.3")
    await desk.next()
    scopes = {row["flow_id"]: row["scope"] for row in desk.rows("cash_flows")}
    assert scopes == {"wa": "internal", "da": "internal", "d1": "external"}
    assert curve(desk) == [25_000.0, 25_000.0, 30_000.0, 30_000.0]
    held = [row["value"] for row in desk.rows("balances", wallet="in_transit", slot=NOON + MINUTE)]
    assert sum(held) == 5_000.0, "taken out, and put in again"
    assert {row["reason"] for row in desk.rows("restatements", table="portfolio_snapshots")} == {"in_transit", "parted"}


async def test_a_guessed_pair_whose_ends_turn_out_to_be_two_transactions_is_parted(desk: Cycles) -> None:
    await desk.at(NOON)
    tell(desk, left("a", after(30)))
    hold(desk, "0.3", "0.1")
    await desk.next()
    guess = CashFlow(after(70), "d1", "deposit", "BTC", Decimal("0.1"), Decimal(0), "")
    tell(desk, guess)
    hold(desk, "0.3", "0.2")
    await desk.next()
    desk.venue.flows_by_account["okx:main"] = [replace(guess, txid="b" * 64)]
    await desk.next()
    assert {row["scope"] for row in desk.rows("cash_flows")} == {"external"}
    assert curve(desk) == [25_000.0, 20_000.0, 25_000.0, 25_000.0]


async def test_coins_of_which_none_are_left_keep_their_price_on_the_way(desk: Cycles) -> None:
    desk.venue.prices["SOL"] = Decimal(2_000)
    desk.venue.holdings[SPOT] = (*btc("0.4"), Balance("SOL", Decimal(5)))
    assert equity(await desk.at(NOON)) == 35_000.0
    tell(desk, left("a", after(30), "5", "SOL"))
    desk.venue.holdings[SPOT] = btc("0.4")
    await desk.next()
    tell(desk, came("a", after(150), "5", "SOL"))
    assert equity(await desk.next()) == 25_000.0
    desk.venue.holdings[TRADING] = (*btc("0.1"), Balance("SOL", Decimal(5)))
    await desk.next()
    assert curve(desk) == [35_000.0] * 4


async def test_a_process_that_dies_between_the_telling_and_the_commit_tells_once(
    desk: Cycles, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.at(NOON)
    tell(desk, left("a", after(30)), left("b", after(35)))
    hold(desk, "0.2", "0.1")
    await desk.next()
    tell(desk, came("a", after(70)), came("b", after(75)))
    hold(desk, "0.2", "0.3")
    real = desk.store.commit

    def dying(tables: Any, **place: Any) -> Any:
        if place["sync_id"].startswith("sync-"):
            raise Died
        return real(tables, **place)

    monkeypatch.setattr(desk.store, "commit", dying)
    with pytest.raises(Died):
        await desk.next()
    monkeypatch.undo()
    assert curve(desk) == [25_000.0] * 2
    desk.restart()
    await desk.next()
    assert curve(desk) == [25_000.0] * 3
    assert {row["scope"] for row in desk.rows("cash_flows")} == {"internal"}
    assert len(desk.rows("balances", wallet="in_transit")) == 2


# ---------------------------------------------------------------- midnight


async def test_a_move_over_midnight_leaves_both_days_without_a_loss(desk: Cycles) -> None:
    midnight = MIDNIGHT + timedelta(days=1)
    await desk.at(midnight - 2 * MINUTE)
    tell(desk, left("a", midnight - timedelta(seconds=90)))
    hold(desk, "0.3", "0.1")
    await desk.next()
    await desk.next()
    (day,) = desk.rows("performance_history")
    assert (day["cash_flow"], day["pnl"]) == (-5_000.0, 0.0)
    tell(desk, came("a", midnight + timedelta(seconds=30)))
    hold(desk, "0.3", "0.2")
    await desk.next()
    (day,) = desk.rows("performance_history")
    assert (day["cash_flow"], day["pnl"], day["closing_equity"]) == (0.0, 0.0, 25_000.0)
    await desk.at(midnight + timedelta(days=1))
    days = desk.rows("performance_history")
    assert [(row["cash_flow"], row["pnl"], row["day_return"]) for row in days] == [(0.0, 0.0, 0.0)] * 2


async def test_a_move_over_several_days_has_all_of_them_told_anew(desk: Cycles) -> None:
    await desk.at(NOON)
    tell(desk, left("a", after(30)))
    hold(desk, "0.3", "0.1")
    for hours in (12, 24, 24, 6):
        await desk.next(60 * hours)
    tell(desk, came("a", desk.clock.now + MINUTE))
    hold(desk, "0.3", "0.2")
    await desk.next(60)
    assert curve(desk) == [25_000.0] * 6
    days = desk.rows("performance_history")
    assert [(row["cash_flow"], row["pnl"]) for row in days] == [(0.0, 0.0)] * 3


# ---------------------------------------------------------------- what was before


async def test_flows_before_the_first_slot_are_earlier_even_when_read_in_the_first_cycle(desk: Cycles) -> None:
    tell(desk, left("a", NOON - timedelta(hours=30)), came("b", NOON - timedelta(minutes=1)))
    await desk.at(NOON)
    assert {row["scope"] for row in desk.rows("cash_flows")} == {"earlier"}


async def test_while_a_book_was_never_whole_its_flows_are_earlier(desk: Cycles) -> None:
    desk.venue.faults["alice", "trading"] = TimeoutError()
    tell(desk, came("b", NOON - timedelta(seconds=30)))
    assert grade(await desk.at(NOON)) == "partial"
    tell(desk, came("c", NOON + timedelta(seconds=20)))
    del desk.venue.faults["alice", "trading"]
    assert grade(await desk.next()) == "complete"
    tell(desk, came("d", NOON + timedelta(seconds=70)))
    await desk.next()
    scopes = {row["flow_id"]: row["scope"] for row in desk.rows("cash_flows")}
    assert scopes == {"db": "earlier", "dc": "earlier", "dd": "external"}


async def test_an_account_that_comes_back_brings_its_equity_once(desk: Cycles) -> None:
    await desk.at(NOON)
    both = desk.settings.accounts
    desk.configure(both[0])
    await desk.next()
    tell(desk, came("x", after(75), "0.5"))
    desk.configure(*both)
    hold(desk, "0.4", "0.6")
    assert equity(await desk.next()) == 50_000.0
    desk.restart()
    await desk.next()
    crossing = [row["value"] for row in desk.rows("cash_flows", scope="external")]
    assert sorted(crossing) == [-5_000.0, 30_000.0]
    await desk.at(MIDNIGHT + timedelta(days=1))
    (day,) = desk.rows("performance_history")
    assert (day["cash_flow"], day["pnl"]) == (25_000.0, 0.0)


# ---------------------------------------------------------------- doubted slots


async def test_a_doubted_slot_that_turns_out_true_has_what_was_under_way_in_it(desk: Cycles) -> None:
    """Both are told late: the move arrives while the slot is doubted, the doubt ends after it."""
    desk.venue.holdings[TRADING] = (*btc("0.1"), Balance("ETH", Decimal(5)))
    await desk.at(NOON)
    tell(desk, left("a", after(30)))
    hold(desk, "0.3", "0.1")  # the five ETH are gone, and nothing tells where
    assert grade(await desk.next()) == "suspect"
    tell(desk, came("a", after(90)))
    hold(desk, "0.3", "0.2")
    assert grade(await desk.next()) == "suspect"
    assert grade(await desk.next()) == "complete"
    assert curve(desk) == [35_000.0, 25_000.0, 25_000.0, 25_000.0]


async def test_two_doubts_that_began_apart_end_together(desk: Cycles) -> None:
    desk.configure(binance(Wallet.SPOT, Wallet.FUNDING))
    desk.venue.holdings["alice", Wallet.FUNDING] = (Balance("USDT", Decimal(1_000)),)
    await desk.at(NOON)
    desk.venue.holdings["alice", Wallet.FUNDING] = ()
    assert grade(await desk.next()) == "suspect"
    desk.venue.holdings[SPOT] = ()
    assert [grade(await desk.next()) for _ in range(3)] == ["suspect", "suspect", "complete"]
    assert curve(desk) == [21_000.0, 20_000.0, 0.0, 0.0, 0.0]
    assert {row["state"] for row in desk.rows("suspicions")} == {"confirmed"}


async def test_a_true_change_does_not_make_a_false_one_beside_it_true(desk: Cycles) -> None:
    desk.configure(binance(Wallet.SPOT, Wallet.FUNDING))
    desk.venue.holdings["alice", Wallet.FUNDING] = (Balance("USDT", Decimal(1_000)),)
    await desk.at(NOON)
    desk.venue.holdings["alice", Wallet.FUNDING] = ()
    desk.venue.holdings[SPOT] = ()
    assert [grade(await desk.next()) for _ in range(2)] == ["suspect", "suspect"]
    desk.venue.holdings[SPOT] = btc("0.4")
    assert equity(await desk.next()) == 20_000.0
    assert curve(desk) == [21_000.0, None, None, 20_000.0]


async def test_what_is_seen_must_be_the_same_each_time(desk: Cycles) -> None:
    await desk.at(NOON)
    seen = []
    for quantity in ("9", "0.0001", "7"):
        hold(desk, quantity, "0.1")
        seen.append(grade(await desk.next()))
    assert seen == ["suspect"] * 3
    hold(desk, "0.4", "0.1")
    assert equity(await desk.next()) == 25_000.0
    assert curve(desk) == [25_000.0, None, None, None, 25_000.0]
