"""The books of the demo exchange: worked by hand first, then the laws that hold for every story."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest

from portfolio_lab.demo.book import Book
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.instruments import by_symbol
from portfolio_lab.demo.market import DAY_MS, FUNDING_MS, PIN, Market
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.demo.truth import account_truth, flows_truth, pnl_truth
from portfolio_lab.models.accounts import Wallet

FREE = Decimal(0)
BTC_LINEAR = by_symbol("binance", "linear")["BTCUSDT"]
BTC_INVERSE = by_symbol("binance", "inverse")["BTCUSD_PERP"]
BTC_SPOT = by_symbol("binance", "spot")["BTCUSDT"]
DAYS = (0, 1, 17, 39, 62, 90, 200)
NAMES = ("alice", "desk main", "desk hedge", "desk okx", "desk carry", "carol okx", "carol binance")


def number(text: str) -> Decimal:
    return Decimal(text)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(7)


@pytest.fixture(scope="module")
def accounts(market: Market) -> tuple[DemoAccount, ...]:
    return open_accounts(market, PIN)


@pytest.fixture
def book(market: Market) -> Book:
    book = Book("by hand", market)
    book.deposit(PIN, Wallet.SPOT, "USDT", number("10000"), network="TRX", txid="a")
    return book


def test_a_spot_purchase_pays_its_fee_in_the_coin(book: Book) -> None:
    """0.1 BTC at 50,000 costs 5,000; the fee of 0.1 % is 0.0001 BTC."""
    book.trade(PIN + 5, Wallet.SPOT, BTC_SPOT, "buy", number("0.1"), number("50000"), fee_rate=number("0.001"))
    assert book.cash_at(Wallet.SPOT, PIN + 5) == {"USDT": number("5000"), "BTC": number("0.0999")}
    assert book.cash_at(Wallet.SPOT, PIN + 4) == {"USDT": number("10000"), "BTC": FREE}


def test_a_linear_position_averages_realises_and_turns_over(book: Book) -> None:
    """Buy 1 at 100, 1 at 110 (entry 105), sell 3 at 120: +15 on each of 2, and short 1 from 120."""
    book.transfer(PIN, "USDT", number("1000"), Wallet.SPOT, Wallet.USD_M)
    for step, (side, contracts, price) in enumerate((("buy", "1", "100"), ("buy", "1", "110"), ("sell", "3", "120"))):
        book.trade(PIN + step, Wallet.USD_M, BTC_LINEAR, side, number(contracts), number(price), fee_rate=FREE)
    long, short = book.positions_at(PIN + 1)[0], book.positions_at(PIN + 2)[0]
    assert (long.contracts, long.entry_price) == (2, 105)
    assert (short.contracts, short.entry_price) == (-1, 120)
    assert book.cash_at(Wallet.USD_M, PIN + 2)["USDT"] == number("1030")
    assert short.unrealised_pnl(number("125")) == number("-5")


def test_an_inverse_position_is_paid_in_coin(book: Book) -> None:
    """10 contracts of 100 USD: 1,000/20,000 - 1,000/25,000 = 0.05 - 0.04 = 0.01 BTC."""
    book.trade(PIN, Wallet.COIN_M, BTC_INVERSE, "buy", number("10"), number("20000"), fee_rate=FREE)
    held = book.positions_at(PIN)[0]
    assert held.unrealised_pnl(number("25000")) == number("0.01")
    assert held.base_quantity(number("25000")) == number("0.04")
    book.trade(PIN + 1, Wallet.COIN_M, BTC_INVERSE, "sell", number("10"), number("25000"), fee_rate=FREE)
    assert book.positions_at(PIN + 1) == []
    assert book.cash_at(Wallet.COIN_M, PIN + 1)["BTC"] == number("0.01")


def test_inverse_entries_average_by_coin(book: Book) -> None:
    """100 USD at 10,000 and 100 USD at 20,000 hold 0.01 + 0.005 BTC: entry 200 / 0.015 = 13,333.33333333."""
    for step, price in enumerate(("10000", "20000")):
        book.trade(PIN + step, Wallet.COIN_M, BTC_INVERSE, "buy", number("1"), number(price), fee_rate=FREE)
    assert book.positions_at(PIN + 1)[0].entry_price == number("13333.33333333")


def test_a_resting_buy_locks_quote_and_a_partial_fill_frees_its_part(book: Book) -> None:
    """0.2 BTC at 20,000 locks 4,000; when 0.05 has traded, 3,000 are locked and 9,000 are there."""
    order = book.place(PIN + 1, Wallet.SPOT, BTC_SPOT, "buy", number("0.2"), price=number("20000"))
    assert book.at(PIN + 1).locked(Wallet.SPOT) == {"USDT": number("4000")}
    book.fill_partly(PIN + 2, order.order_id, number("0.05"), fee_rate=FREE)
    view = book.at(PIN + 2)
    assert view.locked(Wallet.SPOT) == {"USDT": number("3000")}
    assert view.cash(Wallet.SPOT)["USDT"] == number("9000")
    book.cancel(PIN + 3, order.order_id)
    assert book.at(PIN + 3).locked(Wallet.SPOT) == {}
    assert len(book.at(PIN + 2).orders()) == 1


def test_a_withdrawal_takes_its_fee_on_top(book: Book) -> None:
    book.withdraw(PIN + 1, Wallet.SPOT, "USDT", number("99"), fee=number("1"), network="TRX", txid="b")
    assert book.cash_at(Wallet.SPOT, PIN + 1)["USDT"] == number("9900")


def test_funding_is_paid_every_eight_hours_by_the_rate(book: Book, market: Market) -> None:
    book.trade(PIN, Wallet.USD_M, BTC_LINEAR, "buy", number("2"), number("96000"), fee_rate=FREE)
    book.fund_until(PIN + 2 * FUNDING_MS)
    paid = [entry for entry in book.entries(until=PIN + DAY_MS) if entry.reason is Reason.FUNDING]
    assert [entry.at for entry in paid] == [PIN + FUNDING_MS, PIN + 2 * FUNDING_MS]
    mark = market.mark("binance", "BTCUSDT", "linear", paid[0].at)
    rate = market.funding_rate("binance", "BTCUSDT", "linear", paid[0].at)
    assert paid[0].amount == round(-2 * mark * rate, 8)


# ------------------------------------------------------------ laws


@pytest.mark.parametrize("which", range(len(NAMES)), ids=NAMES)
def test_nothing_is_overspent_and_locks_are_covered(accounts: tuple[DemoAccount, ...], which: int) -> None:
    one = accounts[which]
    one.view(PIN + DAYS[-1] * DAY_MS)
    assert [entry for entry in one.book.entries(until=PIN + DAYS[-1] * DAY_MS) if entry.balance < 0] == []
    for day in DAYS:
        view = one.view(PIN + day * DAY_MS)
        for wallet in one.opened:
            locked = view.locked(wallet)
            assert all(locked[asset] <= view.cash(wallet)[asset] for asset in locked)


@pytest.mark.parametrize("which", range(len(NAMES)), ids=NAMES)
def test_the_truth_agrees_with_the_running_book(accounts: tuple[DemoAccount, ...], market: Market, which: int) -> None:
    """Summed anew from entries and replayed anew from fills: exactly what the book says it holds."""
    one = accounts[which]
    for day in DAYS:
        at = PIN + day * DAY_MS + 12_345_000
        view = one.view(at)
        for wallet in account_truth(one, market, at).wallets:
            if wallet.wallet is Wallet.EARN:
                assert {asset: held for asset, held in wallet.balances.items() if held} == view.flexible()
                continue
            assert wallet.balances == {asset: view.cash(wallet.wallet)[asset] for asset in wallet.balances}
            assert wallet.unrealised == view.unrealised(wallet.wallet)


@pytest.mark.parametrize("which", range(len(NAMES)), ids=NAMES)
def test_transfers_conserve_what_they_move(accounts: tuple[DemoAccount, ...], which: int) -> None:
    one, end = accounts[which], PIN + 90 * DAY_MS
    one.view(end)
    sums: dict[int, Decimal] = defaultdict(Decimal)
    for entry in one.book.entries(until=end):
        if entry.reason is Reason.TRANSFER:
            sums[entry.reference] += entry.amount
    between = {one.transfer_id for one in one.book.transfers(until=end) if one.counterparty}
    assert sums
    assert {amount for key, amount in sums.items() if key not in between} == {FREE}
    assert set(sums) == {transfer.transfer_id for transfer in one.book.transfers(until=end)}


def test_pnl_of_two_spans_adds_up(accounts: tuple[DemoAccount, ...], market: Market) -> None:
    """PnL = change of equity - flows is additive: [0, 40] + [40, 90] = [0, 90]; flows split the same way."""
    for one in accounts:
        start, middle, end = (PIN + day * DAY_MS for day in (1, 40, 90))
        parts = [pnl_truth(one, market, start, middle), pnl_truth(one, market, middle, end)]
        whole = pnl_truth(one, market, start, end)
        assert None not in (*parts, whole)
        assert abs(sum(part for part in parts if part is not None) - (whole or FREE)) < Decimal("1e-15")
        first, second = flows_truth(one, market, start, middle), flows_truth(one, market, middle, end)
        assert first + second == flows_truth(one, market, start, end)


def test_money_comes_from_flows_and_trading_alone(accounts: tuple[DemoAccount, ...]) -> None:
    """In USDT: what is there = flows + spot trades + PnL + funding + fees; own transfers cancel out."""
    for one in accounts:
        end = PIN + 90 * DAY_MS
        view = one.view(end)
        between = {moved.transfer_id for moved in one.book.transfers(until=end) if moved.counterparty}
        pockets = [(wallet, slot) for wallet in Wallet for slot in ("", *one.book.slots(wallet))]
        held = sum((view.cash(*pocket).get("USDT", FREE) for pocket in pockets), FREE)
        booked = sum(
            (
                entry.amount
                for entry in one.book.entries(until=end)
                if entry.asset == "USDT" and (entry.reason is not Reason.TRANSFER or entry.reference in between)
            ),
            FREE,
        )
        assert held == booked


def test_the_same_seed_tells_the_same_story_however_it_is_asked(market: Market) -> None:
    at = PIN + 50 * DAY_MS
    straight, stepwise = open_accounts(market, PIN)[0], open_accounts(Market(7), PIN)[0]
    for day in (3, 1, 20, 70):
        stepwise.view(PIN + day * DAY_MS)
    assert account_truth(straight, market, at) == account_truth(stepwise, market, at)
    other = open_accounts(Market(8), PIN)[0]
    assert account_truth(other, Market(8), at) != account_truth(straight, market, at)


def test_the_future_is_never_visible(accounts: tuple[DemoAccount, ...]) -> None:
    one, now = accounts[0], PIN + 30 * DAY_MS + 7_200_000
    later = one.view(now + 30 * DAY_MS)
    assert later.book.fills(until=now)[-1].at <= now
    assert all(order.placed_at <= now for order in one.view(now).orders())
    assert len(one.book.entries(until=now)) < len(one.book.entries(until=now + 30 * DAY_MS))


def test_an_unpriced_coin_makes_the_truth_unknown(market: Market) -> None:
    one, at = open_accounts(market, PIN)[0], PIN + 2 * DAY_MS
    one.view(at)
    one.book.grant(at, Wallet.SPOT, "LOST", Decimal(12))
    truth = account_truth(one, market, at)
    assert truth.equity is None
    assert truth.wallets[0].unpriced == ("LOST",)
    assert account_truth(one, market, at - 1).equity is not None


@pytest.mark.parametrize("which", range(len(NAMES)), ids=NAMES)
def test_flows_go_both_ways_and_some_are_coins(accounts: tuple[DemoAccount, ...], market: Market, which: int) -> None:
    flows = flows_truth(accounts[which], market, PIN, PIN + 90 * DAY_MS)
    assert {flow.kind for flow in flows} - {"sub_transfer"} == {"deposit", "withdrawal"}
    assert {flow.asset for flow in flows} == {"USDT", "BTC"}
    chained = [flow for flow in flows if flow.kind != "sub_transfer"]
    assert all((flow.quantity > 0) == (flow.kind == "deposit") for flow in chained)
    assert len({flow.txid for flow in chained}) == len(chained)
