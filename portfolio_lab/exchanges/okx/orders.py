"""What rests in an OKX trading account: orders in the book, and those that wait or slice by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.exchanges.okx.prices import Instruments
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import ContractKind, OpenOrder

PAGE = 100

ALGO_TYPES = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap")
"""OKX lists waiting orders one type a call."""

SLICED = frozenset({"iceberg", "twap"})
"""They place limit orders, so that their size is in the base coin."""

ZERO = Decimal(0)

Row = TypeVar("Row")


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
        endpoints.ORDERS,
        shapes.Envelope[shapes.Order],
        {},
        cursor=lambda row: row.ordId,
        id_of=lambda row: row.ordId,
    )
    orders = [await _order(row, instruments) for row in resting]
    for kind in ALGO_TYPES:
        waiting = await _pages(
            client,
            endpoints.ALGO_ORDERS,
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
    to_base = await _base_units(row, price, instruments, rate=price)
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
    """An order that waits. What it has placed by then rests among the orders: `filled` is 0."""
    path = f"[{payloads.instrument_code(row.instId, 'instId')}]"
    trigger, price = _trigger_and_price(row, path)
    to_base = await _base_units(row, price, instruments, rate=price or trigger)
    # An order that closes a fraction of a position states no size.
    size = None if not row.sz else payloads.not_negative(row.sz, f"{path}.sz")
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


def _trigger_and_price(row: shapes.AlgoOrder, path: str) -> tuple[Decimal | None, Decimal | None]:
    """What sets the order off, and its limit; each None where there is none.

    Of an order with two ends (oco) the stop counts. A trailing stop is set off by the price that it
    trails at now, before that by the one that it starts at; slices have a limit only.
    """
    ends = (
        ("triggerPx", "ordPx"),
        ("slTriggerPx", "slOrdPx"),
        ("tpTriggerPx", "tpOrdPx"),
        ("moveTriggerPx", ""),
        ("activePx", ""),
    )
    for trigger, limit in ends:
        stated = _above_zero(getattr(row, trigger), f"{path}.{trigger}")
        if stated is not None:
            return stated, _above_zero(getattr(row, limit), f"{path}.{limit}") if limit else None
    return None, _above_zero(row.pxLimit, f"{path}.pxLimit")


async def _base_units(
    row: shapes.Order | shapes.AlgoOrder, price: Decimal | None, instruments: Instruments, *, rate: Decimal | None
) -> Callable[[Decimal], Decimal | None]:
    """What turns an order's size into base units.

    Contracts by their size; inverse contracts, and buys that are sized in the quote coin, by the
    rate; None, unknown, where there is none.
    """
    size, is_divided = Decimal(1), _is_in_quote(row, price)
    if row.instType not in {"SPOT", "MARGIN"}:
        contract = await instruments.contract(row.instType, row.instId)
        size, is_divided = contract.size, contract.kind is ContractKind.INVERSE
    if not is_divided:
        return lambda units: units * size
    if rate is None:
        return lambda _: None
    return lambda units: payloads.quotient(units * size, rate)


def _is_in_quote(row: shapes.Order | shapes.AlgoOrder, price: Decimal | None) -> bool:
    """Whether a spot order is sized in the quote coin: as it says, else when it buys at market."""
    if row.tgtCcy:
        return row.tgtCcy == "quote_ccy"
    return row.side == "buy" and price is None and row.ordType not in SLICED


def _above_zero(text: str, path: str) -> Decimal | None:
    """A price, None where OKX states none: "", or "-1" for "at market"."""
    number = payloads.amount_or_none(text, path)
    return number if number is not None and number > 0 else None


def _side(text: str, path: str) -> str:
    if text not in {"buy", "sell"}:
        raise AnswerShapeError("The answer has an order that neither buys nor sells.", path=f"{path}.side")
    return text
