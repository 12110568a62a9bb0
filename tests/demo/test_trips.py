"""Round trips of the demo lab's accounts, reckoned here from their fills alone."""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate, pairwise

import pytest

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import Fill
from portfolio_lab.demo.instruments import Instrument
from portfolio_lab.demo.market import DAY_MS, Market
from portfolio_lab.demo.people import _ACCOUNTS, _SWINGS, open_accounts

SINCE = 1_785_542_400_000  # 2026-08-01
DAYS = 40
UNTIL = SINCE + DAYS * DAY_MS - 1


def opened() -> dict[tuple[str, str, str], DemoAccount]:
    found = {one.account.key: one for one in open_accounts(Market(7), SINCE)}
    for key in _SWINGS:
        found[key].story.tell(UNTIL)
    return {key: found[key] for key in _SWINGS}


@pytest.fixture(scope="module")
def accounts() -> dict[tuple[str, str, str], DemoAccount]:
    return opened()


def traded(one: DemoAccount) -> dict[tuple[Instrument, str], list[Fill]]:
    """Fills of what the account trades for days, by instrument and book."""
    swing = _SWINGS[one.account.key]
    found: dict[tuple[Instrument, str], list[Fill]] = {}
    for fill in one.book.fills(until=UNTIL):
        traded_one = fill.instrument
        is_swung = traded_one.symbol in swing.contracts if traded_one.is_contract else traded_one.base in swing.coins
        if is_swung:
            found.setdefault((traded_one, fill.position_side), []).append(fill)
    return found


def held_after(fills: list[Fill]) -> list[Decimal]:
    """What is held after each fill; the fee of a bought coin is taken out of it."""
    return list(
        accumulate(
            (fill.contracts if fill.side == "buy" else -fill.contracts)
            - (fill.fee if fill.fee_asset == fill.instrument.base else 0)
            for fill in fills
        )
    )


def test_every_ordinary_account_trades_something_that_it_does_not_hold_otherwise() -> None:
    assert set(_SWINGS) == {(user, venue, label) for user, venue, label, *_ in _ACCOUNTS}
    for user, venue, label, profile, _ in _ACCOUNTS:
        swing = _SWINGS[user, venue, label]
        assert not set(swing.coins) & set(profile.coins)
        assert not set(swing.contracts) & {leaning.symbol for leaning in profile.leanings}


def test_what_is_opened_is_closed_to_the_last_unit(accounts: dict[tuple[str, str, str], DemoAccount]) -> None:
    for key, one in accounts.items():
        books = traded(one)
        swing = _SWINGS[key]
        assert len({instrument for instrument, _ in books}) == len(swing.coins) + len(swing.contracts)
        for (instrument, _), fills in books.items():
            held = held_after(fills)
            flat = [number for number, amount in enumerate(held) if amount == 0]
            assert len(flat) >= 5, (key, instrument.symbol)
            # Only the last trade may be open still, and each takes two fills, or three.
            assert len(held) - 1 - flat[-1] <= 2
            assert {later - earlier for earlier, later in pairwise(flat)} <= {2, 3}
            assert instrument.is_contract or min(held) == 0


def test_there_are_longs_and_shorts_winners_and_losers_on_both_venues(
    accounts: dict[tuple[str, str, str], DemoAccount],
) -> None:
    signs: set[tuple[str, str, bool]] = set()
    for (_, venue, _), one in accounts.items():
        for (instrument, _), fills in traded(one).items():
            if not instrument.is_contract:
                continue
            for fill in fills:
                if fill.realised_pnl:
                    signs.add((venue, "long" if fill.side == "sell" else "short", fill.realised_pnl > 0))
    assert len(signs) == 8


def test_they_are_the_same_each_time_and_however_often_they_are_asked(
    accounts: dict[tuple[str, str, str], DemoAccount],
) -> None:
    again = {one.account.key: one for one in open_accounts(Market(7), SINCE)}
    key = ("carol", "okx", "main")
    for day in range(DAYS):
        again[key].story.tell(SINCE + (day + 1) * DAY_MS - 1)
    assert again[key].book.fills(until=UNTIL) == accounts[key].book.fills(until=UNTIL)
