"""Money that crosses the border of an OKX account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.exchanges.okx.pages import by_instant
from portfolio_lab.exchanges.sources import Ask, Told, Unfinished, Window
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import CashFlow

COMPLETED = "2"
"""State of a deposit that is successful, and of a withdrawal that has left.

A deposit in state 1 ("credited") is taken as under way: whether it can be used by then is unverified.
"""

GIVEN_UP = frozenset({"-1", "-2", "-3"})
"""States of a withdrawal that failed, was cancelled or is being cancelled: its money stays. Unverified for deposits."""

ZERO = Decimal(0)

_FEE_WITH_COIN = re.compile(r"([0-9.]+)[A-Za-z]+", re.ASCII)


async def fetch_cash_flows(client: VenueClient, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
    """Return completed deposits and withdrawals of [since, until), oldest first.

    A withdrawal's quantity is minus (amt + fee): OKX states the fee apart from the amount, and
    both leave the account.
    """
    window = Window(payloads.milliseconds(since), payloads.milliseconds(until))
    flows: dict[tuple[str, str], CashFlow] = {}
    for ask in (deposits(client), withdrawals(client)):
        flows |= {(row.kind, row.flow_id): row for row in await _all(ask, window) if isinstance(row, CashFlow)}
    return tuple(sorted(flows.values(), key=lambda flow: (flow.at, flow.kind, flow.flow_id)))


async def _all(ask: Ask, window: Window) -> list[Told]:
    page = await ask(window, "")
    rows = list(page.rows)
    while page.more:
        page = await ask(window, page.more)
        rows += page.rows
    return rows


def deposits(client: VenueClient) -> Ask:
    """Return the source of deposits that are credited."""
    shape = shapes.Envelope[shapes.Deposit]
    return by_instant(client, endpoints.DEPOSITS, shape, at=lambda row: row.ts, rows_of=_deposits)


def withdrawals(client: VenueClient) -> Ask:
    """Return the source of withdrawals that have left."""
    shape = shapes.Envelope[shapes.Withdrawal]
    return by_instant(client, endpoints.WITHDRAWALS, shape, at=lambda row: row.ts, rows_of=_withdrawals)


def _deposits(row: shapes.Deposit) -> Iterator[Told]:
    flow = _deposit(row)
    if row.state == COMPLETED:
        yield flow
    elif row.state not in GIVEN_UP:
        yield _unfinished(flow)


def _unfinished(flow: CashFlow) -> Unfinished:
    """OKX never tells when a flow was carried out: that is known from having seen it under way."""
    return Unfinished(flow.kind, flow.flow_id, payloads.milliseconds(flow.at))


def _deposit(row: shapes.Deposit) -> CashFlow:
    """A deposit arrives in the funding account.

    In some countries it arrives in the trading account, which this answer does not tell: unverified there.
    """
    asset = payloads.asset_code(row.ccy, "data.ccy")
    return CashFlow(
        at=payloads.instant(row.ts, f"[{asset}].ts"),
        flow_id=payloads.flow_code(row.depId, f"[{asset}].depId"),
        kind="deposit",
        asset=asset,
        quantity=payloads.not_negative(row.amt, f"[{asset}].amt"),
        fee=ZERO,
        txid=row.txId[:200],
        network=_network(row.chain, asset),
        wallet=Wallet.FUNDING,
    )


def _withdrawals(row: shapes.Withdrawal) -> Iterator[Told]:
    if row.state not in GIVEN_UP:
        yield from (flow if row.state == COMPLETED else _unfinished(flow) for flow in _with_fee(row))


def _with_fee(row: shapes.Withdrawal) -> Iterator[CashFlow]:
    """The withdrawal, and its fee as a flow of its own where it is paid in another coin."""
    flow = _withdrawal(row)
    yield flow
    if row.feeCcy in {"", row.ccy}:
        return
    fee = payloads.not_negative(_bare(row.fee), f"[{flow.asset}].fee")
    if fee:
        asset = payloads.asset_code(row.feeCcy, f"[{flow.asset}].feeCcy")
        yield CashFlow(flow.at, f"{flow.flow_id}-fee", "withdrawal", asset, -fee, fee, "", flow.network, Wallet.FUNDING)


def _withdrawal(row: shapes.Withdrawal) -> CashFlow:
    asset = payloads.asset_code(row.ccy, "data.ccy")
    amount = payloads.not_negative(row.amt, f"[{asset}].amt")
    stated = payloads.not_negative(_bare(row.fee), f"[{asset}].fee")
    fee = stated if row.feeCcy in {"", row.ccy} else ZERO
    return CashFlow(
        at=payloads.instant(row.ts, f"[{asset}].ts"),
        flow_id=payloads.flow_code(row.wdId, f"[{asset}].wdId"),
        kind="withdrawal",
        asset=asset,
        quantity=-(amount + fee),
        fee=fee,
        txid=row.txId[:200],
        network=_network(row.chain, asset),
        wallet=Wallet.FUNDING,
    )


def _network(chain: str, asset: str) -> str:
    """OKX names coin and network in one: "USDT-TRC20" is TRC20."""
    return chain.removeprefix(f"{asset}-")[:40]


def _bare(fee: str) -> str:
    """The number of a fee; answers of old carry the coin behind it, "0.01000000eth"."""
    match = _FEE_WITH_COIN.fullmatch(fee)
    return match.group(1) if match else fee
