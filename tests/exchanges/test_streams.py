"""Bounded steps along a history: what is stored is what the venue has, whatever happens between two steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges.payloads import milliseconds
from portfolio_lab.exchanges.sources import (
    Ask,
    Page,
    Raw,
    Unfinished,
    Window,
    by_id,
    by_number,
    by_offset,
    by_time,
    lanes,
)
from portfolio_lab.exchanges.streams import Spec, row_key, take_step, unique
from portfolio_lab.models.activity import ActivityRow, ActivityStep, CashFlow, EquityEstimate, Income

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def income(number: int, at: int) -> Income:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    return Income(moment, str(number), "funding", "FUNDING_FEE", None, "USDT", Decimal(number))


@dataclass
class Venue:
    """A history in memory: (ms, id) rows, told in windows and pages of `size`."""

    size: int
    events: list[tuple[int, int]] = field(default_factory=list)
    asked: list[Window] = field(default_factory=list)

    def within(self, window: Window, *, newest_first: bool = False) -> list[tuple[int, int]]:
        self.asked.append(window)
        return sorted((e for e in self.events if window.start <= e[0] <= window.last), reverse=newest_first)

    def raw(self, events: list[tuple[int, int]]) -> Raw[tuple[int, int]]:
        return Raw(events, tuple(income(number, at) for at, number in events))

    async def offset(self, window: Window, offset: int) -> Raw[tuple[int, int]]:
        return self.raw(self.within(window)[offset : offset + self.size])

    async def number(self, window: Window, number: int) -> Raw[tuple[int, int]]:
        first = (number - 1) * self.size
        return self.raw(self.within(window, newest_first=True)[first : first + self.size])

    async def after_id(self, window: Window, last: str) -> Raw[tuple[int, int]]:
        """OKX's way: newest first, rows older than the row with that id."""
        events = self.within(window, newest_first=True)
        if last:
            found = next(event for event in self.events if str(event[1]) == last)
            events = [event for event in events if event < found]
        return self.raw(events[: self.size])

    async def only_time(self, window: Window, last: str) -> Raw[tuple[int, int]]:
        events = self.within(window)
        if last:
            events = [event for event in events if event[1] > int(last)]
        return self.raw(events[: self.size])


def last_id(event: tuple[int, int]) -> str:
    return str(event[1])


SOURCES: dict[str, Callable[[Venue], Ask]] = {
    "offset": lambda venue: by_offset(venue.offset, size=venue.size),
    "number": lambda venue: by_number(venue.number, size=venue.size),
    "after an id": lambda venue: by_id(venue.after_id, size=venue.size, id_of=last_id),
    "time, then ids": lambda venue: by_time(venue.only_time, size=venue.size, id_of=last_id),
}

SPEC = Spec("funding", window=DAY, retention_days=3, overlap=timedelta(hours=1))


async def finish(spec: Spec, ask: Ask, cursor: str = "", *, now: datetime = NOW) -> list[ActivityStep]:
    """Step until the new end is reached and the backfill is done."""
    steps: list[ActivityStep] = []
    while not steps or not (steps[-1].is_current and steps[-1].is_backfilled):
        assert len(steps) < 2_000, "the stream does not end"
        steps.append(await take_step(spec, ask, steps[-1].cursor if steps else cursor, now=now))
    return steps


def at(ago: timedelta) -> int:
    return milliseconds(NOW - ago)


def numbers(steps: list[ActivityStep]) -> list[int]:
    return [int(row.income_id) for step in steps for row in step.rows if isinstance(row, Income)]


# ---------------------------------------------------------------- worked examples


async def test_the_first_run_reads_the_newest_window_first_and_walks_down_to_what_the_venue_keeps() -> None:
    venue = Venue(10, [(at(2.5 * DAY), 1), (at(1.5 * DAY), 2), (at(0.5 * DAY), 3)])
    steps = await finish(SPEC, by_offset(venue.offset, size=10))
    assert numbers(steps) == [3, 2, 1]
    assert [window.end for window in venue.asked] == [at(0 * DAY), at(DAY), at(2 * DAY)]
    assert venue.asked[-1].start == at(3 * DAY) + 3_600_000  # an hour inside the venue's memory
    assert (steps[-1].progress, steps[-1].known_until) == (1.0, NOW)
    assert steps[-1].known_since == NOW - 3 * DAY + timedelta(hours=1)


async def test_a_step_asks_no_more_often_than_allowed_and_says_how_far_it_came() -> None:
    venue = Venue(10)
    spec = Spec("withdrawals", window=DAY, retention_days=21, requests=5)
    step = await take_step(spec, by_offset(venue.offset, size=10), "", now=NOW)
    assert len(venue.asked) == 5
    assert (step.known_since, step.known_until) == (NOW - 5 * DAY, NOW)
    assert step.is_current
    assert not step.is_backfilled
    assert step.progress == pytest.approx(5 / 21, rel=0.01)


async def test_nothing_is_known_until_the_first_window_is_complete() -> None:
    venue = Venue(1, [(at(timedelta(hours=hours)), hours) for hours in range(1, 9)])
    step = await take_step(SPEC, by_offset(venue.offset, size=1), "", now=NOW)
    assert len(step.rows) == 5
    assert (step.known_since, step.known_until, step.is_current) == (None, None, False)


async def test_new_rows_come_before_an_unfinished_backfill() -> None:
    venue = Venue(10)
    spec = Spec("bills", window=DAY, retention_days=30, requests=1)
    ask = by_offset(venue.offset, size=10)
    first = await take_step(spec, ask, "", now=NOW)
    venue.events.append((milliseconds(NOW) + 1_000, 7))
    later = NOW + timedelta(minutes=10)
    second = await take_step(spec, ask, first.cursor, now=later)
    assert numbers([second]) == [7]
    assert (second.known_until, second.is_current) == (later, True)
    assert venue.asked[-1] == Window(at(timedelta(hours=1)), milliseconds(later))
    third = await take_step(spec, ask, second.cursor, now=later + timedelta(seconds=60))
    assert venue.asked[-1].end == at(DAY), "the backfill goes on although a minute has passed"
    assert third.known_since == NOW - 2 * DAY


async def test_a_late_row_within_the_overlap_arrives() -> None:
    venue = Venue(10)
    ask = by_offset(venue.offset, size=10)
    cursor = (await finish(SPEC, ask))[-1].cursor
    venue.events.append((at(timedelta(minutes=50)), 4))
    assert numbers([await take_step(SPEC, ask, cursor, now=NOW + timedelta(minutes=5))]) == [4]
    assert numbers([await take_step(SPEC, ask, cursor, now=NOW)]) == [4], "also when no time has passed"


async def test_a_long_absence_is_walked_window_by_window() -> None:
    venue = Venue(10)
    ask = by_offset(venue.offset, size=10)
    cursor = (await finish(SPEC, ask))[-1].cursor
    later = NOW + 2.5 * DAY
    venue.events = [(milliseconds(NOW + hours * timedelta(hours=1)), hours) for hours in (1, 25, 49, 59)]
    venue.asked.clear()
    steps = await finish(SPEC, ask, cursor, now=later)
    assert numbers(steps) == [1, 25, 49, 59]
    assert max(window.end - window.start for window in venue.asked) == 86_400_000


async def test_an_absence_longer_than_the_venues_memory_is_not_called_known() -> None:
    ask = by_offset(Venue(10).offset, size=10)
    cursor = (await finish(SPEC, ask))[-1].cursor
    step = (await finish(SPEC, ask, cursor, now=NOW + 10 * DAY))[-1]
    assert step.known_since == NOW + 7 * DAY + timedelta(hours=1)
    assert step.known_until == NOW + 10 * DAY


async def test_a_full_page_is_asked_again_in_halves() -> None:
    venue = Venue(3, [(at(timedelta(minutes=minutes)), minutes) for minutes in range(1, 21)])
    steps = await finish(SPEC, by_time(venue.only_time, size=3))
    assert sorted(numbers(steps)) == list(range(1, 21))


async def test_more_rows_in_one_millisecond_than_a_page_holds_are_an_error_that_names_the_stream() -> None:
    venue = Venue(3, [(at(DAY / 2), number) for number in range(3)])
    with pytest.raises(AnswerShapeError, match="funding stream has more rows in one millisecond"):
        await finish(SPEC, by_time(venue.only_time, size=3))
    assert sorted(numbers(await finish(SPEC, by_time(venue.only_time, size=3, id_of=last_id)))) == [0, 1, 2]


async def test_the_same_page_again_and_again_is_an_error() -> None:
    async def deaf(window: Window, offset: int) -> Raw[int]:
        return Raw([1], (income(1, window.start),))

    with pytest.raises(AnswerShapeError, match="same page again"):
        await take_step(SPEC, by_offset(deaf, size=1), "", now=NOW)

    async def stuck(window: Window, last: str) -> Raw[int]:
        return Raw([1], ())

    with pytest.raises(AnswerShapeError, match="same page again"):
        await take_step(SPEC, by_id(stuck, size=1, id_of=lambda _: "9"), "", now=NOW)


async def test_a_damaged_cursor_starts_anew() -> None:
    venue = Venue(10, [(at(DAY / 2), 3)])
    for cursor in ("{", "[]", '{"origin": "x"}', "null"):
        assert numbers(await finish(SPEC, by_offset(venue.offset, size=10), cursor)) == [3]


async def test_an_old_end_that_moves_on_ends_the_backfill() -> None:
    """A backfill that lasts longer than the venue remembers does not ask for the forgotten."""
    venue = Venue(1, [(at(timedelta(hours=hours)), hours) for hours in range(1, 71)])
    spec = Spec("funding", window=DAY, retention_days=3, requests=1, refresh=10 * DAY)
    ask, cursor, now, step = by_offset(venue.offset, size=1), "", NOW, None
    for _ in range(100):
        step = await take_step(spec, ask, cursor, now=now)
        cursor, now = step.cursor, now + timedelta(hours=1)
        assert venue.asked[-1].start >= milliseconds(now - timedelta(hours=1) - 3 * DAY)
        if step.is_backfilled:
            return
    pytest.fail("the backfill does not end")


async def test_lanes_are_read_one_after_the_other_in_each_window() -> None:
    one, two = Venue(2, [(at(DAY / 2), n) for n in (1, 2, 3)]), Venue(2, [(at(DAY / 2), 4), (at(1.5 * DAY), 5)])
    ask = lanes([by_offset(one.offset, size=2), by_time(two.only_time, size=2)])
    assert numbers(await finish(SPEC, ask)) == [1, 2, 3, 4, 5]


def test_of_two_readings_of_one_row_the_later_stays() -> None:
    flow = CashFlow(NOW, "1", "deposit", "BTC", Decimal(1), Decimal(0), "")
    out = CashFlow(NOW, "1", "withdrawal", "BTC", Decimal(-1), Decimal(0), "")
    again = CashFlow(NOW, "1", "deposit", "BTC", Decimal(2), Decimal(0), "")
    guess = EquityEstimate(NOW, None, "BTC", Decimal(1), "accountSnapshot")
    assert unique([flow, out, again, guess]) == (again, out, guess)


# ---------------------------------------------------------------- laws


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Rows of the last three days, many of them in bursts of one millisecond."""
    moments = draw(st.lists(st.integers(0, 70 * 3_600), max_size=6))
    bursts = [draw(st.integers(1, 9)) for _ in moments]
    span = [moment for moment, count in zip(moments, bursts, strict=True) for _ in range(count)]
    return [(milliseconds(NOW) - 1_000 * ago - 1, number) for number, ago in enumerate(sorted(span, reverse=True), 1)]


@settings(max_examples=60, deadline=None)
@given(
    history=histories(),
    size=st.integers(1, 6),
    kind=st.sampled_from(sorted(SOURCES)),
    requests=st.integers(1, 5),
    deaths=st.lists(st.booleans(), min_size=1, max_size=12),
    hours=st.lists(st.integers(0, 40), min_size=1, max_size=5),
)
async def test_what_is_stored_is_what_the_venue_has(
    history: list[tuple[int, int]], size: int, kind: str, requests: int, deaths: list[bool], hours: list[int]
) -> None:
    """Whatever the page, the bursts and the deaths between a page and its commit."""
    venue = Venue(size, history[::2])
    late = history[1::2]
    spec = Spec("funding", window=DAY, retention_days=3, overlap=timedelta(days=3), requests=requests)
    ask, cursor, now = SOURCES[kind](venue), "", NOW
    stored: dict[tuple[str, ...], ActivityRow] = {}
    for turn in range(3_000):
        step = await take_step(spec, ask, cursor, now=now)
        keys = [row_key(row) for row in step.rows]
        assert len(keys) == len(set(keys))
        if deaths[turn % len(deaths)] and turn < 40:
            continue  # the process dies before the commit: rows and cursor are lost together
        stored |= {row_key(row): row for row in step.rows}
        cursor, now = step.cursor, now + timedelta(milliseconds=hours[turn % len(hours)])
        if late and turn % 3 == 0:
            venue.events.append(late.pop())  # told late, within the overlap, also between two pages
        elif step.is_current and step.is_backfilled and not late:
            break
    stored |= {row_key(row): row for step in await finish(spec, ask, cursor, now=now) for row in step.rows}
    assert {int(key[1]) for key in stored} == {number for _, number in venue.events}
    assert all(window.end - window.start <= 86_400_000 for window in venue.asked)


# ---------------------------------------------------------------- flows under way


def flow(at: datetime) -> CashFlow:
    return CashFlow(at, "7", "withdrawal", "USDT", Decimal(-100), Decimal(1), "")


async def test_a_flow_that_was_seen_under_way_is_dated_between_that_and_its_end() -> None:
    """The venue lists it by the instant of its request for ever; the money leaves an hour later."""
    listed, done = NOW, NOW + timedelta(minutes=65)
    spec = Spec("withdrawals", window=90 * DAY, retention_days=None, overlap=DAY)
    clock = NOW

    async def ask(window: Window, _: str) -> Page:
        if not window.start <= milliseconds(listed) < window.end:
            return Page(())
        is_done = clock >= done
        return Page((flow(listed) if is_done else Unfinished("withdrawal", "7", milliseconds(listed)),))

    cursor, told = "", []
    for minutes in range(1, 24 * 60, 10):
        clock = NOW + timedelta(minutes=minutes)
        step = await take_step(spec, ask, cursor, now=clock)
        cursor = step.cursor
        told += [(minutes, row.at) for row in step.rows if isinstance(row, CashFlow)]
    assert told[0] == (71, NOW + timedelta(minutes=66))
    assert {at for _, at in told} == {NOW + timedelta(minutes=66)}, "read again, it stays where it was"


async def test_a_flow_that_was_asked_for_in_the_instant_of_a_reading_was_not_carried_out_in_it() -> None:
    """A window ends before the instant of its reading, so what is listed at that instant was never seen under way."""
    by_request = Spec("withdrawals", window=90 * DAY, retention_days=None, overlap=DAY, is_by_request=True)

    async def ask(window: Window, _: str) -> Page:
        return Page((flow(NOW),) if window.start <= milliseconds(NOW) < window.end else ())

    async def dated(spec: Spec, *readings: int) -> set[datetime]:
        cursor, told = "", set()
        for minutes in readings:
            step = await take_step(spec, ask, cursor, now=NOW + timedelta(minutes=minutes))
            cursor, told = step.cursor, told | {row.at for row in step.rows if isinstance(row, CashFlow)}
        return told

    assert await dated(by_request, 0, 10, 20) == {NOW + timedelta(minutes=5)}
    assert await dated(by_request, -1, 10, 20) == {NOW}
    assert await dated(replace(by_request, is_by_request=False), 0, 10, 20) == {NOW}


async def test_a_flow_under_way_is_waited_for_longer_than_a_venue_is_ever_late() -> None:
    spec = Spec("withdrawals", window=90 * DAY, retention_days=None, overlap=DAY)
    clock = NOW

    async def ask(window: Window, _: str) -> Page:
        if not window.start <= milliseconds(NOW) < window.end:
            return Page(())
        under_way = Unfinished("withdrawal", "7", milliseconds(NOW))
        return Page((flow(NOW) if clock >= NOW + 9 * DAY else under_way,))

    cursor, told = "", []
    for hours in range(1, 24 * 10):
        clock = NOW + timedelta(hours=hours)
        step = await take_step(spec, ask, cursor, now=clock)
        cursor, told = step.cursor, [*told, *step.rows]
    assert {row.at for row in told if isinstance(row, CashFlow)} == {NOW + 9 * DAY - timedelta(minutes=30)}


async def test_a_flow_that_was_given_up_is_forgotten() -> None:
    spec = Spec("withdrawals", window=90 * DAY, retention_days=None, overlap=DAY)

    async def ask(_: Window, __: str) -> Page:
        return Page((Unfinished("withdrawal", "7", milliseconds(NOW)),) if clock == NOW else ())

    clock, cursor = NOW, ""
    for hours in (0, 1, 30, 60):
        clock = NOW + timedelta(hours=hours)
        cursor = (await take_step(spec, ask, cursor, now=clock)).cursor
        assert ("withdrawal 7" in cursor) == (hours < 48)
