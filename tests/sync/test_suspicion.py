"""Quarantine: what vanished or jumped without a reason has no equity until it is seen again or explained."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from cycles import MINUTE, Cycles, binance, equity, grade
from fake_venues import btc

from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.holdings import Balance

SPOT, FUTURES = ("alice", Wallet.SPOT), ("alice", Wallet.USD_M)


@pytest.fixture
def book(cycles: Cycles) -> Cycles:
    """Alice: 0.1 BTC (5,000) in spot, 1,000 USDT in funding."""
    cycles.configure(binance(Wallet.SPOT, Wallet.FUNDING))
    cycles.venue.holdings[SPOT] = btc("0.1")
    cycles.venue.holdings["alice", Wallet.FUNDING] = (Balance("USDT", Decimal(1_000)),)
    return cycles


async def test_a_momentarily_empty_wallet_makes_no_false_equity(book: Cycles) -> None:
    await book.next()
    book.venue.holdings[SPOT] = ()
    report = await book.next()
    assert (grade(report), equity(report)) == ("suspect", None)
    assert "BTC in binance:main spot vanished from 0.1 to 0" in report.users[0].reason
    assert (book.wallet("spot")["grade"], book.wallet("funding")["grade"]) == ("suspect", "ok")
    book.venue.holdings[SPOT] = btc("0.1")
    assert equity(await book.next()) == 6_000.0
    (row,) = book.rows("suspicions")
    assert (row["state"], row["kind"], row["before"], row["seen"]) == ("withdrawn", "vanished", Decimal("0.1"), 0)
    assert [row["grade"] for row in book.rows("portfolio_snapshots")] == ["complete", "suspect", "complete"]


async def test_what_is_seen_three_times_is_true_since_its_first_sight(book: Cycles) -> None:
    await book.next()
    first = book.clock.now
    book.venue.holdings[SPOT] = ()
    assert [grade(await book.next()) for _ in range(3)] == ["suspect", "suspect", "complete"]
    curve = {row["slot"] - first: row["equity"] for row in book.rows("portfolio_snapshots")}
    assert curve == {0 * MINUTE: 6_000.0, 1 * MINUTE: 1_000.0, 2 * MINUTE: 1_000.0, 3 * MINUTE: 1_000.0}
    (row,) = book.rows("suspicions")
    assert (row["state"], row["sightings"], row["first_slot"]) == ("confirmed", 3, first + MINUTE)
    told = book.rows("restatements", table="portfolio_snapshots")
    assert [row["reason"] for row in told] == ["confirmed", "confirmed"]
    assert json.loads(told[0]["detail"]) == {"grade": "suspect", "equity": None}


async def test_a_slot_that_turned_out_true_has_its_exposure(book: Cycles) -> None:
    await book.next()
    first = book.clock.now
    book.venue.holdings[SPOT] = btc("1.5")
    for _ in range(3):
        await book.next()
    names = ("net_exposure", "gross_exposure", "gross_instrument_exposure", "long_exposure", "short_exposure")
    told = [[row[name] for name in names] for row in book.rows("portfolio_snapshots") if row["slot"] > first]
    assert told == [[75_000.0, 75_000.0, 75_000.0, 75_000.0, 0.0]] * 3
    assert {row["opaque_value"] for row in book.rows("portfolio_snapshots")} == {0.0}


async def test_the_count_survives_a_restart(book: Cycles) -> None:
    await book.next()
    book.venue.holdings[SPOT] = ()
    seen = []
    for _ in range(3):
        book.restart()
        seen.append(grade(await book.next()))
    assert seen == ["suspect", "suspect", "complete"]


async def test_a_thousandfold_jump_is_not_believed(book: Cycles) -> None:
    await book.next()
    book.venue.holdings[SPOT] = btc("100")
    assert equity(await book.next()) is None
    book.venue.holdings[SPOT] = btc("0.1")
    assert equity(await book.next()) == 6_000.0


async def test_a_trade_pays_for_itself(book: Cycles) -> None:
    await book.next()
    book.venue.holdings[SPOT] = (Balance("USDT", Decimal(4_990)),)
    report = await book.next()
    assert (grade(report), equity(report)) == ("complete", 5_990.0)


async def test_a_transfer_to_another_wallet_pays_for_itself(book: Cycles) -> None:
    await book.next()
    book.venue.holdings[SPOT] = ()
    book.venue.holdings["alice", Wallet.FUNDING] = (Balance("USDT", Decimal(1_000)), *btc("0.1"))
    assert equity(await book.next()) == 6_000.0


async def test_a_withdrawal_that_the_ledger_tells_of_is_believed_at_once(book: Cycles) -> None:
    await book.next()
    at = book.clock.now + timedelta(seconds=30)
    book.venue.flows["alice"] = [CashFlow(at, "w1", "withdrawal", "BTC", Decimal("-0.1"), Decimal(0), "")]
    book.venue.holdings[SPOT] = ()
    report = await book.next()
    assert (grade(report), equity(report)) == ("complete", 1_000.0)


async def test_a_ledger_that_tells_later_ends_the_doubt_and_restates_the_first_sight(book: Cycles) -> None:
    await book.next()
    first = book.clock.now
    book.venue.holdings[SPOT] = ()
    assert grade(await book.next()) == "suspect"
    book.venue.flows["alice"] = [
        CashFlow(first + timedelta(seconds=30), "w1", "withdrawal", "BTC", Decimal("-0.1"), Decimal(0), "")
    ]
    assert equity(await book.next()) == 1_000.0
    assert book.snapshot(first + MINUTE)["equity"] == 1_000.0
    assert [row["state"] for row in book.rows("suspicions")] == ["explained"]


async def test_small_change_is_never_doubted(book: Cycles) -> None:
    book.venue.holdings[SPOT] = (*btc("0.1"), Balance("ETH", Decimal("0.02")))
    await book.next()
    book.venue.holdings[SPOT] = btc("0.1")
    assert equity(await book.next()) == 6_000.0


async def test_a_restated_day_has_its_performance_told_anew(book: Cycles) -> None:
    await book.next(60 * 23 + 57)
    book.venue.holdings[SPOT] = ()
    assert [grade(await book.next()) for _ in range(2)] == ["suspect", "suspect"]
    await book.next()
    (day,) = [row for row in book.rows("performance_history") if row["day"] == (book.clock.now - MINUTE).date()]
    assert (day["opening_equity"], day["closing_equity"]) == (6_000.0, 1_000.0)
