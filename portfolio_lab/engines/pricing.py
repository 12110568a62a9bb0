"""From quotes to the price of everything that is held: market, peg, wrapper, second venue, last known.

The order is the order of trust. A price carries its kind, so that a reader sees how far down
the list it was found; what is found nowhere is unpriced, with the reason, and is never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from portfolio_lab.engines.pegs import WRAPPERS, pegged_to
from portfolio_lab.engines.valuation import price_assets
from portfolio_lab.models.prices import Price, PriceKind, Quote

LAST_KNOWN_FOR = timedelta(hours=24)
"""How long the last known price of an asset may stand in for one."""


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """What may be asked when a venue's own markets say nothing.

    `ratios` are conversion ratios that the venue stated (base WBETH, quote ETH); `second` the
    quotes of other venues, best first; `last_known` prices of earlier snapshots in the same
    currency, usable for `known_for`.
    """

    ratios: Sequence[Quote] = ()
    second: Sequence[Sequence[Quote]] = ()
    last_known: Mapping[str, Price] = field(default_factory=dict)
    known_for: timedelta = LAST_KNOWN_FOR


def price_everything(
    quotes: Iterable[Quote],
    assets: Iterable[str],
    *,
    currency: str,
    at: datetime,
    max_age: timedelta,
    fallbacks: Fallbacks | None = None,
) -> tuple[dict[str, Price], dict[str, str]]:
    """Prices of `assets` in `currency`, and for each asset without one the reason.

    Args:
        quotes: of the venue that holds the assets.
        assets: codes to price; doubles are harmless.
        currency: what the prices are in.
        at: the instant of the valuation.
        max_age: a market older than that is not used.
        fallbacks: what else may be asked, in this order: peg table, ratio, second venue, last known.

    Returns:
        Every asset is in exactly one of the two: `{asset: Price}`, and `{asset: why}`.
    """
    wanted = list(dict.fromkeys(assets))
    step = _Steps(list(quotes), currency, at, max_age, fallbacks or Fallbacks())
    prices, unpriced = price_assets(step.quotes, wanted, currency=currency, at=at, max_age=max_age)
    for asset in list(unpriced):
        if found := step.beyond_the_market(asset):
            prices[asset] = found
            del unpriced[asset]
    return prices, unpriced


@dataclass(frozen=True, slots=True)
class _Steps:
    quotes: list[Quote]
    currency: str
    at: datetime
    max_age: timedelta
    fallbacks: Fallbacks

    def beyond_the_market(self, asset: str) -> Price | None:
        return self._pegged(asset) or self._wrapped(asset) or self._elsewhere(asset) or self._remembered(asset)

    def _market(self, asset: str, quotes: Sequence[Quote]) -> Price | None:
        prices, _ = price_assets(quotes, [asset], currency=self.currency, at=self.at, max_age=self.max_age)
        return prices.get(asset)

    def _known(self, asset: str) -> Price | None:
        return self._market(asset, self.quotes) or self._elsewhere(asset)

    def _pegged(self, asset: str) -> Price | None:
        target = pegged_to(asset)
        price = self._known(target) if target else None
        if price is None:
            return None
        source = f"pegged to {target}: {price.source}"
        return replace(price, asset=asset, source=source, route=(asset, *price.route), kind=PriceKind.PEG)

    def _wrapped(self, asset: str) -> Price | None:
        target = WRAPPERS.get(asset)
        ratio = next((one for one in self.fallbacks.ratios if (one.base, one.quote) == (asset, target)), None)
        price = self._known(target) if target and ratio and ratio.price > 0 else None
        if price is None or ratio is None:
            return None
        return Price(
            asset,
            self.currency,
            float(ratio.price) * price.price,
            f"{ratio.source} * {price.source}",
            (asset, *price.route),
            min(ratio.at, price.at),
            PriceKind.WRAPPER,
        )

    def _elsewhere(self, asset: str) -> Price | None:
        for quotes in self.fallbacks.second:
            if price := self._market(asset, quotes):
                return replace(price, kind=PriceKind.SECOND_VENUE)
        return None

    def _remembered(self, asset: str) -> Price | None:
        price = self.fallbacks.last_known.get(asset)
        if price is None or price.currency != self.currency or self.at - price.at > self.fallbacks.known_for:
            return None
        return replace(price, kind=PriceKind.LAST_KNOWN)
