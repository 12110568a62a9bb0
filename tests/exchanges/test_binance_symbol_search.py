"""Markets that no coin of an account points to: looked at in turn, a few a step, and again after a week."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.errors import PostponedError
from portfolio_lab.exchanges.binance import fills, symbol_search
from portfolio_lab.exchanges.binance.prices import Instrument
from portfolio_lab.exchanges.binance.symbol_walk import Trade
from portfolio_lab.exchanges.governor import Priority
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityStep, Fill

NOW = datetime(2026, 8, 1, tzinfo=UTC)
COINS = [f"C{number:02}" for number in range(12)]


def trade(symbol: str, number: int = 1) -> Trade:
    at = NOW - timedelta(days=100)
    name, one, two = f"spot-{symbol}-{number}", Decimal(1), Decimal(2)
    fill = Fill(at, name, "1", Wallet.SPOT, symbol, "", "buy", one, two, Decimal(0), "USDT", is_maker=False)
    return Trade(number, round(at.timestamp() * 1000), fill)


class Venue:
    """Twelve coins against USDT; `traded` are the symbols that were."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listed = {f"{coin}USDT": Instrument(f"{coin}USDT", coin, "USDT", "USDT", Decimal(1)) for coin in COINS}
        self.traded: set[str] = set()
        self.asked: list[str] = []
        self.cursor = ""
        self.full: set[str] = set()
        monkeypatch.setattr(fills, "asker", lambda *_: self.ask)

    async def all(self, _: Wallet) -> dict[str, Instrument]:
        return self.listed

    async def ask(self, symbol: str, start: int | None) -> Sequence[Trade]:
        assert start is None, "the newest trades"
        if symbol in self.full:
            raise PostponedError("no room")
        self.asked.append(symbol)
        return [trade(symbol)] if symbol in self.traded else []

    async def step(self, *assets: str, now: datetime = NOW) -> ActivityStep:
        instruments: Any = self
        client: Any = None
        told = await symbol_search.step_search(client, instruments, self.cursor, now=now, assets=frozenset(assets))
        self.cursor = told.cursor
        return told


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Venue:
    return Venue(monkeypatch)


async def test_every_market_is_looked_at_once_a_few_a_step(venue: Venue) -> None:
    venue.traded = {"C03USDT", "C11USDT"}
    steps = [await venue.step() for _ in range(3)]
    assert venue.asked == sorted(venue.listed)
    assert [one.progress for one in steps] == [pytest.approx(5 / 12), pytest.approx(10 / 12), 1.0]
    assert [one.is_backfilled for one in steps] == [False, False, True]
    assert [row.instrument for one in steps for row in one.rows if isinstance(row, Fill)] == ["C03USDT", "C11USDT"]
    assert all(one.is_current and one.is_by_assets and one.known_since is None for one in steps)


async def test_what_the_coins_point_to_is_left_to_the_walk(venue: Venue) -> None:
    await venue.step("C00", "C04")
    assert venue.asked == ["C01USDT", "C02USDT", "C03USDT", "C05USDT", "C06USDT"]


async def test_it_rests_for_a_week_and_then_looks_again(venue: Venue) -> None:
    for _ in range(3):
        await venue.step()
    venue.asked.clear()
    told = await venue.step(now=NOW + timedelta(days=6))
    assert (venue.asked, told.rows, told.is_backfilled, told.progress) == ([], (), True, 1.0)
    venue.traded = {"C00USDT"}
    told = await venue.step(now=NOW + timedelta(days=7))
    assert len(told.rows) == 1
    assert (told.is_backfilled, told.progress) == (True, 1.0), "what was complete once stays so"
    await venue.step(now=NOW + timedelta(days=7, minutes=5))
    await venue.step(now=NOW + timedelta(days=7, minutes=10))
    assert venue.asked == sorted(venue.listed)
    await venue.step(now=NOW + timedelta(days=8))
    assert len(venue.asked) == 12


async def test_a_market_that_is_gone_or_new_or_seen_meanwhile_disturbs_nothing(venue: Venue) -> None:
    await venue.step()
    del venue.listed["C04USDT"]  # the last one that was looked at
    venue.listed["C06AUSDT"] = Instrument("C06AUSDT", "C06A", "USDT", "USDT", Decimal(1))
    await venue.step("C05")
    await venue.step("C05")
    assert venue.asked[5:] == ["C06AUSDT", "C06USDT", "C07USDT", "C08USDT", "C09USDT", "C10USDT", "C11USDT"]


async def test_without_room_the_cursor_stays(venue: Venue) -> None:
    venue.full = {"C02USDT"}
    with pytest.raises(PostponedError):
        await venue.step()
    venue.full.clear()
    await venue.step()
    assert venue.asked[2:] == sorted(venue.listed)[:5]


@pytest.mark.parametrize("text", ["", "{", '{"after":7}', "[]", "null"])
async def test_a_cursor_that_cannot_be_read_starts_anew(venue: Venue, text: str) -> None:
    venue.cursor = text
    await venue.step()
    assert venue.asked == sorted(venue.listed)[:5]


async def test_nothing_listed_elsewhere_is_all_that_there_is(venue: Venue) -> None:
    told = await venue.step(*COINS)
    assert (told.rows, told.is_backfilled, told.progress) == ((), True, 1.0)


def test_it_asks_after_everybody_else() -> None:
    assert symbol_search._MARKET.endpoint.priority is Priority.SLOW
    assert fills.MARKETS["spot_fills"].endpoint.priority is Priority.HISTORY
