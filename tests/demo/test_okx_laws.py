"""What must hold between OKX's answers, the book and the truth, for every OKX account of the demo exchange."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.instruments import INVERSE, LINEAR, by_symbol
from portfolio_lab.demo.market import DAY_MS, Market, milliseconds
from portfolio_lab.demo.okx import ENDPOINTS
from portfolio_lab.demo.okx_wire import OkxAsk
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.demo.server import DEFAULT_SINCE, DemoExchange
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.demo.wire import Asked
from portfolio_lab.models.accounts import Wallet

NOW = datetime(2026, 10, 5, 13, 20, tzinfo=UTC)
NOW_MS = milliseconds(NOW)
OWNERS = [
    one.account.key for one in open_accounts(Market(7), milliseconds(DEFAULT_SINCE)) if one.account.venue == "okx"
]
KINDS = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
Row = dict[str, Any]
Ask = Callable[..., list[Row]]


@pytest.fixture(scope="module")
def demo() -> DemoExchange:
    return DemoExchange(now=NOW)


@pytest.fixture(params=OWNERS, ids="/".join)
def owner(request: pytest.FixtureRequest, demo: DemoExchange) -> DemoAccount:
    return next(one for one in demo.exchange.accounts if one.account.key == request.param)


@pytest.fixture
def ask(demo: DemoExchange, owner: DemoAccount) -> Ask:
    def rows(name: str, query: str = "", now: int = NOW_MS) -> list[Row]:
        asked = Asked("GET", f"/api/v5/{name}", query, {}, b"", "", now, now)
        return list(ENDPOINTS[name].reply(OkxAsk(demo.exchange, asked, owner)))

    return rows


def every(ask: Ask, name: str, by: str, query: str = "") -> list[Row]:
    """All rows of a history, page by page of 37."""
    rows: list[Row] = []
    after = ""
    while page := ask(name, f"limit=37&{query}{after}"):
        rows += page
        after = f"&after={page[-1][by]}"
    assert len({row[by] for row in rows}) == len(rows)
    return rows


# ------------------------------------------------------------ now


@pytest.mark.parametrize("days", [-50, -17, 0])
def test_the_parts_of_equity_add_up(ask: Ask, days: int) -> None:
    account = ask("account/balance", now=NOW_MS + days * DAY_MS)[0]
    for row in account["details"]:
        part = {name: Decimal(row[name]) for name in ("eq", "cashBal", "isoEq", "upl", "isoUpl", "stgyEq")}
        assert part["eq"] == part["cashBal"] + part["isoEq"] + part["upl"] - part["isoUpl"] + part["stgyEq"]
    assert Decimal(account["totalEq"]) == sum(Decimal(row["eqUsd"]) for row in account["details"])


@pytest.mark.parametrize("unit", ["USDT", "BTC"])
def test_the_valuation_is_the_sum_of_what_each_account_answers(ask: Ask, demo: DemoExchange, unit: str) -> None:
    row = ask("asset/asset-valuation", f"ccy={unit}")[0]
    worth = {asset: demo.exchange.market.coin_usd("okx", asset, NOW_MS) for asset in _held(ask)}
    price = demo.exchange.market.coin_usd("okx", unit, NOW_MS)
    assert price is not None
    parts = {
        "funding": sum((Decimal(one["bal"]) * (worth[one["ccy"]] or 0) for one in ask("asset/balances")), Decimal(0)),
        "trading": Decimal(ask("account/balance")[0]["totalEq"]),
        "earn": sum((amount * (worth[asset] or 0) for asset, amount in _earning(ask)), Decimal(0)),
        "classic": Decimal(0),
    }
    for name, amount in parts.items():
        assert abs(Decimal(row["details"][name]) - amount / price) < Decimal("1e-9"), name
    assert sum(map(Decimal, row["details"].values())) == Decimal(row["totalBal"])


def _earning(ask: Ask, now: int = NOW_MS) -> list[tuple[str, Decimal]]:
    saved = [(row["ccy"], Decimal(row["amt"])) for row in ask("finance/savings/balance", now=now)]
    staked = [
        (part["ccy"], Decimal(part[name]))
        for row in ask("finance/staking-defi/orders-active", now=now)
        for name, parts in (("amt", row["investData"]), ("earnings", row["earningData"]))
        for part in parts
    ]
    return saved + staked


def _lent(ask: Ask, now: int) -> list[tuple[str, Decimal]]:
    return [
        (part["ccy"], sign * Decimal(part["amt"]))
        for row in ask("finance/flexible-loan/loan-info", now=now)
        for sign, parts in ((1, row["collateralData"]), (-1, row["loanData"]))
        for part in parts
    ]


def _held(ask: Ask) -> set[str]:
    names = {row["ccy"] for row in [*ask("asset/balances"), *ask("account/balance")[0]["details"]]}
    return names | {asset for asset, _ in _earning(ask)}


@pytest.mark.parametrize("days", [-60, -33, -11, 0, 40])
def test_every_wallet_answers_the_truth_by_currency(
    demo: DemoExchange, owner: DemoAccount, ask: Ask, days: int
) -> None:
    """To the last digit, for wallets that the account has; what else is answered is nothing."""
    now = NOW_MS + days * DAY_MS
    answers: dict[Wallet, list[tuple[str, Decimal]]] = {
        Wallet.TRADING: [(row["ccy"], Decimal(row["eq"])) for row in ask("account/balance", now=now)[0]["details"]],
        Wallet.FUNDING: [(row["ccy"], Decimal(row["bal"])) for row in ask("asset/balances", now=now)],
        Wallet.EARN: _earning(ask, now),
        Wallet.LOANS: _lent(ask, now),
    }
    told = {wallet: _summed(amounts) for wallet, amounts in answers.items()}
    truth = account_truth(owner, demo.exchange.market, now)
    assert {wallet: amounts for wallet, amounts in told.items() if amounts} == {
        one.wallet: amounts
        for one in truth.wallets
        if (amounts := _summed([*one.balances.items(), *one.unrealised.items()]))
    }


def _summed(amounts: list[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for asset, amount in amounts:
        sums[asset] += amount
    return {asset: amount for asset, amount in sums.items() if amount}


def test_debts_are_told_as_the_book_has_them(ask: Ask, owner: DemoAccount) -> None:
    debts = owner.view(NOW_MS).debts(Wallet.TRADING)
    rows = {row["ccy"]: row for row in ask("account/balance")[0]["details"]}
    assert set(debts) <= set(rows)
    for asset, debt in debts.items():
        assert Decimal(rows[asset]["liab"]) == debt.borrowed > 0
        assert Decimal(rows[asset]["interest"]) == debt.interest


def test_positions_are_those_of_the_book_with_all_that_they_brought(ask: Ask, owner: DemoAccount) -> None:
    """Over open and closed positions, PnL, fees, funding and penalties are those of the book's entries."""
    rows = ask("account/positions")
    held = {str(one.position_id): one.contracts for one in owner.view(NOW_MS).positions(Wallet.TRADING)}
    assert {row["posId"]: Decimal(row["pos"]) for row in rows} == held
    partly = {(row["posId"], row["cTime"]) for row in rows}
    past = [one for one in ask("account/positions-history") if (one["posId"], one["cTime"]) not in partly]
    brought: dict[str, Decimal] = defaultdict(Decimal)
    for row in [*rows, *past]:
        brought[row["ccy"]] += Decimal(row["realizedPnl"])
    booked: dict[str, Decimal] = defaultdict(Decimal)
    for entry in owner.book.entries(until=NOW_MS, wallets=(Wallet.TRADING,)):
        if entry.instrument is not None and entry.instrument.is_contract:
            booked[entry.asset] += entry.amount
    assert brought == booked


# ------------------------------------------------------------ the past


def test_bills_are_every_change_of_the_trading_account(ask: Ask, owner: DemoAccount) -> None:
    """By event and currency the sums of the book, and from the first to the last the balance of today."""
    booked: dict[tuple[int, int, str], Decimal] = defaultdict(Decimal)
    owed = {one.event_id: one for one in owner.book.debt_events(until=NOW_MS, wallets=(Wallet.TRADING,))}
    for entry in owner.book.entries(until=NOW_MS, wallets=(Wallet.TRADING,)):
        debt = owed.get(entry.reference)
        net = entry.amount - (debt.principal + debt.interest if debt else 0)
        booked[entry.at, entry.reference * 10 + (entry.reason is Reason.INSURANCE), entry.asset] += net
    for one in owed.values():
        if one.reason is Reason.INTEREST:
            booked[one.at, one.event_id * 10, one.asset] -= one.interest
    rows = every(ask, "account/bills-archive", "billId")
    told = sorted((int(row["ts"]), row["ccy"], Decimal(row["balChg"])) for row in rows)
    assert told == sorted((at, asset, amount) for (at, _, asset), amount in booked.items())
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row["ccy"]] += Decimal(row["balChg"])
    cash = {row["ccy"]: Decimal(row["cashBal"]) for row in ask("account/balance")[0]["details"]}
    assert {asset: amount for asset, amount in sums.items() if amount} == {
        asset: amount for asset, amount in cash.items() if amount
    }


def test_the_newest_bill_of_a_currency_ends_at_its_balance(ask: Ask) -> None:
    cash = {row["ccy"]: row["cashBal"] for row in ask("account/balance")[0]["details"]}
    newest: dict[str, str] = {}
    for row in every(ask, "account/bills-archive", "billId"):
        newest.setdefault(row["ccy"], row["bal"])
    assert all(newest[asset] == amount for asset, amount in cash.items() if asset in newest)


def test_fills_by_type_are_the_fills_of_the_book(ask: Ask, owner: DemoAccount) -> None:
    told = {
        (row["tradeId"], row["instId"], row["fillSz"], row["fee"])
        for kind in KINDS
        for row in every(ask, "trade/fills-history", "billId", f"instType={kind}")
    }
    fills = owner.book.fills(until=NOW_MS)
    assert {trade for trade, *_ in told} == {str(fill.fill_id) for fill in fills}
    assert len(told) == len(fills)
    assert sum(Decimal(fee) for *_, fee in told) == -sum(fill.fee for fill in fills)


def test_every_fill_names_a_bill_that_is_there(ask: Ask) -> None:
    bills = {row["billId"]: row for row in every(ask, "account/bills-archive", "billId")}
    for row in every(ask, "trade/fills-history", "billId", "instType=SWAP"):
        assert bills[row["billId"]]["tradeId"] == row["tradeId"]


def test_deposits_and_withdrawals_are_the_flows_of_the_book(ask: Ask, owner: DemoAccount) -> None:
    for name, kind, by in (("deposit", "deposit", "depId"), ("withdrawal", "withdrawal", "wdId")):
        told = {(row[by], row["ccy"], Decimal(row["amt"]), row["txId"]) for row in ask(f"asset/{name}-history")}
        flows = owner.book.flows(kind, until=NOW_MS)
        waiting = {row[by] for row in ask(f"asset/{name}-history") if row["state"] == "0"}
        assert told == {
            (str(flow.flow_id), flow.asset, flow.amount, "" if str(flow.flow_id) in waiting else flow.txid)
            for flow in flows
        }


def test_funding_bills_are_every_change_of_a_month(ask: Ask, owner: DemoAccount) -> None:
    told = {
        (int(row["billId"]), row["ccy"], Decimal(row["balChg"]), Decimal(row["bal"]))
        for row in every(ask, "asset/bills", "billId", "pagingType=2")
    }
    entries = owner.book.entries(since=NOW_MS - 30 * DAY_MS, until=NOW_MS, wallets=(Wallet.FUNDING,))
    assert told == {(one.entry_id, one.asset, one.amount, one.balance) for one in entries}


def test_orders_of_all_kinds_are_the_orders_of_the_book(ask: Ask, owner: DemoAccount) -> None:
    kinds = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase")
    resting = {row["ordId"] for row in ask("trade/orders-pending")}
    waiting = [row["algoId"] for kind in kinds for row in ask("trade/orders-algo-pending", f"ordType={kind}")]
    assert len(waiting) == len(set(waiting))
    assert resting | set(waiting) == {str(one.order_id) for one in owner.view(NOW_MS).orders(Wallet.TRADING)}


# ------------------------------------------------------------ any book


TRADES = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 9), st.integers(900, 1_100)), max_size=25)


@settings(max_examples=40, deadline=None)
@given(trades=TRADES, hedge=st.booleans())
def test_lives_of_positions_bring_what_the_fills_brought(okx_desk: Any, trades: list[Any], *, hedge: bool) -> None:
    """However contracts are bought and sold: PnL and fees of all lives are the book's, and so is what is left."""
    desk = okx_desk(hedge=hedge)
    desk.give("USDT", "100000")
    desk.give("BTC", "10")
    for inverse, buys, contracts, price in trades:
        one = by_symbol("okx", INVERSE if inverse else LINEAR)["BTC-USD-SWAP" if inverse else "BTC-USDT-SWAP"]
        desk.now += 1_000
        side = ("long" if contracts % 2 else "short") if hedge else "net"
        opens = {"long": "buy", "short": "sell"}.get(side, "buy" if buys else "sell")
        amounts = str(contracts), str(price * 100)
        desk.trade(one, opens, *amounts, fee_rate="0.0005", position_side=side)
    rows, past = desk.ask("account/positions"), desk.ask("account/positions-history")
    current = {(row["posId"], row["cTime"]) for row in rows}
    past = [row for row in past if (row["posId"], row["cTime"]) not in current]
    for asset in ("USDT", "BTC"):
        brought = sum(Decimal(row["realizedPnl"]) for row in [*rows, *past] if row["ccy"] == asset)
        assert brought == sum(one.amount for one in desk.entries() if one.asset == asset and one.instrument)
    held = {(one.instrument.symbol, one.position_side): abs(one.contracts) for one in desk.book.positions_at(desk.now)}
    assert {(row["instId"], row["posSide"]): abs(Decimal(row["pos"])) for row in rows} == held
