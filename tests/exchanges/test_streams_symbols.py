"""Walking along the trades of many symbols by id: every trade once, late ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges.binance.symbol_walk import FEW, Trade, read_cursor, take_walk
from portfolio_lab.exchanges.payloads import milliseconds
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityStep, Fill

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def trade(symbol: str, number: int, at: int) -> Trade:
    one = Decimal(1)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    fill = Fill(moment, f"{symbol}-{number}", "1", Wallet.SPOT, symbol, "BTC", "buy", one, one, -one, "BNB", False)
    return Trade(number, at, fill)


@dataclass
class Venue:
    size: int
    trades: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    asked: list[tuple[str, int | None]] = field(default_factory=list)

    async def ask(self, symbol: str, start: int | None) -> Sequence[Trade]:
        self.asked.append((symbol, start))
        held = [trade(symbol, number, at) for number, at in sorted(self.trades.get(symbol, []))]
        if start is None:
            return held[-self.size :]
        return [one for one in held if one.number >= start][: self.size]

    async def step(
        self, cursor: str, symbols: Sequence[str], now: datetime = NOW, *, is_upward: bool = False
    ) -> ActivityStep:
        walk = read_cursor(cursor)
        return await take_walk("spot_fills", walk, symbols, self.ask, size=self.size, now=now, is_upward=is_upward)

    async def finish(
        self, cursor: str, symbols: Sequence[str], now: datetime = NOW, *, is_upward: bool = False
    ) -> tuple[list[str], ActivityStep]:
        """All ids of a walk up to its end, and its last step."""
        found: list[str] = []
        for _ in range(500):
            step = await self.step(cursor, symbols, now, is_upward=is_upward)
            cursor = step.cursor
            found += [row.fill_id for row in step.rows if isinstance(row, Fill)]
            if step.is_current and step.is_backfilled:
                return found, step
        raise AssertionError("the walk does not end")


def ago(hours: float) -> int:
    return milliseconds(NOW - hours * HOUR)


async def test_the_newest_trades_come_first_and_the_oldest_from_id_0_on() -> None:
    venue = Venue(2, {"BTCUSDT": [(number, ago(100 - number)) for number in (3, 5, 8, 9, 12)]})
    found, last = await venue.finish("", ["BTCUSDT"])
    assert found == ["BTCUSDT-9", "BTCUSDT-12", "BTCUSDT-3", "BTCUSDT-5", "BTCUSDT-8"]
    assert (last.known_until, last.progress) == (NOW, 1.0)


async def test_an_upward_walk_never_asks_for_the_newest() -> None:
    venue = Venue(2, {"BTCUSDT": [(number, ago(100 - number)) for number in (3, 5, 8)]})
    found, _ = await venue.finish("", ["BTCUSDT"], is_upward=True)
    assert found == ["BTCUSDT-3", "BTCUSDT-5", "BTCUSDT-8"]
    assert venue.asked == [("BTCUSDT", 0), ("BTCUSDT", 6)]


async def test_symbols_are_visited_in_turn_and_known_is_what_is_known_of_all() -> None:
    symbols = [f"C{number}USDT" for number in range(7)]
    venue = Venue(10)
    first = await venue.step("", symbols)
    assert (len(venue.asked), first.is_current, first.known_until) == (5, False, None)
    second = await venue.step(first.cursor, symbols)
    assert [symbol for symbol, _ in venue.asked] == symbols
    assert (second.is_current, second.known_until) == (True, NOW)


async def test_the_end_of_an_old_round_is_not_the_end() -> None:
    symbols = [f"C{number}USDT" for number in range(7)]
    venue = Venue(10)
    first = await venue.step("", symbols)
    venue.trades["C0USDT"] = [(1, ago(-20))]
    later = NOW + 24 * HOUR
    second = await venue.step(first.cursor, symbols, later)
    assert not second.is_current
    found, last = await venue.finish(second.cursor, symbols, later)
    assert found == ["C0USDT-1"], "it traded since its turn in the round of the day before"
    assert last.known_until == later


async def test_only_the_new_end_is_read_again_and_a_trade_told_late_is_found() -> None:
    venue = Venue(10, {"BTCUSDT": [(1, ago(5)), (9, ago(0.1))]})
    _, last = await venue.finish("", ["BTCUSDT"])
    venue.trades["BTCUSDT"].append((7, ago(0.5)))
    found, _ = await venue.finish(last.cursor, ["BTCUSDT"], NOW + timedelta(minutes=1))
    assert found == ["BTCUSDT-7", "BTCUSDT-9"]
    assert venue.asked[-1] == ("BTCUSDT", 2)


async def test_a_symbol_that_joins_later_is_read_from_its_first_trade() -> None:
    venue = Venue(10, {"ETHUSDT": [(4, ago(50))]})
    _, last = await venue.finish("", ["BTCUSDT"])
    found, _ = await venue.finish(last.cursor, ["BTCUSDT", "ETHUSDT"], NOW + HOUR)
    assert found == ["ETHUSDT-4"]


async def test_among_many_symbols_the_quiet_ones_rest() -> None:
    symbols = [f"C{number}USDT" for number in range(FEW + 5)]
    venue = Venue(10, {symbols[0]: [(1, ago(9))]})
    _, last = await venue.finish("", symbols)
    venue.asked.clear()
    _, later = await venue.finish(last.cursor, symbols, NOW + HOUR)
    assert [symbol for symbol, _ in venue.asked] == [symbols[0]]
    assert later.known_until == NOW, "the resting ones are known up to then"
    await venue.finish(later.cursor, symbols, NOW + 7 * HOUR)
    assert len({symbol for symbol, _ in venue.asked}) == FEW + 5


async def test_a_venue_that_ignores_the_id_is_an_error() -> None:
    venue = Venue(10, {"BTCUSDT": [(1, ago(5)), (9, ago(4))]})
    _, last = await venue.finish("", ["BTCUSDT"])

    async def deaf(symbol: str, start: int | None) -> Sequence[Trade]:
        return await venue.ask(symbol, None)

    walk = read_cursor(last.cursor)
    with pytest.raises(AnswerShapeError, match="older trades of BTCUSDT"):
        await take_walk("spot_fills", walk, ["BTCUSDT"], deaf, size=10, now=NOW + HOUR, is_upward=False)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    size=st.integers(1, 4),
    is_upward=st.booleans(),
    deaths=st.lists(st.booleans(), min_size=1, max_size=7),
    data=st.data(),
)
async def test_every_trade_is_stored_once_whatever_dies_between(
    counts: list[int], size: int, *, is_upward: bool, deaths: list[bool], data: st.DataObject
) -> None:
    """Trades of one millisecond, deaths before a commit, new trades while the walk is under way."""
    symbols = [f"C{number}USDT" for number in range(len(counts))]
    venue, cursor, now, stored = Venue(size), "", NOW, set()
    for symbol, count in zip(symbols, counts, strict=True):
        hours = sorted(data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count)), reverse=True)
        venue.trades[symbol] = [(2 * number, ago(hour)) for number, hour in enumerate(hours, 1)]
    for turn in range(60):
        step = await venue.step(cursor, symbols, now, is_upward=is_upward)
        if deaths[turn % len(deaths)] and turn < 20:
            continue
        stored |= {row.fill_id for row in step.rows if isinstance(row, Fill)}
        cursor, now = step.cursor, now + timedelta(minutes=turn % 7)
        if turn % 5 == 0 and turn < 40:
            venue.trades[symbols[0]].append((100 + turn, milliseconds(now)))
    found, _ = await venue.finish(cursor, symbols, now + HOUR, is_upward=is_upward)
    assert stored | set(found) == {f"{name}-{number}" for name, held in venue.trades.items() for number, _ in held}
