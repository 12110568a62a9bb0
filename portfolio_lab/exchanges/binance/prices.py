"""Binance without a key: its clock, its instruments and its prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, shapes, shapes_options
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.listing import Listing
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.prices import Quote

DOLLAR_PERPETUAL, DOLLAR_PAIR = "BTCUSD_PERP", "BTCUSD"
"""The contract whose index is the one door from coins to US dollars."""

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Instrument:
    """What one symbol trades: `base` for `quote`; contracts of `size` settle in `settle`.

    `size` is base units for USD-M contracts (1) and options, and quote units for COIN-M ones.
    """

    symbol: str
    base: str
    quote: str
    settle: str
    size: Decimal


class Instruments:
    """The symbols of Binance's four markets, each fetched when first needed."""

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self._listings = {
            Wallet.SPOT: Listing(self._spot),
            Wallet.USD_M: Listing(self._usd_m),
            Wallet.COIN_M: Listing(self._coin_m),
            Wallet.OPTIONS: Listing(self._options),
        }

    async def one(self, wallet: Wallet, symbol: str) -> Instrument:
        """Return one symbol of a wallet's market; AnswerShapeError when it is not listed."""
        found = await self._listings[wallet].one(payloads.instrument_code(symbol, "symbol"))
        if found is None:
            raise AnswerShapeError(f"{symbol} is not listed by the venue.", path="symbol")
        return found

    async def all(self, wallet: Wallet) -> dict[str, Instrument]:
        """Return all symbols of a wallet's market by name."""
        return await self._listings[wallet].all()

    async def spot(self) -> dict[str, Instrument]:
        """Return all spot symbols by name."""
        return await self._listings[Wallet.SPOT].all()

    async def coins(self) -> frozenset[str]:
        """Return every coin that a spot symbol trades, or trades in."""
        symbols = (await self.spot()).values()
        return frozenset(coin for one in symbols for coin in (one.base, one.quote))

    async def _spot(self) -> dict[str, Instrument]:
        endpoint = endpoints.SPOT_INSTRUMENTS
        answer, _ = await self._client.ask(endpoint, shapes.SpotInstruments, {"showPermissionSets": "false"})
        return {
            row.symbol: Instrument(row.symbol, row.baseAsset, row.quoteAsset, row.quoteAsset, ONE)
            for row in answer.symbols
        }

    async def _usd_m(self) -> dict[str, Instrument]:
        answer, _ = await self._client.ask(endpoints.USD_M_INSTRUMENTS, shapes.UsdMInstruments)
        return {
            row.symbol: Instrument(row.symbol, row.baseAsset, row.quoteAsset, row.marginAsset, ONE)
            for row in answer.symbols
        }

    async def _coin_m(self) -> dict[str, Instrument]:
        answer, _ = await self._client.ask(endpoints.COIN_M_INSTRUMENTS, shapes.CoinMInstruments)
        return {row.symbol: _coin_m_instrument(row) for row in answer.symbols}

    async def _options(self) -> dict[str, Instrument]:
        answer, _ = await self._client.ask(endpoints.OPTION_INSTRUMENTS, shapes_options.OptionInstruments)
        families = {row.underlying: row for row in answer.optionContracts}
        known = (row for row in answer.optionSymbols if row.underlying in families)
        return {row.symbol: _option(row, families[row.underlying]) for row in known}


def _option(row: shapes_options.OptionSymbol, family: shapes_options.OptionContract) -> Instrument:
    size = payloads.positive(str(row.unit), f"optionSymbols[{row.symbol[:30]}].unit")
    return Instrument(row.symbol, family.baseAsset, family.settleAsset, family.settleAsset, size)


def _coin_m_instrument(row: shapes.CoinMInstrument) -> Instrument:
    size = payloads.positive(str(row.contractSize), f"symbols[{row.symbol[:30]}].contractSize")
    return Instrument(row.symbol, row.baseAsset, row.quoteAsset, row.marginAsset, size)


async def fetch_time(client: VenueClient) -> datetime:
    """Return Binance's clock."""
    answer, _ = await client.ask(endpoints.SPOT_TIME, shapes.Time)
    return payloads.instant(answer.serverTime, "serverTime")


async def fetch_quotes(client: VenueClient, instruments: Instruments) -> tuple[Quote, ...]:
    """Return the last price of every spot symbol, and BTC in US dollars.

    Symbols without a trade (price 0) or not listed are left out: such assets stay unpriced.
    """
    rows, mark = await client.ask(endpoints.SPOT_PRICES, list[shapes.SpotPrice])
    _refuse_empty(rows, endpoints.SPOT_PRICES)
    listed = await instruments.spot()
    quotes = [_spot_quote(row, listed[row.symbol], mark.received_at) for row in rows if row.symbol in listed]
    return (*(quote for quote in quotes if quote is not None), await _dollar_quote(client))


def _spot_quote(row: shapes.SpotPrice, traded: Instrument, at: datetime) -> Quote | None:
    price = payloads.not_negative(row.price, f"[{row.symbol}].price")
    if not price or not payloads.is_asset_code(traded.base) or not payloads.is_asset_code(traded.quote):
        return None
    return Quote(traded.base, traded.quote, price, f"binance spot {row.symbol} last", at)


async def _dollar_quote(client: VenueClient) -> Quote:
    rows, mark = await client.ask(endpoints.COIN_M_INDEX, list[shapes.CoinMIndex], {"symbol": DOLLAR_PERPETUAL})
    rows = [row for row in rows if row.symbol == DOLLAR_PERPETUAL and row.pair == DOLLAR_PAIR]
    _refuse_empty(rows, endpoints.COIN_M_INDEX)
    price = payloads.positive(rows[0].indexPrice, "[0].indexPrice")
    at = min(payloads.instant(rows[0].time, "[0].time"), mark.received_at)
    return Quote("BTC", "USD", price, f"binance COIN-M index {DOLLAR_PAIR}", at)


def _refuse_empty(rows: Sequence[object], endpoint: Endpoint) -> None:
    if not rows:
        raise AnswerShapeError(f"{endpoint.path} lists no price at all.")
