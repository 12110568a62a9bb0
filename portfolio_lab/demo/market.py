"""Prices of the demo exchange: a pure function of seed, venue, instrument and time.

Every coin follows hourly log-returns on a fixed grid (a common factor and its own noise, so
that coins move together), pinned to a plausible price at a fixed instant. Between the hours
three octaves of value noise move it down to steps of five seconds. Nothing is remembered:
the same question has the same answer in every process.

Instants are whole milliseconds since 1970 in UTC throughout the demo exchange.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from portfolio_lab.demo import premiums
from portfolio_lab.demo.instruments import COINS, CREDITS, INVERSE, LINEAR, OPTION, WRAPPERS, Instrument, by_symbol

STEP_MS = 5_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FUNDING_MS = 8 * HOUR_MS

GRID_START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
GRID_HOURS = 8 * 366 * 24
PIN = int(datetime(2026, 8, 1, tzinfo=UTC).timestamp() * 1000)
"""The instant at which every coin costs exactly what `_COINS` says (before basis and noise)."""

# coin: price at PIN in USD, weight of the common factor, own hourly volatility
_COINS = {
    "BTC": (96_000.0, 1.0, 0.0012),
    "ETH": (3_400.0, 1.1, 0.0035),
    "SOL": (185.0, 1.25, 0.0055),
    "BNB": (720.0, 0.8, 0.0035),
    "XRP": (2.3, 1.0, 0.0055),
    "LINK": (19.0, 1.1, 0.0055),
    "DOGE": (0.21, 1.2, 0.0065),
}
_FACTOR_VOLATILITY = 0.0042
_DRIFT = 0.00001
_NOISE_SPANS = (10 * 60_000, 60_000, STEP_MS)
_STABLE_WANDER = {"USDT": 0.0008, "USDC": 0.0002, "FDUSD": 0.0007, "EUR": 0.02}
_STABLE_LEVEL = {"EUR": math.log(1.08)}
_RATIOS = {"WBETH": (1.08, 0.03), "BETH": (1.0, 0.0), "BNSOL": (1.06, 0.065), "OKSOL": (1.03, 0.06)}
"""Wrapper: what one was worth in its coin at PIN, and by which fraction a year that grows."""
_MASK = (1 << 64) - 1
EIGHT = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar: opening instant and prices as published; `volume` is in base units."""

    start: int
    opening: Decimal
    high: Decimal
    low: Decimal
    closing: Decimal
    volume: Decimal


def milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970 of an aware instant."""
    return round(at.timestamp() * 1000)


def instant(at: int) -> datetime:
    """The aware UTC instant of whole milliseconds since 1970."""
    return datetime.fromtimestamp(at / 1000, UTC)


def name_seed(*parts: object) -> int:
    """A 64-bit number from names, the same in every process (unlike `hash`)."""
    number = 1469598103934665603
    for byte in "|".join(str(part) for part in parts).encode():
        number = ((number ^ byte) * 1099511628211) & _MASK
    return number


def _mix(number: int) -> int:
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def wander(stream: int, at: int, span: int) -> float:
    """Smooth noise in [-1, 1]: independent values every `span` ms, joined by straight lines."""
    cell, offset = divmod(at, span)
    left = _mix((stream + cell * 0x9E3779B97F4A7C15) & _MASK) / 2**63 - 1.0
    right = _mix((stream + (cell + 1) * 0x9E3779B97F4A7C15) & _MASK) / 2**63 - 1.0
    return left + (right - left) * (offset / span)


def to_tick(price: float, tick: Decimal) -> Decimal:
    """The published price: the nearest whole number of ticks, never below one tick."""
    ticks = max(1, round(price / float(tick)))
    return (ticks * tick).quantize(tick, ROUND_HALF_EVEN)


class Market:
    """All prices of both venues for one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[tuple[str, ...], int] = {}
        self._log = lru_cache(maxsize=200_000)(self._log_price)
        self.last = lru_cache(maxsize=200_000)(self._last)
        self.mark = lru_cache(maxsize=50_000)(self._mark)
        self.index = lru_cache(maxsize=50_000)(self._index)

    # ------------------------------------------------------------ what is published

    def _last(self, venue: str, symbol: str, kind: str, at: int) -> Decimal:
        """Last traded price, rounded to tick, quote per base, on the five-second step of `at`."""
        return self._published(by_symbol(venue, kind)[symbol], at)

    def _mark(self, venue: str, symbol: str, kind: str, at: int) -> Decimal:
        """Mark price of a contract, rounded to tick."""
        one = by_symbol(venue, kind)[symbol]
        if one.is_option:
            return self.option_mark(one, at)
        premium = self._premium(one, _step(at)) * 0.8
        return to_tick(self._index_value(venue, one.base, one.quote, _step(at)) * math.exp(premium), one.tick)

    def _index(self, venue: str, base: str, quote: str, at: int) -> Decimal:
        """The venue's index of base in quote (USD or USDT), eight decimals."""
        return to_tick(self._index_value(venue, base, quote, _step(at)), EIGHT)

    def option_mark(self, instrument: Instrument, at: int) -> Decimal:
        """Premium of one base unit in quote units by Black-Scholes on the index, at least one tick.

        At and after expiry the intrinsic value, unrounded, at the index of that instant.
        """
        if at >= instrument.expiry:
            return self.option_settlement(instrument)
        spot = self._index_value(instrument.venue, instrument.base, instrument.quote, _step(at))
        return to_tick(premiums.premium(self._terms(instrument), spot, at), instrument.tick / 10)

    def option_delta(self, instrument: Instrument, at: int) -> Decimal:
        """Change of the premium per unit of the index: 0 to 1 for calls, -1 to 0 for puts."""
        spot = self._index_value(instrument.venue, instrument.base, instrument.quote, _step(at))
        return Decimal(repr(premiums.delta(self._terms(instrument), spot, at))).quantize(EIGHT)

    def option_settlement(self, instrument: Instrument) -> Decimal:
        """What one base unit pays at expiry: the intrinsic value at the index of that instant."""
        index = self.index(instrument.venue, instrument.base, instrument.quote, instrument.expiry)
        gain = index - instrument.strike if instrument.option_side == "C" else instrument.strike - index
        return max(Decimal(0), gain)

    def _terms(self, one: Instrument) -> premiums.Terms:
        return premiums.Terms(one.base, float(one.strike), one.expiry, one.option_side == "C")

    def ratio(self, wrapper: str, at: int) -> Decimal:
        """What one wrapped coin is worth in its coin, to eight decimals; it grows by the day."""
        level, growth = _RATIOS[wrapper]
        days = (at - PIN) // DAY_MS
        return Decimal(repr(level * math.exp(math.log1p(growth) * days / 365))).quantize(EIGHT)

    def usdt_usd(self, venue: str, at: int) -> Decimal:
        """What one USDT is worth in USD by what the venue publishes, unrounded.

        Binance: its COIN-M index of BTC in USD over its last BTCUSDT price; OKX: its last
        USDT-USD price.
        """
        if venue == "binance":
            return self.index(venue, "BTC", "USD", at) / self.last(venue, "BTCUSDT", "spot", at)
        return self.last(venue, "USDT-USD", "spot", at)

    def coin_usd(self, venue: str, asset: str, at: int) -> Decimal | None:
        """USD price of an asset by the rule of truth; None when the venue does not price it."""
        if asset == "USD":
            return Decimal(1)
        if asset == "USDT":
            return self.usdt_usd(venue, at)
        if asset.startswith("LD") and venue == "binance":
            return self.coin_usd(venue, asset.removeprefix("LD"), at)
        if asset in CREDITS:
            return self.usdt_usd(venue, at)
        symbol = asset + "USDT" if venue == "binance" else f"{asset}-USDT"
        if symbol not in by_symbol(venue, "spot"):
            return self._other_usd(venue, asset, at)
        return self.last(venue, symbol, "spot", at) * self.usdt_usd(venue, at)

    def _other_usd(self, venue: str, asset: str, at: int) -> Decimal | None:
        """Worth of what has no market against USDT: a wrapper by its ratio, fiat by the market that names it."""
        if asset in WRAPPERS:
            coin = self.coin_usd(venue, WRAPPERS[asset], at)
            return None if coin is None else coin * self.ratio(asset, at)
        reverse = f"USDT{asset}" if venue == "binance" else f"USDT-{asset}"
        if reverse not in by_symbol(venue, "spot"):
            return None
        return self.usdt_usd(venue, at) / self.last(venue, reverse, "spot", at)

    def funding_rate(self, venue: str, symbol: str, kind: str, settled_at: int) -> Decimal:
        """Rate of one funding settlement: what a long pays a short, as a fraction of notional."""
        stream = self._stream("funding", venue, symbol, kind)
        rate = 0.00004 + 0.00012 * wander(stream, settled_at // FUNDING_MS * FUNDING_MS, 3 * DAY_MS)
        return Decimal(repr(rate)).quantize(EIGHT)

    def candles(
        self, venue: str, symbol: str, kind: str, *, width: int, start: int, end: int, now: int
    ) -> list[Candle]:
        """Bars of `width` ms that open in [start, end], the last one cut off at `now`."""
        one = by_symbol(venue, kind)[symbol]
        first = -(-start // width) * width
        return [self._candle(one, opens, width, now) for opens in range(first, min(end, now) + 1, width)]

    # ------------------------------------------------------------ where it comes from

    def _candle(self, one: Instrument, opens: int, width: int, now: int) -> Candle:
        closes = min(opens + width - STEP_MS, _step(now))
        points = sorted({opens, closes, *range(opens, closes, max(STEP_MS, width // 8))})
        prices = [self._published(one, point) for point in points]
        turnover = 0.5 + abs(wander(self._stream("volume", one.symbol), opens, width))
        volume = to_tick(turnover * width / HOUR_MS * 2e7 / float(prices[0]), Decimal("0.001"))
        return Candle(opens, prices[0], max(prices), min(prices), prices[-1], volume)

    def _published(self, one: Instrument, at: int) -> Decimal:
        return to_tick(self._value(one, _step(at)), one.tick)

    def _value(self, one: Instrument, at: int) -> float:
        if one.kind == OPTION:
            return float(self.option_mark(one, at))
        premium = self._premium(one, at) if one.is_contract else 0.0
        price = math.exp(self._usd(one.venue, one.base, at) - self._usd(one.venue, one.quote, at) + premium)
        jitter = wander(self._stream("last", one.venue, one.symbol, one.kind), at, STEP_MS)
        return price * (1.0 + 0.00003 * jitter)

    def _index_value(self, venue: str, base: str, quote: str, at: int) -> float:
        return math.exp(self._usd(venue, base, at) - self._usd(venue, quote, at))

    def _premium(self, one: Instrument, at: int) -> float:
        """Log distance of a perpetual from its index: a few basis points, mostly above."""
        stream = self._stream("premium", one.venue, one.symbol)
        return 0.0001 + 0.0003 * wander(stream, at, 6 * HOUR_MS) + 0.0001 * wander(stream ^ 1, at, 10 * 60_000)

    def _usd(self, venue: str, asset: str, at: int) -> float:
        """Log price in USD at one venue."""
        if asset == "USD":
            return 0.0
        if asset in WRAPPERS:
            return self._usd(venue, WRAPPERS[asset], at) + math.log(float(self.ratio(asset, at)))
        basis = 0.0002 * wander(self._stream("basis", venue, asset), at, 30 * 60_000)
        return self._log(asset, at) + (basis if asset in _COINS else basis * 0.1)

    def _log_price(self, asset: str, at: int) -> float:
        stream = self._stream("noise", asset)
        if asset in _STABLE_WANDER:
            reach, level = _STABLE_WANDER[asset], _STABLE_LEVEL.get(asset, 0.0)
            return level + reach * (0.8 * wander(stream, at, 2 * DAY_MS) + 0.2 * wander(stream ^ 1, at, 10 * 60_000))
        hour, offset = divmod(at - GRID_START, HOUR_MS)
        if not 0 <= hour < GRID_HOURS - 1:
            known = f"{instant(GRID_START):%Y-%m-%d}"
            msg = f"the demo market knows prices from {known} for eight years, not at {instant(at)}"
            raise ValueError(msg)
        grid = self._grid[COINS.index(asset)]
        between = grid[hour] + (grid[hour + 1] - grid[hour]) * (offset / HOUR_MS)
        return float(between) + sum(
            0.5 * _FACTOR_VOLATILITY * math.sqrt(span / HOUR_MS) * wander(stream + octave, at, span)
            for octave, span in enumerate(_NOISE_SPANS)
        )

    @cached_property
    def _grid(self) -> npt.NDArray[np.float64]:
        """Log price in USD by coin (rows) and hour (columns)."""
        factor = _returns(self.seed, "factor", _FACTOR_VOLATILITY)
        return np.array([self._path(coin, factor) for coin in COINS])

    def _path(self, coin: str, factor: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        price, weight, volatility = _COINS[coin]
        path = np.cumsum(weight * factor + _returns(self.seed, coin, volatility) + _DRIFT)
        level = math.log(price) - float(path[(PIN - GRID_START) // HOUR_MS])
        return np.asarray(path + level, dtype=np.float64)

    def _stream(self, *names: str) -> int:
        known = self._streams.get(names)
        if known is None:
            known = self._streams[names] = name_seed(self.seed, *names)
        return known


def _step(at: int) -> int:
    return at - at % STEP_MS


def _returns(seed: int, name: str, volatility: float) -> npt.NDArray[np.float64]:
    """Hourly log-returns with calm and stormy weeks."""
    random = np.random.default_rng([seed, name_seed(name) & 0xFFFFFFFF])
    weeks = np.exp(random.normal(0.0, 0.35, GRID_HOURS // 168 + 1))
    steps = random.standard_normal(GRID_HOURS) * volatility * np.repeat(weeks, 168)[:GRID_HOURS]
    return np.asarray(steps, dtype=np.float64)


def contract_symbols(venue: str) -> Sequence[tuple[str, str]]:
    """(symbol, kind) of every perpetual contract of a venue."""
    return [(symbol, kind) for kind in (LINEAR, INVERSE) for symbol in by_symbol(venue, kind)]
