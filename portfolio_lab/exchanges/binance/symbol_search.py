"""Looking for trades on the markets that no coin of an account points to: coins bought and sold before anybody looked.

Binance tells trades symbol by symbol. The walk (`symbol_walk`) visits the markets of every coin that was ever
seen in the account. This search asks for the newest trades on all other listed markets, a few at a step and with the
lowest priority: whatever it finds names a coin, whose markets the walk then reads from their first trade
on. A market that is no longer listed cannot be asked for; its trades stay unknown.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from portfolio_lab.exchanges.binance import fills
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.governor import Priority
from portfolio_lab.exchanges.payloads import milliseconds
from portfolio_lab.exchanges.streams import span, unique
from portfolio_lab.models.activity import ActivityStep, Fill, Stream

NAME = "fills_search"
STREAM = Stream(NAME, None)

AGAIN = span(timedelta(days=7))
"""After so long all markets are looked at once more: a coin may come and go between two snapshots."""

MARKETS_A_STEP = 5

_MARKET = replace(
    fills.MARKETS["spot_fills"], endpoint=replace(fills.MARKETS["spot_fills"].endpoint, priority=Priority.SLOW)
)


class SearchCursor(msgspec.Struct):
    """Where the search stands: the last symbol looked at ("" between two rounds), and when a round last ended (ms)."""

    after: str = ""
    ended: int = 0


def read_cursor(text: str) -> SearchCursor:
    """Return the cursor of a text; a text that cannot be read starts anew."""
    try:
        return msgspec.json.decode(text, type=SearchCursor)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return SearchCursor()


async def step_search(
    client: VenueClient, instruments: Instruments, cursor: str, *, now: datetime, assets: frozenset[str]
) -> ActivityStep:
    """Look at the next few markets that the walk does not visit, and return the trades found there.

    `assets` are all coins ever seen in the account; raises the VenueError family.
    """
    place = read_cursor(cursor)
    listed = await instruments.all(_MARKET.listing)
    ask = fills.asker(client, _MARKET, listed)
    elsewhere = sorted(name for name, one in listed.items() if not fills.is_candidate(one, assets))
    is_due = bool(place.after) or not 0 <= milliseconds(now) - place.ended < AGAIN
    ahead = [name for name in elsewhere if name > place.after] if is_due else []
    found: list[Fill] = []
    for symbol in ahead[:MARKETS_A_STEP]:
        found += [trade.fill for trade in await ask(symbol, None)]
        place.after = symbol
    if is_due and len(ahead) <= MARKETS_A_STEP:
        place = SearchCursor(ended=milliseconds(now))
    left = max(0, len(ahead) - MARKETS_A_STEP)
    return ActivityStep(
        stream=NAME,
        rows=unique(found),
        cursor=msgspec.json.encode(place).decode(),
        known_since=None,
        known_until=None,
        is_current=True,
        is_backfilled=place.ended > 0,
        progress=1.0 if place.ended else 1.0 - left / len(elsewhere),
        is_by_assets=True,
    )
