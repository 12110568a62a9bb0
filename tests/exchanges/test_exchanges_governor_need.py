"""Asked by need: positions where the account's own answer shows some, and in full where there is room for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from portfolio_lab.errors import AnswerShapeError, PostponedError
from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.exchanges.binance.endpoints import FAPI
from portfolio_lab.exchanges.gate import Gate
from portfolio_lab.exchanges.governor import Budget, Governor, Priority, hurried
from portfolio_lab.models.accounts import Account, Credentials, Wallet
from portfolio_lab.models.holdings import Position

ACCOUNT, RISK = "/fapi/v3/account", "/fapi/v3/positionRisk"
START = datetime(2026, 1, 1, tzinfo=UTC)
D = Decimal

NO_MARGIN = {"positionInitialMargin": "0", "openOrderInitialMargin": "0", "maintMargin": "0"}


class Desk:
    """One account at a venue of a few lines, on a clock that only sleeping and the test move."""

    def __init__(self, wire: Any) -> None:
        self.wire, self.now = wire, START
        self.reader: AccountReader
        self.assets, self.lines = wire.answers[ACCOUNT]["assets"], wire.answers[ACCOUNT]["positions"]
        self.lines[0] |= {"notional": "-30500", "updateTime": 7}

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def positions(self) -> tuple[Position, ...]:
        return (await self.reader.fetch_wallet(Wallet.USD_M)).positions

    def asked(self) -> int:
        return int(self.wire.count(RISK))

    async def leave(self, weight: int) -> None:
        """Spend the minute's budget of USD-M but for so much weight."""
        governor: Governor = self.reader.market._governor
        governor.forget()
        async with governor.admitted(FAPI, 1) as turn:
            turn.used, turn.is_answered = round(FAPI.usable) - weight, True


@pytest_asyncio.fixture
async def desk(wire: Any) -> AsyncIterator[Desk]:
    one = Desk(wire)
    async with Hub(clock=one.clock, deadline=5.0, sleep=one.sleep) as hub:
        account = Account("ann", "binance", "main", base_url=wire.url, wallets=(Wallet.USD_M,))
        one.reader = await hub.reader(account, Credentials("key", "secret"))
        yield one


# ---------------------------------------------------------------- nothing is open


async def test_an_account_that_shows_no_position_and_no_margin_is_not_asked_for_positions(desk: Desk) -> None:
    desk.assets[0] |= {**NO_MARGIN, "unrealizedProfit": "0", "marginBalance": "1000"}
    desk.lines.clear()
    reading = await desk.reader.fetch_wallet(Wallet.USD_M)
    assert (reading.positions, reading.balances[0].quantity, desk.asked()) == ((), D(1000), 0)
    assert [mark.endpoint for mark in reading.answers] == [ACCOUNT]


async def test_margin_without_a_listed_position_is_asked_after(desk: Desk) -> None:
    desk.assets[0] |= {**NO_MARGIN, "maintMargin": "3", "unrealizedProfit": "0", "marginBalance": "1000"}
    desk.lines.clear()
    desk.wire.answers[RISK] = []
    await desk.positions()
    assert desk.asked() == 1


async def test_an_answer_that_does_not_tell_of_margin_is_no_proof_of_nothing(desk: Desk) -> None:
    desk.assets[0] |= {"unrealizedProfit": "0", "marginBalance": "1000"}
    desk.lines.clear()
    desk.wire.answers[RISK] = []
    await desk.positions()
    assert desk.asked() == 1


async def test_a_position_that_is_opened_between_two_readings_is_seen_in_the_second(desk: Desk) -> None:
    (line,) = desk.lines
    earlier = {**desk.assets[0]}
    desk.assets[0] |= {**NO_MARGIN, "unrealizedProfit": "0", "marginBalance": "1000"}
    desk.lines.clear()
    assert await desk.positions() == ()
    desk.lines.append(line)
    desk.assets[0] |= earlier
    assert [one.quantity for one in await desk.positions()] == [D("-0.5")]


async def test_coin_m_positions_are_not_asked_for_where_there_are_none(desk: Desk) -> None:
    told = desk.wire.answers["/dapi/v1/account"]
    told["assets"][0] |= {**NO_MARGIN, "unrealizedProfit": "0", "marginBalance": "2"}
    told["positions"][0] |= {"positionAmt": "0", "unrealizedProfit": "0"}
    reading = await desk.reader.fetch_wallet(Wallet.COIN_M)
    assert (reading.positions, desk.wire.count("/dapi/v1/positionRisk")) == ((), 0)


# ---------------------------------------------------------------- what is asked once for all who want it


async def test_identity_and_totals_of_one_cycle_ask_the_mode_once(desk: Desk) -> None:
    desk.wire.answers |= {
        "/sapi/v1/account/apiRestrictions": {"enableReading": True, "ipRestrict": False},
        "/api/v3/account": {"uid": 7},
        "/sapi/v1/asset/wallet/balance": [{"walletName": "Spot", "balance": "1", "activate": True}],
        "/papi/v1/account": {"actualEquity": "20", "accountEquity": "20", "accountStatus": "NORMAL"},
    }
    identity, totals = await asyncio.gather(desk.reader.fetch_identity(), desk.reader.fetch_totals())
    assert (identity.mode, totals.totals[-1].quantity) == ("portfolio_margin", D(20))
    assert desk.wire.count("/papi/v1/account") == 1
    desk.now += timedelta(minutes=1)
    desk.wire.answers["/papi/v1/account"]["actualEquity"] = "30"
    assert (await desk.reader.fetch_totals()).totals[-1].quantity == D(30)


async def test_a_mode_that_could_not_be_told_is_asked_for_again(desk: Desk) -> None:
    desk.wire.answers["/sapi/v1/asset/wallet/balance"] = [{"walletName": "Spot", "balance": "1", "activate": True}]
    desk.wire.answers["/papi/v1/account"] = {"actualEquity": "much"}
    with pytest.raises(AnswerShapeError):
        await desk.reader.fetch_totals()
    desk.wire.answers["/papi/v1/account"] = {"actualEquity": "20", "accountEquity": "20", "accountStatus": "NORMAL"}
    assert (await desk.reader.fetch_totals()).totals[-1].quantity == D(20)


# ---------------------------------------------------------------- something is open


async def test_with_room_the_positions_are_told_in_full_each_time(desk: Desk) -> None:
    for _ in range(3):
        (one,) = await desk.positions()
        assert (one.entry_price, one.mark_price, one.details_at) == (D(60_000), D(61_000), None)
    assert desk.asked() == 3


async def test_without_room_entry_stays_and_mark_and_pnl_are_of_now(desk: Desk) -> None:
    desk.wire.answers[RISK][0]["liquidationPrice"] = "70000"
    await desk.positions()
    desk.now += timedelta(minutes=1)
    await desk.leave(5)  # the account answer takes them
    desk.lines[0] |= {"notional": "-31000", "unrealizedProfit": "-1000"}
    desk.assets[0] |= {"unrealizedProfit": "-1000", "marginBalance": "0"}
    reading = await desk.reader.fetch_wallet(Wallet.USD_M)
    (one,) = reading.positions
    assert (one.entry_price, one.mark_price, one.unrealised_pnl) == (D(60_000), D(62_000), D(-1_000))
    assert (one.liquidation_price, one.details_at) == (D(70_000), START)
    assert (desk.asked(), desk.now) == (1, START + timedelta(minutes=1))
    assert reading.received_at == desk.now


async def test_a_first_reading_without_room_has_an_entry_that_is_worked_back_and_no_liquidation_price(
    desk: Desk,
) -> None:
    desk.wire.answers[RISK][0]["liquidationPrice"] = "70000"
    await desk.leave(5)
    desk.lines[0] |= {"notional": "-31000", "unrealizedProfit": "-1000"}  # 0.5 short at 62,000
    desk.assets[0] |= {"unrealizedProfit": "-1000", "marginBalance": "0"}
    reading = await desk.reader.fetch_wallet(Wallet.USD_M)
    (one,) = reading.positions
    assert (one.quantity, one.entry_price, one.mark_price, one.unrealised_pnl) == (D("-0.5"), 60_000, 62_000, -1_000)
    assert (one.liquidation_price, one.underlying, one.settle_asset, desk.asked()) == (None, "BTC", "USDT", 0)
    assert [mark.endpoint for mark in reading.answers] == [ACCOUNT]
    desk.now += timedelta(minutes=1)
    desk.wire.answers[RISK][0] |= {"markPrice": "62000", "unRealizedProfit": "-1000"}
    (one,) = await desk.positions()
    assert (one.liquidation_price, desk.asked()) == (70_000, 1)


async def test_a_first_reading_whose_answer_tells_too_little_is_waited_for(desk: Desk) -> None:
    await desk.leave(5)
    desk.lines[0]["notional"] = ""
    began = desk.now
    (one,) = await desk.positions()
    assert (one.entry_price, desk.asked()) == (60_000, 1)
    assert desk.now > began


async def test_a_position_that_has_changed_is_waited_for(desk: Desk) -> None:
    await desk.positions()
    for change in ({"updateTime": 8}, {"positionAmt": "-0.6", "notional": "-36600"}, {"positionSide": "SHORT"}):
        await desk.leave(5)
        desk.lines[0] |= change
        row = desk.wire.answers[RISK][0]
        row |= {name: desk.lines[0][name] for name in ("positionAmt", "positionSide")}
        row["unRealizedProfit"] = str(D(row["positionAmt"]) * 1_000)
        before, began = desk.asked(), desk.now
        (one,) = await desk.positions()
        assert (desk.asked(), one.details_at) == (before + 1, None)
        assert desk.now > began  # it stood in line


async def test_a_pnl_that_is_not_that_of_the_carried_entry_is_asked_after(desk: Desk) -> None:
    await desk.positions()
    await desk.leave(5)
    desk.lines[0] |= {"notional": "-31000", "unrealizedProfit": "-990"}
    desk.assets[0] |= {"unrealizedProfit": "-990", "marginBalance": "10"}
    await desk.positions()
    assert desk.asked() == 2


async def test_details_are_carried_for_ten_minutes_at_most(desk: Desk) -> None:
    await desk.positions()
    for minutes in range(1, 10):
        desk.now = START + timedelta(minutes=minutes)
        await desk.leave(5)
        await desk.positions()
    assert desk.asked() == 1
    desk.now = START + timedelta(minutes=10)
    await desk.leave(5)
    await desk.positions()
    assert desk.asked() == 2


# ---------------------------------------------------------------- what is held back for orders


async def test_margin_that_is_held_for_orders_is_told_by_asset(desk: Desk) -> None:
    reading = await desk.reader.fetch_wallet(Wallet.USD_M)
    assert reading.locks is None  # this answer does not tell
    desk.assets[0] |= NO_MARGIN
    assert (await desk.reader.fetch_wallet(Wallet.USD_M)).locks == frozenset()
    desk.assets[0]["openOrderInitialMargin"] = "12.5"
    assert (await desk.reader.fetch_wallet(Wallet.USD_M)).locks == {"USDT"}


async def test_coins_that_are_locked_in_spot_are_told(desk: Desk) -> None:
    assert (await desk.reader.fetch_wallet(Wallet.SPOT)).locks == {"BTC"}
    desk.wire.answers["/sapi/v3/asset/getUserAsset"][0]["locked"] = "0"
    assert (await desk.reader.fetch_wallet(Wallet.SPOT)).locks == frozenset()


# ---------------------------------------------------------------- only where there is room now


async def test_who_asks_only_where_there_is_room_now_does_not_stand_in_a_line() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    governor = Governor(venue="binance", clock=lambda: START, sleep=sleep)
    budget = Budget("api", 100)
    governor._lines["api", Priority.SLOW] = deque([(1, asyncio.Event())])
    with hurried(first=0.0, rest=0.0), pytest.raises(PostponedError):
        async with governor.admitted(budget, 1, Priority.SLOW):
            pass
    assert slept == []


# ---------------------------------------------------------------- who goes through the gate


async def passing(gate: Gate, name: str, priority: int, order: list[str], may_end: asyncio.Event) -> None:
    async with gate.passed(priority):
        order.append(name)
        await may_end.wait()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_core_goes_through_the_gate_before_history_that_has_waited_longer() -> None:
    gate, order, end = Gate(1), list[str](), asyncio.Event()
    asked = []
    for name, priority in (("first", 2), ("history", 2), ("core", 0), ("orders", 1), ("core too", 0)):
        asked.append(asyncio.create_task(passing(gate, name, priority, order, end)))
        await turns()
    assert order == ["first"]
    end.set()
    await asyncio.gather(*asked)
    assert order == ["first", "core", "core too", "orders", "history"]


async def test_a_place_is_not_lost_with_one_who_gives_up_waiting() -> None:
    gate, order, end = Gate(1), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(passing(gate, name, 0, order, end)) for name in ("first", "gone", "next")]
    await turns()
    tasks[1].cancel()
    await turns()
    end.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with gate.passed(0):  # the place is free again
        assert order == ["first", "next"]


async def test_a_place_that_is_given_to_one_who_gives_up_in_that_moment_goes_on() -> None:
    gate, order, end = Gate(1), list[str](), asyncio.Event()
    end.set()
    async with gate.passed(0):
        tasks = [asyncio.create_task(passing(gate, name, 0, order, end)) for name in ("gone", "next")]
        await turns()
    tasks[0].cancel()  # it has been called, and has not run yet
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["next"]
