"""What was held before anybody looked, valued at the closing prices of its days.

The venues' own records of the past tell quantities only. When they have been read to their end,
they are valued once: one question a market and hundred days, for all accounts of the venue
together, in the background of the budget. What has no market stays unknown. The cursor
"estimate_prices" of an account says that it is done, in the same commit as its rows.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from portfolio_lab.engines.pegs import pegged_to
from portfolio_lab.engines.pricing import price_everything
from portfolio_lab.errors import VenueError
from portfolio_lab.models.accounts import Account
from portfolio_lab.models.prices import Price, Quote
from portfolio_lab.models.tables import CURSORS, ESTIMATED_EQUITY
from portfolio_lab.sync.doors import Hub
from portfolio_lab.sync.memory import Memory
from portfolio_lab.sync.reading import Origin
from portfolio_lab.sync.restating import WRITER
from portfolio_lab.sync.rows import Row, table_of
from portfolio_lab.sync.tiers import Tiers

if TYPE_CHECKING:
    from portfolio_lab.store import Store

logger = logging.getLogger(__name__)

NAME = "estimate_prices"
TELLING = {"binance": "estimates", "okx": "bills"}
"""The stream of each venue that tells what was held before anybody looked."""

ONLY_CHANGES = "backfill: okx bills"
"""A source that tells a coin only on days on which it moved: in between it is what it was."""

DAY = timedelta(days=1)
LEAST_TIME = 5.0
"""Seconds that must be left of a cycle."""


async def value_estimates(
    store: Store,
    hub: Hub,
    memory: Memory,
    accounts: Sequence[Account],
    *,
    tiers: Tiers,
    currency: str,
    slot: datetime,
    at: datetime,
    seconds: float,
) -> None:
    """Value the estimates of accounts whose past has been read and not been valued yet.

    What a venue refuses or postpones is tried again later; nothing is raised for it.

    Args:
        store: holds the estimates and is told their values, in a commit of its own for each venue.
        hub: where markets come from.
        memory: tells which accounts wait, and takes over that they are done.
        accounts: all of the lab.
        tiers: a venue that failed is asked again in the time of its histories.
        currency: the reporting currency.
        slot: of the cycle; its commit is made already.
        at: the present instant.
        seconds: left of this cycle.

    Raises:
        StoreError: the store is damaged or the disk refused; nothing was stored.
    """
    waiting: dict[Origin, list[Account]] = {}
    for account in accounts if seconds > LEAST_TIME else ():
        if _waits(account, memory, tiers, at):
            waiting.setdefault(account.origin, []).append(account)
    for origin, group in waiting.items():
        rows = _filled(_rows(store, group, memory))
        quotes = await _closes(hub, origin, rows, seconds=seconds)
        if quotes is None:
            for account in group:
                memory.account(account).streams_at[NAME] = at
            continue
        valued = _valued(rows, quotes, currency=currency, known_at=at)
        done = [_cursor(account, at) for account in group]
        names = " ".join(f"{account.user} {account.name}" for account in group)
        store.commit(
            {ESTIMATED_EQUITY.name: table_of(ESTIMATED_EQUITY, valued), CURSORS.name: table_of(CURSORS, done)},
            slot=slot,
            writer=WRITER,
            sync_id=f"past-prices-{hashlib.sha256(names.encode()).hexdigest()[:16]}",
        )
        memory.take_cursors({(str(row["user"]), str(row["account"]), NAME): row for row in done})
        memory.save(slot=slot)


def _waits(account: Account, memory: Memory, tiers: Tiers, at: datetime) -> bool:
    place = (account.user, account.name)
    told = memory.cursors.get((*place, TELLING.get(account.venue, "")))
    tried = memory.account(account).streams_at.get(NAME)
    return (
        told is not None
        and bool(told["is_backfilled"])
        and (*place, NAME) not in memory.cursors
        and place in memory.known_accounts
        and (tried is None or at - tried >= tiers.history)
    )


def _rows(store: Store, accounts: Sequence[Account], memory: Memory) -> list[Row]:
    """The estimates of the days before each account was observed."""
    observed: dict[tuple[str, str], datetime] = {
        (account.user, account.name): memory.known_accounts[account.user, account.name]["first_slot"]  # type: ignore[misc]
        for account in accounts
    }
    until = datetime.combine(max(observed.values()), time(), UTC)
    users = sorted({account.user for account in accounts})
    found = store.read(ESTIMATED_EQUITY.name, users=users, until=until).to_pylist()
    ours = ((row, observed.get((row["user"], row["account"]))) for row in found)
    kept = [(row, first) for row, first in ours if first is not None and row["day"] < first.date()]
    return [{**row, _LAST: first.date() - DAY} for row, first in kept]


_LAST = "last"
"""Beside a row: the last day before its account was observed."""


def _filled(rows: Sequence[Row]) -> list[Row]:
    """The rows, and for a source of changes one for each day in between and after, as it was."""
    ends: dict[tuple[object, ...], Row] = {}
    found: list[Row] = []
    for row in sorted(rows, key=lambda one: str(one["day"]), reverse=True):
        place = (row["user"], row["account"], row["wallet"], row["asset"])
        later = ends.get(place)
        end = row[_LAST] if later is None else later["day"] - DAY  # type: ignore[operator]
        ends[place] = row
        found.append(row)
        if row["source"] == ONLY_CHANGES:
            days = range(1, (end - row["day"]).days + 1)  # type: ignore[operator]
            found += [{**row, "day": row["day"] + number * DAY} for number in days]  # type: ignore[operator]
    return [{name: value for name, value in row.items() if name != _LAST} for row in found]


async def _closes(hub: Hub, origin: Origin, rows: Sequence[Row], *, seconds: float) -> tuple[Quote, ...] | None:
    """The closes of all days and coins of the rows; None where the venue does not tell them now."""
    if not rows:
        return ()
    days: list[date] = [row["day"] for row in rows]  # type: ignore[misc]
    assets = {str(row["asset"]) for row in rows}
    assets |= {target for asset in assets if (target := pegged_to(asset))}
    try:
        market = await hub.market(*origin)
        asked = market.fetch_closes(frozenset(assets), since=min(days), until=max(days) + DAY)
        return await asyncio.wait_for(asked, seconds)
    except (VenueError, TimeoutError) as error:
        logger.info("past_prices_postponed venue=%s code=%s", origin[0], getattr(error, "code", "timeout"))
        return None


def _valued(rows: Sequence[Row], quotes: Iterable[Quote], *, currency: str, known_at: datetime) -> list[Row]:
    by_end: dict[datetime, list[Quote]] = {}
    for quote in quotes:
        by_end.setdefault(quote.at, []).append(quote)
    by_day: dict[object, list[Row]] = {}
    for row in rows:
        by_day.setdefault(row["day"], []).append(row)
    valued: list[Row] = []
    for day, held in by_day.items():
        end = datetime.combine(day, time(), UTC) + DAY  # type: ignore[arg-type]
        assets = sorted({str(row["asset"]) for row in held})
        prices, _ = price_everything(by_end.get(end, ()), assets, currency=currency, at=end, max_age=timedelta(0))
        valued += [_with_price(row, prices, currency, known_at) for row in held]
    return valued


def _with_price(row: Row, prices: Mapping[str, Price], currency: str, known_at: datetime) -> Row:
    price = prices.get(str(row["asset"]))
    return {
        **row,
        "currency": currency,
        "price": None if price is None else price.price,
        "value": None if price is None else float(str(row["quantity"])) * price.price,
        "price_source": None if price is None else price.source,
        "known_at": known_at,
    }


def _cursor(account: Account, at: datetime) -> Row:
    return {
        "user": account.user,
        "account": account.name,
        "stream": NAME,
        "at": at,
        "cursor": "",
        "known_since": None,
        "known_until": None,
        "is_backfilled": True,
        "progress": 1.0,
        "known_at": at,
    }
