"""Cross and isolated margin on the wire, worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hand_written import FREE_OF_CHARGE, NOW, OPENED, Bench, fund, open_bench, pair, row_of

from portfolio_lab.models.accounts import Wallet

CROSS, ISOLATED = Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN
MAP = "/sapi/v1/asset/wallet/balance"


@pytest.fixture
def debtor() -> Bench:
    """6,000 USDT in cross margin, 0.1 BTC borrowed there and sold for 95,000 each, 0.0001 BTC interest."""
    bench = open_bench(CROSS, ISOLATED)
    fund(bench, CROSS, "USDT", "6000")
    bench.book.borrow(OPENED, CROSS, "BTC", Decimal("0.1"))
    price = Decimal(95_000)
    bench.book.trade(OPENED, CROSS, pair("BTCUSDT"), "sell", Decimal("0.1"), price, fee_rate=FREE_OF_CHARGE)
    bench.book.accrue(OPENED, CROSS, "BTC", Decimal("0.0001"))
    return bench


def test_cross_margin_tells_debt_and_interest_beside_what_is_held(debtor: Bench) -> None:
    answer = debtor.ask("/sapi/v1/margin/account")

    assert row_of(answer["userAssets"], asset="BTC") == {
        "asset": "BTC",
        "borrowed": "0.10000000",
        "free": "0.00000000",
        "interest": "0.00010000",
        "locked": "0.00000000",
        "netAsset": "-0.10010000",
    }
    dollars = row_of(answer["userAssets"], asset="USDT")
    assert (dollars["free"], dollars["borrowed"], dollars["netAsset"]) == (
        "15500.00000000",
        "0.00000000",
        "15500.00000000",
    )


def test_cross_totals_in_btc_are_assets_debt_and_what_is_left(debtor: Bench) -> None:
    answer = debtor.ask("/sapi/v1/margin/account")
    held = Decimal(15_500) / debtor.usdt("BTC")

    assert answer["totalAssetOfBtc"] == f"{held:.8f}"
    assert answer["totalLiabilityOfBtc"] == "0.10010000"
    assert answer["totalNetAssetOfBtc"] == f"{held - Decimal('0.1001'):.8f}"
    assert answer["marginLevel"] == f"{held / Decimal('0.1001'):.8f}"
    assert answer["accountType"] == "MARGIN_1"


def test_the_wallet_map_counts_cross_margin_net_of_debt(debtor: Bench) -> None:
    net = 15_500 - Decimal("0.1001") * debtor.usdt("BTC")

    told = debtor.told(MAP)

    assert abs(Decimal(told["Cross Margin"]) - net) < Decimal("1e-7")
    assert told["Cross Margin (PM)"] == "0"


def test_a_resting_sell_locks_coins_and_shows_in_the_open_orders(debtor: Bench) -> None:
    debtor.book.place(NOW, CROSS, pair("BTCUSDT"), "buy", Decimal("0.02"), price=Decimal(90_000))
    stop = debtor.book.place(
        NOW, CROSS, pair("BTCUSDT"), "buy", Decimal("0.02"), trigger_price=Decimal(99_000), order_type="stop"
    )

    orders = debtor.ask("/sapi/v1/margin/openOrders")
    dollars = row_of(debtor.ask("/sapi/v1/margin/account")["userAssets"], asset="USDT")

    assert (dollars["free"], dollars["locked"]) == ("13700.00000000", "1800.00000000")
    assert [order["isIsolated"] for order in orders] == [False, False]
    assert row_of(orders, stopPrice="99000.00000000")["orderId"] == stop.order_id
    assert debtor.ask("/sapi/v1/margin/openOrders", symbol="BTCUSDT", isIsolated="TRUE") == []


# ---------------------------------------------------------------- isolated


@pytest.fixture
def isolated() -> Bench:
    """2 ETH and 1,000 USDT of the pair's own, 3,000 USDT borrowed with 1.5 of interest."""
    bench = open_bench(ISOLATED)
    fund(bench, ISOLATED, "USDT", "1000", isolated="ETHUSDT")
    fund(bench, ISOLATED, "ETH", "2", isolated="ETHUSDT")
    bench.book.borrow(OPENED, ISOLATED, "USDT", Decimal(3000), pair="ETHUSDT")
    bench.book.accrue(OPENED, ISOLATED, "USDT", Decimal("1.5"), pair="ETHUSDT")
    return bench


def test_an_isolated_pair_tells_both_sides(isolated: Bench) -> None:
    answer = isolated.ask("/sapi/v1/margin/isolated/account")
    (row,) = answer["assets"]

    assert row["symbol"] == "ETHUSDT"
    assert (row["baseAsset"]["asset"], row["baseAsset"]["netAsset"]) == ("ETH", "2.00000000")
    quote = row["quoteAsset"]
    assert (quote["totalAsset"], quote["borrowed"], quote["interest"]) == (
        "4000.00000000",
        "3000.00000000",
        "1.50000000",
    )
    assert quote["netAsset"] == "998.50000000"
    debt = Decimal("3001.5") / isolated.usdt("BTC")
    assert answer["totalLiabilityOfBtc"] == f"{debt:.8f}"


def test_at_the_liquidation_price_assets_are_a_tenth_above_the_debt(isolated: Bench) -> None:
    (row,) = isolated.ask("/sapi/v1/margin/isolated/account")["assets"]

    # 2 P + 4,000 = 1.1 x 3,001.5 has no positive price: the USDT alone covers it.
    assert row["liquidatePrice"] == "0.00000000"
    isolated.book.trade(NOW, ISOLATED, pair("ETHUSDT"), "buy", Decimal(1), Decimal(3400), fee_rate=FREE_OF_CHARGE)
    (row,) = isolated.ask("/sapi/v1/margin/isolated/account")["assets"]
    # 3 P + 600 = 3,301.65
    assert row["liquidatePrice"] == "900.55000000"


def test_the_wallet_map_counts_all_pairs_net(isolated: Bench) -> None:
    fund(isolated, ISOLATED, "USDT", "40", isolated="BTCUSDT")
    net = 2 * isolated.usdt("ETH") + Decimal("998.5") + 40

    assert abs(Decimal(isolated.told(MAP)["Isolated Margin"]) - net) < Decimal("1e-7")
    assert len(isolated.ask("/sapi/v1/margin/isolated/account")["assets"]) == 2
    chosen = isolated.ask("/sapi/v1/margin/isolated/account", symbols="BTCUSDT")
    assert [row["symbol"] for row in chosen["assets"]] == ["BTCUSDT"]


def test_isolated_orders_want_their_symbol(isolated: Bench) -> None:
    isolated.book.place(NOW, ISOLATED, pair("ETHUSDT"), "sell", Decimal("0.5"), price=Decimal(9000))

    assert isolated.refusal("/sapi/v1/margin/openOrders", isIsolated="TRUE") == (400, -1102)
    (order,) = isolated.ask("/sapi/v1/margin/openOrders", isIsolated="TRUE", symbol="ETHUSDT")
    assert (order["isIsolated"], order["origQty"]) == (True, "0.50000000")
    (row,) = isolated.ask("/sapi/v1/margin/isolated/account")["assets"]
    assert (row["baseAsset"]["free"], row["baseAsset"]["locked"]) == ("1.50000000", "0.50000000")


# ---------------------------------------------------------------- never opened


def test_cross_margin_that_was_never_opened_does_not_exist() -> None:
    bench = open_bench()

    assert bench.refusal("/sapi/v1/margin/account") == (400, -3003)
    assert bench.refusal("/sapi/v1/margin/openOrders") == (400, -3003)
    assert bench.ask("/sapi/v1/margin/isolated/account")["assets"] == []
