"""One row of each kind of Binance's histories, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges.binance import borrowing, fiat, fills, income, ledger, savings, streams, transfers
from portfolio_lab.exchanges.binance import history_shapes as history
from portfolio_lab.exchanges.binance import ledger_shapes as shapes
from portfolio_lab.exchanges.binance.prices import Instrument
from portfolio_lab.exchanges.payloads import shaped
from portfolio_lab.models.accounts import KNOWN_WALLETS, Wallet
from portfolio_lab.models.activity import INCOME_KINDS, CashFlow, Income, Transfer

AT, MOMENT = 1_760_000_000_123, datetime(2025, 10, 9, 8, 53, 20, 123_000, tzinfo=UTC)
D = Decimal


# ---------------------------------------------------------------- trades


def test_a_spot_trade_pays_its_fee() -> None:
    row = history.SpotFill("BTCUSDT", 7, 9, "60000", "0.5", "0.01", "BNB", AT, isBuyer=True, isMaker=False)
    traded = Instrument("BTCUSDT", "BTC", "USDT", "USDT", D(1))
    fill = fills.spot_fill(row, traded, fills.MARKETS["spot_fills"])
    assert (fill.at, fill.fill_id, fill.order_id) == (MOMENT, "spot-BTCUSDT-7", "9")
    assert (fill.side, fill.quantity, fill.price, fill.fee, fill.fee_asset) == (
        "buy",
        D("0.5"),
        D(60000),
        D("-0.01"),
        "BNB",
    )
    assert (fill.underlying, fill.settle_asset, fill.realised_pnl, fill.is_maker) == ("BTC", "USDT", None, False)


def futures_row(**fields: Any) -> history.FuturesFill:
    good = {"symbol": "BTCUSD_PERP", "id": 6, "orderId": 28, "side": "SELL", "price": "50000", "qty": "10"}
    more = {"realizedPnl": "-0.001", "commission": "0.00001", "commissionAsset": "BTC", "time": AT}
    return history.FuturesFill(**(good | more | {"positionSide": "SHORT", "maker": True} | fields))


def test_ten_inverse_contracts_of_100_dollars_at_50000_are_a_fiftieth_of_a_coin() -> None:
    traded = Instrument("BTCUSD_PERP", "BTC", "USD", "BTC", D(100))
    fill = fills.futures_fill(futures_row(), traded, fills.MARKETS["coin_m_fills"])
    assert (fill.quantity, fill.side, fill.position_side, fill.is_maker) == (D("0.02"), "sell", "short", True)
    assert (fill.realised_pnl, fill.fee, fill.settle_asset) == (D("-0.001"), D("-0.00001"), "BTC")


def test_a_makers_rebate_is_a_positive_fee() -> None:
    traded = Instrument("BTCUSDT", "BTC", "USDT", "USDT", D(1))
    row = futures_row(symbol="BTCUSDT", commission="-0.2", commissionAsset="USDT", positionSide="BOTH", qty="0.3")
    fill = fills.futures_fill(row, traded, fills.MARKETS["usd_m_fills"])
    assert (fill.fee, fill.quantity, fill.position_side) == (D("0.2"), D("0.3"), "net")


def test_an_unknown_side_is_refused() -> None:
    with pytest.raises(AnswerShapeError, match="side"):
        fills.futures_fill(
            futures_row(side="HOLD"), Instrument("B", "BTC", "USD", "BTC", D(100)), fills.MARKETS["coin_m_fills"]
        )


def test_a_sold_option_has_a_magnitude_and_keeps_the_venues_fee() -> None:
    row = history.OptionFill(4, 5, 6, "BTC-261225-90000-C", "100", "-2", "-1.5", "0", "SELL", "MAKER", AT, "USDT")
    fill = fills.option_fill(row)
    assert (fill.underlying, fill.quantity, fill.side, fill.fee, fill.wallet) == (
        *("BTC", D(2), "sell", D("-1.5")),
        Wallet.OPTIONS,
    )


# ---------------------------------------------------------------- income


def income_row(kind: str, amount: str, **fields: Any) -> history.Income:
    return history.Income(
        **(
            {"symbol": "BTCUSDT", "incomeType": kind, "income": amount, "asset": "USDT", "time": AT, "tranId": 9}
            | fields
        )
    )


def test_one_tran_id_of_two_types_is_two_rows() -> None:
    rows = [
        income.income_row(income_row(kind, "-1", tradeId="3"), Wallet.USD_M, "usd_m")
        for kind in ("COMMISSION", "REALIZED_PNL")
    ]
    assert [row.income_id for row in rows if isinstance(row, Income)] == [
        "usd_m-COMMISSION-9-USDT-BTCUSDT-3",
        "usd_m-REALIZED_PNL-9-USDT-BTCUSDT-3",
    ]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("FUNDING_FEE", "funding"),
        ("INSURANCE_CLEAR", "insurance"),
        ("WELCOME_BONUS", "promotion"),
        ("COMMISSION_REBATE", "rebate"),
        ("DELIVERED_SETTELMENT", "settlement"),
        ("NEVER_SEEN", "other"),
    ],
)
def test_the_kind_of_income_follows_from_the_venues_word(word: str, kind: str) -> None:
    row = income.income_row(income_row(word, "-0.5"), Wallet.USD_M, "usd_m")
    assert isinstance(row, Income)
    assert (row.kind, row.venue_kind, row.quantity) == (kind, word, D("-0.5"))


def test_moves_between_own_wallets_are_left_to_the_stream_of_transfers() -> None:
    assert income.income_row(income_row("TRANSFER", "5"), Wallet.USD_M, "usd_m") is None


def test_money_that_a_bot_gives_back_is_a_transfer_from_the_bots() -> None:
    row = income.income_row(income_row("STRATEGY_UMFUTURES_TRANSFER", "5"), Wallet.USD_M, "usd_m")
    assert isinstance(row, Transfer)
    assert (row.source, row.target, row.quantity) == (Wallet.BOTS, Wallet.USD_M, D(5))


def test_every_kind_that_is_made_is_a_kind_of_income() -> None:
    made = {*income.KINDS.values(), *income.BILLS.values(), *(kind for kind, _ in ledger.GIFTS)}
    assert made <= set(INCOME_KINDS)


# ---------------------------------------------------------------- transfers


def test_every_direction_has_two_different_wallets() -> None:
    sides = {name: transfers._sides(name) for name in transfers.DIRECTIONS}
    assert len(set(sides.values())) == len(transfers.DIRECTIONS)
    assert sides["MAIN_ISOLATED_MARGIN"] == (Wallet.SPOT, Wallet.ISOLATED_MARGIN)
    assert sides["UMFUTURE_OPTION"] == (Wallet.USD_M, Wallet.OPTIONS)


def test_a_transfer_is_a_magnitude_from_wallet_to_wallet() -> None:
    row = transfers.moved(history.Transfer("USDT", "12.5", "CONFIRMED", 77, AT), Wallet.SPOT, Wallet.USD_M)
    assert (row.quantity, row.source, row.target, row.at) == (D("12.5"), Wallet.SPOT, Wallet.USD_M, MOMENT)


def universal(sender: str, receiver: str) -> history.UniversalTransfer:
    return history.UniversalTransfer(5, sender, receiver, "BTC", "1", "SPOT", "USDT_FUTURE", "SUCCESS", AT)


def test_a_master_sees_the_other_side_of_its_family_as_outside() -> None:
    sent = transfers.universal_transfer(universal("me@x", "sub@x"), ["sub@x", "other@x"])
    came = transfers.universal_transfer(universal("sub@x", "me@x"), ["sub@x", "other@x"])
    assert sent is not None
    assert came is not None
    assert (sent.source, sent.target, sent.counterparty) == (Wallet.SPOT, None, "sub@x")
    assert (came.source, came.target, came.counterparty) == (None, Wallet.USD_M, "sub@x")
    assert transfers.universal_transfer(universal("sub@x", "other@x"), ["sub@x", "other@x"]) is None


def test_a_sub_account_sees_what_came_and_what_went() -> None:
    came = transfers.sub_transfer(history.SubTransfer(5, "BTC", "1", AT, 1, "SUCCESS", "master"))
    went = transfers.sub_transfer(history.SubTransfer(6, "BTC", "1", AT, 2, "SUCCESS", "master"))
    assert (came.source, came.target) == (None, Wallet.SPOT)
    assert (went.source, went.target, went.counterparty) == (Wallet.SPOT, None, "master")


# ---------------------------------------------------------------- fiat


def payment(**fields: Any) -> history.FiatPayment:
    good = {
        "orderNo": "a1",
        "sourceAmount": "20",
        "fiatCurrency": "EUR",
        "obtainAmount": "4.5",
        "cryptoCurrency": "LUNA",
    }
    more = {"totalFee": "0.2", "price": "4.4", "status": "Completed", "createTime": AT, "updateTime": AT}
    return history.FiatPayment(**(good | more | {"paymentMethod": "Credit Card"} | fields))


def test_a_fiat_withdrawal_takes_its_fee_along() -> None:
    row = history.FiatOrder("n1", "EUR", "100", "100", "1.5", "Successful", AT, AT)
    came, left = fiat.fiat_order(row, "deposit"), fiat.fiat_order(row, "withdrawal")
    assert (came.quantity, came.fee) == (D(100), D(0))
    assert (left.quantity, left.fee, left.flow_id) == (D("-101.5"), D("1.5"), "fiat-n1")


def test_coins_bought_by_card_arrive() -> None:
    (row,) = fiat.fiat_payment(payment(), "deposit")
    assert isinstance(row, CashFlow)
    assert (row.asset, row.quantity, row.kind) == ("LUNA", D("4.5"), "deposit")


@pytest.mark.parametrize(("source", "obtained"), [("20", "4.5"), ("4.5", "20")])
def test_coins_sold_to_a_card_leave_whichever_amount_is_the_source(source: str, obtained: str) -> None:
    (row,) = fiat.fiat_payment(payment(sourceAmount=source, obtainAmount=obtained), "withdrawal")
    assert isinstance(row, CashFlow)
    assert (row.asset, row.quantity) == ("LUNA", D("-4.5"))


def test_coins_bought_from_the_fiat_balance_are_an_exchange() -> None:
    rows = fiat.fiat_payment(payment(paymentMethod="Cash Balance"), "deposit")
    assert [(row.asset, row.quantity) for row in rows if isinstance(row, Income)] == [
        ("EUR", D(-20)),
        ("LUNA", D("4.5")),
    ]
    # "fiat" would be money that crossed the border of the account.
    assert {row.kind for row in rows if isinstance(row, Income)} == {"convert"}


# ---------------------------------------------------------------- ledgers


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("BHFT distribution", "dividend"),
        ("Flexible", "earn_reward"),
        ("Locked Staking", "staking_reward"),
        ("Cash Voucher Distribution", "promotion"),
        ("Referral Commission Rebate", "rebate"),
    ],
)
def test_the_kind_of_a_distribution_follows_from_its_text(text: str, kind: str) -> None:
    assert ledger.gift_kind(text) == kind


def test_a_distribution_that_is_taken_back_is_negative() -> None:
    row = ledger.dividend(shapes.Dividend("10", "BHFT", AT, "BHFT distribution", 3, 4, -1))
    assert (row.quantity, row.income_id) == (D(-10), "dividend-3-BHFT-4")


def test_dust_is_two_legs_a_coin() -> None:
    lines = [
        shapes.DustLine(1, "0.01", "5", AT, "0.49", "USDT"),
        shapes.DustLine(1, "0.02", "0.1", AT, "0.98", "ETH", "BNB"),
    ]
    legs = ledger.dust_legs(shapes.DustConversion(AT, 1, lines))
    assert [(leg.asset, leg.quantity) for leg in legs] == [
        *(("USDT", D(-5)), ("BNB", D("0.49"))),
        *(("ETH", D("-0.1")), ("BNB", D("0.98"))),
    ]
    assert len({leg.income_id for leg in legs}) == 4
    assert len({leg.reference for leg in legs}) == 2


def test_a_conversion_is_two_legs_with_one_reference() -> None:
    row = shaped(
        {
            "orderId": 3,
            "orderStatus": "SUCCESS",
            "fromAsset": "USDT",
            "fromAmount": "20",
            "toAsset": "BNB",
            "toAmount": "0.06",
            "createTime": AT,
        },
        shapes.Conversion,
    )
    left, came = ledger.conversion_legs(row, "convert-3")
    assert (left.asset, left.quantity, came.asset, came.quantity) == ("USDT", D(-20), "BNB", D("0.06"))
    assert left.reference == came.reference


def test_a_payment_takes_the_currencies_that_were_used() -> None:
    used = [shapes.PayFunds("USDT", "1.2"), shapes.PayFunds("BUSD", "0.4")]
    rows = ledger.payment_rows(shapes.PayTransaction("PAY", "M_P_1", AT, "-0.005", "BNB", used))
    assert [(row.asset, row.quantity) for row in rows] == [("USDT", D("-1.2")), ("BUSD", D("-0.4"))]
    twice = [*used, shapes.PayFunds("USDT", "0.3")]
    rows = ledger.payment_rows(shapes.PayTransaction("PAY", "M_P_1", AT, "-0.005", "BNB", twice))
    assert [(row.asset, row.quantity) for row in rows] == [("USDT", D("-1.5")), ("BUSD", D("-0.4"))]


def test_a_subscription_goes_to_earn_and_a_redemption_comes_back() -> None:
    row = shapes.EarnMove("USDT", "100", AT, "SUCCESS", purchaseId=4, redeemId=5, sourceAccount="FUND")
    into, back = savings.subscription(row), savings.redemption(row)
    assert (into.source, into.target, into.quantity) == (Wallet.FUNDING, Wallet.EARN, D(100))
    assert (back.source, back.target, back.transfer_id) == (Wallet.EARN, Wallet.SPOT, "redeem-5-USDT")


def test_only_real_time_rewards_stay_in_the_product() -> None:
    stays = savings.flexible_reward(shapes.FlexibleReward("USDT", "0.1", "REALTIME", AT), "1")
    paid = savings.flexible_reward(shapes.FlexibleReward("USDT", "0.1", "BONUS", AT), "2")
    assert (stays.wallet, paid.wallet) == (Wallet.EARN, Wallet.SPOT)


@pytest.mark.parametrize(("text", "told"), [("Flexible", True), ("Locked", True), ("BNB Vault", False)])
def test_a_reward_that_earns_history_tells_is_no_distribution(text: str, told: bool) -> None:  # noqa: FBT001 - a case
    assert ledger.is_earn_reward(text) is told


def test_a_staked_coin_becomes_its_receipt() -> None:
    row = shapes.Wrap(AT, "SOL", "10", "BNSOL", "9.3", "SUCCESS")
    assert [(leg.asset, leg.quantity) for leg in savings.wrap_legs(row, "staking-1")] == [
        ("SOL", D(-10)),
        ("BNSOL", D("9.3")),
    ]


def test_equal_rows_without_an_id_stay_two() -> None:
    assert ledger.numbered(["a", "b", "a"]) == ["a", "b", "a-1"]


def test_interest_adds_to_a_debt() -> None:
    row = borrowing.interest_row(
        shapes.MarginInterest(8, AT, "USDT", "0.00025", "ON_BORROW", "BNBUSDT"), Wallet.ISOLATED_MARGIN
    )
    assert (row.quantity, row.instrument, row.kind) == (D("-0.00025"), "BNBUSDT", "interest")


def test_a_repayment_counts_without_its_interest() -> None:
    row = shapes.MarginLoan(8, "BNB", "14.0", "13.9", "0.1", "CONFIRMED", AT)
    assert borrowing.margin_loan(row, Wallet.CROSS_MARGIN, "REPAY").quantity == D("-13.9")
    assert borrowing.margin_loan(row, Wallet.CROSS_MARGIN, "BORROW").quantity == D("13.9")


def test_a_loans_collateral_moves_there_and_back() -> None:
    there = borrowing.pledge("1", "BTC", "0.5", AT, is_back=False)
    back = borrowing.pledge("1", "BTC", "0.5", AT, is_back=True)
    assert (there.source, there.target, there.quantity) == (Wallet.SPOT, Wallet.LOANS, D("0.5"))
    assert (back.source, back.target) == (Wallet.LOANS, Wallet.SPOT)
    assert borrowing.loan("repay-1", "USDT", "7", AT, -1).quantity == D(-7)


# ---------------------------------------------------------------- which streams


def test_flows_and_trades_come_before_ledgers_and_only_held_wallets_have_streams() -> None:
    names = [stream.name for stream in streams.streams((Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M, Wallet.COIN_M))]
    assert names[:6] == ["deposits", "withdrawals", "transfers", "spot_fills", "usd_m_fills", "coin_m_fills"]
    assert "options_fills" not in names
    assert "pm_usd_m_income" not in names
    assert "usd_m_income" not in [stream.name for stream in streams.streams((Wallet.PORTFOLIO_MARGIN,))]


def test_every_stream_has_a_name_of_its_own() -> None:
    names = [stream.name for stream in streams.streams(KNOWN_WALLETS["binance"])]
    assert len(names) == len(set(names))
    assert len(names) >= 25
