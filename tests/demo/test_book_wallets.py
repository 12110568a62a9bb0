"""Debts, earn, loans, bots, options and moves of a demo book: each worked by hand, against the truth."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portfolio_lab.demo.book import Book
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import Bot, Debt, Loan, Reason
from portfolio_lab.demo.instruments import OPTION, by_symbol
from portfolio_lab.demo.market import DAY_MS, FUNDING_MS, HOUR_MS, PIN, Market
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.tales import Tale
from portfolio_lab.demo.truth import account_truth, flows_truth
from portfolio_lab.models.accounts import Account, Wallet

BTC_SPOT = by_symbol("binance", "spot")["BTCUSDT"]
BTC_LINEAR = by_symbol("binance", "linear")["BTCUSDT"]
CALL = by_symbol("binance", OPTION)["BTC-260828-100000-C"]
FREE = Decimal(0)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(7)


def opened(market: Market, *wallets: Wallet, venue: str = "binance") -> DemoAccount:
    """An account whose book nothing but the test writes, with 1,000 USDT in the first wallet."""
    account = Account("someone", venue, "main", wallets=wallets)
    book = Book("by hand", market)
    story = Tale(book, venue, wallets, PIN, lambda _: None, told=PIN + 10_000 * DAY_MS)
    book.deposit(PIN, wallets[0], "USDT", Decimal(1_000), network="TRX", txid="a")
    return DemoAccount(account, credentials_of(account), book, wallets, 7, story)


def quantities(one: DemoAccount, at: int) -> dict[Wallet, dict[str, Decimal]]:
    """Balances by wallet and asset that are not 0, by the truth."""
    told = account_truth(one, one.book.market, at).wallets
    return {each.wallet: {asset: held for asset, held in each.balances.items() if held} for each in told}


def test_a_margin_debtor_is_worth_what_it_has_less_what_it_owes(market: Market) -> None:
    """1,000 of its own and 400 borrowed are 1,400 in cash; with 1 of interest it is worth 999."""
    one = opened(market, Wallet.CROSS_MARGIN)
    one.book.borrow(PIN + 1, Wallet.CROSS_MARGIN, "USDT", Decimal(400))
    one.book.accrue(PIN + 2, Wallet.CROSS_MARGIN, "USDT", Decimal(1))
    view = one.view(PIN + 2)
    assert view.cash(Wallet.CROSS_MARGIN) == {"USDT": Decimal(1_400)}
    assert view.debts(Wallet.CROSS_MARGIN) == {"USDT": Debt("USDT", Decimal(400), Decimal(1))}
    assert quantities(one, PIN + 2) == {Wallet.CROSS_MARGIN: {"USDT": Decimal(999)}}
    assert quantities(one, PIN + 1) == {Wallet.CROSS_MARGIN: {"USDT": Decimal(1_000)}}


def test_repaying_pays_interest_first_and_never_more_than_is_owed(market: Market) -> None:
    """Of 400 + 1 owed, 101 pays the 1 and 100; another 900 takes only the 300 that are left."""
    one = opened(market, Wallet.CROSS_MARGIN)
    one.book.borrow(PIN, Wallet.CROSS_MARGIN, "USDT", Decimal(400))
    one.book.accrue(PIN, Wallet.CROSS_MARGIN, "USDT", Decimal(1))
    one.book.repay(PIN + 1, Wallet.CROSS_MARGIN, "USDT", Decimal(101))
    assert one.view(PIN + 1).debts(Wallet.CROSS_MARGIN)["USDT"] == Debt("USDT", Decimal(300), FREE)
    one.book.repay(PIN + 2, Wallet.CROSS_MARGIN, "USDT", Decimal(900))
    assert one.view(PIN + 2).debts(Wallet.CROSS_MARGIN) == {}
    assert one.view(PIN + 2).cash(Wallet.CROSS_MARGIN) == {"USDT": Decimal(999)}


def test_interest_accrues_by_the_hour(market: Market) -> None:
    """2,400 USDT at 0.03 % a day owe 0.03 an hour, and after a day 0.72; cash never changes."""
    one = opened(market, Wallet.CROSS_MARGIN)
    one.book.borrow(PIN, Wallet.CROSS_MARGIN, "USDT", Decimal(2_400))
    one.book.fund_until(PIN + DAY_MS)
    owed = [one.view(PIN + hour * HOUR_MS).debts(Wallet.CROSS_MARGIN)["USDT"].interest for hour in (0, 1, 24)]
    assert owed == [FREE, Decimal("0.03"), Decimal("0.72")]
    assert len(one.book.debt_events(since=PIN + 1, until=PIN + DAY_MS)) == 24
    assert one.view(PIN + DAY_MS).cash(Wallet.CROSS_MARGIN) == {"USDT": Decimal(3_400)}


def test_an_isolated_pair_keeps_its_cash_and_its_debt_to_itself(market: Market) -> None:
    """500 moved in, 300 borrowed, 0.01 BTC bought at 50,000: 300 USDT and 0.01 BTC, net of the 300 owed."""
    one = opened(market, Wallet.SPOT, Wallet.ISOLATED_MARGIN)
    pair, wallet = "BTCUSDT", Wallet.ISOLATED_MARGIN
    one.book.transfer(PIN, "USDT", Decimal(500), Wallet.SPOT, wallet, pair=pair)
    one.book.borrow(PIN, wallet, "USDT", Decimal(300), pair=pair)
    one.book.trade(PIN, wallet, BTC_SPOT, "buy", Decimal("0.01"), Decimal(50_000), fee_rate=FREE)
    view = one.view(PIN)
    assert view.isolated_pairs() == [pair]
    assert view.cash(wallet, pair) == {"USDT": Decimal(300), "BTC": Decimal("0.01")}
    assert view.cash(wallet, "ETHUSDT") == {}
    assert view.debts(wallet, pair)["USDT"].borrowed == 300
    assert {entry.pair for entry in one.book.entries(until=PIN, wallets=(wallet,))} == {pair}
    assert quantities(one, PIN)[wallet] == {"BTC": Decimal("0.01")}


def test_flexible_savings_grow_by_a_day_s_reward(market: Market) -> None:
    """365 USDT at 3 % a year earn 0.03 a day, and the second day a little on that as well."""
    one = opened(market, Wallet.SPOT, Wallet.EARN)
    one.book.subscribe(PIN, Wallet.SPOT, "USDT", Decimal(365))
    one.book.fund_until(PIN + 2 * DAY_MS)
    assert one.view(PIN + DAY_MS).flexible() == {"USDT": Decimal("365.03")}
    assert one.view(PIN + 2 * DAY_MS).flexible() == {"USDT": Decimal("365.06000247")}
    one.book.redeem(PIN + 2 * DAY_MS, Wallet.SPOT, "USDT", Decimal("365.06000247"))
    assert one.view(PIN + 2 * DAY_MS).flexible() == {}
    assert one.view(PIN + 2 * DAY_MS).cash(Wallet.SPOT) == {"USDT": Decimal("1000.06000247")}


def test_locked_savings_pay_daily_into_cash_and_come_home(market: Market) -> None:
    """365 at 10 % for two days: 0.1 a day into spot, then the 365 as well."""
    one = opened(market, Wallet.SPOT, Wallet.EARN)
    number = one.book.lock(PIN, Wallet.SPOT, "USDT", Decimal(365), days=2, apr=Decimal("0.1"))
    one.book.fund_until(PIN + 3 * DAY_MS)
    held = one.view(PIN + DAY_MS).locked_earn()
    assert [(each.position_id, each.amount, each.until) for each in held] == [(number, 365, PIN + 2 * DAY_MS)]
    assert one.view(PIN + DAY_MS).cash(Wallet.SPOT)["USDT"] == Decimal("635.1")
    assert one.view(PIN + 3 * DAY_MS).locked_earn() == []
    assert one.view(PIN + 3 * DAY_MS).cash(Wallet.SPOT)["USDT"] == Decimal("1000.2")


def test_an_on_chain_order_keeps_what_it_earns(market: Market) -> None:
    """365 at 2.5 % earn 0.025 a day, beside the amount; closing brings both home."""
    one = opened(market, Wallet.FUNDING, Wallet.EARN, venue="okx")
    number = one.book.stake(PIN, Wallet.FUNDING, "USDT", Decimal(365))
    one.book.fund_until(PIN + DAY_MS)
    order = one.view(PIN + DAY_MS).staked()[0]
    assert (order.order_id, order.amount, order.earned) == (number, 365, Decimal("0.025"))
    assert quantities(one, PIN + DAY_MS)[Wallet.EARN] == {"USDT": Decimal("365.025")}
    one.book.unstake(PIN + DAY_MS, number)
    assert quantities(one, PIN + DAY_MS)[Wallet.FUNDING] == {"USDT": Decimal("1000.025")}


def test_a_loan_is_collateral_less_debt(market: Market) -> None:
    """2 BTC pledged for 2,400 USDT: 0.02 of interest an hour; repaid in full, the coins come home."""
    one = opened(market, Wallet.SPOT, Wallet.LOANS)
    one.book.deposit(PIN, Wallet.SPOT, "BTC", Decimal(2), network="BTC", txid="b")
    number = one.book.open_loan(PIN, Wallet.SPOT, ("USDT", Decimal(2_400)), ("BTC", Decimal(2)))
    one.book.fund_until(PIN + HOUR_MS)
    expected = Loan(number, PIN, "USDT", Decimal("2400.02"), "BTC", Decimal(2))
    assert one.view(PIN + HOUR_MS).loans() == [expected]
    assert quantities(one, PIN + HOUR_MS) == {
        Wallet.SPOT: {"USDT": Decimal(3_400)},
        Wallet.LOANS: {"USDT": Decimal("-2400.02"), "BTC": Decimal(2)},
    }
    one.book.repay_loan(PIN + HOUR_MS, Wallet.SPOT, number, Decimal(9_999))
    assert one.view(PIN + HOUR_MS).loans() == []
    assert quantities(one, PIN + HOUR_MS)[Wallet.SPOT] == {"USDT": Decimal("999.98"), "BTC": Decimal(2)}


def test_a_bot_holds_what_it_was_given_and_what_it_bought(market: Market) -> None:
    one = opened(market, Wallet.SPOT, Wallet.BOTS)
    number = one.book.open_bot(PIN, Wallet.SPOT, "grid", "USDT", Decimal(600))
    one.book.bot_trade(PIN + 1, number, ("USDT", Decimal(100)), ("BTC", Decimal("0.001")))
    held = {"USDT": Decimal(500), "BTC": Decimal("0.001")}
    assert one.view(PIN + 1).bots() == [Bot(number, "grid", held)]
    assert quantities(one, PIN + 1) == {Wallet.SPOT: {"USDT": Decimal(400)}, Wallet.BOTS: held}
    one.book.close_bot(PIN + 2, Wallet.SPOT, number)
    assert one.view(PIN + 2).bots() == []


def test_a_bot_of_okx_is_part_of_the_trading_account(market: Market) -> None:
    one = opened(market, Wallet.TRADING, venue="okx")
    one.book.open_bot(PIN, Wallet.TRADING, "grid", "USDT", Decimal(600))
    assert one.view(PIN).cash(Wallet.TRADING) == {"USDT": Decimal(400)}
    assert quantities(one, PIN) == {Wallet.TRADING: {"USDT": Decimal(1_000)}}


def test_a_written_option_brings_its_premium_and_owes_its_worth(market: Market) -> None:
    """Two calls written at 300 bring 600; marked at m they owe 2 m: equity 1,600 - 2 m."""
    one = opened(market, Wallet.OPTIONS)
    one.book.trade(PIN, Wallet.OPTIONS, CALL, "sell", Decimal(2), Decimal(300), fee_rate=FREE)
    at, mark = PIN + HOUR_MS, market.option_mark(CALL, PIN + HOUR_MS)
    held = one.view(at).positions(Wallet.OPTIONS)[0]
    assert held.unrealised_pnl(mark) == -2 * (mark - 300)
    assert one.view(at).cash(Wallet.OPTIONS) == {"USDT": Decimal(1_600)}
    assert one.view(at).market_value(Wallet.OPTIONS) == {"USDT": -2 * mark}
    assert account_truth(one, market, at).assets == {"USDT": 1_600 - 2 * mark}


def test_an_option_is_paid_out_at_expiry(market: Market) -> None:
    """What the index is above the strike, per contract; then no position is left, by book and by truth."""
    one = opened(market, Wallet.OPTIONS)
    deep = by_symbol("binance", OPTION)["BTC-260828-40000-C"]
    one.book.trade(PIN, Wallet.OPTIONS, deep, "buy", Decimal("0.01"), Decimal(50_000), fee_rate=FREE)
    one.book.fund_until(deep.expiry)
    paid = (market.index("binance", "BTC", "USDT", deep.expiry) - 40_000) * Decimal("0.01")
    assert paid > 0
    assert one.view(deep.expiry).positions() == []
    assert quantities(one, deep.expiry) == {Wallet.OPTIONS: {"USDT": 500 + round(paid, 8)}}
    assert account_truth(one, market, deep.expiry).assets == {"USDT": 500 + round(paid, 8)}
    assert len(one.view(deep.expiry - 1).positions()) == 1


def test_premiums_obey_put_call_parity_and_their_bounds(market: Market) -> None:
    """Call - put = index - strike (within rounding); deltas of both differ by 1; a call is dearer near the money."""
    put = by_symbol("binance", OPTION)["BTC-260828-100000-P"]
    far = by_symbol("binance", OPTION)["BTC-260828-180000-C"]
    for at in range(PIN, PIN + 20 * DAY_MS, 3 * DAY_MS):
        index = market.index("binance", "BTC", "USDT", at)
        gap = market.option_mark(CALL, at) - market.option_mark(put, at) - (index - 100_000)
        assert abs(gap) <= 1
        assert market.option_delta(CALL, at) - market.option_delta(put, at) == 1
        assert market.option_mark(far, at) < market.option_mark(CALL, at) < index


def test_a_withdrawal_under_way_is_still_there_but_not_free(market: Market) -> None:
    """99 + 1 applied for at 0 and gone at 10: in between 1,000 are there, 900 are free, and it is no flow yet."""
    one = opened(market, Wallet.SPOT)
    one.book.withdraw(
        PIN, Wallet.SPOT, "USDT", Decimal(99), fee=Decimal(1), network="TRX", txid="b", completed_at=PIN + 10
    )
    one.book.deposit(PIN + 20, Wallet.SPOT, "USDT", Decimal(5), network="TRX", txid="c")
    before, after = one.view(PIN + 9), one.view(PIN + 10)
    assert (before.cash(Wallet.SPOT)["USDT"], before.free(Wallet.SPOT, "USDT")) == (1_000, 900)
    assert before.withdrawing(Wallet.SPOT) == {"USDT": Decimal(100)}
    assert (after.cash(Wallet.SPOT)["USDT"], after.withdrawing(Wallet.SPOT)) == (900, {})
    assert [flow.at for flow in flows_truth(one, market, PIN, PIN + 15)] == [PIN + 10]
    assert quantities(one, PIN + 9) == {Wallet.SPOT: {"USDT": Decimal(1_000)}}


def test_a_liquidation_closes_by_force_and_pays_the_insurance_fund(market: Market) -> None:
    """At mark m: PnL of 0.01 from 96,000, a fee of 0.05 % and a penalty of 0.5 % of 0.01 m."""
    one = opened(market, Wallet.USD_M)
    one.book.trade(PIN, Wallet.USD_M, BTC_LINEAR, "buy", Decimal("0.01"), Decimal(96_000), fee_rate=FREE)
    at = PIN + HOUR_MS
    fill = one.book.liquidate(at, one.view(at).positions()[0])
    worth = market.mark("binance", "BTCUSDT", "linear", at) / 100
    assert (fill.liquidation, fill.side, fill.contracts) == (True, "sell", Decimal("0.01"))
    assert one.view(at).positions() == []
    taken = [entry.amount for entry in one.book.entries(until=at) if entry.reason is Reason.INSURANCE]
    assert taken == [-round(worth * Decimal("0.005"), 8)]
    assert one.view(at).cash(Wallet.USD_M)["USDT"] == 1_000 + worth - 960 - fill.fee - round(worth / 200, 8)


def test_portfolio_margin_is_one_wallet_of_three_parts(market: Market) -> None:
    """600 in cross margin of which 100 are owed, 400 in USD-M with a position: one wallet of 900 and its PnL."""
    one = opened(market, Wallet.SPOT, Wallet.PORTFOLIO_MARGIN)
    one.book.transfer(PIN, "USDT", Decimal(500), Wallet.SPOT, Wallet.CROSS_MARGIN)
    one.book.transfer(PIN, "USDT", Decimal(400), Wallet.SPOT, Wallet.USD_M)
    one.book.borrow(PIN, Wallet.CROSS_MARGIN, "USDT", Decimal(100))
    one.book.trade(PIN, Wallet.USD_M, BTC_LINEAR, "buy", Decimal("0.01"), Decimal(90_000), fee_rate=FREE)
    told = account_truth(one, market, PIN + FUNDING_MS // 2).wallets[1]
    mark = market.mark("binance", "BTCUSDT", "linear", PIN + FUNDING_MS // 2)
    assert told.wallet is Wallet.PORTFOLIO_MARGIN
    assert told.balances == {"USDT": Decimal(900)}
    assert told.unrealised == {"USDT": mark / 100 - 900}


def test_wrapped_and_pegged_coins_have_prices_and_the_rest_has_none(market: Market) -> None:
    price = market.coin_usd
    assert price("binance", "LDBTC", PIN) == price("binance", "BTC", PIN)
    assert price("binance", "BFUSD", PIN) == price("binance", "USDT", PIN)
    assert price("okx", "BETH", PIN) == price("okx", "ETH", PIN)
    euro, wrapped, ether = (price("binance", asset, PIN) for asset in ("EUR", "WBETH", "ETH"))
    assert euro is not None
    assert 1 < euro < Decimal("1.2")
    assert wrapped is not None
    assert ether is not None
    assert abs(wrapped / ether - market.ratio("WBETH", PIN)) < Decimal("0.001")
    assert abs(market.ratio("WBETH", PIN + 365 * DAY_MS) / market.ratio("WBETH", PIN) - Decimal("1.03")) < Decimal(
        "0.000001"
    )
    assert price("okx", "EUR", PIN) is not None
    assert price("okx", "LOST", PIN) is None
