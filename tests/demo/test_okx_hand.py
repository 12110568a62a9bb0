"""OKX's answers about a book written by hand: small enough to work out every number on paper."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.demo.instruments import INVERSE, LINEAR, SPOT, by_symbol
from portfolio_lab.demo.market import DAY_MS, FUNDING_MS, HOUR_MS, milliseconds
from portfolio_lab.demo.okx_orders import ALGO_TYPES
from portfolio_lab.demo.okx_wire import OkxRefusalError
from portfolio_lab.models.accounts import Wallet

START = milliseconds(datetime(2026, 9, 1, tzinfo=UTC))
NO_FEE = Decimal(0)
Row = dict[str, Any]
Desk = Any


@pytest.fixture
def desk(okx_desk: Callable[..., Desk]) -> Desk:
    return okx_desk()


BTC_SWAP = by_symbol("okx", LINEAR)["BTC-USDT-SWAP"]
BTC_COIN = by_symbol("okx", INVERSE)["BTC-USD-SWAP"]
BTC = by_symbol("okx", SPOT)["BTC-USDT"]


# ------------------------------------------------------------ positions


def test_a_position_tells_what_it_has_brought(desk: Desk) -> None:
    """100 contracts of 0.01 BTC at 100,000, 40 of them closed at 101,000, 0.05 % fee on each fill.

    Fees 50 + 20.2, closing brings 0.4 x 1,000 = 400: realised 329.8, so that the remaining 0.6 BTC
    break even 329.8 / 0.6 below the entry.
    """
    desk.give("USDT", "50000")
    desk.trade(BTC_SWAP, "buy", "100", "100000", fee_rate="0.0005")
    desk.now += HOUR_MS
    desk.trade(BTC_SWAP, "sell", "40", "101000", fee_rate="0.0005")
    row = desk.ask("account/positions")[0]
    told = {name: Decimal(row[name]) for name in ("pos", "pnl", "fee", "fundingFee", "realizedPnl", "avgPx", "bePx")}
    assert told.pop("bePx").quantize(Decimal("0.0001")) == Decimal("99450.3333")
    assert told == {
        "pos": 60,
        "pnl": 400,
        "fee": Decimal("-70.2"),
        "fundingFee": 0,
        "realizedPnl": Decimal("329.8"),
        "avgPx": 100_000,
    }
    assert (row["instType"], row["posSide"], row["cTime"], row["uTime"]) == (
        "SWAP",
        "net",
        str(START),
        str(START + HOUR_MS),
    )


def test_funding_belongs_to_the_position_held_then(desk: Desk) -> None:
    """Three settlements while it is open count, the one after it was closed has nothing to count."""
    desk.give("USDT", "50000")
    desk.trade(BTC_SWAP, "sell", "10", "100000")
    desk.book.fund_until(START + 3 * FUNDING_MS)
    desk.now = START + 3 * FUNDING_MS
    paid = sum(entry.amount for entry in desk.entries() if entry.reason.value == "funding")
    assert paid != 0
    assert Decimal(desk.ask("account/positions")[0]["fundingFee"]) == paid
    desk.trade(BTC_SWAP, "buy", "10", "99000")
    assert desk.ask("account/positions") == []
    closed = desk.ask("account/positions-history")[0]
    assert (closed["type"], closed["direction"], closed["openMaxPos"]) == ("2", "short", "10")
    assert Decimal(closed["pnl"]) == 100
    assert Decimal(closed["fundingFee"]) == paid
    assert Decimal(closed["realizedPnl"]) == 100 + paid


def test_long_and_short_side_of_hedge_mode_are_magnitudes_and_share_the_funding(okx_desk: Callable[..., Desk]) -> None:
    desk = okx_desk(hedge=True)
    desk.give("USDT", "50000")
    desk.trade(BTC_SWAP, "buy", "10", "100000", position_side="long")
    desk.now += 1
    desk.trade(BTC_SWAP, "sell", "4", "100000", position_side="short")
    desk.book.fund_until(START + 6 * FUNDING_MS)
    desk.now = START + 6 * FUNDING_MS
    rows = {row["posSide"]: row for row in desk.ask("account/positions")}
    assert desk.ask("account/config")[0]["posMode"] == "long_short_mode"
    assert (rows["long"]["pos"], rows["short"]["pos"]) == ("10", "4")
    long, short = (Decimal(rows[side]["fundingFee"]) for side in ("long", "short"))
    assert long + short == sum(entry.amount for entry in desk.entries() if entry.reason.value == "funding")
    assert abs(long / short + Decimal("2.5")) < Decimal("0.001")


def test_a_turned_position_ends_one_life_and_begins_another(desk: Desk) -> None:
    """Long 10, then 15 sold: ten of them close the long with two thirds of the fee, five open a short."""
    desk.give("USDT", "50000")
    desk.trade(BTC_SWAP, "buy", "10", "100000")
    desk.now += HOUR_MS
    desk.trade(BTC_SWAP, "sell", "15", "100000", fee_rate="0.0006")
    closed, opened = desk.ask("account/positions-history")[0], desk.ask("account/positions")[0]
    assert (closed["closeTotalPos"], Decimal(closed["fee"])) == ("10", Decimal(-6))
    assert (opened["pos"], Decimal(opened["fee"]), opened["cTime"]) == ("-5", Decimal(-3), str(desk.now))


@pytest.mark.parametrize(("side", "below"), [("buy", True), ("sell", False)])
def test_the_liquidation_price_is_where_equity_meets_maintenance(desk: Desk, side: str, *, below: bool) -> None:
    """Equity at liqPx: cash + 1 BTC x (liqPx - entry) = 0.02 x 1 BTC x liqPx (a tenth of a fifth)."""
    desk.give("USDT", "30000")
    desk.trade(BTC_SWAP, side, "100", "100000")
    end = Decimal(desk.ask("account/positions")[0]["liqPx"])
    pnl = (end - 100_000) * (1 if side == "buy" else -1)
    assert abs(30_000 + pnl - Decimal("0.02") * end) < Decimal("0.0001")
    assert (end < 100_000) is below


def test_the_liquidation_price_of_an_inverse_contract(desk: Desk) -> None:
    """500 contracts of 100 USD, short: at liqPx the coins left are 2 % of 50,000 USD / liqPx."""
    desk.give("BTC", "0.2")
    desk.trade(BTC_COIN, "sell", "500", "100000")
    end = Decimal(desk.ask("account/positions")[0]["liqPx"])
    left = Decimal("0.2") - 50_000 * (1 / Decimal(100_000) - 1 / end)
    assert abs(left - Decimal("0.02") * 50_000 / end) < Decimal("1e-8")
    assert end > 100_000


def test_collateral_ends_after_haircuts(okx_desk: Callable[..., Desk]) -> None:
    """Multi-currency: at liqPx the adjusted equity, 0.98 of the coins' worth in it, is what maintenance needs."""
    desk = okx_desk(mode="3")
    desk.give("BTC", "0.2")
    desk.give("USDT", "5000")
    desk.trade(BTC_SWAP, "sell", "100", "100000")
    row, account = desk.ask("account/positions")[0], desk.ask("account/balance")[0]
    unit, end, mark = (Decimal(row[name]) for name in ("usdPx", "liqPx", "markPx"))
    left = Decimal(account["adjEq"]) / unit - (end - mark)
    assert abs(left - Decimal("0.02") * end) < Decimal("0.0001")
    level = Decimal(account["adjEq"]) / Decimal(account["mmr"])
    assert abs(Decimal(account["mgnRatio"]) - level) < Decimal("1e-9")


def test_cross_positions_of_a_coin_share_one_level(desk: Desk) -> None:
    """A tenth of a fifth of 1 BTC and of 0.5 BTC: two positions, one margin."""
    desk.give("USDT", "30000")
    desk.trade(BTC_SWAP, "buy", "100", "100000")
    desk.trade(by_symbol("okx", LINEAR)["ETH-USDT-SWAP"], "buy", "10", "3000")
    levels = {row["mgnRatio"] for row in desk.ask("account/positions")}
    coin = desk.ask("account/balance")[0]["details"][0]
    assert levels == {coin["mgnRatio"]}
    held = Decimal(coin["cashBal"]) + Decimal(coin["upl"])
    assert abs(Decimal(coin["mgnRatio"]) - held / Decimal(coin["mmr"])) < Decimal("1e-9")


def test_a_long_that_no_fall_can_hurt_has_no_liquidation_price(desk: Desk) -> None:
    desk.give("USDT", "200000")
    desk.trade(BTC_SWAP, "buy", "100", "100000")
    assert desk.ask("account/positions")[0]["liqPx"] == ""


def test_positions_are_chosen_by_type_name_and_id(desk: Desk) -> None:
    desk.give("USDT", "200000")
    desk.give("BTC", "1")
    desk.trade(BTC_SWAP, "buy", "1", "100000")
    desk.now += 1
    desk.trade(BTC_COIN, "buy", "1", "100000")
    names = [row["instId"] for row in desk.ask("account/positions")]
    assert names == ["BTC-USD-SWAP", "BTC-USDT-SWAP"]
    ids = [row["posId"] for row in desk.ask("account/positions")]
    assert len(desk.ask("account/positions", "instType=MARGIN")) == 0
    assert [row["posId"] for row in desk.ask("account/positions", f"posId={ids[1]}")] == ids[1:]
    assert [row["posId"] for row in desk.ask("account/positions", "instId=BTC-USD-SWAP")] == ids[:1]


# ------------------------------------------------------------ balance


def test_futures_mode_tells_margin_by_currency_and_no_adjusted_equity(desk: Desk) -> None:
    """50 contracts at 5x of the mark: the margin stands at the currency, the account's own fields are ""."""
    desk.give("USDT", "30000")
    desk.trade(BTC_SWAP, "buy", "50", "100000")
    account, detail = desk.ask("account/balance")[0], desk.detail("USDT")
    assert {account[name] for name in ("adjEq", "imr", "mmr", "availEq", "upl", "mgnRatio")} == {""}
    assert Decimal(detail["imr"]) == Decimal(desk.ask("account/positions")[0]["imr"]) > 0
    assert detail["liab"] == ""
    assert Decimal(detail["eq"]) == Decimal(detail["cashBal"]) + Decimal(detail["upl"])
    assert Decimal(detail["availEq"]) == Decimal(detail["eq"]) - Decimal(detail["frozenBal"])


def test_an_unpriced_coin_has_quantity_and_no_worth(desk: Desk) -> None:
    desk.give("LOST", "3")
    desk.give("USDT", "10")
    detail = desk.detail("LOST")
    assert (detail["eq"], detail["eqUsd"], detail["disEq"]) == ("3", "", "")
    assert desk.ask("account/balance")[0]["totalEq"] == desk.detail("USDT")["eqUsd"]


# ------------------------------------------------------------ algo orders


EXPECTED_ALGO = {
    "conditional": {"slTriggerPx": "90000", "slOrdPx": "-1", "tpTriggerPx": "", "triggerPx": ""},
    "oco": {"slTriggerPx": "90000", "tpTriggerPx": "120000", "slOrdPx": "-1", "tpOrdPx": "-1"},
    "trigger": {"triggerPx": "90000", "ordPx": "120000", "slTriggerPx": ""},
    "move_order_stop": {"moveTriggerPx": "90000", "activePx": "120000", "callbackRatio": "0.02"},
    "iceberg": {"pxLimit": "120000", "szLimit": "0.5", "timeInterval": "", "triggerPx": ""},
    "twap": {"pxLimit": "120000", "szLimit": "0.5", "timeInterval": "60", "triggerPx": ""},
}


@pytest.mark.parametrize(("kind", "fields"), EXPECTED_ALGO.items())
def test_each_kind_of_algo_order_has_its_own_fields(desk: Desk, kind: str, fields: Row) -> None:
    desk.give("USDT", "1000000")
    at_market = kind == "conditional"
    desk.book.place(
        START,
        Wallet.TRADING,
        BTC_SWAP,
        "sell",
        Decimal(5),
        price=None if at_market else Decimal(120_000),
        trigger_price=None if kind in {"iceberg", "twap"} else Decimal(90_000),
        order_type=kind,
    )
    row = desk.ask("trade/orders-algo-pending", f"ordType={kind}")[0]
    assert {name: row[name] for name in fields} == fields
    assert (row["ordType"], row["sz"], row["state"]) == (kind, "5", "live")
    assert desk.ask("trade/orders-pending") == []
    others = [name for name in ALGO_TYPES if name != kind]
    assert all(desk.ask("trade/orders-algo-pending", f"ordType={name}") == [] for name in others)


@pytest.mark.parametrize("query", ["ordType=conditional,trigger", "ordType=limit", ""])
def test_only_conditional_and_oco_may_be_asked_for_together(desk: Desk, query: str) -> None:
    assert desk.ask("trade/orders-algo-pending", "ordType=conditional,oco") == []
    with pytest.raises(OkxRefusalError):
        desk.ask("trade/orders-algo-pending", query)


# ------------------------------------------------------------ histories, page by page


def paged(ask: Callable[[str], list[Row]], name: str, query: str = "") -> list[Row]:
    """Every row, by `after` the last one's `name`."""
    rows: list[Row] = []
    after = ""
    for _ in range(1_000):
        page = ask(f"{query}{after}")
        if not page:
            return rows
        rows += page
        after = f"&after={page[-1][name]}"
    raise AssertionError(rows[-1])


def test_many_bills_in_one_millisecond_are_all_told_page_by_page(desk: Desk) -> None:
    """Sixty trades at one instant write 120 bills: pages of seven cut right through them."""
    desk.give("USDT", "100000")
    for _ in range(60):
        desk.trade(BTC, "buy", "0.01", "100", fee_rate="0.001")
    rows = paged(lambda more: desk.ask("account/bills", f"limit=7{more}"), "billId")
    assert len(rows) == 121
    assert len({row["billId"] for row in rows}) == 121
    change = sum(Decimal(row["balChg"]) for row in rows if row["ccy"] == "BTC")
    assert change == Decimal("0.6") - Decimal("0.0006")
    fills = paged(lambda more: desk.ask("trade/fills-history", f"instType=SPOT&limit=7{more}"), "billId")
    assert len({row["tradeId"] for row in fills}) == 60
    assert {row["billId"] for row in fills} <= {row["billId"] for row in rows}


def test_funding_bills_page_by_instant_lose_what_paging_by_bill_keeps(desk: Desk) -> None:
    """Ten grants in one millisecond: `after` that instant skips the rest of them, `after` a bill does not."""
    for _ in range(10):
        desk.give("USDT", "1", Wallet.FUNDING)
    by_instant = paged(lambda more: desk.ask("asset/bills", f"limit=4{more}"), "ts")
    by_bill = paged(lambda more: desk.ask("asset/bills", f"limit=4&pagingType=2{more}"), "billId")
    assert (len(by_instant), len(by_bill)) == (4, 10)


@pytest.mark.parametrize(
    ("name", "days", "query"),
    [
        ("account/bills", 7, ""),
        ("account/bills-archive", 90, ""),
        ("trade/fills", 3, ""),
        ("trade/fills-history", 90, "instType=SPOT"),
        ("trade/orders-history", 7, "instType=SPOT"),
        ("trade/orders-history-archive", 90, "instType=SPOT"),
    ],
)
def test_what_is_kept_ends_at_the_documented_age(desk: Desk, name: str, days: int, query: str) -> None:
    """Told to the millisecond of its age, and no longer."""
    desk.trade(BTC, "buy", "1", "100")
    desk.now = START + days * DAY_MS
    assert desk.ask(name, query)
    desk.now += 1
    assert desk.ask(name, query) == []


def test_begin_and_end_are_both_inside(desk: Desk) -> None:
    for _ in range(3):
        desk.give("USDT", "1")
        desk.now += 1
    rows = desk.ask("account/bills", f"begin={START}&end={START + 1}")
    assert [int(row["ts"]) - START for row in rows] == [1, 0]


def test_an_order_is_done_when_all_of_it_has_traded(desk: Desk) -> None:
    """Two parts of one order: 1 at 100 as a quarter, then 3 more; average and sum are the order's."""
    desk.give("USDT", "1000")
    order = desk.book.place(START, Wallet.TRADING, BTC, "buy", Decimal(4), price=Decimal(100))
    desk.book.fill_partly(START + 1, order.order_id, Decimal(1), fee_rate=NO_FEE)
    desk.now = START + 1
    assert desk.ask("trade/orders-history", "instType=SPOT") == []
    assert desk.ask("trade/orders-pending", "state=partially_filled")[0]["accFillSz"] == "1"
    desk.book.fill_partly(START + 2, order.order_id, Decimal(3), fee_rate=NO_FEE)
    desk.now = START + 2
    done = desk.ask("trade/orders-history", "instType=SPOT")[0]
    assert (done["accFillSz"], done["avgPx"], done["state"]) == ("4", "100", "filled")
    assert desk.ask("trade/orders-pending") == []
