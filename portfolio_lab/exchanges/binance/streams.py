"""Binance's streams of activity: which an account has, and one bounded step along each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from portfolio_lab.errors import CredentialsError, VenueError, WalletRefusedError
from portfolio_lab.exchanges.binance import (
    borrowing,
    estimates,
    fiat,
    fills,
    income,
    ledger,
    savings,
    symbol_search,
    transfers,
)
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.sources import Ask
from portfolio_lab.exchanges.streams import Spec, take_step
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityStep, Stream

WEEK, MONTH, QUARTER = timedelta(days=7), timedelta(days=30), timedelta(days=90)

CASH = frozenset({Wallet.SPOT, Wallet.FUNDING})


@dataclass(frozen=True, slots=True)
class Windowed:
    """A stream that is read in windows: its spec, its source, and the wallets of which one must be there."""

    spec: Spec
    source: Callable[[VenueClient], Ask | Awaitable[Ask]]
    wallets: frozenset[Wallet] = frozenset(Wallet)


def _usd_m(client: VenueClient) -> Ask:
    return income.income(client, at.USD_M_INCOME, Wallet.USD_M, "usd_m")


def _coin_m(client: VenueClient) -> Ask:
    return income.income(client, at.COIN_M_INCOME, Wallet.COIN_M, "coin_m")


def _of(
    name: str,
    window: timedelta,
    kept: int | None,
    source: Callable[[VenueClient], Ask | Awaitable[Ask]],
    *wallets: Wallet,
    overlap: timedelta = timedelta(hours=1),
    requests: int = 5,
) -> Windowed:
    spec = Spec(name, window, kept, overlap=overlap, requests=requests)
    return Windowed(spec, source, frozenset(wallets or Wallet))


_WINDOWED = (
    _of("deposits", QUARTER, None, transfers.deposits, overlap=WEEK),
    _of("withdrawals", QUARTER, None, transfers.withdrawals, overlap=WEEK, requests=2),
    _of("transfers", timedelta(days=180), 180, transfers.transfers, requests=8),
    _of("usd_m_income", WEEK, 89, _usd_m, Wallet.USD_M),
    _of("coin_m_income", WEEK, 89, _coin_m, Wallet.COIN_M),
    _of("pm_usd_m_income", WEEK, 89, lambda client: income.pm_income(client, "usd_m"), Wallet.PORTFOLIO_MARGIN),
    _of("pm_coin_m_income", WEEK, 89, lambda client: income.pm_income(client, "coin_m"), Wallet.PORTFOLIO_MARGIN),
    _of("options_fills", WEEK, 180, fills.option_fills, Wallet.OPTIONS),
    _of("options_bills", WEEK, 180, income.option_bills, Wallet.OPTIONS),
    _of("dividends", QUARTER, None, ledger.dividends, *CASH),
    _of("conversions", MONTH - timedelta(hours=1), None, ledger.conversions, *CASH),
    _of("dust", QUARTER, None, ledger.dust, *CASH),
    # Each question about bank transfers weighs a quarter of a minute's budget of its account: few long windows.
    _of("fiat", fiat.LONGEST, None, fiat.fiat, *CASH, overlap=WEEK, requests=1),
    _of("pay", QUARTER, 540, ledger.payments, *CASH),
    _of("margin_interest", MONTH, None, borrowing.cross_interest, Wallet.CROSS_MARGIN),
    _of("margin_loans", MONTH, None, borrowing.cross_loans, Wallet.CROSS_MARGIN),
    _of("isolated_interest", MONTH, None, borrowing.isolated_interest, Wallet.ISOLATED_MARGIN),
    _of("isolated_loans", MONTH, None, borrowing.isolated_loans, Wallet.ISOLATED_MARGIN),
    _of("pm_margin_interest", MONTH, 180, borrowing.pm_interest, Wallet.PORTFOLIO_MARGIN),
    _of("loans", QUARTER, None, borrowing.loans, Wallet.LOANS, overlap=WEEK),
    _of("earn_moves", MONTH, None, savings.moves, *CASH, Wallet.EARN),
    _of("earn_rewards", MONTH, None, savings.rewards, *CASH, Wallet.EARN),
    _of("staking", MONTH, None, savings.wraps, *CASH),
    _of("rebates", MONTH, 89, ledger.rebates, *CASH, requests=3),
    _of("family_transfers", WEEK, 180, transfers.family, requests=8),
)

WINDOWED: dict[str, Windowed] = {one.spec.name: one for one in _WINDOWED}
"""Streams that are read in windows, most precious first."""


def streams(wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
    """Return the streams of an account with these wallets, most precious first: flows, trades, ledgers, rewards."""
    held = set(wallets)
    windowed = [one.spec.stream for one in WINDOWED.values() if one.wallets & held]
    walked = [Stream(name, None) for name, market in fills.MARKETS.items() if market.wallet in held]
    return (
        *windowed[:3],
        *walked,
        *windowed[3:],
        *((estimates.STREAM, symbol_search.STREAM) if Wallet.SPOT in held else ()),
    )


async def step(
    client: VenueClient,
    instruments: Instruments,
    stream: str,
    cursor: str,
    *,
    now: datetime,
    assets: frozenset[str],
) -> ActivityStep:
    """Take one bounded step along a stream; see `portfolio_lab.exchanges.reads`.

    The stream of a wallet that the venue refuses from the first question on (never opened, no portfolio
    margin) adds nothing and knows nothing; one that told something before raises WalletRefusedError. The
    refusal's code is the one of a bad key, which the streams of the cash wallets tell.
    """
    try:
        return await _step(client, instruments, stream, cursor, now=now, assets=assets)
    except (CredentialsError, WalletRefusedError) as refusal:
        if _wallets(stream) & CASH:
            raise
        if cursor:
            raise WalletRefusedError("The wallet told its history before, and may no longer be read.") from refusal
    return ActivityStep(stream, (), "", None, None, is_current=True, is_backfilled=True, progress=1.0)


def _wallets(stream: str) -> frozenset[Wallet]:
    if stream in fills.MARKETS:
        return frozenset({fills.MARKETS[stream].wallet})
    return WINDOWED[stream].wallets if stream in WINDOWED else CASH


async def _step(
    client: VenueClient, instruments: Instruments, stream: str, cursor: str, *, now: datetime, assets: frozenset[str]
) -> ActivityStep:
    if stream in fills.MARKETS:
        return await fills.step_fills(client, instruments, stream, cursor, now=now, assets=assets)
    if stream == estimates.NAME:
        return await estimates.step_estimates(client, cursor, now=now)
    if stream == symbol_search.NAME:
        return await symbol_search.step_search(client, instruments, cursor, now=now, assets=assets)
    if stream not in WINDOWED:
        raise VenueError(f"There is no stream {stream[:40]!r}.")
    windowed = WINDOWED[stream]
    source = windowed.source(client)
    if isinstance(source, Awaitable):
        source = await source
    return await take_step(windowed.spec, source, cursor, now=now)
