"""Where a price may come from when its market is silent, and when one is not believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from portfolio_lab.engines.pegs import underlying_of
from portfolio_lab.engines.pricing import Fallbacks, price_everything
from portfolio_lab.engines.spikes import refused_spikes
from portfolio_lab.models.prices import Price, PriceKind, Quote

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX_AGE = timedelta(minutes=5)


def quote(base: str, other: str, price: str, *, minutes: int = 0) -> Quote:
    return Quote(base, other, Decimal(price), f"{base}{other}", AT - timedelta(minutes=minutes))


HERE = (quote("BTC", "USDT", "100000"), quote("ETH", "USDT", "4000"), quote("USDC", "USDT", "0.999"))
THERE = (quote("GEM", "USDT", "5"),)


def one(asset: str, *quotes: Quote, currency: str = "USDT", fallbacks: Fallbacks | None = None) -> Price:
    prices, unpriced = price_everything(
        quotes or HERE, [asset], currency=currency, at=AT, max_age=MAX_AGE, fallbacks=fallbacks
    )
    assert not unpriced
    return prices[asset]


@pytest.mark.parametrize(
    ("asset", "price", "route"),
    [
        ("LDBTC", 100_000.0, ("LDBTC", "BTC", "USDT")),
        ("BFUSD", 1.0, ("BFUSD", "USDT")),
        ("BNFCR", 0.999, ("BNFCR", "USDC", "USDT")),
        ("LDUSDT", 1.0, ("LDUSDT", "USDT")),
        ("USD1", 1.0, ("USD1", "USDT")),
        ("U", 1.0, ("U", "USDT")),
    ],
)
def test_a_pegged_credit_has_the_price_of_its_peg(asset: str, price: float, route: tuple[str, ...]) -> None:
    found = one(asset)
    assert (found.price, found.route, found.kind) == (price, route, PriceKind.PEG)


def test_a_market_beats_the_peg_because_it_sees_a_de_peg() -> None:
    found = one("BFUSD", *HERE, quote("BFUSD", "USDT", "0.93"))
    assert (found.price, found.kind) == (0.93, PriceKind.MARKET)


def test_ldo_is_a_coin_and_no_receipt() -> None:
    assert price_everything(HERE, ["LDO"], currency="USDT", at=AT, max_age=MAX_AGE)[1].keys() == {"LDO"}


def test_a_wrapper_follows_by_the_ratio_that_its_venue_states() -> None:
    found = one("WBETH", fallbacks=Fallbacks(ratios=[quote("WBETH", "ETH", "1.08", minutes=4)]))
    assert (found.price, found.kind, found.at) == (4_320.0, PriceKind.WRAPPER, AT - timedelta(minutes=4))
    assert price_everything(HERE, ["WBETH"], currency="USDT", at=AT, max_age=MAX_AGE)[1].keys() == {"WBETH"}


def test_then_the_second_venue_then_what_was_known_last() -> None:
    known = {"GEM": Price("GEM", "USDT", 4.0, "earlier", ("GEM", "USDT"), AT - timedelta(hours=23))}
    found = one("GEM", fallbacks=Fallbacks(second=[THERE], last_known=known))
    assert (found.price, found.kind) == (5.0, PriceKind.SECOND_VENUE)
    found = one("GEM", fallbacks=Fallbacks(last_known=known))
    assert (found.price, found.kind, found.at) == (4.0, PriceKind.LAST_KNOWN, AT - timedelta(hours=23))


@pytest.mark.parametrize(
    "known",
    [
        Price("GEM", "USDT", 4.0, "earlier", ("GEM", "USDT"), AT - timedelta(hours=25)),
        Price("GEM", "EUR", 4.0, "earlier", ("GEM", "EUR"), AT),
    ],
    ids=["too old", "another currency"],
)
def test_what_may_not_stand_in_leaves_it_unpriced(known: Price) -> None:
    fallbacks = Fallbacks(last_known={"GEM": known})
    prices, unpriced = price_everything(HERE, ["GEM"], currency="USDT", at=AT, max_age=MAX_AGE, fallbacks=fallbacks)
    assert not prices
    assert "no market leads from GEM" in unpriced["GEM"]


@pytest.mark.parametrize(("currency", "price"), [("EUR", 80_000.0), ("BTC", 1.0), ("USDT", 100_000.0)])
def test_reporting_currencies(currency: str, price: float) -> None:
    assert one("BTC", *HERE, quote("EUR", "USDT", "1.25"), currency=currency).price == price


def test_a_coin_that_only_trades_in_euro_reaches_the_dollar() -> None:
    quotes = (quote("OLD", "EUR", "2"), quote("EUR", "USDT", "1.25"), quote("USDT", "USD", "0.998"))
    assert one("OLD", *quotes, currency="USD").price == pytest.approx(2 * 1.25 * 0.998, rel=1e-15)


def test_underlyings_are_followed_through_the_table() -> None:
    assert [underlying_of(asset) for asset in ("LDBTC", "WBETH", "BFUSD", "LDO", "BTC")] == [
        "BTC",
        "ETH",
        "USDT",
        "LDO",
        "BTC",
    ]


# ---------------------------------------------------------------- spikes


def known(price: float, *, minutes: int = 0) -> dict[str, Price]:
    return {"COIN": Price("COIN", "USDT", price, "market", ("COIN", "USDT"), AT - timedelta(minutes=minutes))}


def refused(now: float, before: float, *, worth: float = 500.0, second: float | None = None, minutes: int = 1) -> bool:
    witnesses = {} if second is None else known(second)
    found = refused_spikes(
        known(now), known(before, minutes=minutes), worths={"COIN": worth}, equity=10_000.0, second=witnesses
    )
    return "COIN" in found


def test_a_jump_needs_a_witness() -> None:
    assert refused(10.0, 1.0)
    assert refused(10.0, 1.0, second=1.1)
    assert not refused(10.0, 1.0, second=9.8)
    assert not refused(1.15, 1.0)
    assert refused(0.001, 1.0, worth=0.5)


def test_what_is_too_small_or_stands_long_enough_is_believed() -> None:
    assert not refused(10.0, 9.0, worth=99.0)
    assert not refused(10.0, 1.0, worth=5.0)
    assert not refused(10.0, 1.0, minutes=16)
