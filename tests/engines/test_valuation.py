"""Prices by hand, then the edges, then what holds for every set of quotes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.valuation import price_assets
from portfolio_lab.models.prices import Price, Quote

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX_AGE = timedelta(minutes=5)


def quote(base: str, other: str, price: str, *, age: int = 0, source: str = "") -> Quote:
    return Quote(base, other, Decimal(price), source or f"{base}{other} last", AT - timedelta(seconds=age))


BINANCE = (
    quote("BTC", "USDT", "100000"),
    quote("BTC", "USD", "99900", age=7, source="index BTCUSD"),
    quote("ETH", "USDT", "4000", age=3),
    quote("USDC", "USDT", "1.0002"),
    quote("XYZ", "BTC", "0.001"),
    quote("EUR", "USDT", "1.1"),
)


def price(asset: str, quotes: tuple[Quote, ...], currency: str = "USD") -> Price:
    prices, unpriced = price_assets(quotes, [asset], currency=currency, at=AT, max_age=MAX_AGE)
    assert not unpriced
    return prices[asset]


def test_coin_goes_through_usdt_and_bitcoin_s_two_markets() -> None:
    ether = price("ETH", BINANCE)
    assert ether.price == pytest.approx(4000 * 99900 / 100000, rel=1e-15)
    assert ether.route == ("ETH", "USDT", "BTC", "USD")
    assert ether.source == "ETHUSDT last * BTCUSDT last * index BTCUSD"
    assert ether.at == AT - timedelta(seconds=7)


def test_usdt_is_not_a_dollar() -> None:
    assert price("USDT", BINANCE).price == pytest.approx(0.999, rel=1e-15)


def test_okx_states_usdt_in_dollars() -> None:
    okx = (quote("USDT", "USD", "0.9995"), quote("SOL", "USDT", "200"))
    assert price("SOL", okx).price == pytest.approx(199.9, rel=1e-15)


def test_one_dollar_for_the_whole_book_even_where_a_coin_has_a_dollar_market() -> None:
    quotes = (*BINANCE, quote("ETH", "USD", "3900"))
    assert price("ETH", quotes).route == ("ETH", "USDT", "BTC", "USD")


@pytest.mark.parametrize(
    ("asset", "expected", "route"),
    [
        ("USDT", 1.0, ("USDT",)),
        ("BTC", 100000.0, ("BTC", "USDT")),
        ("XYZ", 100.0, ("XYZ", "BTC", "USDT")),
        ("USD", 100000 / 99900, ("USD", "BTC", "USDT")),
    ],
)
def test_prices_in_usdt(asset: str, expected: float, route: tuple[str, ...]) -> None:
    found = price(asset, BINANCE, "USDT")
    assert found.price == pytest.approx(expected, rel=1e-15)
    assert found.route == route


def test_inverse_market() -> None:
    assert price("TRY", (quote("USDT", "TRY", "40"),), "USDT").price == 0.025


def test_newer_of_two_quotes_wins_in_any_order() -> None:
    old, new = quote("BTC", "USDT", "1", age=9), quote("BTC", "USDT", "2", age=1)
    assert price("BTC", (old, new), "USDT") == price("BTC", (new, old), "USDT")
    assert price("BTC", (old, new), "USDT").price == 2.0


def test_missing_old_and_absurd_quotes_leave_an_asset_unpriced_with_a_reason() -> None:
    quotes = (quote("OLD", "USDT", "1", age=301), quote("NIL", "USDT", "0"), quote("NAN", "USDT", "NaN"))
    prices, unpriced = price_assets(quotes, ["OLD", "NIL", "NAN", "NEW"], currency="USDT", at=AT, max_age=MAX_AGE)
    assert not prices
    assert unpriced["OLD"] == "the newest price of OLD (OLD>USDT) is 301 s old, the limit is 300 s"
    assert "no market leads from NIL to USDT" in unpriced["NIL"]
    assert "no market leads from NAN to USDT" in unpriced["NAN"]


def test_fresh_detour_beats_a_stale_direct_market() -> None:
    quotes = (quote("XYZ", "USDT", "90", age=400), quote("XYZ", "BTC", "0.001"), quote("BTC", "USDT", "100000"))
    assert price("XYZ", quotes, "USDT").price == 100.0


def test_age_limit_itself_is_still_fresh() -> None:
    assert price("BTC", (quote("BTC", "USDT", "1", age=300),), "USDT").price == 1.0


amounts = st.decimals(min_value="1e-8", max_value="1e8", places=8, allow_nan=False)


@given(last=amounts, dollars=amounts, tethers=amounts)
def test_every_price_is_its_last_times_the_price_of_usdt(last: Decimal, dollars: Decimal, tethers: Decimal) -> None:
    quotes = (
        Quote("X", "USDT", last, "", AT),
        Quote("BTC", "USDT", tethers, "", AT),
        Quote("BTC", "USD", dollars, "", AT),
    )
    assert price("X", quotes).price == pytest.approx(float(last) * (float(dollars) / float(tethers)), rel=1e-12)


@given(st.permutations(BINANCE))
def test_order_of_quotes_does_not_matter(quotes: list[Quote]) -> None:
    assets = ["BTC", "ETH", "XYZ", "EUR", "USDC", "USD", "USDT", "NONE"]
    shuffled = price_assets(quotes, assets, currency="USD", at=AT, max_age=MAX_AGE)
    assert shuffled == price_assets(BINANCE, assets, currency="USD", at=AT, max_age=MAX_AGE)
    assert set(shuffled[0]) | set(shuffled[1]) == set(assets)
