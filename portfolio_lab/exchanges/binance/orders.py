"""Orders that rest at Binance, in every wallet; those that wait for a trigger included."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError, WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, shapes, shapes_margin, shapes_options
from portfolio_lab.exchanges.binance.prices import Instrument, Instruments
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import OpenOrder

One = TypeVar("One")
Other = TypeVar("Other")

SIDES = {"BUY": "buy", "SELL": "sell"}

LARGEST = 2**63
"""No number of an order reaches it."""


async def fetch_open_orders(
    client: VenueClient, instruments: Instruments, wallets: tuple[Wallet, ...]
) -> tuple[OpenOrder, ...]:
    """Return the resting orders of the named wallets; raises the VenueError family.

    A wallet that the key may not read, or that was never opened, has none here: its own reading
    says what is wrong with it, and it must not hide the orders of all others.
    """
    orders: list[OpenOrder] = []
    refusal: WalletRefusedError | None = None
    asked = [wallet for wallet in READERS if wallet in wallets]
    refused = 0
    for wallet in asked:
        try:
            orders += await READERS[wallet](client, instruments)
        except WalletRefusedError as error:
            refusal, refused = error, refused + 1
    if refusal is not None and refused == len(asked):
        raise refusal
    return tuple(orders)


# ---------------------------------------------------------------- by wallet


async def _spot(client: VenueClient, instruments: Instruments) -> list[OpenOrder]:
    rows, _ = await client.ask(endpoints.SPOT_ORDERS, list[shapes.SpotOrder])
    return [_order(row, await instruments.one(Wallet.SPOT, row.symbol), Wallet.SPOT) for row in rows]


async def _cross(client: VenueClient, instruments: Instruments) -> list[OpenOrder]:
    rows, _ = await client.ask(endpoints.MARGIN_ORDERS, list[shapes.SpotOrder], {"isIsolated": "FALSE"})
    return [_order(row, await instruments.one(Wallet.SPOT, row.symbol), Wallet.CROSS_MARGIN) for row in rows]


async def _isolated(client: VenueClient, instruments: Instruments) -> list[OpenOrder]:
    """Binance tells them pair by pair only; an order locks coins of its pair, so only such pairs are asked."""
    account, _ = await client.ask(endpoints.ISOLATED_MARGIN_ACCOUNT, shapes_margin.IsolatedMargin)
    orders: list[OpenOrder] = []
    for pair in account.assets:
        locked = (pair.baseAsset.locked, pair.quoteAsset.locked)
        if any(payloads.not_negative(text, f"assets[{pair.symbol[:30]}].locked") for text in locked):
            symbol = payloads.instrument_code(pair.symbol, "assets.symbol")
            params = {"symbol": symbol, "isIsolated": "TRUE"}
            rows, _ = await client.ask(endpoints.MARGIN_ORDERS, list[shapes.SpotOrder], params)
            traded = await instruments.one(Wallet.SPOT, symbol)
            orders += [_order(_of_pair(row, symbol), traded, Wallet.ISOLATED_MARGIN) for row in rows]
    return orders


def _of_pair(row: shapes.SpotOrder, symbol: str) -> shapes.SpotOrder:
    if row.symbol != symbol:
        raise AnswerShapeError(f"The answer about {symbol} has an order of another pair.", path="symbol")
    return row


async def _usd_m(client: VenueClient, instruments: Instruments) -> list[OpenOrder]:
    return await _futures_orders(client, instruments, Wallet.USD_M, endpoints.USD_M_ORDERS, endpoints.USD_M_ALGO_ORDERS)


async def _coin_m(client: VenueClient, instruments: Instruments) -> list[OpenOrder]:
    return await _futures_orders(
        client, instruments, Wallet.COIN_M, endpoints.COIN_M_ORDERS, endpoints.COIN_M_ALGO_ORDERS
    )


async def _futures_orders(
    client: VenueClient, instruments: Instruments, wallet: Wallet, resting: Endpoint, waiting: Endpoint
) -> list[OpenOrder]:
    (rows, _), (triggers, _) = await _both(
        client.ask(resting, list[shapes.FuturesOrder]), client.ask(waiting, list[shapes.AlgoOrder])
    )
    orders = [_order(row, await instruments.one(wallet, row.symbol), wallet) for row in rows]
    return orders + [_algo_order(row, await instruments.one(wallet, row.symbol), wallet) for row in triggers]


async def _both(one: Coroutine[object, object, One], other: Coroutine[object, object, Other]) -> tuple[One, Other]:
    """Ask two questions side by side in line: one without the other is of no use, and its weight would be lost."""
    first, second = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        return await asyncio.gather(first, second)
    finally:
        first.cancel()
        second.cancel()


async def _options(client: VenueClient, instruments: Instruments) -> list[OpenOrder]:
    rows, _ = await client.ask(endpoints.OPTION_ORDERS, list[shapes_options.OptionOrder])
    return [_option_order(row, await instruments.one(Wallet.OPTIONS, row.symbol)) for row in rows]


async def _portfolio_margin(client: VenueClient, instruments: Instruments) -> list[OpenOrder]:
    """Orders on margin, in both kinds of contracts, and those that wait for a trigger.

    Waiting USD-M orders live in the algo address since the conditional one was closed in 2026.
    """
    inside = Wallet.PORTFOLIO_MARGIN
    margin, _ = await client.ask(endpoints.PM_MARGIN_ORDERS, list[shapes.SpotOrder])
    orders = [_order(row, await instruments.one(Wallet.SPOT, row.symbol), inside) for row in margin]
    for market, endpoint in ((Wallet.USD_M, endpoints.PM_USD_M_ORDERS), (Wallet.COIN_M, endpoints.PM_COIN_M_ORDERS)):
        rows, _ = await client.ask(endpoint, list[shapes_margin.PmOrder])
        orders += [_order(row, await instruments.one(market, row.symbol), inside, market) for row in rows]
    algos, _ = await client.ask(endpoints.PM_USD_M_ALGO_ORDERS, list[shapes.AlgoOrder])
    orders += [_algo_order(row, await instruments.one(Wallet.USD_M, row.symbol), inside) for row in algos]
    waiting, _ = await client.ask(endpoints.PM_COIN_M_WAITING_ORDERS, list[shapes_margin.PmWaitingOrder])
    return orders + [_waiting(row, await instruments.one(Wallet.COIN_M, row.symbol)) for row in waiting]


READERS: dict[Wallet, Callable[[VenueClient, Instruments], Awaitable[list[OpenOrder]]]] = {
    Wallet.SPOT: _spot,
    Wallet.CROSS_MARGIN: _cross,
    Wallet.ISOLATED_MARGIN: _isolated,
    Wallet.USD_M: _usd_m,
    Wallet.COIN_M: _coin_m,
    Wallet.OPTIONS: _options,
    Wallet.PORTFOLIO_MARGIN: _portfolio_margin,
}
"""Who reads the orders of which wallet; the others have none."""


# ---------------------------------------------------------------- one order


def _base_units(contracts: Decimal, price: Decimal | None, contract: Instrument, market: Wallet) -> Decimal | None:
    """Contracts in base units, None where only a price could tell and there is none.

    An inverse contract is worth `size` in quote units, so its price divides.
    """
    if market is not Wallet.COIN_M:
        return contracts * contract.size
    return payloads.quotient(contracts * contract.size, price) if price else None


def _order(
    row: shapes.SpotOrder | shapes_margin.PmOrder, traded: Instrument, wallet: Wallet, market: Wallet | None = None
) -> OpenOrder:
    """One order that rests in the book; `market` is where its contract is listed, if not in its own wallet."""
    path = f"[{row.symbol}]"
    price = payloads.not_negative(row.price, f"{path}.price") or None
    trigger = payloads.not_negative(row.stopPrice, f"{path}.stopPrice") or None
    quantity = payloads.not_negative(row.origQty, f"{path}.origQty")
    filled = payloads.not_negative(row.executedQty, f"{path}.executedQty")
    at_price = price or trigger
    return OpenOrder(
        wallet=wallet,
        order_id=_number(row.orderId, f"{path}.orderId"),
        instrument=row.symbol,
        underlying=payloads.asset_code(traded.base, f"{path}.baseAsset"),
        side=_side(row.side, path),
        order_type=_order_type(row.type, path),
        quantity=_base_units(quantity, at_price, traded, market or wallet),
        filled=_base_units(filled, at_price, traded, market or wallet),
        price=price,
        trigger_price=trigger,
        reduce_only=isinstance(row, shapes.FuturesOrder | shapes_margin.PmOrder)
        and (row.reduceOnly or row.closePosition),
        placed_at=payloads.instant(row.time, f"{path}.time"),
    )


def _algo_order(row: shapes.AlgoOrder, traded: Instrument, wallet: Wallet) -> OpenOrder:
    path = f"[{row.symbol}]"
    price = payloads.not_negative(row.price, f"{path}.price") or None
    trigger = payloads.not_negative(row.triggerPrice, f"{path}.triggerPrice") or None
    quantity = payloads.not_negative(row.quantity, f"{path}.quantity")
    return OpenOrder(
        wallet=wallet,
        order_id="algo-" + _number(row.algoId, f"{path}.algoId"),
        instrument=row.symbol,
        underlying=payloads.asset_code(traded.base, f"{path}.baseAsset"),
        side=_side(row.side, path),
        order_type=_order_type(row.orderType, path),
        # An order that closes the whole position states 0: how much that is, is not known yet.
        quantity=_base_units(quantity, price or trigger, traded, wallet) if quantity else None,
        filled=Decimal(0),
        price=price,
        trigger_price=trigger,
        reduce_only=row.reduceOnly or row.closePosition,
        placed_at=payloads.instant(row.createTime, f"{path}.createTime"),
    )


def _waiting(row: shapes_margin.PmWaitingOrder, traded: Instrument) -> OpenOrder:
    """One COIN-M order of a portfolio margin account that waits for its trigger."""
    path = f"[{row.symbol}]"
    price = payloads.not_negative(row.price, f"{path}.price") or None
    trigger = payloads.not_negative(row.stopPrice, f"{path}.stopPrice") or None
    quantity = payloads.not_negative(row.origQty, f"{path}.origQty")
    return OpenOrder(
        wallet=Wallet.PORTFOLIO_MARGIN,
        order_id="strategy-" + _number(row.strategyId, f"{path}.strategyId"),
        instrument=row.symbol,
        underlying=payloads.asset_code(traded.base, f"{path}.baseAsset"),
        side=_side(row.side, path),
        order_type=_order_type(row.strategyType, path),
        quantity=_base_units(quantity, price or trigger, traded, Wallet.COIN_M) if quantity else None,
        filled=Decimal(0),
        price=price,
        trigger_price=trigger,
        reduce_only=row.reduceOnly,
        placed_at=payloads.instant(row.bookTime, f"{path}.bookTime"),
    )


def _option_order(row: shapes_options.OptionOrder, option: Instrument) -> OpenOrder:
    path = f"[{row.symbol}]"
    return OpenOrder(
        wallet=Wallet.OPTIONS,
        order_id=_number(row.orderId, f"{path}.orderId"),
        instrument=row.symbol,
        underlying=payloads.asset_code(option.base, f"{path}.baseAsset"),
        side=_side(row.side, path),
        order_type=_order_type(row.type, path),
        quantity=payloads.not_negative(row.quantity, f"{path}.quantity") * option.size,
        filled=payloads.not_negative(row.executedQty, f"{path}.executedQty") * option.size,
        price=payloads.not_negative(row.price, f"{path}.price") or None,
        trigger_price=None,
        reduce_only=row.reduceOnly,
        placed_at=payloads.instant(row.createTime, f"{path}.createTime"),
    )


def _number(number: int, path: str) -> str:
    """The id of an order, as text: JSON knows integers that no venue means."""
    if not 0 < number < LARGEST:
        raise AnswerShapeError("The answer has no usable number of an order.", path=path)
    return str(number)


def _side(text: str, path: str) -> str:
    side = SIDES.get(text)
    if side is None:
        raise AnswerShapeError("The answer has an order that neither buys nor sells.", path=f"{path}.side")
    return side


def _order_type(text: str, path: str) -> str:
    return payloads.instrument_code(text, f"{path}.type").lower()
