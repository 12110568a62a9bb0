"""From what was read to one graded snapshot a user. Pure: no clock, no network, no disk.

A snapshot has an equity only when every configured wallet was read, fresh and priced. Anything
less is stored as what it is, so that a curve never dips because a venue was silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from portfolio_lab.engines.equity import value_equity
from portfolio_lab.engines.exposure import book_exposure
from portfolio_lab.engines.valuation import price_assets
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.equity import Equity, WalletEquity
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.models.prices import Price
from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot, WalletState
from portfolio_lab.sync.reading import AccountReading, BookReading, Origin
from portfolio_lab.sync.report import Failure

ALWAYS_PRICED = ("BTC", "ETH", "USDT")
OLDEST_PRICE = timedelta(minutes=5)
SLOTS_OF_GRACE = 2


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


def price_book(book: BookReading, *, at: datetime, moment: Moment) -> dict[Origin, VenuePrices]:
    """Return the prices of everything that is held at each venue, and of BTC, ETH and USDT always.

    Args:
        book: what the cycle read.
        at: the instant of the valuation.
        moment: slot, cadence and currency; a price older than the longer of the cadence and
            five minutes is not used.
    """
    max_age = max(moment.interval, OLDEST_PRICE)
    priced = {}
    for origin, quotes in book.quotes.items():
        if isinstance(quotes, Failure):
            priced[origin] = VenuePrices({}, {}, quotes)
            continue
        wanted = [*ALWAYS_PRICED, "USD", *_assets(book, origin)]
        prices, unpriced = price_assets(quotes, wanted, currency=moment.currency, at=at, max_age=max_age)
        priced[origin] = VenuePrices(prices, unpriced)
    return priced


def grade_user(
    user: str, readings: Sequence[AccountReading], priced: Mapping[Origin, VenuePrices], *, at: datetime, moment: Moment
) -> PortfolioSnapshot:
    """Return the user's snapshot: every configured wallet with its grade, and the grade of the whole.

    Args:
        user: whose accounts these are.
        readings: one a configured account.
        priced: prices by (venue, base_url).
        at: the clock when the cycle had read everything; the snapshot's own `at` is when the
            last wallet answered, and this where none did.
        moment: slot, cadence and currency.

    Returns:
        A snapshot whose `equity.total` is None, and whose exposure is None, unless it is complete.
    """
    by_venue = _prices_by_venue(readings, priced)
    valued = value_equity(_read(readings), by_venue, currency=moment.currency)
    states = tuple(_states(readings, priced, valued, at=at, moment=moment))
    grade, reason = grade_of(states), _reason(states)
    equity = valued if grade is Grade.COMPLETE else replace(valued, total=None)
    exposure = None
    if grade is Grade.COMPLETE:
        exposure = book_exposure(_read(readings), by_venue, equity=equity.total, currency=moment.currency)
    return PortfolioSnapshot(
        user=user,
        slot=moment.slot,
        at=_last_answer(states) or at,
        grade=grade,
        reason=reason,
        wallets=states,
        orders=_orders(readings),
        orders_known=not any(isinstance(reading.orders, Failure) for reading in readings),
        prices=_used_prices(readings, by_venue),
        equity=equity,
        exposure=exposure,
    )


def grade_of(states: Sequence[WalletState]) -> Grade:
    """Return the grade of a snapshot from those of its wallets; the worst thing that happened names it."""
    grades = {state.grade for state in states}
    if grades == {Grade.OK}:
        return Grade.COMPLETE
    if grades <= {Grade.FAILED}:
        return Grade.FAILED
    if Grade.FAILED in grades:
        return Grade.PARTIAL
    return Grade.UNPRICED if Grade.UNPRICED in grades else Grade.STALE


def prices_of(account: Account, priced: Mapping[Origin, VenuePrices]) -> VenuePrices:
    """Return the prices at the origin of an account."""
    return priced.get((account.venue, account.base_url), VenuePrices({}, {}))


# ---------------------------------------------------------------- wallets


def _states(
    readings: Sequence[AccountReading],
    priced: Mapping[Origin, VenuePrices],
    valued: Equity,
    *,
    at: datetime,
    moment: Moment,
) -> list[WalletState]:
    worth = {(wallet.account, wallet.wallet): wallet for wallet in valued.wallets}
    states = []
    for reading in readings:
        prices = prices_of(reading.account, priced)
        for wallet, found in reading.wallets.items():
            states.append(_state(reading.account, wallet, found, worth, prices, at=at, moment=moment))
    return states


def _state(
    account: Account,
    wallet: Wallet,
    found: WalletReading | Failure,
    worth: Mapping[tuple[str, str], WalletEquity],
    prices: VenuePrices,
    *,
    at: datetime,
    moment: Moment,
) -> WalletState:
    if isinstance(found, Failure):
        return WalletState(account, wallet, Grade.FAILED, found.code, found.reason, None)
    if late := _lateness(found, at=at, moment=moment):
        return WalletState(account, wallet, Grade.STALE, "stale", late, found)
    if worth[account.name, str(wallet)].equity is None:
        code, reason = _why_unpriced(found, prices)
        return WalletState(account, wallet, Grade.UNPRICED, code, reason, found)
    return WalletState(account, wallet, Grade.OK, "", "", found)


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
    return "unpriced", "; ".join(dict.fromkeys(reasons)) or "a holding has no price"


def _reason(states: Sequence[WalletState]) -> str:
    if not states:
        return "no wallet is configured"
    troubles = [state for state in states if state.grade is not Grade.OK]
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
    # One price list a venue and user: a user's accounts at one venue share its origin.
    by_venue: dict[str, Mapping[str, Price]] = {}
    for reading in readings:
        by_venue.setdefault(reading.account.venue, prices_of(reading.account, priced).prices)
    return by_venue


def _assets(book: BookReading, origin: Origin) -> list[str]:
    assets = []
    for reading in book.accounts:
        if (reading.account.venue, reading.account.base_url) == origin:
            for _, found in _read([reading]):
                assets += [balance.asset for balance in found.balances]
                assets += [position.settle_asset for position in found.positions]
                assets += [position.underlying for position in found.positions]
    return assets


def _orders(readings: Sequence[AccountReading]) -> tuple[tuple[Account, OpenOrder], ...]:
    return tuple(
        (reading.account, order)
        for reading in readings
        if not isinstance(reading.orders, Failure)
        for order in reading.orders
    )


def _used_prices(readings: Sequence[AccountReading], by_venue: Mapping[str, Mapping[str, Price]]) -> tuple[Price, ...]:
    used = {}
    for account, found in _read(readings):
        for balance in found.balances:
            if price := by_venue[account.venue].get(balance.asset):
                used[account.venue, balance.asset] = price
    return tuple(used.values())
