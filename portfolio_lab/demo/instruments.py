"""What can be traded on the demo exchange: spot pairs and perpetual contracts of both venues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

SPOT, LINEAR, INVERSE, OPTION = "spot", "linear", "inverse", "option"
COINS = ("BTC", "ETH", "SOL", "BNB", "XRP", "LINK", "DOGE")
STABLECOINS = ("USDT", "USDC", "FDUSD")
WRAPPERS = {"WBETH": "ETH", "BETH": "ETH", "BNSOL": "SOL", "OKSOL": "SOL"}
"""Coins that are worth some of another coin; the ratio grows where rewards accrue in it."""
FIAT = ("EUR",)
CREDITS = ("BFUSD",)
"""Credits of a venue that are worth one USDT each."""
UNPRICED_COIN = "LOST"
"""A delisted coin: it can be held, and no market of either venue names it."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One market of one venue.

    `contract_size` is base units (spot, linear) or quote units (inverse) of one contract;
    amounts of fills, orders and positions count contracts, which for spot and Binance USD-M
    are base units. `settle` is the asset of PnL and fees ("" for spot). `index` names the
    venue's index that a contract follows ("" for spot). Options have a `strike`, an `expiry`
    (ms) and an `option_side` ("C" | "P"); their prices are premiums per base unit.
    """

    venue: str
    symbol: str
    kind: str
    base: str
    quote: str
    settle: str
    contract_size: Decimal
    tick: Decimal
    lot: Decimal
    index: str = ""
    strike: Decimal = Decimal(0)
    expiry: int = 0
    option_side: str = ""

    @property
    def is_contract(self) -> bool:
        """True for perpetual contracts and options."""
        return self.kind != SPOT

    @property
    def is_option(self) -> bool:
        """True for options."""
        return self.kind == OPTION


_TICKS = {
    "BTC": "0.01",
    "ETH": "0.01",
    "SOL": "0.01",
    "BNB": "0.01",
    "XRP": "0.0001",
    "LINK": "0.001",
    "DOGE": "0.00001",
    "USDC": "0.0001",
    "FDUSD": "0.0001",
    "EUR": "0.0001",
    "WBETH": "0.01",
    "BNSOL": "0.01",
    "BETH": "0.01",
    "OKSOL": "0.01",
}
_LOTS = {
    "BTC": "0.00001",
    "ETH": "0.0001",
    "SOL": "0.001",
    "BNB": "0.001",
    "XRP": "0.1",
    "LINK": "0.01",
    "DOGE": "1",
    "USDC": "1",
    "FDUSD": "1",
    "EUR": "0.1",
    "WBETH": "0.0001",
    "BNSOL": "0.001",
    "BETH": "0.0001",
    "OKSOL": "0.001",
}
_BINANCE_PAIRS = (
    *((coin, "USDT") for coin in COINS),
    ("USDC", "USDT"),
    ("FDUSD", "USDT"),
    ("BTC", "USDC"),
    ("ETH", "USDC"),
    ("SOL", "USDC"),
    ("BTC", "FDUSD"),
    ("ETH", "BTC"),
    ("SOL", "BTC"),
    ("BNB", "BTC"),
    ("EUR", "USDT"),
    ("WBETH", "USDT"),
    ("BNSOL", "USDT"),
)
_OKX_PAIRS = (
    *((coin, "USDT") for coin in COINS),
    ("USDC", "USDT"),
    ("USDT", "USD"),
    ("BTC", "USDC"),
    ("ETH", "USDC"),
    ("ETH", "BTC"),
    ("SOL", "BTC"),
    ("USDT", "EUR"),
    ("BTC", "EUR"),
)
_BINANCE_LINEAR = {"BTC": "0.001", "ETH": "0.001", "SOL": "1", "BNB": "0.01", "XRP": "0.1", "LINK": "0.01", "DOGE": "1"}
_BINANCE_INVERSE = {"BTC": "100", "ETH": "10", "SOL": "10"}
_BINANCE_USDC_LINEAR = {"BTC": "0.001", "ETH": "0.001"}
_OKX_LINEAR = {"BTC": "0.01", "ETH": "0.1", "SOL": "1", "XRP": "100", "LINK": "1", "DOGE": "1000"}
_OKX_INVERSE = {"BTC": "100", "ETH": "10"}
_ONE = Decimal(1)
_STRIKES = {"BTC": range(40_000, 180_001, 10_000), "ETH": range(1_500, 6_001, 500)}
_FIRST_OPTIONS, _OPTION_MONTHS, _FRIDAY = 2025, 48, 4


def _spot_tick(base: str, quote: str) -> Decimal:
    if quote == "BTC":
        return Decimal("0.00001") if base == "ETH" else Decimal("0.0000001")
    return Decimal("0.00001") if quote in {"USD", "EUR"} and base == "USDT" else Decimal(_TICKS[base])


def _spot(venue: str, base: str, quote: str) -> Instrument:
    symbol = base + quote if venue == "binance" else f"{base}-{quote}"
    lot = Decimal(_LOTS.get(base, "1"))
    return Instrument(venue, symbol, SPOT, base, quote, "", _ONE, _spot_tick(base, quote), lot)


def _contract_tick(base: str) -> Decimal:
    return Decimal("0.1") if base == "BTC" else Decimal(_TICKS[base])


def _linear(venue: str, base: str, size: str, quote: str = "USDT") -> Instrument:
    """Binance counts base units in steps of `size`; OKX counts contracts of `size` base units."""
    if venue == "binance":
        symbol, contract, lot, index = base + quote, _ONE, Decimal(size), base + quote
    else:
        symbol, contract, lot, index = f"{base}-USDT-SWAP", Decimal(size), Decimal("0.01"), f"{base}-USDT"
    return Instrument(venue, symbol, LINEAR, base, quote, quote, contract, _contract_tick(base), lot, index)


def _inverse(venue: str, base: str, size: str) -> Instrument:
    symbol, index = (base + "USD_PERP", base + "USD") if venue == "binance" else (f"{base}-USD-SWAP", f"{base}-USD")
    return Instrument(venue, symbol, INVERSE, base, "USD", base, Decimal(size), _contract_tick(base), _ONE, index)


@cache
def instruments(venue: str) -> tuple[Instrument, ...]:
    """All instruments of a venue, spot first, then linear, then inverse contracts."""
    pairs = _BINANCE_PAIRS if venue == "binance" else _OKX_PAIRS
    linear = _BINANCE_LINEAR if venue == "binance" else _OKX_LINEAR
    inverse = _BINANCE_INVERSE if venue == "binance" else _OKX_INVERSE
    in_usdc = _BINANCE_USDC_LINEAR if venue == "binance" else {}
    return (
        *(_spot(venue, base, quote) for base, quote in pairs),
        *(_linear(venue, base, size) for base, size in linear.items()),
        *(_linear(venue, base, size, "USDC") for base, size in in_usdc.items()),
        *(_inverse(venue, base, size) for base, size in inverse.items()),
    )


@cache
def by_symbol(venue: str, kind: str) -> dict[str, Instrument]:
    """Instruments of one kind ("spot", "linear", "inverse", "option") by symbol.

    BTCUSDT is a name of two Binance instruments, which is why the kind is part of the address.
    """
    listed = _options(venue) if kind == OPTION else instruments(venue)
    return {one.symbol: one for one in listed if one.kind == kind}


@cache
def _options(venue: str) -> tuple[Instrument, ...]:
    """Options that are ever listed: at Binance, monthly ones on BTC and ETH, paid and settled in USDT."""
    if venue != "binance":
        return ()
    return tuple(
        _option(base, expiry, Decimal(strike), side)
        for base, strikes in _STRIKES.items()
        for expiry in _expiries()
        for strike in strikes
        for side in ("C", "P")
    )


def _expiries() -> list[datetime]:
    """08:00 UTC on the last Friday of every month of four years."""
    found = []
    for month in range(_OPTION_MONTHS):
        turn = datetime(_FIRST_OPTIONS + (month + 1) // 12, (month + 1) % 12 + 1, 1, 8, tzinfo=UTC)
        last = turn - timedelta(days=1)
        found.append(last - timedelta(days=(last.weekday() - _FRIDAY) % 7))
    return found


def _option(base: str, expiry: datetime, strike: Decimal, side: str) -> Instrument:
    return Instrument(
        "binance",
        f"{base}-{expiry:%y%m%d}-{strike}-{side}",
        OPTION,
        base,
        "USDT",
        "USDT",
        _ONE,
        Decimal(5) if base == "BTC" else Decimal("0.2"),
        Decimal("0.01"),
        base + "USDT",
        strike,
        int(expiry.timestamp() * 1000),
        side,
    )
