"""Money that crosses the border of an OKX account."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.models.activity import CashFlow

PAGE = 100

COMPLETED = "2"
"""State of a deposit that is credited, and of a withdrawal that has left."""

ZERO = Decimal(0)

_FEE_WITH_COIN = re.compile(r"([0-9.]+)[A-Za-z]+", re.ASCII)


async def fetch_cash_flows(client: VenueClient, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
    """Return completed deposits and withdrawals of [since, until), oldest first.

    OKX's `before` and `after` exclude their bound. A withdrawal's quantity is minus (amt + fee):
    OKX states the fee apart from the amount, and both leave the account.
    """
    deposits = await _flow_rows(
        client, endpoints.DEPOSITS, shapes.Envelope[shapes.Deposit], since, until, id_of=lambda row: row.depId
    )
    withdrawals = await _flow_rows(
        client, endpoints.WITHDRAWALS, shapes.Envelope[shapes.Withdrawal], since, until, id_of=lambda row: row.wdId
    )
    flows = [_deposit(row) for row in deposits if row.state == COMPLETED]
    flows += [_withdrawal(row) for row in withdrawals if row.state == COMPLETED]
    inside = (flow for flow in flows if since <= flow.at < until)
    return tuple(sorted(inside, key=lambda flow: (flow.at, flow.kind, flow.flow_id)))


FlowRow = TypeVar("FlowRow", shapes.Deposit, shapes.Withdrawal)


async def _flow_rows(
    client: VenueClient,
    endpoint: Endpoint,
    shape: type[shapes.Envelope[FlowRow]],
    since: datetime,
    until: datetime,
    *,
    id_of: Callable[[FlowRow], str],
) -> list[FlowRow]:
    """Rows of [since, until), by pages that overlap in one millisecond so that none falls between two."""
    rows: dict[str, FlowRow] = {}
    end = payloads.milliseconds(until)
    while True:
        bounds = {"before": str(payloads.milliseconds(since) - 1), "after": str(end), "limit": str(PAGE)}
        answer, _ = await client.ask(endpoint, shape, bounds)
        fresh = {id_of(row): row for row in answer.data if id_of(row) not in rows}
        rows |= fresh
        if len(answer.data) < PAGE:
            return list(rows.values())
        if not fresh:
            raise AnswerShapeError("More flows share one millisecond than a page holds.", path="data")
        end = min(payloads.milliseconds(payloads.instant(row.ts, "ts")) for row in answer.data) + 1


def _deposit(row: shapes.Deposit) -> CashFlow:
    asset = payloads.asset_code(row.ccy, "data.ccy")
    return CashFlow(
        at=payloads.instant(row.ts, f"[{asset}].ts"),
        flow_id=payloads.flow_code(row.depId, f"[{asset}].depId"),
        kind="deposit",
        asset=asset,
        quantity=payloads.not_negative(row.amt, f"[{asset}].amt"),
        fee=ZERO,
        txid=row.txId[:200],
    )


def _withdrawal(row: shapes.Withdrawal) -> CashFlow:
    asset = payloads.asset_code(row.ccy, "data.ccy")
    amount = payloads.not_negative(row.amt, f"[{asset}].amt")
    fee = payloads.not_negative(_bare(row.fee), f"[{asset}].fee")
    return CashFlow(
        at=payloads.instant(row.ts, f"[{asset}].ts"),
        flow_id=payloads.flow_code(row.wdId, f"[{asset}].wdId"),
        kind="withdrawal",
        asset=asset,
        quantity=-(amount + fee),
        fee=fee,
        txid=row.txId[:200],
    )


def _bare(fee: str) -> str:
    """The number of a fee; answers of old carry the coin behind it, "0.01000000eth"."""
    match = _FEE_WITH_COIN.fullmatch(fee)
    return match.group(1) if match else fee
