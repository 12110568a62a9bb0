"""What can be traded on the demo exchange: spot pairs and perpetual contracts of both venues."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

SPOT, LINEAR, INVERSE = "spot", "linear", "inverse"
COINS = ("BTC", "ETH", "SOL", "BNB", "XRP", "LINK", "DOGE")
STABLECOINS = ("USDT", "USDC", "FDUSD")
UNPRICED_COIN = "LOST"
"""A delisted coin: it can be held, and no market of either venue names it."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One market of one venue.

    `contract_size` is base units (spot, linear) or quote units (inverse) of one contract;
    amounts of fills, orders and positions count contracts, which for spot and Binance USD-M
    are base units. `settle` is the asset of PnL and fees ("" for spot). `index` names the
    venue's index that a contract follows ("" for spot).
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

    @property
    def is_contract(self) -> bool:
        """True for perpetual contracts."""
        return self.kind != SPOT


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
)
_OKX_PAIRS = (
    *((coin, "USDT") for coin in COINS),
    ("USDC", "USDT"),
    ("USDT", "USD"),
    ("BTC", "USDC"),
    ("ETH", "USDC"),
    ("ETH", "BTC"),
    ("SOL", "BTC"),
)
_BINANCE_LINEAR = {"BTC": "0.001", "ETH": "0.001", "SOL": "1", "BNB": "0.01", "XRP": "0.1", "LINK": "0.01", "DOGE": "1"}
_BINANCE_INVERSE = {"BTC": "100", "ETH": "10", "SOL": "10"}
_OKX_LINEAR = {"BTC": "0.01", "ETH": "0.1", "SOL": "1", "XRP": "100", "LINK": "1", "DOGE": "1000"}
_OKX_INVERSE = {"BTC": "100", "ETH": "10"}
_ONE = Decimal(1)


def _spot_tick(base: str, quote: str) -> Decimal:
    if quote == "BTC":
        return Decimal("0.00001") if base == "ETH" else Decimal("0.0000001")
    return Decimal("0.00001") if quote == "USD" else Decimal(_TICKS[base])


def _spot(venue: str, base: str, quote: str) -> Instrument:
    symbol = base + quote if venue == "binance" else f"{base}-{quote}"
    lot = Decimal(_LOTS.get(base, "1"))
    return Instrument(venue, symbol, SPOT, base, quote, "", _ONE, _spot_tick(base, quote), lot)


def _contract_tick(base: str) -> Decimal:
    return Decimal("0.1") if base == "BTC" else Decimal(_TICKS[base])


def _linear(venue: str, base: str, size: str) -> Instrument:
    """Binance counts base units in steps of `size`; OKX counts contracts of `size` base units."""
    if venue == "binance":
        symbol, contract, lot, index = base + "USDT", _ONE, Decimal(size), base + "USDT"
    else:
        symbol, contract, lot, index = f"{base}-USDT-SWAP", Decimal(size), Decimal("0.01"), f"{base}-USDT"
    return Instrument(venue, symbol, LINEAR, base, "USDT", "USDT", contract, _contract_tick(base), lot, index)


def _inverse(venue: str, base: str, size: str) -> Instrument:
    symbol, index = (base + "USD_PERP", base + "USD") if venue == "binance" else (f"{base}-USD-SWAP", f"{base}-USD")
    return Instrument(venue, symbol, INVERSE, base, "USD", base, Decimal(size), _contract_tick(base), _ONE, index)


@cache
def instruments(venue: str) -> tuple[Instrument, ...]:
    """All instruments of a venue, spot first, then linear, then inverse contracts."""
    pairs = _BINANCE_PAIRS if venue == "binance" else _OKX_PAIRS
    linear = _BINANCE_LINEAR if venue == "binance" else _OKX_LINEAR
    inverse = _BINANCE_INVERSE if venue == "binance" else _OKX_INVERSE
    return (
        *(_spot(venue, base, quote) for base, quote in pairs),
        *(_linear(venue, base, size) for base, size in linear.items()),
        *(_inverse(venue, base, size) for base, size in inverse.items()),
    )


@cache
def by_symbol(venue: str, kind: str) -> dict[str, Instrument]:
    """Instruments of one kind ("spot", "linear", "inverse") by symbol.

    BTCUSDT is a name of two Binance instruments, which is why the kind is part of the address.
    """
    return {one.symbol: one for one in instruments(venue) if one.kind == kind}
