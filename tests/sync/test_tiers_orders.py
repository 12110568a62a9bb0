"""Whose resting orders are asked for when: at once where a lock shows them, and seldom anyway."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from cycles import Cycles, binance, okx
from fake_venues import MIDNIGHT

from portfolio_lab.errors import DeadlineError, PostponedError, UnreachableError, WalletRefusedError
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import OpenOrder

SPOT, USD_M = ("alice", Wallet.SPOT), ("alice", Wallet.USD_M)
GUARD = 15
"""Minutes from one full sweep to the next."""


def order(number: str, wallet: Wallet = Wallet.SPOT, *, reduce_only: bool = False) -> OpenOrder:
    return OpenOrder(
        wallet=wallet,
        order_id=number,
        instrument="BTCUSDT",
        underlying="BTC",
        side="buy",
        order_type="limit",
        quantity=Decimal(1),
        filled=Decimal(0),
        price=Decimal(1_000),
        trigger_price=None,
        reduce_only=reduce_only,
        placed_at=MIDNIGHT,
    )


@pytest.fixture
def trader(cycles: Cycles) -> Cycles:
    """Alice: two wallets whose answers tell that nothing is held back for orders."""
    cycles.configure(binance(Wallet.SPOT, Wallet.USD_M))
    cycles.venue.locks |= {SPOT: frozenset(), USD_M: frozenset()}
    return cycles


def resting(cycles: Cycles) -> set[str]:
    return {row["order_id"] for row in cycles.rows("open_orders", slot=cycles.clock.now)}


async def test_wallets_that_hold_nothing_back_are_swept_on_the_slow_tier_only(trader: Cycles) -> None:
    for _ in range(GUARD):
        await trader.next()
    assert trader.asked("open_orders") == 2  # one a wallet
    await trader.next()
    assert trader.asked("open_orders") == 4


async def test_an_order_that_locks_something_is_seen_in_the_cycle_that_sees_the_lock(trader: Cycles) -> None:
    await trader.next()
    trader.venue.orders["alice"] = (order("1"),)
    trader.venue.locks[SPOT] = frozenset({"USDT"})
    await trader.next()
    assert resting(trader) == {"1"}
    assert trader.asked("open_orders") == 3  # the other wallet was left alone


async def test_a_lock_on_another_asset_is_asked_after_and_one_that_is_gone_as_well(trader: Cycles) -> None:
    trader.venue.orders["alice"] = (order("1"),)
    trader.venue.locks[SPOT] = frozenset({"USDT"})
    await trader.next()
    trader.venue.orders["alice"] = (order("1"), order("2"))
    trader.venue.locks[SPOT] = frozenset({"USDT", "BTC"})
    await trader.next()
    assert resting(trader) == {"1", "2"}
    trader.venue.orders["alice"] = ()
    trader.venue.locks[SPOT] = frozenset()
    await trader.next()
    assert resting(trader) == set()


async def test_an_order_that_locks_nothing_is_seen_by_the_sweep_at_the_latest(trader: Cycles) -> None:
    await trader.next()
    trader.venue.orders["alice"] = (order("stop", Wallet.USD_M, reduce_only=True),)
    seen = []
    for _ in range(GUARD):
        await trader.next()
        seen.append(resting(trader))
    assert seen == [set()] * (GUARD - 1) + [{"stop"}]


async def test_orders_that_rest_without_a_lock_are_watched_in_their_own_tier(trader: Cycles) -> None:
    trader.venue.orders["alice"] = (order("stop", Wallet.USD_M, reduce_only=True),)
    await trader.next()
    trader.venue.orders["alice"] = ()
    await trader.next()
    assert resting(trader) == {"stop"}  # carried: two minutes are not over
    await trader.next()
    assert resting(trader) == set()


async def test_orders_that_rest_are_asked_for_in_their_own_tier(trader: Cycles) -> None:
    trader.venue.orders["alice"] = (order("1"),)
    trader.venue.locks[SPOT] = frozenset({"USDT"})
    for _ in range(5):
        await trader.next()
    assert trader.asked("open_orders") == 3 + 1  # spot at 0, 2 and 4 minutes, the other once


async def test_a_reader_sees_how_old_the_knowledge_of_orders_is(trader: Cycles) -> None:
    await trader.next()
    first = trader.clock.now
    trader.venue.locks[SPOT] = frozenset({"USDT"})
    await trader.next(3)
    ages = {name: trader.clock.now - trader.wallet(name)["orders_at"] for name in ("spot", "usd_m")}
    assert ages == {"spot": timedelta(0), "usd_m": trader.clock.now - first}


async def test_no_room_for_orders_keeps_what_is_known_with_its_age_and_is_no_failure(trader: Cycles) -> None:
    trader.venue.orders["alice"] = (order("1"),)
    trader.venue.locks[SPOT] = frozenset({"USDT"})
    await trader.next()
    first = trader.clock.now
    trader.venue.faults["alice", "open_orders"] = PostponedError("no room")
    report = await trader.next(3)
    assert resting(trader) == {"1"}
    assert trader.wallet("spot")["orders_at"] == first
    assert [line.grade for line in report.activity if line.wallet == "open_orders"] == ["ok"]


async def test_orders_that_could_not_be_read_are_a_failure_and_asked_for_again(trader: Cycles) -> None:
    trader.venue.faults["alice", "open_orders"] = UnreachableError("no answer")
    report = await trader.next()
    assert [line.code for line in report.activity if line.wallet == "open_orders"] == ["unreachable"]
    assert trader.wallet("spot")["orders_at"] is None
    del trader.venue.faults["alice", "open_orders"]
    trader.venue.orders["alice"] = (order("1"),)
    await trader.next()
    assert resting(trader) == {"1"}


async def test_a_key_that_may_not_read_any_orders_is_told(trader: Cycles) -> None:
    trader.venue.faults["alice", "open_orders"] = WalletRefusedError("may not")
    report = await trader.next()
    assert [line.code for line in report.activity if line.wallet == "open_orders"] == ["permission"]


async def test_a_venue_that_tells_of_no_locks_is_asked_as_one_in_the_tier_of_orders(cycles: Cycles) -> None:
    cycles.configure(okx(Wallet.TRADING, Wallet.FUNDING))
    for _ in range(4):
        await cycles.next()
    assert cycles.asked("open_orders") == 2


# ---------------------------------------------------------------- who goes first


def first_asked(cycles: Cycles, part: str) -> list[str]:
    return [who for who, what in cycles.venue.asked if what == part]


async def test_whose_orders_are_known_the_longest_goes_first(cycles: Cycles) -> None:
    users = ("ann", "ben", "cleo")
    cycles.configure(*(binance(Wallet.SPOT, user=user) for user in users))
    cycles.venue.faults["ann", "open_orders"] = UnreachableError("no answer")
    await cycles.next()
    cycles.venue.faults = {("ben", "open_orders"): UnreachableError("no answer")}
    await cycles.next(2)
    cycles.venue.faults.clear()
    cycles.venue.asked.clear()
    await cycles.next(3)
    assert first_asked(cycles, "open_orders")[0] == "ben"


async def test_an_account_that_got_no_answer_in_time_is_asked_first_in_the_next_cycle(cycles: Cycles) -> None:
    users = ("ann", "ben", "cleo")
    cycles.configure(*(binance(Wallet.SPOT, user=user) for user in users))
    cycles.venue.faults["cleo", "spot"] = DeadlineError("too late")
    await cycles.next()
    assert first_asked(cycles, "spot") == ["ann", "ben", "cleo"]
    cycles.venue.asked.clear()
    await cycles.next()
    assert first_asked(cycles, "spot")[0] == "cleo"
