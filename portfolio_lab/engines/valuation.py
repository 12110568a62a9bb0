"""Prices: what one unit of an asset is worth in the reporting currency, and how we know.

The whole book is priced through USDT and turned into the reporting currency by one rate, so
that two coins of one venue never disagree about what a dollar is:

    price(X in USD) = last(X/USDT) x USDT/USD

USDT is not USD: its price is a quote like any other, either its own market or the ratio of
two markets of one coin (BTC/USD over BTC/USDT).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise, permutations

from portfolio_lab.models.prices import Price, PriceKind, Quote

BRIDGES = ("USDT", "USDC", "BTC", "USD", "EUR")
"""Assets that a route may pass through, best first."""

_PRECISION = 40
_MOST_BRIDGES = 2
_USDT = BRIDGES[0]

_Book = Mapping[tuple[str, str], Quote]


@dataclass(frozen=True, slots=True)
class _Route:
    assets: tuple[str, ...]
    legs: tuple[Quote, ...]

    @property
    def at(self) -> datetime:
        return min(leg.at for leg in self.legs)


def price_assets(
    quotes: Iterable[Quote], assets: Iterable[str], *, currency: str, at: datetime, max_age: timedelta
) -> tuple[dict[str, Price], dict[str, str]]:
    """Prices of `assets` in `currency`, and for each asset without one the reason.

    A route has one to three legs, each a quote or the inverse of one, and passes only through
    `BRIDGES`. Chosen is the route whose first leg ends in USDT, then the one with the fewest
    legs, then the one with the best bridges; of two quotes of one pair the newer. The
    currency itself is worth 1.

    Args:
        quotes: of one venue. Prices that are not positive and finite are ignored.
        assets: codes to price; doubles are harmless.
        currency: what the prices are in.
        at: the instant of the valuation.
        max_age: a route with a leg older than that is not used.

    Returns:
        Every asset is in exactly one of the two: `{asset: Price}`, and `{asset: why}` for
        what is unpriced. A price's `at` is the time of its oldest leg.
    """
    everything = _newest(quotes)
    fresh = {pair: quote for pair, quote in everything.items() if at - quote.at <= max_age}
    prices: dict[str, Price] = {}
    unpriced: dict[str, str] = {}
    for asset in dict.fromkeys(assets):
        if asset == currency:
            prices[asset] = Price(asset, currency, 1.0, "identity", (currency,), at, PriceKind.IDENTITY)
        elif route := _best_route(fresh, asset, currency):
            prices[asset] = _price(route, currency)
        else:
            unpriced[asset] = _why(everything, asset, currency, at, max_age)
    return prices, unpriced


def _newest(quotes: Iterable[Quote]) -> dict[tuple[str, str], Quote]:
    book: dict[tuple[str, str], Quote] = {}
    for quote in quotes:
        pair = (quote.base, quote.quote)
        if quote.price.is_finite() and quote.price > 0 and (pair not in book or _rank(quote) > _rank(book[pair])):
            book[pair] = quote
    return book


def _rank(quote: Quote) -> tuple[datetime, str]:
    return quote.at, quote.source


def _best_route(book: _Book, asset: str, currency: str) -> _Route | None:
    routes = list(_routes(book, asset, currency))
    return min(routes, key=_cost) if routes else None


def _cost(route: _Route) -> tuple[bool, int, tuple[int, ...]]:
    through = route.assets[1:-1]
    return route.assets[1] != _USDT, len(route.legs), tuple(BRIDGES.index(bridge) for bridge in through)


def _routes(book: _Book, asset: str, currency: str) -> Iterator[_Route]:
    bridges = [bridge for bridge in BRIDGES if bridge not in {asset, currency}]
    for count in range(_MOST_BRIDGES + 1):
        for through in permutations(bridges, count):
            assets = (asset, *through, currency)
            legs = [_leg(book, *pair) for pair in pairwise(assets)]
            if all(legs):
                yield _Route(assets, tuple(leg for leg in legs if leg is not None))


def _leg(book: _Book, base: str, quote: str) -> Quote | None:
    return book.get((base, quote)) or book.get((quote, base))


def _price(route: _Route, currency: str) -> Price:
    asset = route.assets[0]
    source = " * ".join(leg.source for leg in route.legs)
    return Price(asset, currency, float(_rate(route)), source, route.assets, route.at)


def _rate(route: _Route) -> Decimal:
    above = below = Decimal(1)
    with localcontext() as context:
        context.prec = _PRECISION
        for start, leg in zip(route.assets, route.legs, strict=False):
            if leg.base == start:
                above *= leg.price
            else:
                below *= leg.price
        # One division at the end: an inverse leg costs no rounding of its own.
        return above / below


def _why(book: _Book, asset: str, currency: str, at: datetime, max_age: timedelta) -> str:
    route = _best_route(book, asset, currency)
    if route is None:
        return f"no market leads from {asset} to {currency}"
    age, limit = (at - route.at).total_seconds(), max_age.total_seconds()
    return f"the newest price of {asset} ({'>'.join(route.assets)}) is {age:.0f} s old, the limit is {limit:.0f} s"
