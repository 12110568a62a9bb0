"""Public answers of the options host: what is listed, marks with their sensitivities, indices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Need
from portfolio_lab.demo.binance_listing import decimals, request_limits
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_weights import Family
from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.instruments import OPTION, Instrument, by_symbol
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.demo.premiums import VOLATILITY, YEAR_MS

SIDES = {"C": "CALL", "P": "PUT"}
LISTED_MS = 200 * DAY_MS
"""How long before its expiry an option is listed."""

_NORMAL = NormalDist()


def listed_options(at: int) -> list[Instrument]:
    """Options that can be traded at an instant: not yet expired, nor too far from it."""
    return [one for one in by_symbol("binance", OPTION).values() if at < one.expiry <= at + LISTED_MS]


def index_of(ask: Ask, one: Instrument) -> Decimal:
    """The index that an option is on, in its quote asset."""
    return ask.market.index("binance", one.base, one.quote, ask.at)


# ---------------------------------------------------------------- sensitivities


@dataclass(frozen=True, slots=True)
class Greeks:
    """Per base unit: delta and gamma by one unit of index, theta by a day, vega by a point of volatility."""

    delta: Decimal = ZERO
    gamma: Decimal = ZERO
    theta: Decimal = ZERO
    vega: Decimal = ZERO

    def __add__(self, other: Greeks) -> Greeks:
        """The sensitivities of both together."""
        return Greeks(
            self.delta + other.delta, self.gamma + other.gamma, self.theta + other.theta, self.vega + other.vega
        )

    def times(self, size: Decimal) -> Greeks:
        """The sensitivities of a signed size."""
        return Greeks(self.delta * size, self.gamma * size, self.theta * size, self.vega * size)

    def texts(self) -> dict[str, Json]:
        """As both the account and the mark write them."""
        return {
            "delta": eight_text(self.delta),
            "gamma": eight_text(self.gamma),
            "theta": eight_text(self.theta),
            "vega": eight_text(self.vega),
        }


def greeks_of(ask: Ask, one: Instrument) -> Greeks:
    """Sensitivities of one option now; only delta is left of an expired one."""
    delta = ask.market.option_delta(one, ask.at)
    if ask.at >= one.expiry:
        return Greeks(delta)
    spot, years, volatility = float(index_of(ask, one)), (one.expiry - ask.at) / YEAR_MS, VOLATILITY[one.base]
    spread = volatility * math.sqrt(years)
    density = _NORMAL.pdf(math.log(spot / float(one.strike)) / spread + spread / 2)
    return Greeks(
        delta,
        Decimal(repr(density / (spot * spread))),
        Decimal(repr(-spot * density * spread / (2 * years) / 365)),
        Decimal(repr(spot * density * math.sqrt(years) / 100)),
    )


# ---------------------------------------------------------------- answers


def _info(ask: Ask) -> Json:
    options = listed_options(ask.at)
    bases = dict.fromkeys(one.base for one in options)
    return {
        "timezone": "UTC",
        "serverTime": ask.server_time,
        "rateLimits": request_limits(ask.limits.by_family[Family.EAPI]),
        "optionContracts": [
            {"baseAsset": base, "quoteAsset": "USDT", "underlying": f"{base}USDT", "settleAsset": "USDT"}
            for base in bases
        ],
        "optionAssets": [{"name": "USDT"}],
        "optionSymbols": [_symbol(one) for one in options],
    }


def _symbol(one: Instrument) -> dict[str, Json]:
    step = plain_text(one.lot)
    return {
        "expiryDate": one.expiry,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain_text(one.tick),
                "maxPrice": "200000",
                "tickSize": plain_text(one.tick),
            },
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000", "stepSize": step},
        ],
        "symbol": one.symbol,
        "side": SIDES[one.option_side],
        "strikePrice": plain_text(one.strike),
        "underlying": one.index,
        "unit": int(one.contract_size),
        "liquidationFeeRate": "0.0019000",
        "minQty": step,
        "maxQty": "1000",
        "initialMargin": "0.15000000",
        "maintenanceMargin": "0.07500000",
        "minInitialMargin": "0.10000000",
        "minMaintenanceMargin": "0.05000000",
        "priceScale": decimals(one.tick),
        "quantityScale": decimals(one.lot),
        "quoteAsset": one.quote,
        "status": "TRADING",
    }


def _marks(ask: Ask) -> Json:
    wanted = ask.parameters.get("symbol", "")
    if wanted:
        return [_mark_row(ask, ask.instrument(OPTION))]
    return [_mark_row(ask, one) for one in listed_options(ask.at)]


def _mark_row(ask: Ask, one: Instrument) -> dict[str, Json]:
    mark = ask.market.option_mark(one, ask.at)
    volatility = f"{VOLATILITY[one.base]:.8f}"
    return {
        "symbol": one.symbol,
        "markPrice": plain_text(mark),
        "bidIV": volatility,
        "askIV": volatility,
        "markIV": volatility,
        **greeks_of(ask, one).texts(),
        "highPriceLimit": plain_text(mark * 2),
        "lowPriceLimit": plain_text(one.tick),
        "riskFreeInterest": "0",
    }


def _index(ask: Ask) -> Json:
    wanted = ask.required("underlying")
    found = next((one for one in listed_options(ask.at) if one.index == wanted), None)
    if found is None:
        raise refuse.symbol_unknown()
    return {"time": ask.at, "indexPrice": eight_text(index_of(ask, found))}


ENDPOINTS = (
    Endpoint("GET", "/eapi/v1/exchangeInfo", _info, 1, Need.NOTHING),
    Endpoint("GET", "/eapi/v1/mark", _marks, 5, Need.NOTHING),
    Endpoint("GET", "/eapi/v1/index", _index, 1, Need.NOTHING),
)
