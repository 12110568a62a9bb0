"""Binance's histories on the wire: every row once over pages and windows, and the venue's refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from hand_written import FREE_OF_CHARGE, Bench, open_bench, pair
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.demo.binance_auth import signature_of
from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.instruments import INVERSE, LINEAR, OPTION, Instrument, by_symbol
from portfolio_lab.demo.late import LateRows
from portfolio_lab.demo.market import DAY_MS, milliseconds
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.wire import Asked
from portfolio_lab.models.accounts import Wallet

NOW = milliseconds(datetime(2026, 8, 3, 10, 30, tzinfo=UTC))
OLD = NOW - 80 * DAY_MS
BUSY = NOW - 30 * DAY_MS
"""An instant at which much happens in one millisecond."""

SPOT, FUNDING, USD_M, COIN_M = Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M, Wallet.COIN_M
FEE_RATE = Decimal("0.0004")
Row = dict[str, Any]


def ask(bench: Bench, path: str, at: int = NOW, **parameters: object) -> Any:
    """The answer at an instant; anything but 200 fails the test."""
    status, content = send(bench, path, at, **parameters)
    assert status == 200, content
    return content


def refusal(bench: Bench, path: str, **parameters: object) -> tuple[int, int]:
    status, content = send(bench, path, NOW, **parameters)
    return status, content["code"]


def send(bench: Bench, path: str, at: int, **parameters: object) -> tuple[int, Any]:
    bench.venue.ledger.reset()
    keys, query = bench.account.credentials, urlencode({**parameters, "timestamp": at})
    signed = f"{query}&signature={signature_of(keys.secret, query.encode())}"
    answer = bench.venue.answer(Asked("GET", path, signed, {"X-MBX-APIKEY": keys.key}, b"", "::1", at, at))
    return answer.status, json.loads(answer.encoded())


def windows(since: int, until: int, length: int) -> Iterator[Row]:
    """Windows that touch without sharing a millisecond, as both ends are inside."""
    for start in range(since, until + 1, length + 1):
        yield {"startTime": start, "endTime": min(start + length, until)}


def linear(symbol: str = "BTCUSDT") -> Instrument:
    return by_symbol("binance", LINEAR)[symbol]


@pytest.fixture(scope="module")
def trader() -> Bench:
    """Eighty days of trading, transfers and flows, with forty fills in one millisecond of each market."""
    bench, chance = open_bench(USD_M, COIN_M), Random(11)
    book = bench.book
    book.head = OLD
    book.deposit(OLD, SPOT, "USDT", Decimal(1_000_000), network="TRX", txid="first")
    book.deposit(OLD, SPOT, "BTC", Decimal(10), network="BTC", txid="coins")
    book.transfer(OLD + 1, "USDT", Decimal(400_000), SPOT, USD_M)
    book.transfer(OLD + 1, "BTC", Decimal(3), SPOT, COIN_M)
    instants = sorted([chance.randrange(OLD + 2, NOW) for _ in range(120)] + [BUSY] * 40)
    for place, at in enumerate(instants):
        side = "buy" if place % 3 else "sell"
        amount, price = Decimal(chance.randrange(1, 9)) / 1000, Decimal(90_000 + place)
        book.fund_until(at - 1)
        book.trade(at, SPOT, pair("BTCUSDT"), side, amount, price, fee_rate=FEE_RATE)
        book.trade(at, USD_M, linear(), side, amount, price, fee_rate=FEE_RATE)
        book.trade(at, COIN_M, by_symbol("binance", INVERSE)["BTCUSD_PERP"], side, Decimal(2), price, fee_rate=FEE_RATE)
        book.transfer(at, "USDT", Decimal(1 + place), *((SPOT, FUNDING) if place % 2 else (FUNDING, SPOT)))
        book.deposit(at, SPOT, "USDT", Decimal(2 + place), network="TRX", txid=f"d{place}")
        book.withdraw(at, SPOT, "USDT", Decimal(1), fee=Decimal("0.5"), network="TRX", txid=f"w{place}")
    return bench


# ---------------------------------------------------------------- fills


@settings(max_examples=8, deadline=None)
@given(limit=st.integers(7, 1000))
def test_spot_fills_by_id_are_all_fills_in_pages_of_any_size(trader: Bench, limit: int) -> None:
    rows, first = [], 0
    while page := ask(trader, "/api/v3/myTrades", symbol="BTCUSDT", fromId=first, limit=limit):
        rows += page
        first = page[-1]["id"] + 1

    fills = [fill for fill in trader.book.fills(until=NOW) if fill.wallet is SPOT]
    assert [row["id"] for row in rows] == [fill.fill_id for fill in fills]
    assert [Decimal(row["qty"]) for row in rows] == [fill.contracts for fill in fills]


@settings(max_examples=4, deadline=None)
@given(length=st.integers(DAY_MS // 2, DAY_MS))
def test_spot_fills_by_windows_of_up_to_a_day_are_all_fills(trader: Bench, length: int) -> None:
    spans = windows(BUSY - 5 * DAY_MS, BUSY + 5 * DAY_MS, length)
    rows = [row for span in spans for row in ask(trader, "/api/v3/myTrades", symbol="BTCUSDT", limit=1000, **span)]

    told = trader.book.fills(since=BUSY - 5 * DAY_MS, until=BUSY + 5 * DAY_MS, instrument=pair("BTCUSDT"))
    assert [row["id"] for row in rows] == [fill.fill_id for fill in told]
    assert len(rows) > 40


@pytest.mark.parametrize(
    ("path", "symbol", "wallet"),
    [("/fapi/v1/userTrades", "BTCUSDT", USD_M), ("/dapi/v1/userTrades", "BTCUSD_PERP", COIN_M)],
)
@pytest.mark.parametrize("days", [1, 5, 7])
def test_contract_fills_by_windows_of_up_to_a_week_are_all_fills(
    trader: Bench, path: str, symbol: str, wallet: Wallet, days: int
) -> None:
    spans = windows(OLD, NOW, days * DAY_MS)
    rows = [row for span in spans for row in ask(trader, path, symbol=symbol, limit=1000, **span)]

    fills = [fill for fill in trader.book.fills(until=NOW) if fill.wallet is wallet]
    assert [row["id"] for row in rows] == [fill.fill_id for fill in fills]
    assert sum(Decimal(row["realizedPnl"]) for row in rows) == sum(fill.realised_pnl for fill in fills)


def test_many_fills_of_one_millisecond_cross_the_border_of_a_page(trader: Bench) -> None:
    """By time a page of ten can never pass the millisecond; by id it can."""
    span = {"startTime": BUSY, "endTime": BUSY}
    by_time = ask(trader, "/fapi/v1/userTrades", symbol="BTCUSDT", limit=10, **span)
    by_id = ask(trader, "/fapi/v1/userTrades", symbol="BTCUSDT", limit=40, fromId=by_time[-1]["id"] + 1)

    assert len(by_time) == 10
    assert {row["time"] for row in [*by_time, *by_id[:30]]} == {BUSY}
    assert by_id[30]["time"] > BUSY


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("/api/v3/myTrades", {}, -1102),
        ("/api/v3/myTrades", {"symbol": "NOPE"}, -1121),
        ("/api/v3/myTrades", {"symbol": "BTCUSDT", "startTime": NOW - DAY_MS - 1, "endTime": NOW}, -1127),
        ("/api/v3/myTrades", {"symbol": "BTCUSDT", "fromId": 0, "startTime": NOW}, -1128),
        ("/fapi/v1/userTrades", {"symbol": "BTCUSDT", "startTime": NOW - 7 * DAY_MS - 1, "endTime": NOW}, -4165),
        ("/fapi/v1/userTrades", {"symbol": "BTCUSDT", "startTime": NOW - 183 * DAY_MS}, -4166),
        ("/fapi/v1/userTrades", {"symbol": "BTCUSDT", "fromId": 0, "endTime": NOW}, -1128),
        ("/fapi/v1/userTrades", {"symbol": "BTCUSDT", "limit": 1001}, -1130),
        ("/dapi/v1/userTrades", {"pair": "BTCUSD", "fromId": 1}, -1128),
        ("/fapi/v1/income", {"limit": 1001}, -1130),
        ("/sapi/v1/capital/deposit/hisrec", {"startTime": NOW - 91 * DAY_MS, "endTime": NOW}, -1127),
        ("/sapi/v1/capital/withdraw/history", {"startTime": NOW - 91 * DAY_MS, "endTime": NOW}, -1127),
        ("/sapi/v1/asset/transfer", {}, -1102),
        ("/sapi/v1/asset/transfer", {"type": "MAIN_MOON"}, -1130),
        ("/sapi/v1/asset/transfer", {"type": "MAIN_FUNDING", "size": 101}, -1130),
        ("/sapi/v1/asset/transfer", {"type": "ISOLATEDMARGIN_MARGIN"}, -1102),
        ("/eapi/v1/bill", {}, -1102),
    ],
)
def test_refusals(trader: Bench, path: str, parameters: dict[str, object], code: int) -> None:
    assert refusal(trader, path, **parameters) == (400, code)


def test_margin_fills_keep_cross_and_isolated_and_spot_apart() -> None:
    bench = open_bench(Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN)
    book, one = bench.book, pair("ETHUSDT")
    for wallet in (SPOT, Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN):
        book.trade(NOW - 5, wallet, one, "buy", Decimal(1), Decimal(3000), fee_rate=FREE_OF_CHARGE)
    spot, cross, isolated = (fill.fill_id for fill in book.fills(until=NOW))

    told = ask(bench, "/sapi/v1/margin/myTrades", symbol="ETHUSDT")
    alone = ask(bench, "/sapi/v1/margin/myTrades", symbol="ETHUSDT", isIsolated="TRUE")

    assert [(row["id"], row["isIsolated"]) for row in told + alone] == [(cross, False), (isolated, True)]
    assert [row["id"] for row in ask(bench, "/api/v3/myTrades", symbol="ETHUSDT")] == [spot]
    assert ask(bench, "/sapi/v1/margin/myTrades", NOW + DAY_MS, symbol="ETHUSDT") == []
    assert len(ask(bench, "/sapi/v1/margin/myTrades", NOW + DAY_MS, symbol="ETHUSDT", fromId=0)) == 1


def test_option_fills_and_bills_by_hand() -> None:
    bench = open_bench(Wallet.OPTIONS)
    one = by_symbol("binance", OPTION)["BTC-260925-100000-C"]
    bench.book.trade(NOW - 9, Wallet.OPTIONS, one, "sell", Decimal("0.5"), Decimal(200), fee_rate=Decimal("0.01"))

    (fill,) = ask(bench, "/eapi/v1/userTrades")
    premium, fee = ask(bench, "/eapi/v1/bill", currency="USDT")

    assert (fill["symbol"], fill["quantity"], fill["price"], fill["optionSide"]) == (one.symbol, "-0.5", "200", "CALL")
    assert (premium["type"], premium["amount"]) == ("CONTRACT", "100")
    assert (fee["type"], Decimal(fee["amount"])) == ("FEE", Decimal(fill["fee"]))
    assert ask(bench, "/eapi/v1/bill", currency="USDT", recordId=fee["id"]) == [fee]


# ---------------------------------------------------------------- income


@settings(max_examples=6, deadline=None)
@given(limit=st.integers(90, 1000), days=st.integers(4, 90))
def test_income_over_pages_and_windows_is_every_change_of_the_wallet(trader: Bench, limit: int, days: int) -> None:
    rows = []
    for span in windows(OLD, NOW, days * DAY_MS):
        page = 1
        while told := ask(trader, "/fapi/v1/income", limit=limit, page=page, **span):
            rows += told
            page += 1

    entries = trader.book.entries(until=NOW, wallets={USD_M})
    assert [(row["time"], Decimal(row["income"])) for row in rows] == [(one.at, one.amount) for one in entries]
    keys = [(row["incomeType"], row["tranId"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert len({row["tranId"] for row in rows}) < len(rows)


def test_income_is_kept_for_three_months(trader: Bench) -> None:
    later = NOW + 20 * DAY_MS
    rows = ask(trader, "/dapi/v1/income", later, startTime=OLD, limit=1000)

    assert rows[0]["time"] >= later - 90 * DAY_MS
    assert ask(trader, "/dapi/v1/income", startTime=OLD)[0]["incomeType"] == "TRANSFER"
    assert isinstance(rows[0]["tranId"], str)


def test_income_types_and_symbols_are_filtered(trader: Bench) -> None:
    fees = ask(trader, "/fapi/v1/income", startTime=OLD, incomeType="COMMISSION", symbol="BTCUSDT", limit=1000)

    assert len(fees) == 160
    assert {row["incomeType"] for row in fees} == {"COMMISSION"}
    assert ask(trader, "/fapi/v1/income", startTime=OLD, symbol="ETHUSDT") == []


@pytest.mark.parametrize(
    ("reason", "amount", "name"),
    [
        (Reason.INSURANCE, "-5", "INSURANCE_CLEAR"),
        (Reason.PROMOTION, "10", "WELCOME_BONUS"),
        (Reason.REBATE, "0.1", "COMMISSION_REBATE"),
        (Reason.CONVERT, "7", "COIN_SWAP_DEPOSIT"),
        (Reason.CONVERT, "-7", "COIN_SWAP_WITHDRAW"),
    ],
)
def test_rare_income_has_the_venues_name(reason: Reason, amount: str, name: str) -> None:
    bench = open_bench(USD_M)
    bench.book.credit(NOW - 1, USD_M, "USDT", Decimal(amount), reason)

    (row,) = ask(bench, "/fapi/v1/income")

    assert (row["incomeType"], Decimal(row["income"])) == (name, Decimal(amount))


# ---------------------------------------------------------------- flows and transfers


@pytest.mark.parametrize("days", [13, 90])
def test_flows_over_windows_and_offsets_are_all_flows(trader: Bench, days: int) -> None:
    for path, kind in (("deposit/hisrec", "deposit"), ("withdraw/history", "withdrawal")):
        rows: list[Row] = []
        for span in windows(OLD, NOW, days * DAY_MS):
            offset = 0
            while told := ask(trader, f"/sapi/v1/capital/{path}", limit=17, offset=offset, **span):
                rows += told
                offset += 17
        flows = trader.book.flows(kind, until=NOW)
        assert sorted(row["txId"] for row in rows) == sorted(flow.txid for flow in flows)


def test_a_withdrawal_under_way_is_told_and_completed_later() -> None:
    bench = open_bench()
    bench.book.deposit(NOW - 99, SPOT, "USDT", Decimal(100), network="TRX", txid="in")
    bench.book.withdraw(
        NOW - 9, SPOT, "USDT", Decimal(40), fee=Decimal(1), network="TRX", txid="out", completed_at=NOW + 60_000
    )

    (before,) = ask(bench, "/sapi/v1/capital/withdraw/history")
    (after,) = ask(bench, "/sapi/v1/capital/withdraw/history", NOW + 60_000)

    assert (before["id"], before["status"], before["txId"]) == (after["id"], 4, "")
    assert (after["status"], after["txId"], after["completeTime"]) == (6, "out", "2026-08-03 10:31:00")
    assert "completeTime" not in before
    assert ask(bench, "/sapi/v1/capital/withdraw/history", status=6) == []


@pytest.mark.parametrize("size", [7, 100])
def test_transfers_over_pages_are_all_of_one_direction(trader: Bench, size: int) -> None:
    rows: list[Row] = []
    asked = {"type": "MAIN_FUNDING", "startTime": OLD, "size": size}
    while told := ask(trader, "/sapi/v1/asset/transfer", current=len(rows) // size + 1, **asked)["rows"]:
        rows += told
        if len(told) < size:
            break

    moves = trader.book.transfers(until=NOW, source=SPOT, target=FUNDING)
    assert [row["tranId"] for row in rows] == [one.transfer_id for one in reversed(moves)]
    assert ask(trader, "/sapi/v1/asset/transfer", **asked)["total"] == len(moves)


def test_transfers_of_isolated_pairs_are_told_by_pair() -> None:
    bench = open_bench(Wallet.ISOLATED_MARGIN, Wallet.CROSS_MARGIN)
    for symbol, amount in (("BTCUSDT", 5), ("ETHUSDT", 7)):
        bench.book.transfer(NOW - 1, "USDT", Decimal(amount), SPOT, Wallet.ISOLATED_MARGIN, pair=symbol)

    named = ask(bench, "/sapi/v1/asset/transfer", type="MAIN_ISOLATEDMARGIN", toSymbol="ETHUSDT")
    both = ask(bench, "/sapi/v1/asset/transfer", type="MAIN_ISOLATED_MARGIN")

    assert ([row["amount"] for row in named["rows"]], both["total"]) == (["7"], 2)
    assert ask(bench, "/sapi/v1/asset/transfer", type="MARGIN_MAIN") == {"rows": [], "total": 0}


def test_moves_between_master_and_sub_account_are_told_at_both_ends() -> None:
    master, sub = open_bench(sub_uids=(88,)), open_bench(master_uid=77)
    out_and_in = {"source": SPOT, "target": None}, {"source": None, "target": SPOT}
    sent = master.book.universal(NOW - 50, "USDT", Decimal(12), **out_and_in[0], counterparty=88)
    sub.book.universal(NOW - 50, "USDT", Decimal(12), **out_and_in[1], counterparty=77, transfer_id=sent.transfer_id)
    back = sub.book.universal(NOW - 20, "USDT", Decimal(3), **out_and_in[0], counterparty=77)
    master.book.universal(NOW - 20, "USDT", Decimal(3), **out_and_in[1], counterparty=88, transfer_id=back.transfer_id)

    out = ask(master, "/sapi/v1/sub-account/universalTransfer")
    home = ask(master, "/sapi/v1/sub-account/universalTransfer", toEmail="master@demo.example")
    got = ask(sub, "/sapi/v1/sub-account/transfer/subUserHistory", type=1)
    gave = ask(sub, "/sapi/v1/sub-account/transfer/subUserHistory")

    assert [(row["tranId"], row["amount"]) for row in out["result"]] == [(sent.transfer_id, "12")]
    assert [(row["tranId"], row["fromEmail"]) for row in home["result"]] == [
        (back.transfer_id, "sub1_virtual@demo.example")
    ]
    assert [(row["tranId"], row["type"], row["qty"]) for row in got + gave] == [
        (sent.transfer_id, 1, "12"),
        (back.transfer_id, 2, "3"),
    ]
    assert refusal(sub, "/sapi/v1/sub-account/universalTransfer") == (401, -2015)
    assert refusal(master, "/sapi/v1/sub-account/transfer/subUserHistory") == (401, -2015)


# ---------------------------------------------------------------- late rows


def test_late_rows_are_silent_until_their_time_and_lie_among_the_others() -> None:
    bench = open_bench(USD_M)
    for minutes in (3, 2, 1):
        bench.book.credit(NOW - minutes * 60_000, USD_M, "USDT", Decimal(minutes), Reason.REBATE)
    bench.account.late.append(LateRows("/fapi/v1/inc*", NOW - 120_000, NOW - 120_000, NOW + 60_000))

    told = [row["income"] for row in ask(bench, "/fapi/v1/income")]
    whole = [row["income"] for row in ask(bench, "/fapi/v1/income", NOW + 60_000)]

    assert told == ["3.00000000", "1.00000000"]
    assert whole == ["3.00000000", "2.00000000", "1.00000000"]
    assert ask(bench, "/fapi/v3/account")["totalWalletBalance"] == "6.00000000"


@pytest.mark.parametrize(
    "path",
    ["/api/v3/myTrades", "/sapi/v1/capital/deposit/hisrec", "/sapi/v1/capital/withdraw/history"],
)
def test_every_history_hides_what_is_late(trader: Bench, path: str) -> None:
    asked = {"symbol": "BTCUSDT", "startTime": BUSY, "endTime": BUSY + DAY_MS}
    before = ask(trader, path, **asked)
    trader.account.late.append(LateRows(path, 0, NOW, NOW + 1))
    try:
        assert before
        assert ask(trader, path, **asked) == []
    finally:
        trader.account.late.clear()


# ---------------------------------------------------------------- unmodified ccxt


def test_ccxt_reads_fills_flows_and_ledger(binance: Any, rested: DemoExchange) -> None:
    client = binance("alice")
    client.load_markets()
    now = milliseconds(datetime(2026, 10, 5, 13, 20, tzinfo=UTC))
    book = next(one for one in rested.exchange.accounts if one.account.user == "alice").book
    recent = {"endTime": now}

    trades = client.fetch_my_trades("BTC/USDT:USDT", now - 7 * DAY_MS, None, recent)
    deposits = client.fetch_deposits(None, now - 89 * DAY_MS)
    withdrawals = client.fetch_withdrawals(None, now - 89 * DAY_MS)
    ledger = client.fetch_ledger(None, now - 7 * DAY_MS, 1000, {"type": "swap", **recent})

    fills = book.fills(since=now - 7 * DAY_MS, until=now, instrument=linear())
    assert {trade["id"] for trade in trades} == {str(fill.fill_id) for fill in fills}
    assert {flow["txid"] for flow in deposits + withdrawals} == {flow.txid for flow in book.flows(until=now)}
    entries = book.entries(since=now - 7 * DAY_MS, until=now, wallets={USD_M})
    assert len(ledger) == len(entries) > 0


def test_the_test_language_sets_late_rows(rested: DemoExchange) -> None:
    url = f"{rested.control_url}/late"
    rule = {"user": "alice", "account": "binance:main", "stream": "/fapi/v1/income", "since": "2026-10-01"}
    rule |= {"until": "2026-10-02", "visible_from": "2026-10-06T00:00:00Z"}
    try:
        shown = requests.post(url, json=rule, timeout=10).json()
        assert shown[0]["since"] == "2026-10-01T00:00:00+00:00"
        assert requests.get(url, timeout=10).json() == shown
        assert requests.post(url, json=rule | {"user": "nobody"}, timeout=10).status_code == 400
    finally:
        assert requests.delete(url, timeout=10).json() == []


def test_orders_of_margin_are_none_of_spot() -> None:
    bench = open_bench(Wallet.CROSS_MARGIN)
    for wallet in (SPOT, Wallet.CROSS_MARGIN):
        bench.book.trade(NOW - 5, wallet, pair("ETHUSDT"), "buy", Decimal(1), Decimal(3000), fee_rate=FREE_OF_CHARGE)

    (order,) = ask(bench, "/api/v3/allOrders", symbol="ETHUSDT")

    assert order["orderId"] == bench.book.fills(until=NOW)[0].order_id
