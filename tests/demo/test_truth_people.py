"""The special people: what each book stands for, and the laws that hold on quiet and on wild days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portfolio_lab.demo.book import Book
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.market import DAY_MS, HOUR_MS, PIN, Market
from portfolio_lab.demo.moves import arrives_at
from portfolio_lab.demo.people import cast, open_accounts, users
from portfolio_lab.demo.truth import account_truth, flows_truth, transit_truth
from portfolio_lab.demo.view import View
from portfolio_lab.demo.wild import wild_day
from portfolio_lab.models.accounts import KNOWN_WALLETS, Wallet

MARKET = Market(7)
SPECIAL = ("dora", "emil", "fay", "gus", "hana", "ivan")
NOON = PIN + DAY_MS // 2
Known = dict[tuple[str, str, str], DemoAccount]


@pytest.fixture(scope="module")
def known() -> Known:
    return {one.account.key: one for one in open_accounts(MARKET, PIN)}


def of(known: Known, user: str) -> DemoAccount:
    return next(one for key, one in known.items() if key[0] == user)


def test_everyone_is_known_and_the_demo_lab_s_users_stay() -> None:
    assert [one.user for one in users()] == ["alice", "desk", "carol"]
    assert [one.user for one in cast()] == ["alice", "desk", "carol", *SPECIAL]
    listed = {account.key for one in cast() for account in one.accounts}
    assert listed == {one.account.key for one in open_accounts(MARKET, PIN)}
    assert len({one.uid for one in open_accounts(MARKET, PIN)}) == len(listed)


def test_dora_owes_in_cross_margin_and_in_a_pair(known: Known) -> None:
    view = of(known, "dora").view(NOON)
    assert set(view.debts(Wallet.CROSS_MARGIN)) >= {"USDT", "ETH"}
    assert view.isolated_pairs() == ["ETHUSDT"]
    assert view.debts(Wallet.ISOLATED_MARGIN, "ETHUSDT")["USDT"].interest > 0


def test_emil_has_margin_in_four_assets_and_a_contract_in_usdc(known: Known) -> None:
    one = of(known, "emil")
    view = one.view(NOON)
    assert one.multi_asset
    assert {asset for asset, held in view.cash(Wallet.USD_M).items() if held} >= {"USDT", "USDC", "BTC", "BFUSD"}
    assert {held.instrument.settle for held in view.positions(Wallet.USD_M)} == {"USDT", "USDC"}


def test_fay_is_unified(known: Known) -> None:
    one = of(known, "fay")
    view = one.view(NOON)
    assert one.portfolio_margin
    assert {held.wallet for held in view.positions()} == {Wallet.USD_M, Wallet.COIN_M}
    assert view.debts(Wallet.CROSS_MARGIN)["USDT"].borrowed >= 5_000
    assert {told.wallet for told in account_truth(one, MARKET, NOON).wallets} == {*one.opened}


def test_gus_writes_and_buys_options(known: Known) -> None:
    held = of(known, "gus").view(NOON).positions(Wallet.OPTIONS)
    assert {one.contracts > 0 for one in held} == {True, False}
    assert all(one.instrument.is_option for one in held)


def test_hana_saves_in_every_way(known: Known) -> None:
    view = of(known, "hana").view(NOON)
    assert set(view.flexible()) >= {"USDT", "BTC"}
    assert view.locked_earn()
    assert view.loans()
    assert {bot.kind for bot in view.bots()} == {"grid", "copy"}
    assert view.cash(Wallet.SPOT)["WBETH"] > 0
    assert view.cash(Wallet.SPOT)["BNSOL"] > 0


def test_ivan_owes_stakes_and_keeps_a_bot(known: Known) -> None:
    one = of(known, "ivan")
    view = one.view(NOON)
    owed = view.debts(Wallet.TRADING)["USDT"]
    assert one.mode == "3"
    assert view.cash(Wallet.TRADING)["USDT"] < owed.borrowed
    assert view.staked()
    assert view.flexible()
    assert view.loans()
    assert [bot.kind for bot in view.bots()] == ["grid"]


def test_the_sub_account_s_book_mirrors_its_master(known: Known) -> None:
    master, sub = known["desk", "binance", "main"], known["desk", "binance", "sub"]
    sub.view(PIN + 40 * DAY_MS)
    given, taken = (
        {
            (one.transfer_id, one.at, one.asset, one.amount)
            for one in each.book.transfers(until=PIN + 40 * DAY_MS - 1)
            if one.counterparty == other.uid
        }
        for each, other in ((master, sub), (sub, master))
    )
    assert given == taken
    directions = {one.source is None for one in sub.book.transfers(until=PIN + 40 * DAY_MS) if one.counterparty}
    assert directions == {True, False}
    assert (sub.master_uid, master.sub_uids) == (master.uid, (sub.uid,))


def test_what_the_desk_sends_arrives_and_is_in_transit_in_between(known: Known) -> None:
    """Every withdrawal to the other own account has its deposit: same txid, asset and amount, later."""
    desk = [one for key, one in known.items() if key[0] == "desk"]
    source, target = known["desk", "binance", "main"], known["desk", "okx", "main"]
    target.view(PIN + 60 * DAY_MS)
    until = PIN + 58 * DAY_MS
    sent = [
        flow for flow in source.book.flows("withdrawal", until=until) if flow.address == f"demo-wallet-{target.uid}"
    ]
    credited = {flow.txid: flow for flow in target.book.flows("deposit", until=PIN + 60 * DAY_MS)}
    assert len(sent) > 10
    for flow in sent:
        arrival = credited[flow.txid]
        assert (arrival.asset, arrival.amount, arrival.at) == (flow.asset, flow.amount, arrives_at(flow))
        assert flow.at < flow.done_at < arrival.at < flow.done_at + 4 * HOUR_MS
        under_way = {
            at: {move.txid for move in transit_truth(desk, MARKET, at)}
            for at in (flow.done_at - 1, flow.done_at, arrival.at - 1, arrival.at)
        }
        assert [flow.txid in found for found in under_way.values()] == [False, True, True, False]


# ------------------------------------------------------------ laws


def net(view: View, wallets: Iterable[Wallet]) -> dict[str, Decimal]:
    """Running cash of all pockets less what is owed, by asset, where it is not 0."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for wallet in wallets:
        for slot in ("", *view.book.slots(wallet)):
            for asset, amount in view.cash(wallet, slot).items():
                sums[asset] += amount
            for asset, debt in view.debts(wallet, slot).items():
                sums[asset] -= debt.borrowed + debt.interest
    return {asset: amount for asset, amount in sums.items() if amount}


def check_laws(one: DemoAccount, at: int) -> None:
    view, told = one.view(at), account_truth(one, MARKET, at)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for wallet in told.wallets:
        for asset, amount in wallet.balances.items():
            sums[asset] += amount
    assert {asset: amount for asset, amount in sums.items() if amount} == net(view, Wallet)
    assert told.equity is not None
    assert [
        entry for entry in one.book.entries(until=at) if entry.balance < 0 and entry.wallet is not Wallet.LOANS
    ] == []
    open_pnl: dict[str, Decimal] = defaultdict(Decimal)
    for held in view.positions():
        option = held.instrument.is_option
        worth = held.notional(view.mark(held.instrument)) if option else held.unrealised_pnl(view.mark(held.instrument))
        open_pnl[held.instrument.settle] += worth
    replayed: dict[str, Decimal] = defaultdict(Decimal)
    for wallet in told.wallets:
        for asset, amount in wallet.unrealised.items():
            replayed[asset] += amount
    assert dict(open_pnl) == dict(replayed)


@pytest.mark.parametrize("user", SPECIAL)
def test_quiet_days_keep_the_laws(known: Known, user: str) -> None:
    for day in (0, 3, 29, 75):
        check_laws(of(known, user), PIN + day * DAY_MS + 12_345_000)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), days=st.integers(1, 12))
def test_wild_days_keep_the_laws(seed: int, days: int) -> None:
    for one in open_accounts(MARKET, PIN):
        one.story.wild = seed
        check_laws(one, PIN + days * DAY_MS + seed % DAY_MS)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_wild_day_is_the_same_for_the_same_seed(seed: int) -> None:
    books = [Book("wild", MARKET) for _ in range(2)]
    for book in books:
        book.head = PIN
        book.deposit(PIN, Wallet.SPOT, "USDT", Decimal(50_000), network="TRX", txid="a")
        for day in range(3):
            wild_day(book, "binance", KNOWN_WALLETS["binance"], PIN + day * DAY_MS, seed)
    first, second = (book.entries(until=PIN + 3 * DAY_MS) for book in books)
    assert first == second
    assert len(first) > 1  # more than the deposit: how much more is a matter of the seed


def test_wild_days_reach_every_wallet() -> None:
    """Sixty wild days with every Binance wallet open leave something in each of them at one time or another."""
    book = Book("wild", MARKET)
    book.head = PIN
    book.deposit(PIN, Wallet.SPOT, "USDT", Decimal(500_000), network="TRX", txid="a")
    wallets = tuple(one for one in KNOWN_WALLETS["binance"] if one is not Wallet.PORTFOLIO_MARGIN)
    for day in range(60):
        wild_day(book, "binance", wallets, PIN + day * DAY_MS, seed=3)
    assert {entry.wallet for entry in book.entries(until=PIN + 60 * DAY_MS)} == set(wallets)
    assert {flow.wallet for flow in book.flows("deposit", until=PIN + 60 * DAY_MS)} == {Wallet.SPOT, Wallet.FUNDING}


def test_own_moves_are_no_gain(known: Known) -> None:
    """A transfer, a subscription and a loan leave every quantity of the account as it was."""
    one = of(known, "hana")
    view = one.view(NOON)
    before = account_truth(one, MARKET, NOON).assets
    amount = min(Decimal(10), view.free(Wallet.SPOT, "USDT"))
    fresh = {each.account.key: each for each in open_accounts(MARKET, PIN)}[one.account.key]
    fresh.view(NOON)
    fresh.book.subscribe(fresh.book.head, Wallet.SPOT, "USDT", amount)
    fresh.book.transfer(fresh.book.head, "USDT", amount, Wallet.SPOT, Wallet.FUNDING)
    fresh.book.open_loan(fresh.book.head, Wallet.SPOT, ("USDT", amount), ("BTC", Decimal("0.001")))
    end, known_end = fresh.book.head, account_truth(one, MARKET, fresh.book.head).assets
    after = account_truth(fresh, MARKET, end).assets
    assert {asset: held for asset, held in after.items() if held} == {
        asset: held for asset, held in known_end.items() if held
    }
    assert amount > ZERO
    assert before


def test_payments_and_fiat_cross_the_border(known: Known) -> None:
    flows = flows_truth(of(known, "hana"), MARKET, PIN - 1, PIN + 60 * DAY_MS)
    assert {flow.kind for flow in flows} == {"deposit", "withdrawal", "fiat", "pay"}
    assert flows[-1].value is not None
