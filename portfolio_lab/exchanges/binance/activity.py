"""What goes on in a Binance account: resting orders, and money that crosses its border."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import binance, payloads
from portfolio_lab.exchanges.binance import shapes
from portfolio_lab.exchanges.binance.prices import Instrument, Instruments
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.holdings import OpenOrder

WINDOW = timedelta(days=90)
"""Binance refuses longer windows of deposits and withdrawals."""

UNDER_WAY = timedelta(days=7)
"""Windows are searched so much earlier than asked: they count by application, flows by completion."""

PAGE = 1_000

DEPOSITED, WITHDRAWN = frozenset({1, 6}), frozenset({6})
"""States in which money has crossed: success and credited-but-locked deposits, completed withdrawals."""

Row = TypeVar("Row", shapes.Deposit, shapes.Withdrawal)

SIDES = {"BUY": "buy", "SELL": "sell"}


# ---------------------------------------------------------------- orders


async def fetch_open_orders(
    client: VenueClient, instruments: Instruments, wallets: tuple[Wallet, ...]
) -> tuple[OpenOrder, ...]:
    """Return the resting orders of the named wallets; those that wait for a trigger included."""
    orders: list[OpenOrder] = []
    if Wallet.SPOT in wallets:
        rows, _ = await client.ask(binance.SPOT_ORDERS, list[shapes.SpotOrder])
        orders += [_order(row, await instruments.one(Wallet.SPOT, row.symbol), Wallet.SPOT) for row in rows]
    if Wallet.USD_M in wallets:
        orders += await _futures_orders(
            client, instruments, Wallet.USD_M, binance.USD_M_ORDERS, binance.USD_M_ALGO_ORDERS
        )
    if Wallet.COIN_M in wallets:
        orders += await _futures_orders(
            client, instruments, Wallet.COIN_M, binance.COIN_M_ORDERS, binance.COIN_M_ALGO_ORDERS
        )
    return tuple(orders)


async def _futures_orders(
    client: VenueClient, instruments: Instruments, wallet: Wallet, resting: Endpoint, waiting: Endpoint
) -> list[OpenOrder]:
    rows, _ = await client.ask(resting, list[shapes.FuturesOrder])
    orders = [_order(row, await instruments.one(wallet, row.symbol), wallet) for row in rows]
    triggers, _ = await client.ask(waiting, list[shapes.AlgoOrder])
    return orders + [_algo_order(row, await instruments.one(wallet, row.symbol), wallet) for row in triggers]


def _base_units(contracts: Decimal, price: Decimal | None, contract: Instrument, wallet: Wallet) -> Decimal | None:
    """Contracts in base units, None where only a price could tell and there is none.

    An inverse contract is worth `size` in quote units, so its price divides.
    """
    if wallet is not Wallet.COIN_M:
        return contracts * contract.size
    return payloads.quotient(contracts * contract.size, price) if price else None


def _order(row: shapes.SpotOrder, traded: Instrument, wallet: Wallet) -> OpenOrder:
    path = f"[{row.symbol}]"
    price = payloads.not_negative(row.price, f"{path}.price") or None
    trigger = payloads.not_negative(row.stopPrice, f"{path}.stopPrice") or None
    quantity = payloads.not_negative(row.origQty, f"{path}.origQty")
    filled = payloads.not_negative(row.executedQty, f"{path}.executedQty")
    at_price = price or trigger
    return OpenOrder(
        wallet=wallet,
        order_id=str(row.orderId),
        instrument=row.symbol,
        underlying=payloads.asset_code(traded.base, f"{path}.baseAsset"),
        side=_side(row.side, path),
        order_type=_order_type(row.type, path),
        quantity=_base_units(quantity, at_price, traded, wallet),
        filled=_base_units(filled, at_price, traded, wallet),
        price=price,
        trigger_price=trigger,
        reduce_only=isinstance(row, shapes.FuturesOrder) and (row.reduceOnly or row.closePosition),
        placed_at=payloads.instant(row.time, f"{path}.time"),
    )


def _algo_order(row: shapes.AlgoOrder, traded: Instrument, wallet: Wallet) -> OpenOrder:
    path = f"[{row.symbol}]"
    price = payloads.not_negative(row.price, f"{path}.price") or None
    trigger = payloads.not_negative(row.triggerPrice, f"{path}.triggerPrice") or None
    quantity = payloads.not_negative(row.quantity, f"{path}.quantity")
    return OpenOrder(
        wallet=wallet,
        order_id=f"algo-{row.algoId}",
        instrument=row.symbol,
        underlying=payloads.asset_code(traded.base, f"{path}.baseAsset"),
        side=_side(row.side, path),
        order_type=_order_type(row.orderType, path),
        # An order that closes the whole position states 0: how much that is, is not known yet.
        quantity=_base_units(quantity, price or trigger, traded, wallet) if quantity else None,
        filled=Decimal(0),
        price=price,
        trigger_price=trigger,
        reduce_only=row.reduceOnly,
        placed_at=payloads.instant(row.createTime, f"{path}.createTime"),
    )


def _side(text: str, path: str) -> str:
    side = SIDES.get(text)
    if side is None:
        raise AnswerShapeError("The answer has an order that neither buys nor sells.", path=f"{path}.side")
    return side


def _order_type(text: str, path: str) -> str:
    return payloads.instrument_code(text, f"{path}.type").lower()


# ---------------------------------------------------------------- cash flows


async def fetch_cash_flows(client: VenueClient, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
    """Return completed deposits and withdrawals of [since, until), oldest first.

    A withdrawal's quantity is minus (amount + transactionFee): Binance states the amount that
    arrives apart from the fee, and both leave the account. Unverified for every network: some
    may take the fee from the amount. The time of a flow is that of its
    completion where Binance states one, else of its insertion.
    """
    flows: dict[tuple[str, str], CashFlow] = {}
    for start, end in _windows(since - UNDER_WAY, until):
        async for deposit in _pages(client, binance.DEPOSITS, shapes.Deposit, start, end):
            if deposit.status in DEPOSITED:
                flows["deposit", deposit.id] = _deposit(deposit)
        async for withdrawal in _pages(client, binance.WITHDRAWALS, shapes.Withdrawal, start, end):
            if withdrawal.status in WITHDRAWN:
                flows["withdrawal", withdrawal.id] = _withdrawal(withdrawal)
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


def _deposit(row: shapes.Deposit) -> CashFlow:
    asset = payloads.asset_code(row.coin, "coin")
    return CashFlow(
        at=payloads.instant(row.completeTime or row.insertTime, f"[{asset}].insertTime"),
        flow_id=payloads.flow_code(row.id, f"[{asset}].id"),
        kind="deposit",
        asset=asset,
        quantity=payloads.not_negative(row.amount, f"[{asset}].amount"),
        fee=Decimal(0),
        txid=row.txId[:200],
    )


def _withdrawal(row: shapes.Withdrawal) -> CashFlow:
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
    )


def _utc(text: str, path: str) -> datetime:
    """The instant of "2023-03-23 16:52:41", which Binance states in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        pass
    raise AnswerShapeError("The answer has no time like 2023-03-23 16:52:41.", path=path)
