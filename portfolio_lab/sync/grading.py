"""From what was read to one graded snapshot a user. Pure: no clock, no network, no disk.

A snapshot has an equity only when every configured wallet was read, fresh and priced. Anything
less is stored as what it is, so that a curve never dips because a venue was silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from portfolio_lab.engines.equity import prices_for, value_equity
from portfolio_lab.engines.exposure import book_exposure
from portfolio_lab.engines.pegs import underlying_of
from portfolio_lab.engines.pricing import Fallbacks, price_everything
from portfolio_lab.engines.spikes import refused_spikes
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.equity import WalletEquity
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Price, Quote
from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot, WalletState
from portfolio_lab.sync.reading import AccountReading, Origin
from portfolio_lab.sync.report import Failure
from portfolio_lab.sync.tiers import Completed, Tiers

ALWAYS_PRICED = ("BTC", "ETH", "USDT")
OLDEST_PRICE = timedelta(minutes=5)
SLOTS_OF_GRACE = 2
MOST_REASONS = 5
"""A wallet's reason names so many coins at most."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a snapshot is taken against: the slot that was due, the promised cadence, the currency."""

    slot: datetime
    interval: timedelta
    currency: str


@dataclass(frozen=True, slots=True)
class VenuePrices:
    """The prices of one venue at one origin; `failure` tells why there are none at all."""

    prices: Mapping[str, Price]
    unpriced: Mapping[str, str]
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class PricesByAccount(Mapping[tuple[str, str], float]):
    """Prices by (account, asset); accounts of one origin share theirs, which are never copied for each user."""

    shared: Mapping[str, Mapping[str, float]]

    def __getitem__(self, place: tuple[str, str]) -> float:
        return self.shared[place[0]][place[1]]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((account, asset) for account, prices in self.shared.items() for asset in prices)

    def __len__(self) -> int:
        return sum(map(len, self.shared.values()))


def price_book(
    quotes: Mapping[Origin, tuple[Quote, ...] | Failure],
    accounts: Sequence[AccountReading],
    *,
    at: datetime,
    moment: Moment,
    last_known: Mapping[tuple[str, str], Price] | None = None,
) -> dict[Origin, VenuePrices]:
    """Return the prices of everything that is held at each venue, and of BTC, ETH and USDT always.

    Args:
        quotes: of each origin, or why there are none.
        accounts: what is held, carried readings included.
        at: the instant of the valuation.
        moment: slot, cadence and currency; a market older than the longer of the cadence and
            five minutes is not used.
        last_known: prices of the last complete snapshots by (venue, asset): the last resort, and what
            a jump is measured against.
    """
    max_age = max(moment.interval, OLDEST_PRICE)
    priced = {}
    for origin, found in quotes.items():
        if isinstance(found, Failure):
            priced[origin] = VenuePrices({}, {}, found)
            continue
        held = [
            (one.account, reading) for one in accounts if one.account.origin == origin for reading in _readings(one)
        ]
        fallbacks = Fallbacks(
            ratios=[ratio for _, reading in held for ratio in reading.ratios],
            second=[others for other, others in quotes.items() if other != origin and not isinstance(others, Failure)],
            last_known={asset: one for (venue, asset), one in (last_known or {}).items() if venue == origin[0]},
        )
        wanted = [*ALWAYS_PRICED, "USD", *_assets(reading for _, reading in held)]
        prices, unpriced = price_everything(
            found, wanted, currency=moment.currency, at=at, max_age=max_age, fallbacks=fallbacks
        )
        priced[origin] = _guarded(prices, unpriced, held, fallbacks, at=at, currency=moment.currency, max_age=max_age)
    return priced


def _guarded(
    prices: dict[str, Price],
    unpriced: dict[str, str],
    held: Sequence[tuple[Account, WalletReading]],
    fallbacks: Fallbacks,
    *,
    at: datetime,
    currency: str,
    max_age: timedelta,
) -> VenuePrices:
    """Take out the prices that jumped without a witness: what is held of them is unpriced then."""
    worths: dict[str, float] = {}
    totals: dict[str, float] = {}
    for account, reading in held:
        for balance in reading.balances:
            worth = float(balance.quantity) * (prices[balance.asset].price if balance.asset in prices else 0.0)
            worths[balance.asset] = max(worths.get(balance.asset, 0.0), abs(worth), key=abs)
            totals[account.user] = totals.get(account.user, 0.0) + worth
    witnesses: dict[str, Price] = {}
    for quotes in fallbacks.second:
        found, _ = price_everything(quotes, list(prices), currency=currency, at=at, max_age=max_age)
        witnesses = found | witnesses
    smallest = min((total for total in totals.values() if total > 0), default=None)
    refused = refused_spikes(prices, fallbacks.last_known, worths=worths, equity=smallest, second=witnesses)
    kept = {asset: price for asset, price in prices.items() if asset not in refused}
    return VenuePrices(kept, {**unpriced, **refused})


def grade_user(
    user: str,
    readings: Sequence[Completed],
    priced: Mapping[Origin, VenuePrices],
    *,
    at: datetime,
    moment: Moment,
    tiers: Tiers,
    doubted: Mapping[tuple[str, str], str] | None = None,
) -> PortfolioSnapshot:
    """Return the user's snapshot: every configured wallet with its grade, and the grade of the whole.

    Args:
        user: whose accounts these are.
        readings: one a configured account, with what is carried from earlier cycles.
        priced: prices by (venue, base_url).
        at: the clock when the cycle had read everything; the snapshot's own `at` is when the
            last wallet answered, and this where none did.
        moment: slot, cadence and currency.
        tiers: how old a carried reading may be.
        doubted: by (account, wallet) why what it says is not believed yet.

    Returns:
        A snapshot whose `equity.total` is None, and whose exposure is None, unless it is complete.
    """
    plain = [one.reading for one in readings]
    by_venue = _prices_by_venue(plain, priced)
    valued = value_equity(_read(plain), by_venue, currency=moment.currency)
    worth = {(wallet.account, wallet.wallet): wallet for wallet in valued.wallets}
    judge = _Judge(priced, worth, at, moment, tiers, doubted or {})
    states = tuple(state for one in readings for state in judge.states(one))
    grade, reason = grade_of(states), _reason(states)
    equity = valued if grade is Grade.COMPLETE else replace(valued, total=None)
    exposure = None
    if grade is Grade.COMPLETE:
        exposure = book_exposure(_read(plain), by_venue, equity=equity.total, currency=moment.currency)
    return PortfolioSnapshot(
        user=user,
        slot=moment.slot,
        at=_last_answer(states) or at,
        grade=grade,
        reason=reason,
        wallets=states,
        orders=_orders(plain),
        orders_known=all(isinstance(reading.orders, tuple) for reading in plain),
        prices=_used_prices(plain, by_venue),
        equity=equity,
        exposure=exposure,
    )


def grade_of(states: Sequence[WalletState]) -> Grade:
    """Return the grade of a snapshot from those of its wallets; the worst thing that happened names it."""
    grades = {state.grade for state in states} - {Grade.ABSENT}
    if grades == {Grade.OK}:
        return Grade.COMPLETE
    if grades <= {Grade.FAILED}:
        return Grade.FAILED
    if Grade.FAILED in grades:
        return Grade.PARTIAL
    return next(grade for grade in (Grade.SUSPECT, Grade.UNPRICED, Grade.STALE) if grade in grades)


def prices_of(account: Account, priced: Mapping[Origin, VenuePrices]) -> VenuePrices:
    """Return the prices at the origin of an account."""
    return priced.get(account.origin, VenuePrices({}, {}))


# ---------------------------------------------------------------- wallets


@dataclass(frozen=True, slots=True)
class _Judge:
    """Grades wallets; one a user and cycle."""

    priced: Mapping[Origin, VenuePrices]
    worth: Mapping[tuple[str, str], WalletEquity]
    at: datetime
    moment: Moment
    tiers: Tiers
    doubted: Mapping[tuple[str, str], str]

    def states(self, one: Completed) -> list[WalletState]:
        account = one.reading.account
        found = [
            replace(
                self._state(account, wallet, reading, is_carried=wallet in one.carried),
                orders_at=one.orders_at.get(wallet),
            )
            for wallet, reading in one.reading.wallets.items()
        ]
        return found + [
            WalletState(account, wallet, Grade.ABSENT, "absent", why, None) for wallet, why in one.absent.items()
        ]

    def _state(
        self, account: Account, wallet: Wallet, found: WalletReading | Failure, *, is_carried: bool
    ) -> WalletState:
        if isinstance(found, Failure):
            return WalletState(account, wallet, Grade.FAILED, found.code, found.reason, None)
        grade, code, reason = self._grade(account, wallet, found, is_carried=is_carried)
        return WalletState(account, wallet, grade, code, reason, found, is_carried)

    def _grade(
        self, account: Account, wallet: Wallet, found: WalletReading, *, is_carried: bool
    ) -> tuple[Grade, str, str]:
        if late := self._carried_too_long(found) if is_carried else _lateness(found, at=self.at, moment=self.moment):
            return Grade.STALE, "stale", late
        if doubt := self.doubted.get((account.name, str(wallet))):
            return Grade.SUSPECT, "suspect", doubt
        if self.worth[account.name, str(wallet)].equity is None:
            code, reason = _why_unpriced(found, prices_of(account, self.priced))
            return Grade.UNPRICED, code, reason
        return Grade.OK, "", ""

    def _carried_too_long(self, found: WalletReading) -> str:
        age = self.at - found.received_at
        if age <= 2 * self.tiers.slow:
            return ""
        return f"its last reading is {age.total_seconds():.0f} s old, and newer ones failed"


def _lateness(reading: WalletReading, *, at: datetime, moment: Moment) -> str:
    received = reading.received_at
    if at - received > moment.interval:
        return f"its answer was {(at - received).total_seconds():.0f} s old when the snapshot was taken"
    # A slot of yesterday that is run today would date today's book back.
    if abs(received - moment.slot) > SLOTS_OF_GRACE * moment.interval:
        return f"it answered at {received:%Y-%m-%d %H:%M:%S}, too far from its slot"
    return ""


def _why_unpriced(reading: WalletReading, prices: VenuePrices) -> tuple[str, str]:
    if prices.failure is not None:
        return prices.failure.code, f"no prices: {prices.failure.reason}"
    reasons = [prices.unpriced[balance.asset] for balance in reading.balances if balance.asset in prices.unpriced]
    told = list(dict.fromkeys(reasons))
    more = f"; and {len(told) - MOST_REASONS} more" if len(told) > MOST_REASONS else ""
    return "unpriced", "; ".join(told[:MOST_REASONS]) + more or "a holding has no price"


def _reason(states: Sequence[WalletState]) -> str:
    if not states:
        return "no wallet is configured"
    troubles = [state for state in states if state.grade not in {Grade.OK, Grade.ABSENT}]
    return "; ".join(f"{state.account.name} {state.wallet} {state.grade}: {state.reason}" for state in troubles)


def _last_answer(states: Sequence[WalletState]) -> datetime | None:
    answers = [answer.received_at for state in states if state.reading for answer in state.reading.answers]
    return max(answers, default=None)


# ---------------------------------------------------------------- what the engines are given


def _read(readings: Sequence[AccountReading]) -> list[tuple[Account, WalletReading]]:
    return [
        (reading.account, found)
        for reading in readings
        for found in reading.wallets.values()
        if isinstance(found, WalletReading)
    ]


def _prices_by_venue(
    readings: Sequence[AccountReading], priced: Mapping[Origin, VenuePrices]
) -> dict[str, Mapping[str, Price]]:
    # Mostly one price list a venue: accounts at a further region of it have theirs, under their names.
    by_venue: dict[str, Mapping[str, Price]] = {}
    first: dict[str, Origin] = {}
    for account in (reading.account for reading in readings):
        is_first = first.setdefault(account.venue, account.origin) == account.origin
        by_venue[account.venue if is_first else account.name] = prices_of(account, priced).prices
    return by_venue


def _readings(reading: AccountReading) -> list[WalletReading]:
    return [found for found in reading.wallets.values() if isinstance(found, WalletReading)]


def _assets(readings: Iterable[WalletReading]) -> list[str]:
    assets: dict[str, None] = {}  # once each, however many accounts hold it
    for found in readings:
        assets |= dict.fromkeys(balance.asset for balance in found.balances)
        assets |= dict.fromkeys(position.settle_asset for position in found.positions)
        assets |= dict.fromkeys(position.underlying for position in found.positions)
    return [*assets, *map(underlying_of, assets)]


def _orders(readings: Sequence[AccountReading]) -> tuple[tuple[Account, OpenOrder], ...]:
    return tuple(
        (reading.account, order)
        for reading in readings
        if isinstance(reading.orders, tuple)
        for order in reading.orders
    )


def _used_prices(readings: Sequence[AccountReading], by_venue: Mapping[str, Mapping[str, Price]]) -> tuple[Price, ...]:
    used: dict[tuple[str, str], Price] = {}
    for account, found in _read(readings):
        for balance in found.balances:
            if price := prices_for(account, by_venue).get(balance.asset):
                used.setdefault((account.venue, balance.asset), price)
    return tuple(used.values())
