"""What is carried, what is read anew, what is absent, and savings that are counted once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from cycles import Cycles, binance, equity, grade
from fake_venues import btc

from portfolio_lab.errors import PostponedError, UnreachableError, WalletRefusedError
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import Transfer, VenueTotals
from portfolio_lab.models.holdings import Balance, Holding

SPOT, EARN = ("alice", Wallet.SPOT), ("alice", Wallet.EARN)


def saved(flexible: str, locked: str = "0", asset: str = "USDT") -> tuple[Balance, ...]:
    parts = (("flexible", Decimal(flexible)), ("locked", Decimal(locked)))
    return (Balance(asset, Decimal(flexible) + Decimal(locked), components=parts),)


def receipt(quantity: str, asset: str = "LDUSDT") -> Balance:
    return Balance(asset, Decimal(quantity), holding=Holding.LD_FALLBACK)


@pytest.fixture
def saver(cycles: Cycles) -> Cycles:
    """Alice: 0.1 BTC in spot (5,000), 3,000 USDT flexible and 1,000 locked; the venue shows the flexible ones twice."""
    cycles.configure(binance(Wallet.SPOT, Wallet.EARN))
    cycles.venue.holdings[SPOT] = (*btc("0.1"), receipt("3000"))
    cycles.venue.holdings[EARN] = saved("3000", "1000")
    return cycles


# ---------------------------------------------------------------- slow wallets


async def test_a_slow_wallet_is_read_when_its_period_is_over_and_carried_between(saver: Cycles) -> None:
    for _ in range(15):
        report = await saver.next()
        assert (grade(report), equity(report)) == ("complete", 9_000.0)
    assert saver.asked("earn") == 1
    assert saver.asked("spot") == 15
    earn = saver.wallet("earn")
    assert (earn["grade"], earn["is_carried"], earn["age_seconds"]) == ("ok", True, 14 * 60)
    await saver.next()
    assert saver.asked("earn") == 2
    assert saver.wallet("earn")["is_carried"] is False


async def test_what_is_carried_is_valued_at_the_prices_of_now(saver: Cycles) -> None:
    saver.venue.holdings[EARN] = saved("0", "2", asset="ETH")
    saver.venue.holdings[SPOT] = btc("0.1")
    assert equity(await saver.next()) == 9_000.0
    saver.venue.prices["ETH"] = Decimal(2_100)
    assert equity(await saver.next()) == 9_200.0
    assert saver.asked("earn") == 1


async def test_money_that_moves_into_savings_never_looks_lost(saver: Cycles) -> None:
    await saver.next()
    saver.venue.holdings[SPOT] = (*btc("0.06"), receipt("3000"))
    saver.venue.holdings[EARN] = (*saved("3000", "1000"), Balance("BTC", Decimal("0.04")))
    report = await saver.next()
    assert (grade(report), equity(report)) == ("complete", 9_000.0)
    assert saver.asked("earn") == 2


async def test_a_fresh_process_carries_what_the_store_holds(saver: Cycles) -> None:
    await saver.next()
    saver.restart()
    report = await saver.next()
    assert (grade(report), equity(report)) == ("complete", 9_000.0)
    assert saver.asked("earn") == 1
    saver.restart()
    saver.venue.holdings[SPOT] = (*btc("0.06"), receipt("3000"))
    saver.venue.holdings[EARN] = (*saved("3000", "1000"), Balance("BTC", Decimal("0.04")))
    assert equity(await saver.next()) == 9_000.0
    assert saver.asked("earn") == 2


async def test_savings_that_stay_silent_hold_for_two_periods_and_no_longer(saver: Cycles) -> None:
    saver.venue.holdings[SPOT] = btc("0.1")
    saver.venue.holdings[EARN] = saved("0", "1000")
    await saver.next()
    saver.venue.faults["alice", "earn"] = UnreachableError("no answer")
    report = await saver.next(16)
    assert (grade(report), equity(report)) == ("complete", 6_000.0)
    assert saver.wallet("earn")["age_seconds"] == 16 * 60
    assert (grade(await saver.next(13)), grade(await saver.next(2))) == ("complete", "partial")


async def test_open_orders_have_a_tier_of_their_own(cycles: Cycles) -> None:
    for _ in range(4):
        await cycles.next()
    assert (cycles.asked("open_orders"), cycles.asked("spot"), cycles.asked("totals")) == (2, 4, 1)


async def test_a_portfolio_margin_that_answers_is_counted_once_though_the_map_of_wallets_fails(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT, Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.PORTFOLIO_MARGIN))
    whole = (Balance("USDT", Decimal(700), Decimal(700), Decimal(0)),)
    cycles.venue.holdings |= {
        SPOT: btc("0.1"),
        ("alice", Wallet.PORTFOLIO_MARGIN): whole,
        ("alice", Wallet.CROSS_MARGIN): (Balance("USDT", Decimal(500)),),
        ("alice", Wallet.USD_M): (Balance("USDT", Decimal(200), Decimal(200), Decimal(0)),),
    }
    cycles.venue.faults["alice", "totals"] = UnreachableError("no answer")
    report = await cycles.next()
    assert (grade(report), equity(report)) == ("complete", 5_700.0)
    assert cycles.wallet("cross_margin")["grade"] == "absent"
    assert cycles.wallet("usd_m")["reason"] == "inside portfolio margin"


# ---------------------------------------------------------------- savings and their receipts


async def test_flexible_savings_are_counted_once_whether_or_not_they_answer(saver: Cycles) -> None:
    assert equity(await saver.next()) == 5_000.0 + 3_000.0 + 1_000.0
    assert saver.rows("balances", wallet="spot", asset="LDUSDT") == []
    saver.venue.faults["alice", "earn"] = UnreachableError("no answer")
    report = await saver.next(16)
    assert (grade(report), equity(report)) == ("complete", 9_000.0)
    (row,) = saver.rows("balances", asset="LDUSDT")
    assert (row["holding"], row["value"], row["price"]) == ("ld_fallback", 3_000.0, 1.0)
    (earn,) = saver.rows("balances", wallet="earn", slot=saver.clock.now)
    assert earn["quantity"] == Decimal(1_000)


async def test_savings_that_never_answered_leave_no_equity(saver: Cycles) -> None:
    saver.venue.faults["alice", "earn"] = UnreachableError("no answer")
    report = await saver.next()
    assert (grade(report), equity(report)) == ("partial", None)


async def test_without_savings_configured_the_receipts_count(saver: Cycles) -> None:
    saver.configure(binance(Wallet.SPOT))
    assert equity(await saver.next()) == 8_000.0


# ---------------------------------------------------------------- absent


async def test_a_wallet_that_the_venue_calls_absent_is_no_failure_and_is_not_asked_again(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT, Wallet.CROSS_MARGIN))
    cycles.venue.faults["alice", "cross_margin"] = WalletRefusedError("never opened")
    cycles.venue.totals["alice"] = VenueTotals((), {Wallet.CROSS_MARGIN: "never opened"})
    report = await cycles.next()
    assert (grade(report), equity(report)) == ("complete", 5_000.0)
    row = cycles.wallet("cross_margin")
    assert (row["grade"], row["equity"], row["reason"]) == ("absent", None, "never opened")
    assert [cycles.snapshot(cycles.clock.now)[name] for name in ("wallets_expected", "wallets_absent")] == [1, 1]
    assert report.summary().count("cross_margin") == 0
    await cycles.next()
    assert cycles.asked("cross_margin") == 1


async def test_a_wallet_that_is_refused_and_not_called_absent_is_a_failure(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT, Wallet.CROSS_MARGIN))
    cycles.venue.faults["alice", "cross_margin"] = WalletRefusedError("may not read")
    report = await cycles.next()
    assert (grade(report), equity(report)) == ("partial", None)


async def test_a_transfer_into_an_absent_wallet_is_no_equity_until_that_wallet_is_read(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT, Wallet.CROSS_MARGIN))
    cycles.venue.totals["alice"] = VenueTotals((), {Wallet.CROSS_MARGIN: "never opened"})
    cycles.venue.streams["alice"] = {"transfers": []}
    cycles.venue.holdings[SPOT] = (*btc("0.1"), Balance("USDT", Decimal(70)))
    old = Transfer(cycles.clock.now - timedelta(days=300), "t0", "USDT", Decimal(5), Wallet.SPOT, Wallet.CROSS_MARGIN)
    cycles.venue.streams["alice"]["transfers"].append(old)  # what the venue has long known of tells nothing new
    assert equity(await cycles.next()) == 5_070.0
    cycles.venue.holdings[SPOT] = btc("0.1")
    moved = Transfer(cycles.clock.now, "t1", "USDT", Decimal(70), Wallet.SPOT, Wallet.CROSS_MARGIN)
    cycles.venue.streams["alice"]["transfers"].append(moved)
    cycles.venue.totals["alice"] = VenueTotals(())
    cycles.venue.holdings["alice", Wallet.CROSS_MARGIN] = (Balance("USDT", Decimal(70)),)
    cycles.memory.account(cycles.settings.accounts[0]).streams_at.clear()  # the ledger is due in this very cycle
    assert grade(await cycles.next()) == "partial"
    await cycles.next()
    assert equity(await cycles.next()) == 5_070.0
    assert cycles.asked("totals") == 2, "once more, and not in each cycle"


@pytest.mark.parametrize("part", ["totals", "identity"])
async def test_totals_and_identity_without_room_are_no_failure_and_asked_for_again(cycles: Cycles, part: str) -> None:
    cycles.configure(binance(Wallet.SPOT))
    cycles.venue.faults["alice", part] = PostponedError("no room")
    for asked in (1, 2):
        report = await cycles.next()
        assert (report.alerts, grade(report), cycles.asked(part)) == ((), "complete", asked)
        assert [line.wallet for line in report.activity if not line.is_ok] == []
    cycles.venue.faults.clear()
    await cycles.next()
    await cycles.next()
    assert cycles.asked(part) == 3


async def test_a_wallet_that_is_opened_later_is_found_when_the_totals_are_read_again(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT, Wallet.CROSS_MARGIN))
    cycles.venue.totals["alice"] = VenueTotals((), {Wallet.CROSS_MARGIN: "never opened"})
    cycles.venue.holdings[SPOT] = (*btc("0.1"), Balance("USDT", Decimal(70)))
    assert equity(await cycles.next()) == 5_070.0
    cycles.venue.totals["alice"] = VenueTotals(())
    cycles.venue.holdings[SPOT] = btc("0.1")
    cycles.venue.holdings["alice", Wallet.CROSS_MARGIN] = (Balance("USDT", Decimal(70)),)
    # It is known now that there is something which was not read: that is no equity.
    assert grade(await cycles.next(16)) == "partial"
    assert equity(await cycles.next()) == 5_070.0
