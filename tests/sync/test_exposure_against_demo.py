"""Exposure of every kind of book, against the exchange's own truth with one coin's prices moved.

Spot, margin debts, earn, loans, isolated pairs, linear and inverse contracts, portfolio margin and options: the slope
of each wallet's truth in the price of each coin is what exposure says it is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from demo_lab_files import at_once, keys, lift_limits, write_lab
from fake_venues import Hand

from portfolio_lab import open_lab
from portfolio_lab.books import exposure_lines_from
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.instruments import INVERSE, OPTION, WRAPPERS, by_symbol
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.people import cast
from portfolio_lab.demo.server import DEFAULT_SEED, DemoExchange
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.engines.exposure import Line, Part
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import KNOWN_WALLETS, Account
from portfolio_lab.sync import Syncer

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
NOW = BEGIN + timedelta(days=26, hours=9)
EXACT, BY_DELTA = 1e-6, 0.01
STEP, SMALL_STEP = 0.5, 0.001
"""By how much prices are moved: far, because the exchange rounds PnL in coins; an option is straight only nearby."""

INVERSES = {symbol for venue in ("binance", "okx") for symbol in by_symbol(venue, INVERSE)}
OPTIONS = {symbol for venue in ("binance", "okx") for symbol in by_symbol(venue, OPTION)}


@dataclass(frozen=True)
class Moved:
    """The market with every price of one coin moved by a fraction, unrounded; options by their own formula."""

    market: Market
    coin: str
    by: float

    @property
    def factor(self) -> Decimal:
        return Decimal(repr(1.0 + self.by))

    def usdt_usd(self, venue: str, at: int) -> Decimal:
        return self.market.usdt_usd(venue, at)

    def coin_usd(self, venue: str, asset: str, at: int) -> Decimal | None:
        price = self.market.coin_usd(venue, asset, at)
        coin = asset.removeprefix("LD") if venue == "binance" else asset
        return price if price is None or WRAPPERS.get(coin, coin) != self.coin else price * self.factor

    def mark(self, venue: str, symbol: str, kind: str, at: int) -> Decimal:
        one = by_symbol(venue, kind)[symbol]
        if one.base != self.coin:
            return self.market.mark(venue, symbol, kind, at)
        if kind == OPTION:
            return Bumped(self.by).option_mark(one, at)
        return self.market.mark(venue, symbol, kind, at) * self.factor


class Bumped(Market):
    """The market with the index of every coin moved by a fraction."""

    def __init__(self, by: float) -> None:
        super().__init__(DEFAULT_SEED)
        self._by = by

    def _index_value(self, venue: str, base: str, quote: str, at: int) -> float:
        return super()._index_value(venue, base, quote, at) * (1.0 + self._by)


async def synced(folder: Path, demo: DemoExchange) -> Path:
    """Sync every wallet of every account once."""
    demo.set_clock(NOW)
    clock = Hand(NOW)
    accounts = [
        Account(one.user, one.venue, one.label, demo.url, KNOWN_WALLETS[one.venue])
        for user in cast()
        for one in user.accounts
    ]
    for one in demo.exchange.accounts:
        one.revoked_by_control = False
    lab = write_lab(folder / "lab", accounts)
    lift_limits(demo)
    hubs = partial(Hub, clock=clock, sleep=at_once)
    async with Syncer(lab, clock=clock, credentials=keys(accounts), hubs=hubs) as syncer:
        await syncer.cycle(NOW)
    return lab


def slopes(one: DemoAccount, market: Market, coin: str, step: float) -> dict[str, float]:
    """Return by wallet what its truth gains when the coin rises by 100 %."""
    at = milliseconds(NOW)
    moved: list[Any] = [Moved(market, coin, step), Moved(market, coin, -step)]
    up, down = (account_truth(one, prices, at).wallets for prices in moved)
    return {
        str(high.wallet): float(((high.equity or 0) - (low.equity or 0)) / Decimal(repr(2 * step)))
        for high, low in zip(up, down, strict=True)
    }


def parts_of(lab: Path) -> Iterator[tuple[str, Line, Part]]:
    """Yield (user, underlying, part) of every book that was synced, but those of opaque wallets."""
    opened = open_lab(lab)
    for user in opened.users().index:
        span = (NOW, NOW + timedelta(seconds=1))
        balances, positions = opened.facts("balances", user, *span), opened.facts("positions", user, *span)
        prices = opened.arrow("prices").to_pandas()
        for line in exposure_lines_from(balances, positions, prices, user=user, slot=NOW, currency=opened.currency):
            yield from ((user, line, part) for part in line.parts)


def own_slope(line: Line, part: Part, market: Market) -> float:
    """Return the part at its own price; an inverse contract moves the coin that it settles in."""
    assert part.quantity is not None
    if part.name.split()[0] in INVERSES:
        coin = market.coin_usd(part.account.partition(":")[0], line.underlying, milliseconds(NOW))
        return float(part.quantity) * float(coin or 0)
    return math.copysign(part.value, part.quantity)


async def test_every_wallet_gains_what_its_exposure_says(tmp_path: Path) -> None:
    async with DemoExchange(since=BEGIN, scripted=True, now=NOW) as demo:
        lab = await synced(tmp_path, demo)
        market = demo.exchange.market
        books = {(one.account.user, one.account.name): one for one in demo.exchange.accounts}
        ours: dict[tuple[str, ...], float] = defaultdict(float)
        gross: dict[tuple[str, ...], float] = defaultdict(float)
        by_delta: set[tuple[str, ...]] = set()
        for user, line, part in parts_of(lab):
            key = (user, part.account, part.wallet, line.underlying)
            ours[key] += own_slope(line, part, market)
            gross[key] += part.value
            by_delta |= {key} if part.name.split()[0] in OPTIONS else set()
        faults = []
        for key, value in ours.items():
            user, account, wallet, coin = key
            step, allowed = (SMALL_STEP, BY_DELTA) if key in by_delta else (STEP, EXACT)
            truth = slopes(books[user, account], market, coin, step).get(wallet, 0.0)
            if abs(value - truth) > allowed * gross[key]:
                faults.append(f"{' '.join(key)}: exposure {value:.2f}, truth {truth:.2f}, gross {gross[key]:.2f}")
        assert not faults, "\n".join(faults)
        assert by_delta
        assert len(ours) > 40
