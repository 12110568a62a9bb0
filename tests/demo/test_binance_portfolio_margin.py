"""Portfolio margin on the wire: one equity of three wallets, worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hand_written import FREE_OF_CHARGE, NOW, OPENED, Bench, fund, open_bench, pair, row_of

from portfolio_lab.demo.instruments import INVERSE, LINEAR, by_symbol
from portfolio_lab.models.accounts import Wallet

CROSS = Wallet.CROSS_MARGIN
LINEAR_BTC = by_symbol("binance", LINEAR)["BTCUSDT"]
INVERSE_BTC = by_symbol("binance", INVERSE)["BTCUSD_PERP"]
CLOSED = (
    "/fapi/v3/account",
    "/fapi/v3/balance",
    "/fapi/v3/positionRisk",
    "/dapi/v1/account",
    "/dapi/v1/balance",
    "/sapi/v1/margin/account",
    "/sapi/v1/margin/isolated/account",
    "/sapi/v1/margin/openOrders",
)


@pytest.fixture
def unified() -> Bench:
    """10,000 USDT and a borrowed ETH in cross margin; 2,000 USDT and +0.1 BTC; 0.5 BTC and -30 contracts."""
    bench = open_bench(CROSS, Wallet.USD_M, Wallet.COIN_M, portfolio_margin=True)
    fund(bench, CROSS, "USDT", "10000")
    fund(bench, Wallet.USD_M, "USDT", "2000")
    fund(bench, Wallet.COIN_M, "BTC", "0.5")
    bench.book.borrow(OPENED, CROSS, "ETH", Decimal(1))
    bench.book.accrue(OPENED, CROSS, "ETH", Decimal("0.002"))
    for wallet, one, side, size in (
        (Wallet.USD_M, LINEAR_BTC, "buy", "0.1"),
        (Wallet.COIN_M, INVERSE_BTC, "sell", "30"),
    ):
        bench.book.trade(OPENED, wallet, one, side, Decimal(size), Decimal(95_000), fee_rate=FREE_OF_CHARGE)
    return bench


def test_every_coin_tells_its_three_wallets(unified: Bench) -> None:
    mark = unified.market.mark("binance", "BTCUSDT", LINEAR, NOW)
    rows = unified.ask("/papi/v1/balance")
    dollars, ether = row_of(rows, asset="USDT"), row_of(rows, asset="ETH")

    assert dollars["totalWalletBalance"] == "12000.00000000"
    assert (dollars["crossMarginFree"], dollars["umWalletBalance"]) == ("10000.00000000", "2000.00000000")
    assert Decimal(dollars["umUnrealizedPNL"]) == Decimal("0.1") * (mark - 95_000)
    assert (ether["crossMarginAsset"], ether["crossMarginBorrowed"]) == ("1.00000000", "1.00000000")
    assert ether["crossMarginInterest"] == "0.00200000"
    assert unified.ask("/papi/v1/balance", asset="ETH") == ether


def test_actual_equity_is_what_the_rows_add_up_to(unified: Bench) -> None:
    equity = Decimal(0)
    for row in unified.ask("/papi/v1/balance"):
        units = Decimal(row["totalWalletBalance"]) + Decimal(row["umUnrealizedPNL"]) + Decimal(row["cmUnrealizedPNL"])
        units -= Decimal(row["crossMarginBorrowed"]) + Decimal(row["crossMarginInterest"])
        equity += units * (unified.market.coin_usd("binance", row["asset"], NOW) or 0)

    told = unified.ask("/papi/v1/account")

    assert abs(Decimal(told["actualEquity"]) - equity) < Decimal("1e-7")
    # The haircut takes from coins what it does not take from dollars.
    assert Decimal(told["accountEquity"]) < Decimal(told["actualEquity"])


def test_the_margin_ratio_is_collateral_over_maintenance(unified: Bench) -> None:
    told = unified.ask("/papi/v1/account")
    ratio = Decimal(told["accountEquity"]) / Decimal(told["accountMaintMargin"])

    assert abs(Decimal(told["uniMMR"]) - ratio) < Decimal("1e-5")
    assert Decimal(told["accountInitialMargin"]) > Decimal(told["accountMaintMargin"])


def test_without_anything_to_maintain_the_ratio_is_beyond_all_measure() -> None:
    told = open_bench(CROSS, portfolio_margin=True).ask("/papi/v1/account")

    assert (told["uniMMR"], told["actualEquity"]) == ("99999999.00000000", "0.00000000")


def test_the_inner_accounts_agree_with_the_balance(unified: Bench) -> None:
    balance = row_of(unified.ask("/papi/v1/balance"), asset="USDT")
    older, newer = unified.ask("/papi/v1/um/account"), unified.ask("/papi/v2/um/account")
    inverse = unified.ask("/papi/v1/cm/account")

    for answer in (older, newer):
        asset = row_of(answer["assets"], asset="USDT")
        assert (asset["crossWalletBalance"], asset["crossUnPnl"]) == (
            balance["umWalletBalance"],
            balance["umUnrealizedPNL"],
        )
        assert row_of(answer["positions"], symbol="BTCUSDT")["positionAmt"] == "0.1"
    assert len(newer["positions"]) == 1 < len(older["positions"])
    assert row_of(inverse["positions"], symbol="BTCUSD_PERP")["positionAmt"] == "-30"
    assert row_of(inverse["assets"], asset="BTC")["crossWalletBalance"] == "0.50000000"


def test_position_risks_agree_with_the_accounts(unified: Bench) -> None:
    linear = row_of(unified.ask("/papi/v1/um/positionRisk"), symbol="BTCUSDT")
    inverse = row_of(unified.ask("/papi/v1/cm/positionRisk"), symbol="BTCUSD_PERP")
    account = row_of(unified.ask("/papi/v2/um/account")["positions"], symbol="BTCUSDT")

    assert linear["unRealizedProfit"] == account["unrealizedProfit"]
    assert linear["notional"] == account["notional"]
    assert Decimal(inverse["notionalValue"]) == (Decimal(-3000) / Decimal(inverse["markPrice"])).quantize(
        Decimal("1e-8")
    )


def test_orders_of_all_three_wallets(unified: Bench) -> None:
    book = unified.book
    limit = book.place(NOW, Wallet.USD_M, LINEAR_BTC, "sell", Decimal("0.1"), price=Decimal(120_000))
    stop = book.place(
        NOW, Wallet.USD_M, LINEAR_BTC, "sell", Decimal("0.1"), trigger_price=Decimal(80_000), order_type="stop"
    )
    other = book.place(
        NOW, Wallet.COIN_M, INVERSE_BTC, "buy", Decimal(30), trigger_price=Decimal(99_000), order_type="stop"
    )
    coins = book.place(NOW, CROSS, pair("ETHUSDT"), "buy", Decimal(1), price=Decimal(1000))

    assert [row["orderId"] for row in unified.ask("/papi/v1/um/openOrders")] == [limit.order_id]
    assert unified.ask("/papi/v1/cm/openOrders") == []
    assert [row["strategyId"] for row in unified.ask("/papi/v1/um/conditional/openOrders")] == [stop.order_id]
    assert [row["algoId"] for row in unified.ask("/papi/v1/um/algo/openAlgoOrders")] == [stop.order_id]
    assert [row["strategyId"] for row in unified.ask("/papi/v1/cm/conditional/openOrders")] == [other.order_id]
    assert [row["orderId"] for row in unified.ask("/papi/v1/margin/openOrders")] == [coins.order_id]
    assert row_of(unified.ask("/papi/v1/balance"), asset="USDT")["crossMarginLocked"] == "1000.00000000"


def test_the_wallet_map_names_the_inner_wallets(unified: Bench) -> None:
    told = unified.told("/sapi/v1/asset/wallet/balance")
    actual = Decimal(unified.ask("/papi/v1/account")["actualEquity"])
    inner = sum(Decimal(told[name]) for name in ("Cross Margin (PM)", "USDⓈ-M Futures", "COIN-M Futures"))

    dollar = unified.market.usdt_usd("binance", NOW)
    assert abs(inner * dollar - actual) < Decimal("1e-6")
    assert told["Cross Margin"] == "0"


@pytest.mark.parametrize("path", CLOSED)
def test_the_inner_hosts_are_closed(unified: Bench, path: str) -> None:
    assert unified.refusal(path) == (401, -2015)


@pytest.mark.parametrize("path", ["/papi/v1/balance", "/papi/v1/account", "/papi/v2/um/account"])
def test_papi_is_closed_to_all_others(path: str) -> None:
    assert open_bench(CROSS, Wallet.USD_M).refusal(path) == (401, -2015)
