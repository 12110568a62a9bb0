"""200 Binance and 200 OKX accounts behind one address for a simulated day, against the demo exchange's own limiters.

Time is virtual: the event loop's clock jumps to the next thing that happens. Every account has
USD-M positions (the dearest case), and each of them trades every ten minutes or so; every fourth one has resting
orders. What rests and the venue's totals are read every quarter of an hour, and history asks without end.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portfolio_lab.demo.binance import ENDPOINTS as BINANCE_LIMITS
from portfolio_lab.demo.binance_errors import BinanceRefusal
from portfolio_lab.demo.binance_weights import WeightLedger
from portfolio_lab.demo.okx import ENDPOINTS as OKX_LIMITS
from portfolio_lab.demo.okx_wire import OkxRefusalError, RequestLimits
from portfolio_lab.errors import PostponedError, RateLimitedError
from portfolio_lab.exchanges import binance, okx
from portfolio_lab.exchanges.binance import usd_m_positions
from portfolio_lab.exchanges.client import Endpoint
from portfolio_lab.exchanges.governor import Budget, Governor, Priority, hurried
from portfolio_lab.exchanges.hub import STEP_PATIENCE, STEP_TIME
from portfolio_lab.exchanges.pace import Tier, fitting_periods

START = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNTS = 200
LAG, LAG_ERROR = 0.7, 0.05
"""Seconds that our clock is ahead of the venue's, and how wrong we are about it."""

CORE = (
    "/sapi/v3/asset/getUserAsset",
    "/sapi/v1/asset/get-funding-asset",
    "/fapi/v3/account",
    "/dapi/v1/account",
    "/dapi/v1/positionRisk",
)
DETAILS = "/fapi/v3/positionRisk"
TRADES = 0.1
"""Chance that an account's positions have changed since the last minute: then their details are waited for."""
RESTING = 4
"""Every so manieth account has resting orders."""
ORDERS = (
    ("/api/v3/openOrders",),
    ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"),
    ("/dapi/v1/openOrders", "/dapi/v1/openAlgoOrders"),
)
"""By wallet: each is asked on its own."""
SLOW = (
    "/sapi/v1/simple-earn/flexible/position",
    "/sapi/v1/simple-earn/locked/position",
    "/sapi/v2/loan/flexible/ongoing/orders",
    "/sapi/v1/asset/wallet/balance",
)
HISTORY = ("/sapi/v1/capital/deposit/hisrec", "/fapi/v1/income", "/dapi/v1/income")
OKX_CORE = ("account/balance", "account/positions", "asset/balances")
OKX_ORDERS = ("trade/orders-pending", *("trade/orders-algo-pending",) * 6)
OKX_SLOW = ("finance/savings/balance", "asset/asset-valuation")
OKX_HISTORY = ("account/bills-archive", "asset/bills")

BY_PATH = {endpoint.path: endpoint for endpoint in (*binance.VENUE.endpoints, *okx.VENUE.endpoints)}


class Jumping(selectors.DefaultSelector):
    """Instead of waiting, time jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run until done on a clock that jumps."""
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        loop.run_until_complete(work())
    finally:
        loop.close()


@dataclass
class Venues:
    """Both venues' limiters, and what they had to say."""

    weights: WeightLedger = field(default_factory=WeightLedger)
    requests: RequestLimits = field(default_factory=RequestLimits)
    asked: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def now_ms(self) -> int:
        return round((START.timestamp() + asyncio.get_running_loop().time() - LAG) * 1000)

    def binance(self, endpoint: Endpoint, account: int) -> int | None:
        charge = BINANCE_LIMITS[endpoint.http, endpoint.path].charge({})
        try:
            headers = self.weights.charge(charge, ip="here", uid=str(account), now_ms=self.now_ms())
        except BinanceRefusal as refusal:
            self.refused[f"{refusal.status} {endpoint.path}"] += 1
            raise RateLimitedError("refused") from None
        used = binance.VENUE.used_weight(endpoint, headers)
        if not endpoint.budget.name.startswith("sapi"):
            self.most[endpoint.budget.name] = max(self.most[endpoint.budget.name], used or 0)
        return used

    def okx(self, endpoint: Endpoint, account: int) -> None:
        name = endpoint.path.removeprefix("/api/v5/")
        try:
            self.requests.check(str(account), name, OKX_LIMITS[name].most, 2_000, self.now_ms())
        except OkxRefusalError as refusal:
            self.refused[f"{refusal.status} {endpoint.path}"] += 1
            raise RateLimitedError("refused") from None


@dataclass
class House:
    """Everything behind the one address."""

    venues: Venues
    ends: float
    governors: dict[str, Governor] = field(default_factory=dict)
    core_at: dict[tuple[str, int], float] = field(default_factory=dict)
    ages: dict[str, list[float]] = field(default_factory=lambda: {"binance": [], "okx": []})
    details_at: dict[int, float] = field(default_factory=dict)
    details_ages: list[float] = field(default_factory=list)
    swept_at: dict[tuple[int, tuple[str, ...]], float] = field(default_factory=dict)
    orders_ages: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        for venue in ("binance", "okx"):
            self.governors[venue] = Governor(
                venue=venue,
                clock=lambda: START + timedelta(seconds=loop.time()),
                sleep=asyncio.sleep,
                lag=lambda: LAG + LAG_ERROR,
            )

    async def ask(self, venue: str, account: int, endpoint: Endpoint) -> None:
        chance, budget = self.venues.chance, endpoint.budget
        if endpoint.is_personal:
            budget = Budget(f"{account} {budget.name}", budget.limit, budget.seconds, budget.is_sliding, True)
        async with self.governors[venue].admitted(budget, endpoint.weight, endpoint.priority) as turn:
            await asyncio.sleep(chance.uniform(0.02, 0.15))
            turn.used = getattr(self.venues, venue)(endpoint, account)
            self.venues.asked[endpoint.path] += 1
            await asyncio.sleep(chance.uniform(0.02, 0.15))
            turn.is_answered = True

    async def every(self, period: float, venue: str, account: int, paths: tuple[str, ...], *, core: bool) -> None:
        """Read these paths of an account again and again, no sooner than `period` after the last beginning."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.venues.chance.uniform(0, 5 if core else period))
        while (began := loop.time()) < self.ends:
            try:
                await asyncio.gather(*(self.ask(venue, account, BY_PATH[path]) for path in paths))
                if core and venue == "binance":
                    await self.details(account)
            except RateLimitedError:
                self.venues.given_up[venue + paths[0]] += 1
            else:
                if core:
                    self.core_at[venue, account] = loop.time()
            await asyncio.sleep(max(0.1, period - (loop.time() - began)))

    async def details(self, account: int) -> None:
        """Positions in full: waited for where they are new, have changed or are old, else only where there is room."""
        loop, endpoint = asyncio.get_running_loop(), BY_PATH[DETAILS]
        age = loop.time() - self.details_at.get(account, -1e9)
        is_changed = self.venues.chance.random() < TRADES
        if is_changed or age >= usd_m_positions.OLDEST.total_seconds():
            await self.ask("binance", account, endpoint)
        else:
            is_young = age < usd_m_positions.YOUNG.total_seconds()
            try:
                with hurried(first=0.0, rest=0.0):
                    priority = Priority.SLOW if is_young else Priority.HISTORY
                    await self.ask("binance", account, replace(endpoint, priority=priority))
            except PostponedError:
                return
        self.details_at[account] = loop.time()

    async def sweeps(self, paths: tuple[str, ...]) -> None:
        """Each minute, of the accounts whose orders are due, those that wait the longest first."""
        loop = asyncio.get_running_loop()
        while (began := loop.time()) < self.ends:
            ages = {one: began - self.swept_at.get((one, paths), -1e9) for one in range(ACCOUNTS)}
            due = [one for one, age in ages.items() if age >= (120 if one % RESTING == 0 else 900)]
            await asyncio.gather(*(self.sweep(one, paths) for one in sorted(due, key=lambda one: -ages[one])))
            await asyncio.sleep(max(0.1, 60 - (loop.time() - began)))

    async def sweep(self, account: int, paths: tuple[str, ...]) -> None:
        """All orders of one wallet, if there is room."""
        try:
            with hurried(first=STEP_PATIENCE, rest=STEP_TIME):
                await self.together(account, paths)
            self.swept_at[account, paths] = asyncio.get_running_loop().time()
        except RateLimitedError:
            self.venues.given_up["orders"] += 1

    async def together(self, account: int, paths: tuple[str, ...]) -> None:
        """Two questions of which one without the other is of no use."""
        asked = [asyncio.ensure_future(self.ask("binance", account, BY_PATH[path])) for path in paths]
        try:
            await asyncio.gather(*asked)
        finally:
            for one in asked:
                one.cancel()

    async def look(self) -> None:
        """Every ten seconds: how old is each account's newest core, and what is slower than it?"""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(150)
        while loop.time() < self.ends:
            for (venue, _), at in self.core_at.items():
                self.ages[venue].append(loop.time() - at)
            self.details_ages += [loop.time() - at for at in self.details_at.values()]
            for (account, _), at in self.swept_at.items():
                self.orders_ages[account % RESTING == 0].append(loop.time() - at)
            await asyncio.sleep(10)


def tiers() -> list[Tier]:
    """What an account of Binance costs."""

    def weights(paths: tuple[str, ...]) -> dict[str, int]:
        spent: Counter[str] = Counter()
        for path in paths:
            spent[BY_PATH[path].budget.name] += BY_PATH[path].weight
        return spent

    return [
        Tier("core", Priority.CORE, 60, weights(CORE)),
        Tier("details", Priority.HISTORY, usd_m_positions.YOUNG.total_seconds(), weights((DETAILS,))),
        Tier("orders", Priority.ORDERS, 120, weights(tuple(path for paths in ORDERS for path in paths))),
        Tier("slow", Priority.SLOW, 900, weights(SLOW)),
        Tier("history", Priority.HISTORY, 600, weights(HISTORY)),
    ]


def simulated(seconds: float, house_of: list[House]) -> None:
    async def live() -> None:
        house = House(Venues(), seconds)
        house_of.append(house)
        okx_paths = [
            tuple(f"/api/v5/{name}" for name in part) for part in (OKX_CORE, OKX_ORDERS, OKX_SLOW, OKX_HISTORY)
        ]
        lives = [house.look()]
        for account in range(ACCOUNTS):
            for venue, parts, times in (
                ("binance", (CORE, SLOW, HISTORY), (60, 900, 30)),
                ("okx", tuple(okx_paths), (60, 120, 900, 300)),
            ):
                for paths, period in zip(parts, times, strict=True):
                    lives.append(house.every(period, venue, account, paths, core=paths is parts[0]))
        lives += [house.sweeps(paths) for paths in ORDERS]
        await asyncio.gather(*lives)

    in_virtual_time(live)


def at_share(share: float, found: Sequence[float]) -> float:
    """The figure that so large a share of them does not exceed."""
    return sorted(found)[int(share * len(found))]


def told(house: House) -> str:
    """The figures of a run, for its reader."""
    kinds = {**house.ages, "details": house.details_ages}
    kinds |= {"orders at rest": house.orders_ages[True], "orders elsewhere": house.orders_ages[False]}
    lines = [
        f"{name}: p50 {at_share(0.5, found):.1f} s, p95 {at_share(0.95, found):.1f} s, max {max(found):.1f} s"
        for name, found in kinds.items()
        if found
    ]
    asked, refused = sum(house.venues.asked.values()), sum(house.venues.refused.values())
    return "\n".join([f"{asked} requests, {refused} refused", *lines, f"{house.venues.most}"])


def check(house: House, seconds: float) -> None:
    assert not house.venues.refused, house.venues.refused
    assert len(house.core_at) == 2 * ACCOUNTS
    for venue, found in house.ages.items():
        assert at_share(0.95, found) <= 75, venue
    assert max(house.details_ages) <= usd_m_positions.OLDEST.total_seconds() + 120
    assert not any(name.endswith((CORE[0], OKX_CORE[0])) for name in house.venues.given_up), house.venues.given_up
    minutes = seconds / 60
    for path in (ORDERS[1][1], SLOW[0], HISTORY[1]):  # the lower tiers live, too
        assert house.venues.asked[path] > 0.5 * minutes, path


@pytest.mark.timeout(600)  # some seconds of work, which a busy machine stretches
def test_a_quarter_of_an_hour_of_four_hundred_accounts_behind_one_address() -> None:
    houses: list[House] = []
    simulated(900, houses)
    check(houses[0], 900)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_day_of_four_hundred_accounts_behind_one_address() -> None:
    houses: list[House] = []
    simulated(86_400, houses)
    print(told(houses[0]))
    check(houses[0], 86_400)


def test_how_often_each_tier_of_200_accounts_can_be_read() -> None:
    periods = fitting_periods(tiers(), [endpoint.budget for endpoint in BY_PATH.values()], accounts=ACCOUNTS)
    # COIN-M binds: 200 x 6 weights each minute (USD-M: x 5), and the core may use 85 % of 80 % of 2,400.
    assert periods["core"] == 60
    # All orders of all accounts cost 80 each there, and find 95 % of 1,920 less the core's 1,200 a minute.
    assert periods["orders"] == pytest.approx(200 * 80 / (0.95 * 1920 - 1200) * 60)
    assert periods["slow"] == 900


def test_few_accounts_get_what_they_wish() -> None:
    periods = fitting_periods(tiers(), [endpoint.budget for endpoint in BY_PATH.values()], accounts=10)
    assert (periods["core"], periods["orders"], periods["slow"]) == (60, 120, 900)


def test_a_tier_that_nothing_is_left_for_never_comes() -> None:
    every = [Tier("core", Priority.CORE, 60, {"api": 100}), Tier("slow", Priority.SLOW, 60, {"api": 1, "own": 9})]
    budgets = [Budget("api", 100), Budget("own", 10, is_personal=True)]
    periods = fitting_periods(every, budgets, accounts=1)
    assert periods == {"core": pytest.approx(60 / 0.68), "slow": 60}
