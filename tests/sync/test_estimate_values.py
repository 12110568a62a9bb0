"""What was held before anybody looked: valued once at the closes of its days, and never mixed with what was seen."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from cycles import MINUTE, Cycles, binance, okx
from fake_venues import MIDNIGHT, FakeVenue

from portfolio_lab.errors import PostponedError
from portfolio_lab.lab import Lab
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import EquityEstimate

NOON = MIDNIGHT + timedelta(hours=12)


def held(days_ago: int, asset: str, quantity: str, source: str = "accountSnapshot") -> EquityEstimate:
    wallet = Wallet.SPOT if source == "accountSnapshot" else Wallet.TRADING
    return EquityEstimate(MIDNIGHT - timedelta(days=days_ago), wallet, asset, Decimal(quantity), source)


def tell(venue: FakeVenue, stream: str, *rows: EquityEstimate) -> None:
    venue.streams["alice"] = {stream: list(rows)}
    venue.page = 20


@pytest.fixture
def book(cycles: Cycles) -> Cycles:
    cycles.configure(binance(Wallet.SPOT))
    return cycles


async def test_days_before_the_first_snapshot_are_valued_at_their_closes(book: Cycles) -> None:
    tell(book.venue, "estimates", held(2, "BTC", "0.5"), held(2, "USDT", "100"), held(1, "BTC", "0.25"))
    await book.at(NOON)
    estimate = Lab(book.store, book.settings).estimated_equity("alice")
    days = [MIDNIGHT - timedelta(days=2), MIDNIGHT - timedelta(days=1)]
    assert estimate.index.tolist() == days
    assert estimate.tolist() == [0.5 * 50_000 + 100, 0.25 * 50_000]
    assert estimate.attrs["unknown_share"] == 0.0
    (row,) = book.rows("estimated_equity", day=days[1].date(), asset="BTC")
    assert (row["source"], row["price_source"]) == (
        "backfill: accountSnapshot",
        "spot BTCUSDT 1d close * spot USDT-USD 1d close",
    )


async def test_what_has_no_market_stays_unknown_and_is_told(book: Cycles) -> None:
    tell(book.venue, "estimates", held(2, "NOCOIN", "7"), held(1, "BTC", "1"), held(1, "NOCOIN", "7"))
    await book.at(NOON)
    estimate = Lab(book.store, book.settings).estimated_equity("alice")
    assert math.isnan(estimate.iloc[0])
    assert estimate.iloc[1] == 50_000
    assert list(estimate.attrs["unknown"].values()) == [1.0, 0.5]
    assert estimate.attrs["unknown_share"] == pytest.approx(2 / 3)
    assert {row["value"] for row in book.rows("estimated_equity", asset="NOCOIN")} == {None}


async def test_it_is_done_once_even_by_a_fresh_process(book: Cycles) -> None:
    tell(book.venue, "estimates", held(1, "BTC", "1"))
    await book.at(NOON)
    for _ in range(3):
        book.restart()
        await book.next()
    assert book.venue.asked.count(("binance", "closes")) == 1
    (row,) = book.rows("cursors", stream="estimate_prices")
    assert row["is_backfilled"]


async def test_a_venue_that_has_no_room_is_asked_again_later(book: Cycles) -> None:
    tell(book.venue, "estimates", held(1, "BTC", "1"))
    book.venue.faults["binance", "closes"] = PostponedError("no room now")
    await book.at(NOON)
    await book.next()
    assert book.venue.asked.count(("binance", "closes")) == 1, "not in each cycle"
    assert book.rows("estimated_equity")[0]["value"] is None
    book.venue.faults.clear()
    await book.next(60)
    assert book.rows("estimated_equity")[0]["value"] == 50_000


async def test_a_source_of_changes_holds_in_between(cycles: Cycles) -> None:
    cycles.configure(okx(Wallet.TRADING))
    tell(cycles.venue, "bills", held(4, "BTC", "1", "okx bills"), held(2, "BTC", "3", "okx bills"))
    await cycles.at(NOON)
    estimate = Lab(cycles.store, cycles.settings).estimated_equity("alice")
    assert estimate.tolist() == [50_000, 50_000, 150_000, 150_000]


async def test_observed_figures_know_nothing_of_it(book: Cycles) -> None:
    tell(book.venue, "estimates", held(1, "BTC", "99"))
    await book.at(NOON)
    await book.next()
    lab = Lab(book.store, book.settings)
    assert lab.equity("alice").index.tolist() == [NOON, NOON + MINUTE]
    assert lab.equity("alice").max() < 99 * 50_000
    assert len(lab.returns("alice")) == 0


async def test_a_day_that_was_observed_is_not_estimated(book: Cycles) -> None:
    today = EquityEstimate(
        datetime.combine(NOON.date(), time(), UTC), Wallet.SPOT, "BTC", Decimal(1), "accountSnapshot"
    )
    tell(book.venue, "estimates", today)
    await book.at(NOON)
    assert len(Lab(book.store, book.settings).estimated_equity("alice")) == 0
