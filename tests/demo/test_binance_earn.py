"""Savings, staking receipts, loans and bots on the wire, worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hand_written import FREE_OF_CHARGE, NOW, OPENED, Bench, fund, open_bench, pair, row_of

from portfolio_lab.models.accounts import Wallet

SPOT = Wallet.SPOT
MAP = "/sapi/v1/asset/wallet/balance"
WALLETS = (Wallet.EARN, Wallet.LOANS, Wallet.BOTS, Wallet.COPY_TRADING)


@pytest.fixture
def saver() -> Bench:
    """Of 5,000 USDT and 2 ETH: 1,000 USDT and 0.5 ETH flexible, 1 ETH locked for 60 days."""
    bench = open_bench(*WALLETS)
    fund(bench, SPOT, "USDT", "5000")
    fund(bench, SPOT, "ETH", "2")
    bench.book.subscribe(OPENED, SPOT, "USDT", Decimal(1000))
    bench.book.subscribe(OPENED, SPOT, "ETH", Decimal("0.5"))
    bench.book.lock(OPENED, SPOT, "ETH", Decimal(1), days=60, apr=Decimal("0.04"))
    return bench


def test_flexible_savings_show_as_positions_and_as_coins_of_spot(saver: Bench) -> None:
    answer = saver.ask("/sapi/v1/simple-earn/flexible/position")
    spot = saver.ask("/sapi/v3/asset/getUserAsset", "POST")

    assert answer["total"] == 2
    assert row_of(answer["rows"], asset="USDT")["totalAmount"] == "1000.00000000"
    assert row_of(spot, asset="LDUSDT")["free"] == "1000"
    assert row_of(spot, asset="LDETH")["free"] == "0.5"
    assert row_of(saver.ask("/api/v3/account")["balances"], asset="LDETH")["free"] == "0.50000000"
    assert row_of(spot, asset="ETH")["free"] == "0.5"


def test_locked_savings_tell_their_term(saver: Bench) -> None:
    (row,) = saver.ask("/sapi/v1/simple-earn/locked/position")["rows"]

    assert (row["asset"], row["amount"], row["duration"], row["APY"]) == ("ETH", "1.00000000", "60", "0.04")
    assert row["purchaseTime"] == OPENED
    assert row["rewardsEndDate"] - OPENED == 60 * 86_400_000


def test_the_earn_account_sums_both_and_the_wallet_map_agrees(saver: Bench) -> None:
    answer, ether = saver.ask("/sapi/v1/simple-earn/account"), saver.usdt("ETH")
    both = 1000 + Decimal("1.5") * ether

    assert answer["totalFlexibleAmountInUSDT"] == f"{1000 + ether / 2:.8f}"
    assert answer["totalLockedInUSDT"] == f"{ether:.8f}"
    assert answer["totalAmountInUSDT"] == f"{both:.8f}"
    told = saver.told(MAP)
    assert abs(Decimal(told["Earn"]) - both) < Decimal("1e-7")
    # What is saved is not in spot as well.
    assert abs(Decimal(told["Spot"]) - 4000 - ether / 2) < Decimal("1e-7")


def test_positions_come_in_pages(saver: Bench) -> None:
    for coin in ("BTC", "SOL", "BNB"):
        fund(saver, SPOT, coin, "1")
        saver.book.subscribe(NOW, SPOT, coin, Decimal(1))
    path, seen = "/sapi/v1/simple-earn/flexible/position", []
    for page in range(1, 5):
        answer = saver.ask(path, current=str(page), size="2")
        assert answer["total"] == 5
        seen.append([row["asset"] for row in answer["rows"]])

    assert seen == [["USDT", "ETH"], ["BTC", "SOL"], ["BNB"], []]
    assert saver.refusal(path, size="101") == (400, -1130)


def test_staking_tells_the_receipts_of_spot_a_second_time() -> None:
    bench = open_bench()
    for coin in ("WBETH", "BETH", "BNSOL"):
        fund(bench, SPOT, coin, "2")
    ether, sol = bench.ask("/sapi/v2/eth-staking/account"), bench.ask("/sapi/v1/sol-staking/account")

    assert ether["holdings"] == {"wbethAmount": "2.00000000", "bethAmount": "2.00000000"}
    assert Decimal(ether["holdingInETH"]) == 2 * bench.market.ratio("WBETH", NOW) + 2
    assert Decimal(ether["thirtyDaysProfitInETH"]) > 0
    assert (sol["bnsolAmount"], Decimal(sol["holdingInSOL"])) == (
        "2.00000000",
        2 * bench.market.ratio("BNSOL", NOW),
    )
    assert bench.told(MAP)["Earn"] == "0"


def test_a_loan_tells_debt_and_collateral(saver: Bench) -> None:
    saver.book.open_loan(NOW, SPOT, ("USDT", Decimal(500)), ("ETH", Decimal("0.5")))
    answer = saver.ask("/sapi/v2/loan/flexible/ongoing/orders")
    (row,) = answer["rows"]

    assert (row["loanCoin"], row["totalDebt"], row["collateralCoin"], row["collateralAmount"]) == (
        "USDT",
        "500",
        "ETH",
        "0.5",
    )
    assert row["currentLTV"] == f"{1000 / saver.usdt('ETH'):.4f}"
    assert saver.ask("/sapi/v2/loan/flexible/ongoing/orders", loanCoin="BTC")["total"] == 0
    assert saver.ask("/sapi/v1/loan/vip/ongoing/orders") == {"rows": [], "total": 0}
    # The wallet map knows no loans: the borrowed cash is in spot, the collateral nowhere.
    assert abs(Decimal(saver.told(MAP)["Spot"]) - 4500) < Decimal("1e-7")


def test_bots_show_in_the_wallet_map_alone(saver: Bench) -> None:
    grid = saver.book.open_bot(NOW, SPOT, "grid", "USDT", Decimal(800))
    saver.book.bot_trade(NOW, grid, ("USDT", Decimal(300)), ("ETH", Decimal("0.1")))
    saver.book.open_bot(NOW, SPOT, "copy", "USDT", Decimal(250))
    told = saver.told(MAP)

    assert abs(Decimal(told["Trading Bots"]) - 500 - saver.usdt("ETH") / 10) < Decimal("1e-7")
    assert Decimal(told["Copy Trading"]) == 250
    assert saver.ask("/sapi/v1/copyTrading/futures/userStatus")["data"]["isLeadTrader"] is False


def test_a_resting_order_locks_coins_but_not_savings(saver: Bench) -> None:
    saver.book.place(NOW, SPOT, pair("ETHUSDT"), "sell", Decimal("0.2"), price=Decimal(9000))
    saver.book.trade(NOW, SPOT, pair("BTCUSDT"), "buy", Decimal("0.01"), Decimal(90_000), fee_rate=FREE_OF_CHARGE)
    rows = saver.ask("/sapi/v3/asset/getUserAsset", "POST")

    assert (row_of(rows, asset="ETH")["free"], row_of(rows, asset="ETH")["locked"]) == ("0.3", "0.2")
    assert row_of(rows, asset="USDT")["free"] == "3100"
