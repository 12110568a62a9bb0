"""What goes on in an OKX account: resting orders, and money that crosses its border."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import okx, payloads
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.okx import shapes
from portfolio_lab.exchanges.okx.prices import Instruments
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.holdings import ContractKind, OpenOrder

PAGE = 100

ALGO_TYPES = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap")
"""OKX lists waiting orders one type a call."""

COMPLETED = "2"
"""State of a deposit that is credited, and of a withdrawal that has left."""

ZERO, ONE_MS = Decimal(0), timedelta(milliseconds=1)

Row = TypeVar("Row")

_FEE_WITH_COIN = re.compile(r"([0-9.]+)[A-Za-z]+", re.ASCII)


# ---------------------------------------------------------------- pages


async def _pages(
    client: VenueClient,
    endpoint: Endpoint,
    shape: type[shapes.Envelope[Row]],
    params: Mapping[str, str],
    *,
    cursor: Callable[[Row], str],
    id_of: Callable[[Row], str],
) -> list[Row]:
    """All rows, newest first. `cursor` is a row's place in the order of pages, `id_of` tells rows apart.

    A page that brings nothing new while it is full cannot be turned: AnswerShapeError.
    """
    rows: dict[str, Row] = {}
    more: dict[str, str] = {}
    while True:
        answer, _ = await client.ask(endpoint, shape, {**params, **more, "limit": str(PAGE)})
        fresh = {id_of(row): row for row in answer.data if id_of(row) not in rows}
        rows |= fresh
        if len(answer.data) < PAGE:
            return list(rows.values())
        if not fresh:
            raise AnswerShapeError("The answer gives the same page again and again.", path="data")
        more = {"after": cursor(answer.data[-1])}


# ---------------------------------------------------------------- orders


async def fetch_open_orders(client: VenueClient, instruments: Instruments) -> tuple[OpenOrder, ...]:
    """Return the resting orders of the trading account; those that wait for a trigger included."""
    resting = await _pages(
        client,
        okx.ORDERS,
        shapes.Envelope[shapes.Order],
        {},
        cursor=lambda row: row.ordId,
        id_of=lambda row: row.ordId,
    )
    orders = [await _order(row, instruments) for row in resting]
    for kind in ALGO_TYPES:
        waiting = await _pages(
            client,
            okx.ALGO_ORDERS,
            shapes.Envelope[shapes.AlgoOrder],
            {"ordType": kind},
            cursor=lambda row: row.algoId,
            id_of=lambda row: row.algoId,
        )
        orders += [await _algo_order(row, instruments) for row in waiting]
    return tuple(orders)


async def _order(row: shapes.Order, instruments: Instruments) -> OpenOrder:
    path = f"[{payloads.instrument_code(row.instId, 'instId')}]"
    price = _above_zero(row.px, f"{path}.px")
    to_base = await _base_units(row, price, instruments)
    return OpenOrder(
        wallet=Wallet.TRADING,
        order_id=payloads.flow_code(row.ordId, f"{path}.ordId"),
        instrument=row.instId,
        underlying=payloads.asset_code(row.instId.split("-")[0], f"{path}.instId"),
        side=_side(row.side, path),
        order_type=payloads.instrument_code(row.ordType, f"{path}.ordType"),
        quantity=to_base(payloads.not_negative(row.sz, f"{path}.sz")),
        filled=to_base(payloads.not_negative(row.accFillSz, f"{path}.accFillSz")),
        price=price,
        trigger_price=None,
        reduce_only=row.reduceOnly == "true",
        placed_at=payloads.instant(row.cTime, f"{path}.cTime"),
    )


async def _algo_order(row: shapes.AlgoOrder, instruments: Instruments) -> OpenOrder:
    path = f"[{payloads.instrument_code(row.instId, 'instId')}]"
    trigger = _first_above_zero((row.triggerPx, row.slTriggerPx, row.tpTriggerPx), f"{path}.triggerPx")
    price = _first_above_zero((row.ordPx, row.slOrdPx, row.tpOrdPx), f"{path}.ordPx")
    to_base = await _base_units(row, price or trigger, instruments)
    # An order that closes a fraction of a position states no size.
    size = payloads.amount_or_none(row.sz, f"{path}.sz")
    return OpenOrder(
        wallet=Wallet.TRADING,
        order_id=f"algo-{payloads.flow_code(row.algoId, f'{path}.algoId')}",
        instrument=row.instId,
        underlying=payloads.asset_code(row.instId.split("-")[0], f"{path}.instId"),
        side=_side(row.side, path),
        order_type=payloads.instrument_code(row.ordType, f"{path}.ordType"),
        quantity=None if size is None else to_base(size),
        filled=ZERO,
        price=price,
        trigger_price=trigger,
        reduce_only=row.reduceOnly == "true",
        placed_at=payloads.instant(row.cTime, f"{path}.cTime"),
    )


async def _base_units(
    row: shapes.Order | shapes.AlgoOrder, price: Decimal | None, instruments: Instruments
) -> Callable[[Decimal], Decimal | None]:
    """What turns an order's size into base units.

    Contracts by their size; inverse contracts and market buys that are sized in the quote coin
    by the price; None, unknown, where there is none.
    """
    size, is_divided = Decimal(1), row.tgtCcy == "quote_ccy"
    if row.instType not in {"SPOT", "MARGIN"}:
        contract = await instruments.contract(row.instType, row.instId)
        size, is_divided = contract.size, contract.kind is ContractKind.INVERSE
    if not is_divided:
        return lambda contracts: contracts * size
    if price is None:
        return lambda _: None
    return lambda contracts: payloads.quotient(contracts * size, price)


def _above_zero(text: str, path: str) -> Decimal | None:
    """A price, None where OKX states none: "", or "-1" for "at market"."""
    number = payloads.amount_or_none(text, path)
    return number if number is not None and number > 0 else None


def _first_above_zero(texts: tuple[str, ...], path: str) -> Decimal | None:
    prices = (_above_zero(text, path) for text in texts)
    return next((price for price in prices if price is not None), None)


def _side(text: str, path: str) -> str:
    if text not in {"buy", "sell"}:
        raise AnswerShapeError("The answer has an order that neither buys nor sells.", path=f"{path}.side")
    return text


# ---------------------------------------------------------------- cash flows


async def fetch_cash_flows(client: VenueClient, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
    """Return completed deposits and withdrawals of [since, until), oldest first.

    OKX's `before` and `after` exclude their bound. A withdrawal's quantity is minus (amt + fee):
    OKX states the fee apart from the amount, and both leave the account.
    """
    deposits = await _flow_rows(
        client, okx.DEPOSITS, shapes.Envelope[shapes.Deposit], since, until, id_of=lambda row: row.depId
    )
    withdrawals = await _flow_rows(
        client, okx.WITHDRAWALS, shapes.Envelope[shapes.Withdrawal], since, until, id_of=lambda row: row.wdId
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
