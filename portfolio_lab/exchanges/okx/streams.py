"""OKX's streams of activity: how far back each is told, and how it is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portfolio_lab.errors import BadInputError
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import activity, bills, conversions, fills, funding_bills
from portfolio_lab.exchanges.okx.prices import Instruments
from portfolio_lab.exchanges.sources import Ask
from portfolio_lab.exchanges.streams import Spec, take_step
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityStep, Stream

YEAR, QUARTER, WEEK = (timedelta(days=days) for days in (365, 90, 7))

SPECS = (
    # A deposit is credited and a withdrawal leaves long after the instant by which they are listed.
    Spec("deposits", window=YEAR, retention_days=None, overlap=WEEK),
    Spec("withdrawals", window=YEAR, retention_days=None, overlap=WEEK, is_by_request=True),
    Spec("fills", window=QUARTER, retention_days=90, requests=10),
    # One window as long as OKX remembers: within it the last bill of each day is known to be the last.
    Spec("bills", window=QUARTER, retention_days=90),
    # Long windows: the endpoint of old bills answers once in two seconds, an empty window costs as much as a full one.
    Spec("funding_bills", window=3 * YEAR, retention_days=None, since=datetime(2021, 2, 1, tzinfo=UTC)),
    Spec("conversions", window=YEAR, retention_days=None),
    Spec("dust", window=WEEK, retention_days=7, requests=2),
)
"""Most precious first."""

NEEDS = {"fills": Wallet.TRADING, "dust": Wallet.TRADING}
"""Streams that an account without the wallet does not have; the others concern them all."""


def streams(wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
    """Return the streams of an account with these wallets, most precious first."""
    return tuple(spec.stream for spec in SPECS if spec.name not in NEEDS or NEEDS[spec.name] in wallets)


async def fetch_step(
    client: VenueClient, instruments: Instruments, stream: str, cursor: str, *, now: datetime
) -> ActivityStep:
    """Take one bounded step along a stream; raises the VenueError family."""
    spec = next((spec for spec in SPECS if spec.name == stream), None)
    if spec is None:
        raise BadInputError(f"okx has no stream {stream!r}.")
    return await take_step(spec, _source(client, instruments, stream, now), cursor, now=now)


def _source(client: VenueClient, instruments: Instruments, stream: str, now: datetime) -> Ask:
    if stream == "fills":
        return fills.fills(client, instruments)
    if stream == "funding_bills":
        return funding_bills.funding_bills(client, now=now)
    plain = {
        "deposits": activity.deposits,
        "withdrawals": activity.withdrawals,
        "bills": bills.bills,
        "conversions": conversions.conversions,
        "dust": conversions.dust,
    }
    return plain[stream](client)
