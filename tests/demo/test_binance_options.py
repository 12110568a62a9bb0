"""Options on the wire: premiums in cash, positions at market, worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hand_written import FREE_OF_CHARGE, NOW, OPENED, Bench, fund, open_bench, row_of

from portfolio_lab.demo import premiums
from portfolio_lab.demo.instruments import OPTION, by_symbol
from portfolio_lab.models.accounts import Wallet

OPTIONS = Wallet.OPTIONS
CALL = by_symbol("binance", OPTION)["BTC-260828-120000-C"]
PUT = by_symbol("binance", OPTION)["BTC-260828-80000-P"]


@pytest.fixture
def writer() -> Bench:
    """10,000 USDT; 0.5 of the call written at 300, 0.2 of the put bought at 250."""
    bench = open_bench(OPTIONS)
    fund(bench, OPTIONS, "USDT", "10000")
    for one, side, size, price in ((CALL, "sell", "0.5", 300), (PUT, "buy", "0.2", 250)):
        bench.book.trade(OPENED, OPTIONS, one, side, Decimal(size), Decimal(price), fee_rate=FREE_OF_CHARGE)
    return bench


def test_equity_is_cash_and_market_value(writer: Bench) -> None:
    call, put = (writer.market.option_mark(one, NOW) for one in (CALL, PUT))
    (row,) = writer.ask("/eapi/v1/marginAccount")["asset"]

    # 10,000 + 0.5 x 300 - 0.2 x 250
    assert row["marginBalance"] == "10100.00000000"
    assert Decimal(row["equity"]) == 10_100 - call / 2 + put / 5
    assert Decimal(row["unrealizedPNL"]) == (300 - call) / 2 + (put - 250) / 5
    assert Decimal(row["adjustedEquity"]) == 10_100 - call / 2


def test_a_written_option_has_a_negative_quantity(writer: Bench) -> None:
    rows = writer.ask("/eapi/v1/position")
    written, bought = row_of(rows, symbol=CALL.symbol), row_of(rows, symbol=PUT.symbol)

    assert (written["side"], written["quantity"], written["optionSide"]) == ("SHORT", "-0.5", "CALL")
    assert (bought["side"], bought["quantity"], bought["optionSide"]) == ("LONG", "0.2", "PUT")
    assert Decimal(written["markValue"]) == Decimal(written["markPrice"]) / 2
    assert (written["strikePrice"], written["expiryDate"]) == ("120000", CALL.expiry)
    assert writer.ask("/eapi/v1/position", symbol=PUT.symbol) == [bought]


def test_greeks_are_those_of_the_marks_times_the_size(writer: Bench) -> None:
    marks = writer.ask("/eapi/v1/mark")
    call, put = row_of(marks, symbol=CALL.symbol), row_of(marks, symbol=PUT.symbol)
    (greek,) = writer.ask("/eapi/v1/marginAccount")["greek"]

    assert greek["underlying"] == "BTCUSDT"
    for name in ("delta", "gamma", "theta", "vega"):
        summed = Decimal(put[name]) / 5 - Decimal(call[name]) / 2
        assert abs(Decimal(greek[name]) - summed) <= Decimal("2e-8")
    assert 0 < Decimal(call["delta"]) < 1
    assert -1 < Decimal(put["delta"]) < 0
    assert Decimal(call["gamma"]) > 0 > Decimal(call["theta"])


def test_gamma_is_how_delta_moves_with_the_index(writer: Bench) -> None:
    """Gamma and theta by differences of delta and premium."""
    terms = premiums.Terms("BTC", 120_000.0, CALL.expiry, is_call=True)
    spot = float(writer.index("BTC"))
    row = row_of(writer.ask("/eapi/v1/mark"), symbol=CALL.symbol)

    slope = (premiums.delta(terms, spot + 1, NOW) - premiums.delta(terms, spot - 1, NOW)) / 2
    assert float(row["gamma"]) == pytest.approx(slope, rel=1e-3)
    day = 86_400_000
    decay = premiums.premium(terms, spot, NOW + day // 24) - premiums.premium(terms, spot, NOW)
    assert float(row["theta"]) == pytest.approx(decay * 24, rel=0.02)


def test_resting_orders_and_margin_of_what_is_written(writer: Bench) -> None:
    writer.book.place(NOW, OPTIONS, PUT, "buy", Decimal("0.1"), price=Decimal(100))
    (order,) = writer.ask("/eapi/v1/openOrders")
    (row,) = writer.ask("/eapi/v1/marginAccount")["asset"]
    index, mark = writer.index("BTC"), writer.market.option_mark(CALL, NOW)

    assert (order["symbol"], order["quantity"], order["status"]) == (PUT.symbol, "0.1", "ACCEPTED")
    required = max(Decimal("0.15") * index - (120_000 - index), Decimal("0.1") * index)
    assert Decimal(row["initialMargin"]) == ((required + mark) / 2).quantize(Decimal("1e-8"))
    assert writer.ask("/eapi/v1/openOrders", symbol=CALL.symbol) == []


def test_what_is_listed_can_be_asked_for(writer: Bench) -> None:
    info = writer.ask("/eapi/v1/exchangeInfo")
    symbols = {row["symbol"] for row in info["optionSymbols"]}

    assert {CALL.symbol, PUT.symbol} <= symbols
    assert {row["symbol"] for row in writer.ask("/eapi/v1/mark")} == symbols
    assert all(row["expiryDate"] > NOW for row in info["optionSymbols"])
    assert writer.ask("/eapi/v1/index", underlying="BTCUSDT")["indexPrice"] == str(writer.index("BTC"))
    assert writer.refusal("/eapi/v1/index", underlying="XXXUSDT") == (400, -1121)


def test_the_wallet_map_counts_equity(writer: Bench) -> None:
    (row,) = writer.ask("/eapi/v1/marginAccount")["asset"]

    assert Decimal(writer.told("/sapi/v1/asset/wallet/balance")["Options"]) == Decimal(row["equity"])


def test_a_wallet_that_was_never_opened_is_empty() -> None:
    bench = open_bench()

    assert bench.ask("/eapi/v1/marginAccount")["asset"] == []
    assert bench.ask("/eapi/v1/position") == []
