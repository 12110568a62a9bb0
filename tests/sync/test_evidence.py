"""What a ledger explains, and what a venue's own total denies: each by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from cycles import Cycles, binance, equity, grade
from fake_venues import MIDNIGHT, btc

from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.activity import CashFlow, VenueTotal, VenueTotals
from portfolio_lab.models.holdings import Balance
from portfolio_lab.sync.evidence import explained_by, ledger_of

MAIN = "binance:main"


def income(quantity: str, asset: str = "USDT") -> dict[str, object]:
    return {"account": MAIN, "asset": asset, "quantity": Decimal(quantity)}


def fill(**changed: object) -> dict[str, object]:
    """Two BTC bought for 100,000 USDT, with a fee of 0.002 BTC."""
    usual: dict[str, object] = {
        "account": MAIN,
        "wallet": "spot",
        "instrument": "BTCUSDT",
        "underlying": "BTC",
        "side": "buy",
        "quantity": Decimal(2),
        "price": Decimal(50_000),
        "fee": Decimal("-0.002"),
        "fee_asset": "BTC",
        "realised_pnl": None,
        "settle_asset": "USDT",
    }
    return usual | changed


def doubt(before: str, seen: str, asset: str = "USDT") -> dict[str, object]:
    return {"account": MAIN, "asset": asset, "before": Decimal(before), "seen": Decimal(seen)}


def test_what_came_and_what_went_are_told_apart() -> None:
    assert ledger_of({"income": [income("3"), income("-1"), income("4")]}, []) == {(MAIN, "USDT"): (7.0, 1.0)}


@pytest.mark.parametrize(("instrument", "settle"), [("BTCUSDT", "USDT"), ("BTC-USDT", "")])
def test_a_purchase_takes_the_quote_and_brings_the_coin_less_its_fee(instrument: str, settle: str) -> None:
    told = ledger_of({"fills": [fill(instrument=instrument, settle_asset=settle)]}, [])
    assert told == {(MAIN, "BTC"): (2.0, 0.002), (MAIN, "USDT"): (0.0, 100_000.0)}


def test_a_contract_moves_only_what_it_realised() -> None:
    told = ledger_of(
        {"fills": [fill(wallet="usd_m", realised_pnl=Decimal(-40), fee_asset="USDT", fee=Decimal(-3))]}, []
    )
    assert told == {(MAIN, "USDT"): (0.0, 43.0)}


def test_a_contract_that_does_not_say_may_have_moved_anything() -> None:
    told = ledger_of({"fills": [fill(wallet="options")]}, [])
    assert explained_by(told, [doubt("1000000", "0")]).keys() == {(MAIN, "BTC"), (MAIN, "USDT")}


def test_a_flow_that_was_read_twice_counts_once() -> None:
    account = Account("alice", "binance", "main")
    flow = CashFlow(MIDNIGHT, "w1", "withdrawal", "BTC", Decimal("-0.1"), Decimal(0), "")
    assert ledger_of({}, [(account, flow), (account, flow)]) == {(MAIN, "BTC"): (0.0, 0.1)}


def test_a_transfer_comes_and_goes() -> None:
    assert ledger_of({"transfers": [income("5")]}, []) == {(MAIN, "USDT"): (5.0, 5.0)}


@pytest.mark.parametrize(
    ("went", "is_explained"), [("-1", False), ("-499", False), ("-500", True), ("-5000", True), ("5000", False)]
)
def test_the_ledger_must_tell_of_at_least_half_of_it_and_in_its_direction(went: str, *, is_explained: bool) -> None:
    told = ledger_of({"income": [income(went), income("1", "BNB")]}, [])
    explained = explained_by(told, [doubt("1000", "0")])
    assert explained.keys() == {(MAIN, "BNB")} | ({(MAIN, "USDT")} if is_explained else set())
    assert explained.get((MAIN, "USDT"), float(went)) == float(went)


# ---------------------------------------------------------------- the venue's own total


@pytest.fixture
def book(cycles: Cycles) -> Cycles:
    """Alice: 0.1 BTC (5,000) in spot, 1,000 USDT in funding."""
    cycles.configure(binance(Wallet.SPOT, Wallet.FUNDING))
    cycles.venue.holdings["alice", Wallet.SPOT] = btc("0.1")
    cycles.venue.holdings["alice", Wallet.FUNDING] = (Balance("USDT", Decimal(1_000)),)
    say(cycles, "5000")
    return cycles


def say(book: Cycles, spot: str) -> None:
    book.venue.totals["alice"] = VenueTotals(
        (VenueTotal("spot", "USDT", Decimal(spot)), VenueTotal("funding", "USDT", Decimal(1_000)))
    )


async def test_what_the_venues_own_total_denies_is_not_true_however_often_it_is_seen(book: Cycles) -> None:
    await book.next()
    book.venue.holdings["alice", Wallet.SPOT] = ()
    assert [grade(await book.next()) for _ in range(6)] == ["suspect"] * 6
    book.venue.holdings["alice", Wallet.SPOT] = btc("0.1")
    assert equity(await book.next()) == 6_000.0
    assert [row["equity"] for row in book.rows("portfolio_snapshots")] == [6_000.0, *[None] * 6, 6_000.0]


async def test_what_the_venues_own_total_bears_out_is_true_when_it_is_seen_three_times(book: Cycles) -> None:
    await book.next()
    book.venue.holdings["alice", Wallet.SPOT] = ()
    say(book, "0")
    assert [grade(await book.next()) for _ in range(3)] == ["suspect", "suspect", "complete"]


async def test_a_total_that_never_agrees_does_not_hold_a_book_for_ever(book: Cycles) -> None:
    await book.next()
    book.venue.holdings["alice", Wallet.SPOT] = ()
    grades = [grade(await book.next()) for _ in range(31)]
    assert grades == [*["suspect"] * 29, "complete", "complete"]


async def test_the_total_is_asked_for_while_there_is_a_doubt(book: Cycles) -> None:
    await book.next()
    await book.next()
    assert book.asked("totals") == 1
    book.venue.holdings["alice", Wallet.SPOT] = ()
    for _ in range(3):
        await book.next()
    assert book.asked("totals") == 3
