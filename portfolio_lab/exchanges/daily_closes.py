"""Closing prices of past days, each market and day asked at most once and shared by all accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from portfolio_lab.models.prices import Quote

DAYS_AT_ONCE = 100
"""As many bars as the less generous of the venues gives in one answer."""

EPOCH = date(1970, 1, 1)
DAY_MS = 86_400_000

Pair = tuple[str, str]
"""(base, quote)."""

AskDays = Callable[[int, int], Awaitable[dict[int, Decimal]]]
"""Fetches the closes of the days [first, last], each a number of days since 1970; a day without a bar is left out."""


class DailyCloses:
    """What is known of the closes of one venue's markets, and which days were asked for."""

    def __init__(self) -> None:
        self._closes: dict[str, dict[int, Decimal]] = {}
        self._asked: dict[str, tuple[int, int]] = {}

    async def quotes(self, name: str, pair: Pair, since: date, until: date, ask: AskDays) -> list[Quote]:
        """Return the closes of [since, until) as quotes of the instant at which each day ended.

        `name` tells what it is the close of, e.g. "binance spot BTCUSDT".
        """
        first, last = (since - EPOCH).days, (until - EPOCH).days - 1
        if last < first:
            return []
        for begin, end in self._missing(name, first, last):
            await self._fetch(name, begin, end, ask)
        found = self._closes.get(name, {})
        return [
            Quote(*pair, found[day], f"{name} 1d close", _end_of(day)) for day in range(first, last + 1) if day in found
        ]

    def _missing(self, name: str, first: int, last: int) -> list[tuple[int, int]]:
        """The spans to ask for, so that what has been asked stays one span; those next to it first."""
        if name not in self._asked:
            return _cut(first, last)
        known_first, known_last = self._asked[name]
        return [*_cut(first, known_first - 1)[::-1], *_cut(known_last + 1, last)]

    async def _fetch(self, name: str, begin: int, end: int, ask: AskDays) -> None:
        found = await ask(begin, end)
        self._closes.setdefault(name, {}).update({day: close for day, close in found.items() if begin <= day <= end})
        known = self._asked.get(name, (begin, end))
        self._asked[name] = (min(known[0], begin), max(known[1], end))


def market_of(asset: str, listed: Iterable[Pair]) -> Pair | None:
    """Return the market whose closes price a coin: against USDT, then inverse, then in BTC, then in USDC."""
    pairs = ((asset, "USDT"), ("USDT", asset), (asset, "BTC"), (asset, "USDC"))
    return next((pair for pair in pairs if pair in listed), None)


def day_of(milliseconds: int) -> int:
    """Return the number of the day since 1970 that an instant belongs to."""
    return milliseconds // DAY_MS


def _cut(first: int, last: int) -> list[tuple[int, int]]:
    return [(begin, min(begin + DAYS_AT_ONCE - 1, last)) for begin in range(first, last + 1, DAYS_AT_ONCE)]


def _end_of(day: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day + 1)
