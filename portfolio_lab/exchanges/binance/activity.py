"""Money that crosses the border of a Binance account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints, shapes
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import CashFlow

WINDOW = timedelta(days=90)
"""Binance refuses longer windows of deposits and withdrawals."""

UNDER_WAY = timedelta(days=7)
"""Windows are searched so much earlier than asked: they count by application, flows by completion."""

PAGE = 1_000

DEPOSITED, WITHDRAWN = frozenset({1, 6}), frozenset({6})
"""States in which money has crossed: success and credited-but-locked deposits, completed withdrawals."""

WALLETS = {0: Wallet.SPOT, 1: Wallet.FUNDING}
"""Where a flow arrived or left."""

Row = TypeVar("Row", shapes.Deposit, shapes.Withdrawal)


async def fetch_cash_flows(client: VenueClient, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
    """Return completed deposits and withdrawals of [since, until), oldest first.

    A withdrawal's quantity is minus (amount + transactionFee): Binance states the amount that
    arrives apart from the fee, and both leave the account. Unverified for every network: some
    may take the fee from the amount. The time of a flow is that of its
    completion where Binance states one, else of its insertion.
    """
    flows: dict[tuple[str, str], CashFlow] = {}
    for start, end in _windows(since - UNDER_WAY, until):
        async for came in _pages(client, history_endpoints.DEPOSITS, shapes.Deposit, start, end):
            if came.status in DEPOSITED:
                flows["deposit", came.id] = deposit(came)
        async for left in _pages(client, history_endpoints.WITHDRAWALS, shapes.Withdrawal, start, end):
            if left.status in WITHDRAWN:
                flows["withdrawal", left.id] = withdrawal(left)
    inside = (flow for flow in flows.values() if since <= flow.at < until)
    return tuple(sorted(inside, key=lambda flow: (flow.at, flow.kind, flow.flow_id)))


def _windows(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        end = min(since + WINDOW, until)
        yield since, end
        since = end


async def _pages(
    client: VenueClient, endpoint: Endpoint, shape: type[Row], start: datetime, end: datetime
) -> AsyncIterator[Row]:
    """Every row of one window; a page that is full has a successor."""
    offset = 0
    while True:
        span = {"startTime": payloads.milliseconds(start), "endTime": payloads.milliseconds(end) - 1}
        rows, _ = await client.ask(endpoint, list[shape], {**span, "offset": offset, "limit": PAGE})  # type: ignore[valid-type]
        for row in rows:
            yield row
        if len(rows) < PAGE:
            return
        offset += PAGE


def deposit(row: shapes.Deposit) -> CashFlow:
    """Return the flow of a completed deposit."""
    asset = payloads.asset_code(row.coin, "coin")
    return CashFlow(
        at=payloads.instant(row.completeTime or row.insertTime, f"[{asset}].insertTime"),
        flow_id=payloads.flow_code(row.id, f"[{asset}].id"),
        kind="deposit",
        asset=asset,
        quantity=payloads.not_negative(row.amount, f"[{asset}].amount"),
        fee=Decimal(0),
        txid=row.txId[:200],
        network=row.network[:40],
        wallet=WALLETS.get(row.walletType),
    )


def withdrawal(row: shapes.Withdrawal) -> CashFlow:
    """Return the flow of a completed withdrawal: minus what arrived and the fee."""
    asset = payloads.asset_code(row.coin, "coin")
    arrived = payloads.not_negative(row.amount, f"[{asset}].amount")
    fee = payloads.not_negative(row.transactionFee, f"[{asset}].transactionFee")
    return CashFlow(
        at=_utc(row.completeTime or row.applyTime, f"[{asset}].completeTime"),
        flow_id=payloads.flow_code(row.id, f"[{asset}].id"),
        kind="withdrawal",
        asset=asset,
        quantity=-(arrived + fee),
        fee=fee,
        txid=row.txId[:200],
        network=row.network[:40],
        wallet=WALLETS.get(row.walletType),
    )


def _utc(text: str, path: str) -> datetime:
    """The instant of "2023-03-23 16:52:41", which Binance states in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        pass
    raise AnswerShapeError("The answer has no time like 2023-03-23 16:52:41.", path=path)
