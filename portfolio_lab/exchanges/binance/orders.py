"""Orders that rest at Binance, those that wait for a trigger included."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, shapes
from portfolio_lab.exchanges.binance.prices import Instrument, Instruments
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import OpenOrder

SIDES = {"BUY": "buy", "SELL": "sell"}


async def fetch_open_orders(
    client: VenueClient, instruments: Instruments, wallets: tuple[Wallet, ...]
) -> tuple[OpenOrder, ...]:
    """Return the resting orders of the named wallets; those that wait for a trigger included."""
    orders: list[OpenOrder] = []
    if Wallet.SPOT in wallets:
        rows, _ = await client.ask(endpoints.SPOT_ORDERS, list[shapes.SpotOrder])
        orders += [_order(row, await instruments.one(Wallet.SPOT, row.symbol), Wallet.SPOT) for row in rows]
    if Wallet.USD_M in wallets:
        orders += await _futures_orders(
            client, instruments, Wallet.USD_M, endpoints.USD_M_ORDERS, endpoints.USD_M_ALGO_ORDERS
        )
    if Wallet.COIN_M in wallets:
        orders += await _futures_orders(
            client, instruments, Wallet.COIN_M, endpoints.COIN_M_ORDERS, endpoints.COIN_M_ALGO_ORDERS
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
