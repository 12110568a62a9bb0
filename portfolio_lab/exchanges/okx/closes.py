"""Closing prices of past days at OKX: bars of UTC days of spot pairs, USDT-USD among them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.daily_closes import DAY_MS, AskDays, DailyCloses, Pair, day_of, market_of
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.exchanges.okx.prices import fetch_quotes
from portfolio_lab.models.prices import Quote

_ALWAYS: tuple[Pair, ...] = (("USDT", "USD"), ("BTC", "USDT"), ("USDC", "USDT"))
_START, _CLOSE = 0, 4


async def fetch_closes(
    client: VenueClient, known: DailyCloses, assets: Iterable[str], since: date, until: date
) -> tuple[Quote, ...]:
    """Return the closes of the UTC days [since, until) that price these assets; what has no market is left out."""
    listed = {(quote.base, quote.quote) for quote in await fetch_quotes(client)}
    wanted = [pair for pair in _ALWAYS if pair in listed]
    wanted += [pair for asset in sorted(assets) if (pair := market_of(asset, listed))]
    quotes: list[Quote] = []
    for pair in dict.fromkeys(wanted):
        name = "-".join(pair)
        quotes += await known.quotes(f"okx spot {name}", pair, since, until, _days(client, name))
    return tuple(quotes)


def _days(client: VenueClient, name: str) -> AskDays:
    async def ask(first: int, last: int) -> dict[int, Decimal]:
        # `after` and `before` exclude their bound.
        span = {"after": str(last * DAY_MS + 1), "before": str(first * DAY_MS - 1), "limit": str(last - first + 1)}
        asked = {"instId": name, "bar": "1Dutc", **span}
        answer, _ = await client.ask(endpoints.BARS, shapes.Envelope[list[str]], asked)
        return dict(_close(bar, name) for bar in answer.data)

    return ask


def _close(bar: list[str], name: str) -> tuple[int, Decimal]:
    start = bar[_START] if len(bar) > _CLOSE else ""
    payloads.instant(start, f"[{name}].ts")
    return day_of(int(start)), payloads.positive(bar[_CLOSE], f"[{name}].close")
