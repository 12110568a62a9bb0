"""Closing prices of past days at Binance: daily bars of spot markets, and of the index that leads to US dollars."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance.prices import DOLLAR_PAIR, Instruments
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.daily_closes import DAY_MS, AskDays, DailyCloses, day_of, market_of
from portfolio_lab.models.prices import Quote

_ALWAYS = ("BTC", "USDC")
"""Markets of these are the bridges from coins to other currencies."""

Bar = tuple[int, str, str, str, str, str, int, str, int, str, str, str]
"""One bar: when it opens, opening, high, low and closing price; the rest is not used."""


async def fetch_closes(
    client: VenueClient,
    instruments: Instruments,
    known: DailyCloses,
    assets: Iterable[str],
    since: date,
    until: date,
) -> tuple[Quote, ...]:
    """Return the closes of the UTC days [since, until) that price these assets; what has no market is left out."""
    listed = {(one.base, one.quote): one.symbol for one in (await instruments.spot()).values()}
    pairs = dict.fromkeys(pair for asset in (*_ALWAYS, *sorted(assets)) if (pair := market_of(asset, listed)))
    quotes: list[Quote] = []
    for pair in pairs:
        symbol = listed[pair]
        ask = _days(client, at.SPOT_BARS, {"symbol": symbol})
        quotes += await known.quotes(f"binance spot {symbol}", pair, since, until, ask)
    ask = _days(client, at.INDEX_BARS, {"pair": DOLLAR_PAIR})
    quotes += await known.quotes(f"binance COIN-M index {DOLLAR_PAIR}", ("BTC", "USD"), since, until, ask)
    return tuple(quotes)


def _days(client: VenueClient, endpoint: Endpoint, market: dict[str, str]) -> AskDays:
    async def ask(first: int, last: int) -> dict[int, Decimal]:
        span = {"startTime": first * DAY_MS, "endTime": (last + 1) * DAY_MS - 1, "limit": last - first + 1}
        bars, _ = await client.ask(endpoint, list[Bar], {**market, "interval": "1d", **span})
        path = "/".join(market.values())
        return {day_of(bar[0]): payloads.positive(bar[4], f"[{path}].close") for bar in bars}

    return ask
