"""What a Binance account was worth on days that nobody observed: the venue's daily snapshots, read once."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from portfolio_lab.errors import WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import ledger_shapes as shapes
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityStep, EquityEstimate, Stream

NAME, SOURCE = "estimates", "accountSnapshot"
DAYS = 30
STREAM = Stream(NAME, DAYS)


async def step_estimates(client: VenueClient, cursor: str, *, now: datetime) -> ActivityStep:
    """Read the last month's daily snapshots at the first step; every later one adds nothing.

    Their futures figures are documented as stale: they are estimates and stay apart from what was observed.
    """
    since = now - timedelta(days=DAYS) + timedelta(hours=1)
    rows = () if cursor else await _days(client, since, now)
    return ActivityStep(
        stream=NAME,
        rows=rows,
        cursor=cursor or '{"is_read":true}',
        known_since=None if cursor else since,
        known_until=None if cursor else now,
        is_current=True,
        is_backfilled=True,
        progress=1.0,
    )


async def _days(client: VenueClient, since: datetime, now: datetime) -> tuple[EquityEstimate, ...]:
    asked = {"startTime": payloads.milliseconds(since), "endTime": payloads.milliseconds(now), "limit": DAYS}
    spot, _ = await client.ask(at.DAILY_SNAPSHOTS, shapes.SpotDays, {"type": "SPOT", **asked})
    rows = [
        _estimate(day.updateTime, Wallet.SPOT, row.asset, row.free, row.locked)
        for day in spot.snapshotVos
        for row in day.data.balances
    ]
    return (*(row for row in rows if row.quantity), *await _futures(client, asked), *await _margin(client, asked))


async def _futures(client: VenueClient, asked: dict[str, int]) -> list[EquityEstimate]:
    try:
        answer, _ = await client.ask(at.DAILY_SNAPSHOTS, shapes.FuturesDays, {"type": "FUTURES", **asked})
    except WalletRefusedError:
        return []
    return [
        _estimate(day.updateTime, Wallet.USD_M, row.asset, row.marginBalance)
        for day in answer.snapshotVos
        for row in day.data.assets
    ]


async def _margin(client: VenueClient, asked: dict[str, int]) -> list[EquityEstimate]:
    try:
        answer, _ = await client.ask(at.DAILY_SNAPSHOTS, shapes.MarginDays, {"type": "MARGIN", **asked})
    except WalletRefusedError:
        return []
    found = [
        _estimate(day.updateTime, Wallet.CROSS_MARGIN, row.asset, row.netAsset)
        for day in answer.snapshotVos
        for row in day.data.userAssets
    ]
    return [row for row in found if row.quantity]


def _estimate(moment: int, wallet: Wallet, asset: str, *parts: str) -> EquityEstimate:
    return EquityEstimate(
        day=payloads.instant(moment, f"[{wallet}].updateTime"),
        wallet=wallet,
        asset=payloads.asset_code(asset, f"[{wallet}].asset"),
        quantity=sum((payloads.amount(text, f"[{wallet}].amount") for text in parts), Decimal(0)),
        source=SOURCE,
    )
