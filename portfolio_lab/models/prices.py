"""Prices, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Quote:
    """One price that a venue published: units of `quote` for one `base`, at `at`.

    `source` tells where to look it up again, e.g. "binance spot BTCUSDT last".
    """

    base: str
    quote: str
    price: Decimal
    source: str
    at: datetime


class PriceKind(StrEnum):
    """How a price was found, best first."""

    IDENTITY = "identity"
    MARKET = "market"
    PEG = "peg"
    """A pegged credit (BFUSD, LDUSDT ...) at the price of what it is pegged to, by a visible table."""
    WRAPPER = "wrapper"
    """A receipt (WBETH, LDBTC ...) at the price of what it wraps x the venue's ratio."""
    SECOND_VENUE = "second_venue"
    LAST_KNOWN = "last_known"


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one asset in the reporting currency, as used for a value.

    `route` lists the assets passed through, e.g. ("SOL", "USDT", "USD"); `source` joins the
    sources of its legs; `at` is the time of its oldest leg, so that age = valuation time - at.
    """

    asset: str
    currency: str
    price: float
    source: str
    route: tuple[str, ...]
    at: datetime
    kind: PriceKind = PriceKind.MARKET
