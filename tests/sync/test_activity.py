"""Streams: every row once, with its cursor, whatever dies in between; late and changed rows are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cycles import MINUTE, Cycles, binance, grade
from fake_venues import MIDNIGHT, Died, FakeReader, FakeVenue

from portfolio_lab.errors import CredentialsError, StoreError, UnreachableError
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, ActivityStep, CashFlow, EquityEstimate, Fill, Income, Transfer

NOON = MIDNIGHT + timedelta(hours=12)
DAY = timedelta(days=1)


def fill(number: int, at: datetime = NOON) -> Fill:
    return Fill(
        at,
        f"f{number}",
        "o1",
        Wallet.SPOT,
        "BTCUSDT",
        "BTC",
        "buy",
        Decimal("0.01"),
        Decimal(50_000),
        Decimal("-0.5"),
        "USDT",
        is_maker=False,
    )


def funding(number: int, at: datetime = NOON, quantity: str = "-0.25") -> Income:
    return Income(at, f"i{number}", "funding", "FUNDING_FEE", Wallet.USD_M, "USDT", Decimal(quantity), "BTCUSDT")


def tell(venue: FakeVenue, **streams: list[ActivityRow]) -> None:
    venue.streams["alice"] = dict(streams)


@pytest.fixture
def book(cycles: Cycles) -> Cycles:
    cycles.configure(binance(Wallet.SPOT))
    return cycles


def ids(rows: list[dict[str, Any]], column: str) -> list[str]:
    return [row[column] for row in rows]


async def test_every_kind_of_row_goes_to_its_table(book: Cycles) -> None:
    tell(
        book.venue,
        transfers=[Transfer(NOON, "t1", "USDT", Decimal(5), Wallet.SPOT, Wallet.USD_M)],
        fills=[fill(1)],
        income=[funding(1), Income(NOON, "g1", "promotion", "WELCOME_BONUS", None, "USDT", Decimal(3))],
        history=[EquityEstimate(MIDNIGHT, Wallet.SPOT, "BTC", Decimal("0.3"), "account snapshot")],
    )
    await book.at(NOON + MINUTE)
    (move,) = book.rows("transfers")
    assert (move["source"], move["target"], move["quantity"]) == ("spot", "usd_m", Decimal(5))
    (trade,) = book.rows("fills")
    assert (trade["fee"], trade["realised_pnl"], trade["quantity"]) == (Decimal("-0.5"), None, Decimal("0.01"))
    assert {row["income_id"]: row["is_promotion"] for row in book.rows("income")} == {"i1": False, "g1": True}
    (day,) = book.rows("estimated_equity")
    assert (day["source"], day["quantity"], day["value"]) == ("backfill: account snapshot", Decimal("0.3"), None)
    assert {row["stream"] for row in book.rows("cursors")} == {"transfers", "fills", "income", "history"}


async def test_pages_follow_each_other_and_nothing_is_written_twice(book: Cycles) -> None:
    tell(book.venue, fills=[fill(number) for number in range(5)])
    await book.at(NOON + MINUTE)
    assert ids(book.rows("fills"), "fill_id") == ["f0", "f1", "f2", "f3", "f4"]
    book.venue.streams["alice"]["fills"] += [fill(4), fill(5, NOON + MINUTE)]
    await book.next(11)
    assert ids(book.rows("fills"), "fill_id") == ["f0", "f1", "f2", "f3", "f4", "f5"]
    assert book.rows("restatements", row_id="spot/BTCUSDT/f4") == []
    assert [commit.sync_id for commit in book.store.commits()][-1].endswith("121200Z")


@pytest.mark.parametrize("dies_at", [1, 2, 3])
async def test_a_process_that_dies_between_pages_loses_and_doubles_nothing(book: Cycles, dies_at: int) -> None:
    tell(book.venue, fills=[fill(number) for number in range(8)])
    book.venue.faults["alice", "stream fills"] = "die"
    book.venue.lives = dies_at
    with pytest.raises(Died):
        await book.at(NOON + MINUTE)
    assert book.rows("fills") == []
    book.venue.faults.clear()
    book.restart()
    await book.next()
    assert ids(book.rows("fills"), "fill_id") == [f"f{number}" for number in range(8)]


async def test_a_commit_that_fails_keeps_the_cursor_where_it_was(book: Cycles, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(book.venue, fills=[fill(number) for number in range(3)])
    commit = book.store.commit

    def refuse(*_: object, **__: object) -> object:
        raise StoreError("no space left")

    monkeypatch.setattr(book.store, "commit", refuse)
    with pytest.raises(StoreError):
        await book.at(NOON + MINUTE)
    monkeypatch.setattr(book.store, "commit", commit)
    await book.next()
    assert ids(book.rows("fills"), "fill_id") == ["f0", "f1", "f2"]


async def test_rows_of_one_millisecond_are_all_kept(book: Cycles) -> None:
    tell(book.venue, income=[funding(number) for number in range(7)])
    await book.at(NOON + MINUTE)
    assert len(book.rows("income")) == 7


async def test_a_row_that_comes_late_is_a_restatement(book: Cycles) -> None:
    tell(book.venue, income=[funding(1)])
    await book.at(NOON + MINUTE)
    book.venue.streams["alice"]["income"].append(funding(2, NOON - timedelta(minutes=5)))
    await book.next(11)
    (told,) = book.rows("restatements")
    assert (told["table"], told["row_id"], told["reason"], told["detail"]) == ("income", "funding/i2", "late", "")
    assert told["at"] == NOON - timedelta(minutes=5)


async def test_an_estimate_made_later_or_anew_restates_nothing(book: Cycles) -> None:
    tell(book.venue, bills=[EquityEstimate(MIDNIGHT - 2 * DAY, Wallet.TRADING, "BTC", Decimal(1), "okx bills")])
    await book.at(NOON + MINUTE)
    book.venue.streams["alice"]["bills"] += [
        EquityEstimate(MIDNIGHT - DAY, Wallet.TRADING, "BTC", Decimal(2), "okx bills"),
        EquityEstimate(MIDNIGHT - 2 * DAY, Wallet.TRADING, "BTC", Decimal(3), "okx bills"),
    ]
    await book.next(11)
    quantities = sorted(row["quantity"] for row in book.rows("estimated_equity"))
    assert Decimal(2) in quantities
    assert Decimal(3) in quantities
    assert book.rows("restatements") == []


async def test_a_row_that_changed_says_what_it_was(book: Cycles) -> None:
    tell(book.venue, income=[funding(1)])
    await book.at(NOON + MINUTE)
    book.venue.streams["alice"]["income"].append(funding(1, quantity="-0.5"))
    await book.next(11)
    (row,) = book.rows("income")
    assert row["quantity"] == Decimal("-0.5")
    (told,) = book.rows("restatements")
    assert told["reason"] == "changed"
    detail = json.loads(told["detail"])
    assert detail["before"].keys() == detail["after"].keys() == {"quantity"}
    assert detail["before"]["quantity"].startswith("-0.25")
    assert detail["after"]["quantity"].startswith("-0.5")


async def test_a_stream_that_fails_spoils_neither_equity_nor_the_other_streams(book: Cycles) -> None:
    tell(book.venue, fills=[fill(1)], income=[funding(1)])
    book.venue.faults["alice", "stream fills"] = ValueError("ours")
    report = await book.at(NOON + MINUTE)
    assert grade(report) == "complete"
    assert len(book.rows("income")) == 1
    assert [(line.wallet, line.code) for line in report.activity if not line.is_ok] == [("stream fills", "internal")]


@pytest.mark.parametrize("error", [CredentialsError("revoked"), UnreachableError("no answer")])
async def test_after_a_hopeless_failure_the_other_streams_are_left_alone(book: Cycles, error: Exception) -> None:
    tell(book.venue, fills=[fill(1)], income=[funding(1)])
    book.venue.faults["alice", "stream fills"] = error
    await book.at(NOON + MINUTE)
    assert book.asked("stream income") == 0


async def test_deposits_and_withdrawals_come_by_stream_where_there_is_one(book: Cycles) -> None:
    deposit = CashFlow(NOON, "d1", "deposit", "BTC", Decimal("0.5"), Decimal(0), "", "BTC", Wallet.SPOT)
    tell(book.venue, deposits=[deposit], withdrawals=[])
    await book.at(NOON)
    await book.at(NOON + MINUTE)
    (row,) = book.rows("cash_flows")
    assert (row["value"], row["scope"], row["network"], row["wallet"]) == (25_000.0, "external", "BTC", "spot")
    assert book.asked("cash_flows") == 0
    (state,) = book.rows("users_portfolio_state")
    assert state["flows_until"] == NOON + MINUTE


async def test_days_wait_for_both_streams_of_flows(book: Cycles) -> None:
    tell(book.venue, deposits=[], withdrawals=[])
    await book.at(NOON)
    book.venue.faults["alice", "stream withdrawals"] = UnreachableError("no answer")
    await book.at(NOON + MINUTE)
    (state,) = book.rows("users_portfolio_state")
    assert state["flows_until"] == NOON


async def test_streams_have_a_tier_and_the_flows_have_none(book: Cycles) -> None:
    tell(book.venue, deposits=[], withdrawals=[], fills=[fill(1)])
    for _ in range(10):
        await book.next()
    assert {name: book.asked(f"stream {name}") for name in ("deposits", "withdrawals", "fills")} == {
        "deposits": 10,
        "withdrawals": 10,
        "fills": 1,
    }


def stored(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {row["flow_id"]: row for row in rows}


async def test_a_flow_of_before_the_account_was_in_the_book_is_none_of_the_book(book: Cycles) -> None:
    tell(book.venue, deposits=[], withdrawals=[])
    await book.at(NOON)
    old = CashFlow(NOON - timedelta(days=30), "old", "deposit", "BTC", Decimal(1), Decimal(0), "")
    book.venue.streams["alice"]["deposits"] += [old, replace(old, at=NOON, flow_id="new")]
    await book.at(NOON + MINUTE)
    rows = stored(book.rows("cash_flows"))
    assert (rows["old"]["scope"], rows["new"]["scope"]) == ("earlier", "external")


@pytest.mark.parametrize(
    ("later", "reason", "column"),
    [
        ({"txid": "0xabc"}, "completed", "txid"),
        ({"network": "TRX"}, "completed", "network"),
        ({"fee": Decimal("0.5")}, "changed", "fee"),
        ({"quantity": Decimal(101)}, "changed", "quantity"),
    ],
)
async def test_a_flow_whose_words_changed_says_before_and_after(
    book: Cycles, later: dict[str, Any], reason: str, column: str
) -> None:
    first = CashFlow(NOON - MINUTE, "d1", "deposit", "USDT", Decimal(100), Decimal(0), "")
    tell(book.venue, deposits=[first], withdrawals=[])
    await book.at(NOON)
    book.venue.streams["alice"]["deposits"].append(replace(first, **later))
    await book.next(11)
    (told,) = book.rows("restatements", table="cash_flows")
    assert (told["reason"], told["row_id"]) == (reason, "deposit/d1")
    detail = json.loads(told["detail"])
    assert detail["before"].keys() == detail["after"].keys() == {column}
    assert detail["before"][column] != detail["after"][column]


async def test_a_coin_that_came_and_went_is_known_to_a_fresh_process(book: Cycles) -> None:
    tell(book.venue, income=[replace(funding(1), asset="DOGE")], fills=[fill(1)])
    await book.at(NOON)
    book.restart()
    await book.next()
    known = book.memory.assets["alice", "binance:main"]
    assert known >= {"DOGE", "BTC"}, "neither is held by any wallet now"


async def test_markets_are_not_read_to_the_end_before_every_wallet_told_its_coins(
    book: Cycles, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = FakeReader.fetch_step

    async def by_assets(reader: FakeReader, *asked: Any, **more: Any) -> ActivityStep:
        return replace(await told(reader, *asked, **more), is_by_assets=True)

    monkeypatch.setattr(FakeReader, "fetch_step", by_assets)
    tell(book.venue, spot_fills=[])
    wallets = [str(wallet) for wallet in book.settings.accounts[0].wallets]
    book.venue.faults |= {("alice", wallet): UnreachableError("no answer") for wallet in wallets}
    await book.at(NOON)
    (row,) = book.rows("cursors", stream="spot_fills")
    assert (row["is_backfilled"], row["progress"]) == (False, 0.0)
    book.venue.faults.clear()
    await book.next()
    (row,) = book.rows("cursors", stream="spot_fills")
    assert row["is_backfilled"], "now every wallet has told"
    book.venue.faults["alice", wallets[0]] = UnreachableError("no answer")
    await book.next(11)
    (row,) = book.rows("cursors", stream="spot_fills")
    assert row["is_backfilled"], "an outage later makes nothing unread"
