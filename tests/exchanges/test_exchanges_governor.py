"""Nobody asks more than the venue allows, and what the venue says is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.errors import BannedError, RateLimitedError
from portfolio_lab.exchanges.governor import Budget, Governor, Priority

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = Budget("api", 100)
SLIDING = Budget("account/balance", 10, 2.0, is_sliding=True)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def governed() -> tuple[Governor, Time]:
    time = Time()
    return Governor(venue="binance", clock=time.clock, sleep=time.sleep), time


async def ask(
    governor: Governor, budget: Budget, weight: int, *, used: int | None = None, priority: Priority = Priority.CORE
) -> None:
    async with governor.admitted(budget, weight, priority) as turn:
        turn.used, turn.is_answered = used, True


async def test_eighty_of_a_hundred_pass_and_the_next_waits_for_the_minute() -> None:
    governor, time = governed()
    time.now += timedelta(seconds=15)
    for _ in range(4):
        await ask(governor, MINUTE, 20)
    assert time.slept == []
    await ask(governor, MINUTE, 20)
    assert time.slept == [45.0]


async def test_the_venues_own_count_is_believed_both_ways() -> None:
    governor, time = governed()
    await ask(governor, MINUTE, 20, used=75)
    await ask(governor, MINUTE, 60, used=5)
    assert time.slept == [60.0]
    await ask(governor, MINUTE, 60)
    assert time.slept == [60.0]


async def test_requests_in_flight_are_not_forgotten_when_an_older_answer_arrives() -> None:
    governor, time = governed()
    async with governor.admitted(MINUTE, 40):
        await ask(governor, MINUTE, 10, used=10)
        await ask(governor, MINUTE, 40)
    assert time.slept == [60.0]


async def test_a_count_of_the_last_minute_says_nothing_about_this_one() -> None:
    governor, time = governed()
    time.now += timedelta(seconds=59)
    async with governor.admitted(MINUTE, 10) as turn:
        time.now += timedelta(seconds=2)
        turn.used = 79
    await ask(governor, MINUTE, 70)
    assert time.slept == []


@pytest.mark.parametrize(("late", "slept"), [(0.5, []), (2.5, []), (3.5, [56.5])])
async def test_a_clock_known_to_two_seconds_does_not_close_the_new_minute(late: float, slept: list[float]) -> None:
    """The venue still counts in the old minute, and its count of that one is no count of the new one."""
    governor, time = governed()
    await ask(governor, MINUTE, 79, used=79)
    time.now += timedelta(seconds=60 + late)
    await ask(governor, MINUTE, 1, used=80)
    await ask(governor, MINUTE, 50)
    assert time.slept == slept


async def test_the_venues_minute_counts_not_ours() -> None:
    time = Time()
    governor = Governor(venue="binance", clock=time.clock, sleep=time.sleep, lag=lambda: 10.0)
    await ask(governor, MINUTE, 80)
    await ask(governor, MINUTE, 80)
    assert time.slept == [10.0]


async def test_budgets_are_apart() -> None:
    governor, time = governed()
    await ask(governor, MINUTE, 80)
    await ask(governor, Budget("fapi", 100), 80)
    assert time.slept == []


async def test_a_weight_above_the_whole_budget_passes_alone() -> None:
    governor, time = governed()
    await ask(governor, MINUTE, 500)
    assert time.slept == []


async def test_a_sliding_window_has_no_seam() -> None:
    governor, time = governed()
    time.now += timedelta(seconds=1.9)
    for _ in range(8):
        await ask(governor, SLIDING, 1)
    time.now += timedelta(seconds=0.5)
    await ask(governor, SLIDING, 1)
    assert time.slept == pytest.approx([1.5])


async def test_a_closure_is_an_error_at_once_and_ends() -> None:
    governor, time = governed()
    governor.close(77, is_ban=False)
    with pytest.raises(RateLimitedError) as refusal:
        await ask(governor, MINUTE, 1)
    assert refusal.value.retry_after == 77
    governor.close(10, is_ban=True)
    with pytest.raises(RateLimitedError):
        await ask(governor, MINUTE, 1)
    governor.close(300, is_ban=True)
    with pytest.raises(BannedError):
        await ask(governor, MINUTE, 1)
    time.now += timedelta(seconds=301)
    await ask(governor, MINUTE, 1)


async def test_a_brief_closure_is_waited_for() -> None:
    governor, time = governed()
    governor.close(1.5, is_ban=False)
    await ask(governor, MINUTE, 1)
    assert time.slept == [1.5]


async def test_a_clock_that_stands_still_does_not_stop_the_line() -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    governor = Governor(venue="binance", clock=lambda: START, sleep=sleep)
    for _ in range(5):
        await ask(governor, MINUTE, 80)
    assert slept == [60.0] * 4


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 30)), max_size=40))
async def test_no_minute_ever_holds_more_than_the_budget(requests: list[tuple[int, float]]) -> None:
    governor, time = governed()
    spent: dict[int, int] = {}
    for weight, pause in requests:
        await ask(governor, MINUTE, weight)
        minute = int(time.now.timestamp() // 60)
        spent[minute] = spent.get(minute, 0) + weight
        time.now += timedelta(seconds=pause)
    assert all(weight <= 80 for weight in spent.values())


@given(st.lists(st.floats(0, 1.5), max_size=60))
async def test_no_two_seconds_ever_hold_more_than_the_limit(pauses: list[float]) -> None:
    governor, time = governed()
    asked: list[datetime] = []
    for pause in pauses:
        await ask(governor, SLIDING, 1)
        asked.append(time.now)
        time.now += timedelta(seconds=pause)
    for at in asked:
        assert sum(at - timedelta(seconds=2) < other <= at for other in asked) <= 8
