"""OKX's answers about debts, earn, loans, bots, margin and moves, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.demo.debts import HOURS_A_DAY
from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.instruments import LINEAR, OPTION, SPOT, by_symbol
from portfolio_lab.demo.late import LateRows
from portfolio_lab.demo.market import DAY_MS, HOUR_MS, milliseconds
from portfolio_lab.demo.okx_wire import OkxRefusalError
from portfolio_lab.models.accounts import Wallet

START = milliseconds(datetime(2026, 9, 1, tzinfo=UTC))
Desk = Any
BTC_SWAP = by_symbol("okx", LINEAR)["BTC-USDT-SWAP"]
BTC = by_symbol("okx", SPOT)["BTC-USDT"]
COMPONENTS = ("eq", "cashBal", "isoEq", "upl", "isoUpl", "stgyEq")


@pytest.fixture
def desk(okx_desk: Callable[..., Desk]) -> Desk:
    return okx_desk(mode="3")


def pass_time(desk: Desk, span: int) -> None:
    desk.now += span
    desk.book.fund_until(desk.now)


def residual(row: dict[str, str]) -> Decimal:
    """Eq less its parts."""
    equity, cash, isolated, upl, isolated_upl, bots = (Decimal(row[name]) for name in COMPONENTS)
    return equity - (cash + isolated + (upl - isolated_upl) + bots)


def in_usdt(desk: Desk) -> dict[str, Decimal]:
    row = desk.ask("asset/asset-valuation", "ccy=USDT")[0]
    parts = {name: Decimal(amount) for name, amount in row["details"].items()}
    assert sum(parts.values()) == Decimal(row["totalBal"])
    return parts


# ------------------------------------------------------------ a debt


@pytest.fixture
def debtor(desk: Desk) -> Desk:
    """One BTC is there, 1,000 USDT were borrowed and moved to the funding account, a day has passed.

    Interest: 24 times 1,000 x 0.03 % / 24 = 0.0125.
    """
    desk.give("BTC", "1")
    desk.book.borrow(START, Wallet.TRADING, "USDT", Decimal(1000))
    desk.book.transfer(START, "USDT", Decimal(1000), Wallet.TRADING, Wallet.FUNDING)
    pass_time(desk, DAY_MS)
    return desk


def test_a_debt_is_negative_equity_and_a_positive_liability(debtor: Desk) -> None:
    row = debtor.detail("USDT")
    told = {name: Decimal(row[name]) for name in ("eq", "cashBal", "liab", "crossLiab", "interest", "availBal")}
    assert told == {
        "eq": Decimal("-1000.3"),
        "cashBal": Decimal("-1000.3"),
        "liab": 1000,
        "crossLiab": 1000,
        "interest": Decimal("0.3"),
        "availBal": 0,
    }
    assert Decimal(row["eqUsd"]) < 0
    account = debtor.ask("account/balance")[0]
    assert Decimal(account["totalEq"]) == sum(Decimal(one["eqUsd"]) for one in account["details"])
    assert Decimal(account["adjEq"]) < Decimal(account["totalEq"])
    assert Decimal(account["notionalUsdForBorrow"]) > 999


def test_interest_is_billed_by_the_hour_and_borrowing_changes_no_net_balance(debtor: Desk) -> None:
    rows = debtor.ask("account/bills", "ccy=USDT")
    assert sum(Decimal(row["balChg"]) for row in rows) == Decimal("-1000.3")
    assert rows[0]["bal"] == "-1000.3"
    interest = [row for row in rows if row["type"] == "7"]
    assert len(interest) == HOURS_A_DAY
    assert {row["balChg"] for row in interest} == {"-0.0125"}
    borrowed = next(row for row in rows if row["type"] == "16")
    assert (borrowed["subType"], borrowed["balChg"]) == ("306", "0")
    accrued = debtor.ask("account/interest-accrued")
    assert [(row["interest"], row["liab"]) for row in accrued] == [("0.0125", "1000")] * HOURS_A_DAY
    assert {row["mgnMode"] for row in accrued} == {"cross"}


def test_a_repaid_debt_leaves_nothing(debtor: Desk) -> None:
    debtor.give("USDT", "2000")
    debtor.book.repay(debtor.now, Wallet.TRADING, "USDT", Decimal(5000))
    row = debtor.detail("USDT")
    assert (row["eq"], row["liab"], row["interest"]) == ("999.7", "0", "0")
    told = [(one["type"], one["amt"], one["accBorrowed"]) for one in debtor.ask("account/spot-borrow-repay-history")]
    assert told == [("manual_repay", "1000.3", "0"), ("manual_borrow", "1000", "1000")]
    newest = debtor.ask("account/bills", "ccy=USDT")[0]
    assert (newest["type"], newest["balChg"], newest["bal"]) == ("22", "0", "999.7")


# ------------------------------------------------------------ earn, loans, bots


def test_savings_grow_and_are_worth_what_the_valuation_says(desk: Desk) -> None:
    """365 USDT at 3 %: 0.03 on the first day, then interest on interest; all of it is `amt`."""
    desk.give("USDT", "400", Wallet.FUNDING)
    desk.book.subscribe(START, Wallet.FUNDING, "USDT", Decimal(365))
    pass_time(desk, 2 * DAY_MS)
    row = desk.ask("finance/savings/balance")[0]
    assert (row["ccy"], row["amt"], row["earnings"]) == ("USDT", "365.06000247", "0.06000247")
    assert in_usdt(desk) == {"classic": 0, "earn": Decimal("365.06000247"), "funding": 35, "trading": 0}
    assert [bill["type"] for bill in desk.ask("asset/bills")] == ["75", "48"]


def test_on_chain_earn_tells_principal_and_earnings_apart(desk: Desk) -> None:
    """36.5 SOL at 2.5 %: 0.0025 a day on top."""
    desk.give("SOL", "40", Wallet.FUNDING)
    number = desk.book.stake(START, Wallet.FUNDING, "SOL", Decimal("36.5"))
    pass_time(desk, 4 * DAY_MS)
    row = desk.ask("finance/staking-defi/orders-active")[0]
    assert (row["ordId"], row["state"]) == (str(number), "1")
    assert row["investData"] == [{"amt": "36.5", "ccy": "SOL"}]
    assert row["earningData"][0]["earnings"] == "0.01"
    desk.book.unstake(desk.now, number)
    assert desk.ask("finance/staking-defi/orders-active") == []
    assert [bill["type"] for bill in desk.ask("asset/bills", "pagingType=2")][-2:] == ["80", "48"]


def test_an_order_for_a_term_pays_its_rewards_out(desk: Desk) -> None:
    """73 USDT at 5 % for three days: 0.01 a day arrives as cash, then the principal comes home."""
    desk.give("USDT", "73", Wallet.FUNDING)
    desk.book.lock(START, Wallet.FUNDING, "USDT", Decimal(73), days=3, apr=Decimal("0.05"))
    pass_time(desk, 2 * DAY_MS)
    row = desk.ask("finance/staking-defi/orders-active")[0]
    assert (row["term"], row["investData"][0]["amt"], row["earningData"][0]["earnings"]) == ("3", "73", "0")
    assert in_usdt(desk) == {"classic": 0, "earn": 73, "funding": Decimal("0.02"), "trading": 0}
    pass_time(desk, DAY_MS)
    assert desk.ask("finance/staking-defi/orders-active") == []
    kinds = [bill["type"] for bill in desk.ask("asset/bills", "pagingType=2")]
    assert kinds == ["82", "83", "83", "83", "80", "48"]


def test_staking_receipts_are_told_twice_but_held_once(desk: Desk) -> None:
    desk.give("ETH", "2", Wallet.FUNDING)
    desk.give("BETH", "1")
    desk.book.swap(START, Wallet.FUNDING, ("ETH", Decimal(2)), ("BETH", Decimal(2)), Reason.STAKING)
    row = desk.ask("finance/staking-defi/eth/balance")[0]
    assert (row["ccy"], row["amt"], row["totalInterestAccrual"]) == ("BETH", "3", "0")
    assert [bill["type"] for bill in desk.ask("asset/bills", "pagingType=2")] == ["138", "137", "48"]
    assert desk.ask("finance/staking-defi/sol/balance") == []
    assert in_usdt(desk)["earn"] == 0


def test_a_loan_owes_and_locks(desk: Desk) -> None:
    """500 USDT against 1 ETH; the funding account's bills name the lock, the loan and both ways back."""
    desk.give("ETH", "1", Wallet.FUNDING)
    loan = desk.book.open_loan(START, Wallet.FUNDING, ("USDT", Decimal(500)), ("ETH", Decimal(1)))
    row = desk.ask("finance/flexible-loan/loan-info")[0]
    assert row["loanData"] == [{"amt": "500", "ccy": "USDT"}]
    assert row["collateralData"] == [{"amt": "1", "ccy": "ETH"}]
    ratio = Decimal(row["loanNotionalUsd"]) / Decimal(row["collateralNotionalUsd"])
    assert abs(Decimal(row["curLTV"]) - ratio) <= Decimal("0.0001")
    desk.book.repay_loan(START, Wallet.FUNDING, loan, Decimal(500))
    assert desk.ask("finance/flexible-loan/loan-info") == []
    told = [(row["type"], row["ccy"], row["amt"]) for row in desk.ask("finance/flexible-loan/loan-history")]
    assert told == [
        ("collateral_released", "ETH", "1"),
        ("repaid", "USDT", "500"),
        ("borrowed", "USDT", "500"),
        ("collateral_locked", "ETH", "1"),
    ]
    kinds = [bill["type"] for bill in desk.ask("asset/bills", "pagingType=2")]
    assert kinds == ["215", "218", "217", "212", "48"]


def test_a_bot_is_inside_the_equity_and_outside_the_cash(desk: Desk) -> None:
    """150 USDT of 1,000 go to a grid, which buys 0.001 BTC for 100 of them."""
    desk.give("USDT", "1000")
    number = desk.book.open_bot(START, Wallet.TRADING, "grid", "USDT", Decimal(150))
    desk.book.bot_trade(START, number, ("USDT", Decimal(100)), ("BTC", Decimal("0.001")))
    cash, coin = desk.detail("USDT"), desk.detail("BTC")
    assert (cash["cashBal"], cash["stgyEq"], cash["eq"]) == ("850", "50", "900")
    assert (cash["frozenBal"], cash["availBal"]) == ("50", "850")
    assert (coin["cashBal"], coin["stgyEq"], coin["eq"]) == ("0", "0.001", "0.001")
    assert residual(cash) == residual(coin) == 0
    row = desk.ask("tradingBot/grid/orders-algo-pending", "algoOrdType=grid")[0]
    assert (row["algoId"], row["instId"], row["investment"]) == (str(number), "BTC-USDT", "150")
    assert desk.ask("tradingBot/grid/orders-algo-pending", "algoOrdType=contract_grid") == []
    bill = desk.ask("account/bills", "type=12")[0]
    assert (bill["balChg"], bill["subType"]) == ("-150", "203")
    with pytest.raises(OkxRefusalError):
        desk.ask("tradingBot/grid/orders-algo-pending")


# ------------------------------------------------------------ margin and options


def test_an_isolated_margin_long_owes_the_quote(desk: Desk) -> None:
    """0.1 BTC held at 60,000 with 5,000 USDT owed: pos is in BTC, liab is in USDT and negative."""
    desk.give("USDT", "1000")
    desk.book.transfer(START, "USDT", Decimal(1000), Wallet.TRADING, Wallet.ISOLATED_MARGIN, pair="BTC-USDT")
    desk.book.borrow(START, Wallet.ISOLATED_MARGIN, "USDT", Decimal(5000), pair="BTC-USDT")
    amounts = Decimal("0.1"), Decimal(60_000)
    desk.book.trade(START, Wallet.ISOLATED_MARGIN, BTC, "buy", *amounts, fee_rate=Decimal(0))
    row = desk.ask("account/positions", "instType=MARGIN")[0]
    told = [row[name] for name in ("instId", "mgnMode", "posSide", "pos", "posCcy", "liab", "liabCcy", "ccy")]
    assert told == ["BTC-USDT", "isolated", "net", "0.1", "BTC", "-5000", "USDT", "BTC"]
    detail = desk.detail("BTC")
    owed = desk.detail("USDT")
    assert (detail["isoEq"], detail["eq"], detail["availBal"]) == ("0.1", "0.1", "0")
    assert (owed["isoEq"], owed["eq"], owed["isoLiab"], owed["liab"]) == ("-5000", "-5000", "5000", "5000")
    assert residual(detail) == residual(owed) == 0
    assert abs(Decimal(row["margin"]) - (Decimal("0.1") - 5000 / Decimal(row["last"]))) < Decimal("1e-11")
    end = Decimal(row["liqPx"])
    assert abs(Decimal("0.1") * end * Decimal("0.98") - 5000) < Decimal("0.0001")


def test_an_isolated_margin_short_owes_the_base(desk: Desk) -> None:
    desk.give("USDT", "1000")
    desk.book.transfer(START, "USDT", Decimal(1000), Wallet.TRADING, Wallet.ISOLATED_MARGIN, pair="BTC-USDT")
    desk.book.borrow(START, Wallet.ISOLATED_MARGIN, "BTC", Decimal("0.05"), pair="BTC-USDT")
    amounts = Decimal("0.05"), Decimal(60_000)
    desk.book.trade(START, Wallet.ISOLATED_MARGIN, BTC, "sell", *amounts, fee_rate=Decimal(0))
    row = desk.ask("account/positions")[0]
    assert [row[name] for name in ("pos", "posCcy", "liab", "liabCcy")] == ["4000", "USDT", "-0.05", "BTC"]


def test_a_liquidation_closes_with_a_penalty(desk: Desk) -> None:
    """The forced fill, its fee and the penalty are bills of type 5; the closed position says type 3."""
    desk.give("USDT", "30000")
    desk.trade(BTC_SWAP, "buy", "100", "100000")
    desk.book.liquidate(START, desk.book.positions_at(START)[0])
    assert desk.ask("account/positions") == []
    closed = desk.ask("account/positions-history")[0]
    bills = desk.ask("account/bills", "type=5")
    assert closed["type"] == "3"
    assert {bill["subType"] for bill in bills} == {"104", "111"}
    penalty = next(bill for bill in bills if bill["subType"] == "111")
    assert Decimal(closed["liqPenalty"]) == Decimal(penalty["balChg"]) < 0
    assert sum(Decimal(bill["balChg"]) for bill in bills) == Decimal(closed["realizedPnl"])


def test_an_option_tells_its_worth_and_its_delta(desk: Desk) -> None:
    """Two calls written: worth and delta are those of minus two of them."""
    name = next(name for name in by_symbol("binance", OPTION) if name.startswith("BTC-261225-100000-C"))
    one = by_symbol("binance", OPTION)[name]
    desk.give("USDT", "100000")
    desk.trade(one, "sell", "2", "5000")
    row = desk.ask("account/positions", "instType=OPTION")[0]
    mark, delta = desk.market.option_mark(one, START), desk.market.option_delta(one, START)
    assert Decimal(row["optVal"]) == -2 * mark
    assert Decimal(row["deltaBS"]) == -2 * delta
    assert (row["pos"], row["liqPx"], row["lever"]) == ("-2", "", "")


# ------------------------------------------------------------ moves and conversions


def test_a_withdrawal_under_way_is_frozen_until_it_is_done(desk: Desk) -> None:
    """An hour under way: waiting without a hash, then on the chain with one, then gone."""
    desk.give("USDT", "100", Wallet.FUNDING)
    options = {"fee": Decimal(1), "network": "TRX", "txid": "ab12", "completed_at": START + HOUR_MS}
    desk.book.withdraw(START, Wallet.FUNDING, "USDT", Decimal(40), **options)
    seen = []
    for minutes in (0, 45, 60):
        desk.now = START + minutes * 60_000
        desk.book.fund_until(desk.now)
        row, held = desk.ask("asset/withdrawal-history")[0], desk.ask("asset/balances")[0]
        seen.append((row["state"], row["txId"], held["bal"], held["frozenBal"], held["availBal"]))
    assert seen == [
        ("0", "", "100", "41", "59"),
        ("1", "ab12", "100", "41", "59"),
        ("2", "ab12", "59", "0", "59"),
    ]
    assert [row["type"] for row in desk.ask("asset/bills")] == ["2", "48"]
    assert desk.ask("asset/withdrawal-history", "state=1") == []


def test_conversions_name_the_pair_and_the_side(desk: Desk) -> None:
    for coin, amount in (("ETH", "1"), ("USDT", "100"), ("BTC", "1")):
        desk.give(coin, amount, Wallet.FUNDING)
    legs = [("ETH", Decimal(1)), ("USDT", Decimal(2500))], [("USDT", Decimal(100)), ("SOL", Decimal("0.5"))]
    for step, (given, taken) in enumerate(legs):
        desk.book.swap(START + step, Wallet.FUNDING, given, taken, Reason.CONVERT)
    desk.now = START + 1
    told = [[row[name] for name in ("instId", "side", "fillPx")] for row in desk.ask("asset/convert/history")]
    assert told == [["SOL-USDT", "buy", "200"], ["ETH-USDT", "sell", "2500"]]
    assert {row["type"] for row in desk.ask("asset/bills", f"before={START - 1}")} >= {"272", "273"}


def test_small_balances_are_converted_in_the_trading_account(desk: Desk) -> None:
    desk.give("DOGE", "3")
    desk.book.swap(START, Wallet.TRADING, ("DOGE", Decimal(3)), ("USDT", Decimal("0.6")), Reason.DUST)
    row = desk.ask("trade/easy-convert-history")[0]
    assert [row[name] for name in ("fromCcy", "fillFromSz", "toCcy", "fillToSz", "acct")] == [
        "DOGE",
        "3",
        "USDT",
        "0.6",
        "18",
    ]
    assert {bill["subType"] for bill in desk.ask("account/bills", "type=28")} == {"236", "237"}


def test_moves_to_a_sub_account_have_codes_of_their_own(desk: Desk) -> None:
    desk.give("USDT", "100", Wallet.FUNDING)
    desk.book.universal(START, "USDT", Decimal(30), 78, source=Wallet.FUNDING)
    assert desk.ask("asset/bills")[0]["type"] == "20"
    desk.account.master_uid = 5
    assert desk.ask("asset/bills")[0]["type"] == "22"
    config = desk.ask("account/config")[0]
    assert (config["uid"], config["mainUid"]) == ("77", "5")
    with pytest.raises(OkxRefusalError):
        desk.ask("users/subaccount/list")


def test_a_late_row_is_silent_while_its_money_has_moved(desk: Desk) -> None:
    desk.give("USDT", "1")
    desk.account.late.append(LateRows("/api/v5/account/bills", START, START, START + HOUR_MS))
    assert desk.detail("USDT")["eq"] == "1"
    assert desk.ask("account/bills") == []
    assert len(desk.ask("account/bills-archive")) == 1
    desk.now += HOUR_MS
    assert len(desk.ask("account/bills")) == 1
