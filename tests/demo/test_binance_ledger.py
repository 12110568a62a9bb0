"""Binance's ledger of everything that is no trade, worked by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hand_written import FREE_OF_CHARGE, Bench, open_bench, pair
from test_binance_history import NOW, ask, refusal, windows

from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.market import DAY_MS, HOUR_MS
from portfolio_lab.models.accounts import Wallet

SPOT, FUNDING, CROSS, ISOLATED = Wallet.SPOT, Wallet.FUNDING, Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN
EARN = "/sapi/v1/simple-earn"
MONTH_MS = 30 * DAY_MS


@pytest.fixture
def bench() -> Bench:
    found = open_bench(CROSS, ISOLATED)
    found.book.head = NOW - 40 * DAY_MS
    return found


def test_distributions_and_vouchers_are_dividends(bench: Bench) -> None:
    bench.book.credit(NOW - 5, SPOT, "BNB", Decimal("0.25"), Reason.DIVIDEND)
    bench.book.credit(NOW - 4, FUNDING, "USDT", Decimal(10), Reason.PROMOTION)
    bench.book.credit(NOW - 3, Wallet.USD_M, "USDT", Decimal(1), Reason.PROMOTION)

    answer = ask(bench, "/sapi/v1/asset/assetDividend")

    told = [(row["asset"], row["amount"], row["enInfo"]) for row in answer["rows"]]
    assert told == [("USDT", "10.00000000", "Demo voucher"), ("BNB", "0.25000000", "Demo distribution")]
    assert ask(bench, "/sapi/v1/asset/assetDividend", limit=1)["total"] == 2
    assert refusal(bench, "/sapi/v1/asset/assetDividend", limit=501) == (400, -1130)
    assert refusal(bench, "/sapi/v1/asset/assetDividend", startTime=NOW - 181 * DAY_MS, endTime=NOW) == (400, -1127)


def test_dust_is_told_net_of_the_service_charge(bench: Bench) -> None:
    """0.98 BNB arrive of 1 BNB's worth: the venue kept 0.02."""
    bench.book.swap(NOW - 5, SPOT, ("XRP", Decimal(3)), ("BNB", Decimal("0.98")), Reason.DUST)

    (change,) = ask(bench, "/sapi/v1/asset/dribblet")["userAssetDribblets"]
    (detail,) = change["userAssetDribbletDetails"]

    assert (change["totalTransferedAmount"], change["totalServiceChargeAmount"]) == ("0.98", "0.02")
    assert (detail["fromAsset"], detail["amount"], detail["transferedAmount"]) == ("XRP", "3", "0.98")
    assert detail["targetAsset"] == "BNB"


def test_only_the_last_hundred_dust_changes_are_told(bench: Bench) -> None:
    for place in range(105):
        bench.book.swap(NOW - 200 + place, SPOT, ("XRP", Decimal(1)), ("BNB", Decimal("0.1")), Reason.DUST)

    answer = ask(bench, "/sapi/v1/asset/dribblet")

    assert (answer["total"], len(answer["userAssetDribblets"])) == (105, 100)
    assert answer["userAssetDribblets"][0]["operateTime"] == NOW - 96


def test_conversions_over_windows_are_both_legs_once(bench: Bench) -> None:
    for place in range(7):
        at = NOW - 39 * DAY_MS + place * 6 * DAY_MS
        bench.book.swap(at, SPOT, ("USDT", Decimal(300)), ("BNB", Decimal("0.5")), Reason.CONVERT)
    rows: list[dict[str, Any]] = []
    for span in windows(NOW - 40 * DAY_MS, NOW, 11 * DAY_MS):
        rows += ask(bench, "/sapi/v1/convert/tradeFlow", **span)["list"]

    references = {entry.reference for entry in bench.book.entries(until=NOW)}
    assert len(rows) == len(references) == 7
    assert {row["orderId"] for row in rows} == references
    assert {(row["fromAmount"], row["toAmount"], row["inverseRatio"]) for row in rows} == {("300", "0.5", "600")}


def test_conversions_want_a_window_and_say_when_there_are_more(bench: Bench) -> None:
    for place in range(3):
        bench.book.swap(NOW - place, SPOT, ("USDT", Decimal(1)), ("BNB", Decimal(1)), Reason.CONVERT)
    path, span = "/sapi/v1/convert/tradeFlow", {"startTime": NOW - DAY_MS, "endTime": NOW}

    assert refusal(bench, path, startTime=NOW) == (400, -1102)
    assert refusal(bench, path, startTime=NOW - 31 * DAY_MS, endTime=NOW) == (400, -1127)
    assert ask(bench, path, limit=2, **span)["moreData"] is True
    assert ask(bench, path, limit=3, **span)["moreData"] is False


def test_rebates_are_paged_by_hundreds(bench: Bench) -> None:
    for place in range(101):
        bench.book.credit(NOW - 101 + place, SPOT, "USDT", Decimal("0.01"), Reason.REBATE)

    answer = ask(bench, "/sapi/v1/rebate/taxQuery", page=2)["data"]

    assert (answer["totalRecords"], answer["totalPageNum"]) == (101, 2)
    assert [row["updateTime"] for row in answer["data"]] == [NOW - 101]
    assert refusal(bench, "/sapi/v1/rebate/taxQuery", startTime=NOW - 31 * DAY_MS, endTime=NOW) == (400, -1127)


def test_fiat_by_bank_and_by_card(bench: Bench) -> None:
    bench.book.credit(NOW - 9, FUNDING, "EUR", Decimal(500), Reason.FIAT)
    bench.book.credit(NOW - 8, FUNDING, "EUR", Decimal(-120), Reason.FIAT)
    bench.book.credit(NOW - 7, FUNDING, "BTC", Decimal("0.01"), Reason.FIAT)
    bench.book.swap(NOW - 6, FUNDING, ("EUR", Decimal(50)), ("USDT", Decimal(54)), Reason.FIAT)

    came = ask(bench, "/sapi/v1/fiat/orders", transactionType=0)
    went = ask(bench, "/sapi/v1/fiat/orders", transactionType=1)
    bought = ask(bench, "/sapi/v1/fiat/payments", transactionType=0)

    assert [(row["fiatCurrency"], row["amount"]) for row in came["data"] + went["data"]] == [
        ("EUR", "500.00"),
        ("EUR", "120.00"),
    ]
    assert [(row["cryptoCurrency"], row["obtainAmount"], row["paymentMethod"]) for row in bought["data"]] == [
        ("USDT", "54", "Cash Balance"),
        ("BTC", "0.01", "Credit Card"),
    ]
    assert bought["data"][0]["sourceAmount"] == "50.00"
    assert refusal(bench, "/sapi/v1/fiat/orders") == (400, -1102)
    assert refusal(bench, "/sapi/v1/fiat/orders", transactionType=2) == (400, -1130)


def test_payments_are_signed(bench: Bench) -> None:
    bench.book.credit(NOW - 9, FUNDING, "USDT", Decimal(20), Reason.PAY)
    bench.book.credit(NOW - 8, FUNDING, "USDT", Decimal(-5), Reason.PAY)

    answer = ask(bench, "/sapi/v1/pay/transactions")

    assert [row["amount"] for row in answer["data"]] == ["-5", "20"]
    assert len({row["transactionId"] for row in answer["data"]}) == 2
    assert refusal(bench, "/sapi/v1/pay/transactions", startTime=NOW - 91 * DAY_MS, endTime=NOW) == (400, -1127)


# ---------------------------------------------------------------- savings


@pytest.fixture
def saver(bench: Bench) -> Bench:
    """Flexible savings from spot and funding, some redeemed; a lock of ten days that came home."""
    book, start = bench.book, NOW - 35 * DAY_MS
    book.credit(start, SPOT, "USDT", Decimal(5000), Reason.DEPOSIT)
    book.credit(start, FUNDING, "USDT", Decimal(900), Reason.DEPOSIT)
    book.credit(start, SPOT, "BNB", Decimal(8), Reason.DEPOSIT)
    book.subscribe(start + 1, SPOT, "USDT", Decimal(3650))
    book.subscribe(start + 2, FUNDING, "USDT", Decimal(100))
    book.lock(start + 3, SPOT, "BNB", Decimal("3.65"), days=10, apr=Decimal("0.1"))
    book.fund_until(NOW - DAY_MS)
    book.redeem(NOW - 5, SPOT, "USDT", Decimal(250))
    return bench


def _all(bench: Bench, path: str, length: int, size: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for span in windows(NOW - 40 * DAY_MS, NOW, length):
        page = 1
        while told := ask(bench, path, size=size, current=page, **span)["rows"]:
            rows += told
            page += 1
    return rows


def test_flexible_savings_by_hand(saver: Bench) -> None:
    put = _all(saver, f"{EARN}/flexible/history/subscriptionRecord", MONTH_MS, 10)
    took = _all(saver, f"{EARN}/flexible/history/redemptionRecord", MONTH_MS, 10)

    assert sorted((row["amount"], row["sourceAccount"]) for row in put) == [
        ("100.00000000", "FUND"),
        ("3650.00000000", "SPOT"),
    ]
    assert [(row["amount"], row["asset"], row["destAccount"]) for row in took] == [("250.00000000", "USDT", "SPOT")]


@pytest.mark.parametrize(("length", "size"), [(MONTH_MS, 100), (4 * DAY_MS, 1), (90 * DAY_MS, 7)])
def test_rewards_over_pages_and_windows_are_all_rewards(saver: Bench, length: int, size: int) -> None:
    rows = _all(saver, f"{EARN}/flexible/history/rewardsRecord", length, size)
    entries = [
        one for one in saver.book.entries(until=NOW) if one.reason is Reason.REWARD and one.note.startswith("flexible")
    ]

    assert len(entries) > 30
    assert sorted((row["time"], Decimal(row["rewards"])) for row in rows) == [(one.at, one.amount) for one in entries]


def test_locked_savings_tell_their_position(saver: Bench) -> None:
    (put,) = _all(saver, f"{EARN}/locked/history/subscriptionRecord", MONTH_MS, 10)
    (home,) = _all(saver, f"{EARN}/locked/history/redemptionRecord", MONTH_MS, 10)
    rewards = _all(saver, f"{EARN}/locked/history/rewardsRecord", MONTH_MS, 10)

    assert (put["amount"], put["lockPeriod"], put["projectId"]) == ("3.65000000", "10", "BNB*10")
    assert (home["amount"], home["positionId"]) == ("3.65000000", put["positionId"])
    # 3.65 BNB x 10 % / 365 days.
    assert {row["amount"] for row in rewards} == {"0.00100000"}
    assert {row["positionId"] for row in rewards} == {put["positionId"]}


def test_savings_refuse_long_windows_and_default_to_a_month(saver: Bench) -> None:
    path = f"{EARN}/flexible/history/subscriptionRecord"

    assert refusal(saver, path, startTime=NOW - 91 * DAY_MS, endTime=NOW) == (400, -1127)
    assert refusal(saver, path, size=101) == (400, -1130)
    assert ask(saver, path)["total"] == 0
    assert ask(saver, path, startTime=NOW - 36 * DAY_MS)["total"] == 2


def test_wbeth_gains_what_the_ratio_gains(bench: Bench) -> None:
    bench.book.credit(NOW - 3 * DAY_MS, SPOT, "WBETH", Decimal(10), Reason.DEPOSIT)

    answer = ask(bench, "/sapi/v1/eth-staking/eth/history/wbethRewardsHistory")

    market, at = bench.market, answer["rows"][0]["time"]
    gain = 10 * (market.ratio("WBETH", at) - market.ratio("WBETH", at - DAY_MS))
    assert answer["total"] == 3
    assert Decimal(answer["rows"][0]["amountInETH"]) == gain > 0


def test_a_flexible_loan_is_borrowed_and_repaid_with_its_collateral(bench: Bench) -> None:
    book, at = bench.book, NOW - 50 * HOUR_MS
    book.credit(at, SPOT, "BTC", Decimal(1), Reason.DEPOSIT)
    book.credit(at, SPOT, "USDT", Decimal(1000), Reason.DEPOSIT)
    loan_id = book.open_loan(at + 1, SPOT, ("USDT", Decimal(20_000)), ("BTC", Decimal("0.5")))
    book.repay_loan(at + 2, SPOT, loan_id, Decimal(5_000))
    book.repay_loan(at + 3, SPOT, loan_id, Decimal(99_999))

    (borrowed,) = ask(bench, "/sapi/v2/loan/flexible/borrow/history")["rows"]
    whole, part = ask(bench, "/sapi/v2/loan/flexible/repay/history")["rows"]

    assert (borrowed["initialLoanAmount"], borrowed["initialCollateralAmount"]) == ("20000", "0.5")
    assert (part["repayAmount"], part["collateralReturn"]) == ("5000", "0")
    assert (whole["repayAmount"], whole["collateralReturn"]) == ("15000", "0.5")
    assert refusal(bench, "/sapi/v2/loan/flexible/borrow/history", limit=101) == (400, -1130)


# ---------------------------------------------------------------- margin


@pytest.fixture
def debtor(bench: Bench) -> Bench:
    """Two hours of debt in cross margin and in one pair, part of the first repaid."""
    book, at = bench.book, NOW - 150 * 60_000
    book.head = at
    book.borrow(at, CROSS, "USDT", Decimal(800))
    book.borrow(at, ISOLATED, "USDT", Decimal(2400), pair="BTCUSDT")
    book.fund_until(NOW - 60_000)
    book.repay(NOW - 50, CROSS, "USDT", Decimal(300))
    return bench


def test_interest_of_cross_and_isolated_margin_by_hand(debtor: Bench) -> None:
    """0.03 % a day of 800 is 0.01 an hour; of 2,400 it is 0.03."""
    cross = ask(debtor, "/sapi/v1/margin/interestHistory")["rows"]
    isolated = ask(debtor, "/sapi/v1/margin/interestHistory", isolatedSymbol="BTCUSDT")["rows"]

    assert [row["interest"] for row in cross] == ["0.01000000"] * len(cross)
    assert [row["interest"] for row in isolated] == ["0.03000000"] * len(isolated)
    assert (cross[0]["principal"], cross[0]["rawAsset"]) == ("800", "USDT")
    assert (isolated[0]["isolatedSymbol"], "rawAsset" in isolated[0]) == ("BTCUSDT", False)
    assert len(cross) == len(isolated) == 2
    assert refusal(debtor, "/sapi/v1/margin/interestHistory", startTime=NOW - 31 * DAY_MS, endTime=NOW) == (400, -1127)


def test_borrowing_and_repaying_by_hand(debtor: Bench) -> None:
    path = "/sapi/v1/margin/borrow-repay"
    (borrowed,) = ask(debtor, path, type="BORROW")["rows"]
    (repaid,) = ask(debtor, path, type="REPAY")["rows"]
    (isolated,) = ask(debtor, path, type="BORROW", isolatedSymbol="BTCUSDT")["rows"]

    assert (borrowed["principal"], borrowed["interest"]) == ("800.00000000", "0.00000000")
    assert (repaid["amount"], repaid["interest"], repaid["principal"]) == (
        "300.00000000",
        "0.02000000",
        "299.98000000",
    )
    assert isolated["isolatedSymbol"] == "BTCUSDT"
    assert refusal(debtor, path) == (400, -1102)


def test_capital_flow_is_every_change_of_the_margin_wallet(debtor: Bench) -> None:
    book = debtor.book
    book.trade(NOW - 40, CROSS, pair("ETHUSDT"), "buy", Decimal("0.1"), Decimal(3000), fee_rate=Decimal("0.001"))
    path = "/sapi/v1/margin/capital-flow"

    rows = ask(debtor, path)
    pages = ask(debtor, path, limit=2)[:0]
    after = 0
    while told := ask(debtor, path, fromId=after, limit=2):
        pages += told
        after = told[-1]["id"]

    entries = book.entries(until=NOW, wallets={CROSS})
    assert [(row["id"], Decimal(row["amount"])) for row in rows] == [(one.entry_id, one.amount) for one in entries]
    assert pages == rows
    assert [row["type"] for row in rows] == ["BORROW", "REPAY", "BUY_INCOME", "BUY_EXPENSE", "TRADING_COMMISSION"]
    assert [row["type"] for row in ask(debtor, path, symbol="BTCUSDT")] == ["BORROW"]
    assert refusal(debtor, path, startTime=NOW - 8 * DAY_MS, endTime=NOW) == (400, -1127)


def test_portfolio_margin_tells_debts_fills_and_income_under_papi() -> None:
    bench = open_bench(CROSS, Wallet.USD_M, Wallet.COIN_M, portfolio_margin=True)
    book = bench.book
    book.head = NOW - 90 * 60_000
    book.borrow(NOW - 80 * 60_000, CROSS, "USDT", Decimal(800))
    book.fund_until(NOW - 60_000)
    book.trade(NOW - 9, CROSS, pair("ETHUSDT"), "buy", Decimal(1), Decimal(3000), fee_rate=FREE_OF_CHARGE)
    book.credit(NOW - 8, Wallet.USD_M, "USDT", Decimal(2), Reason.REBATE)

    assert ask(bench, "/papi/v1/margin/marginInterestHistory")["total"] == 1
    assert ask(bench, "/papi/v1/margin/marginLoan", asset="USDT")["rows"][0]["principal"] == "800.00000000"
    assert ask(bench, "/papi/v1/margin/myTrades", symbol="ETHUSDT")[0]["qty"] == "1.00000000"
    assert ask(bench, "/papi/v1/um/income")[0]["incomeType"] == "COMMISSION_REBATE"
    assert ask(bench, "/papi/v1/um/userTrades", symbol="BTCUSDT") == []
    assert refusal(bench, "/fapi/v1/income") == (401, -2015)
    assert refusal(bench, "/sapi/v1/margin/interestHistory") == (401, -2015)


# ---------------------------------------------------------------- snapshots


def test_snapshots_are_the_book_at_the_end_of_each_day(bench: Bench) -> None:
    book = bench.book
    for day in range(4, 0, -1):
        book.credit(NOW - day * DAY_MS, SPOT, "USDT", Decimal(10), Reason.DEPOSIT)
    book.borrow(NOW - 3 * DAY_MS, CROSS, "BTC", Decimal("0.5"))

    spot = ask(bench, "/sapi/v1/accountSnapshot", type="SPOT", limit=5)["snapshotVos"]
    margin = ask(bench, "/sapi/v1/accountSnapshot", type="MARGIN")["snapshotVos"]

    last = NOW // DAY_MS * DAY_MS - 1000
    assert [row["updateTime"] for row in spot] == [last - back * DAY_MS for back in range(4, -1, -1)]
    told = [{one["asset"]: one["free"] for one in row["data"]["balances"]} for row in spot]
    assert [amounts["USDT"] for amounts in told] == ["0", "10", "20", "30", "40"]
    bitcoin = next(row for row in margin[-1]["data"]["userAssets"] if row["asset"] == "BTC")
    assert (bitcoin["borrowed"], bitcoin["free"], bitcoin["netAsset"]) == ("0.50000000", "0.50000000", "0.00000000")
    assert margin[-1]["data"]["totalNetAssetOfBtc"] == "0.00000000"
    assert refusal(bench, "/sapi/v1/accountSnapshot", type="EARN") == (400, -1130)
    assert refusal(bench, "/sapi/v1/accountSnapshot", type="SPOT", limit=31) == (400, -1130)


def test_wrapping_and_unwrapping_by_hand(bench: Bench) -> None:
    bench.book.swap(NOW - 9, SPOT, ("ETH", Decimal("2.16")), ("WBETH", Decimal(2)), Reason.STAKING)
    bench.book.swap(NOW - 8, SPOT, ("BNSOL", Decimal(5)), ("SOL", Decimal("5.3")), Reason.STAKING)

    (staked,) = ask(bench, "/sapi/v1/eth-staking/eth/history/stakingHistory")["rows"]
    (home,) = ask(bench, "/sapi/v1/sol-staking/sol/history/redemptionHistory")["rows"]

    assert (staked["amount"], staked["distributeAmount"], staked["conversionRatio"]) == ("2.16", "2", "1.08000000")
    assert (home["asset"], home["distributeAsset"], home["exchangeRate"]) == ("BNSOL", "SOL", "1.06000000")
    assert ask(bench, "/sapi/v1/sol-staking/sol/history/stakingHistory")["rows"] == []
    assert ask(bench, "/sapi/v1/eth-staking/eth/history/redemptionHistory")["rows"] == []
