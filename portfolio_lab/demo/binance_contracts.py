"""Resting orders of both futures hosts.

Conditional orders live in openAlgoOrders alone: openOrders never shows them.
"""

from __future__ import annotations

from portfolio_lab.demo.binance_ask import Answer, Ask, Json
from portfolio_lab.demo.binance_text import contract_order_type, side_text
from portfolio_lab.demo.facts import ZERO, Order, eight, settle_notional
from portfolio_lab.demo.instruments import INVERSE
from portfolio_lab.models.accounts import Wallet


def is_dual(ask: Ask) -> Json:
    """Whether the account keeps long and short apart."""
    return {"dualSidePosition": ask.view.book.hedge}


# ---------------------------------------------------------------- orders


def _resting(ask: Ask, wallet: Wallet, kind: str, *, conditional: bool) -> list[Order]:
    wanted = {one.symbol for one in ask.instruments(kind)}
    orders = ask.view.orders(wallet)
    return [one for one in orders if one.is_conditional is conditional and one.instrument.symbol in wanted]


def open_orders(wallet: Wallet, kind: str) -> Answer:
    """Answers openOrders: resting limit orders."""

    def answer(ask: Ask) -> Json:
        return [_order_row(order) for order in _resting(ask, wallet, kind, conditional=False)]

    return answer


def algo_orders(wallet: Wallet, kind: str) -> Answer:
    """Answers openAlgoOrders: orders that wait for their trigger."""

    def answer(ask: Ask) -> Json:
        return [_algo_row(order) for order in _resting(ask, wallet, kind, conditional=True)]

    return answer


def _order_row(order: Order) -> dict[str, Json]:
    one, price = order.instrument, order.price or ZERO
    worth = eight(abs(settle_notional(one, order.filled, price))) if order.filled else ZERO
    row: dict[str, Json] = {
        "avgPrice": f"{price if order.filled else ZERO:f}",
        "clientOrderId": f"demo{order.order_id}",
        "cumBase" if one.kind == INVERSE else "cumQuote": f"{worth:f}",
        "executedQty": f"{order.filled:f}",
        "orderId": order.order_id,
        "origQty": f"{order.contracts:f}",
        "origType": "LIMIT",
        "price": f"{price:f}",
        "reduceOnly": order.reduce_only,
        "side": order.side.upper(),
        "positionSide": side_text(order.position_side),
        "status": "PARTIALLY_FILLED" if order.filled else "NEW",
        "stopPrice": "0",
        "closePosition": False,
        "symbol": one.symbol,
        "time": order.placed_at,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "updateTime": order.placed_at,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
    }
    return row | ({"pair": one.index} if one.kind == INVERSE else {"goodTillDate": 0})


def _algo_row(order: Order) -> dict[str, Json]:
    return {
        "algoId": order.order_id,
        "clientAlgoId": f"demo{order.order_id}",
        "algoType": "CONDITIONAL",
        "orderType": contract_order_type(order),
        "symbol": order.instrument.symbol,
        "side": order.side.upper(),
        "positionSide": side_text(order.position_side),
        "timeInForce": "GTC",
        "quantity": f"{order.contracts:f}",
        "algoStatus": "NEW",
        "actualOrderId": "",
        "actualPrice": "0.00000",
        "triggerPrice": f"{order.trigger_price or ZERO:f}",
        "price": f"{order.price or ZERO:f}",
        "icebergQuantity": None,
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "createTime": order.placed_at,
        "updateTime": order.placed_at,
        "triggerTime": 0,
        "goodTillDate": 0,
    }


def conditional_orders(wallet: Wallet, kind: str) -> Answer:
    """Answers the older list of orders that wait for their trigger, which papi still has.

    Whether it tells the orders of the algo list too, as here, is unverified.
    """

    def answer(ask: Ask) -> Json:
        return [_conditional_row(order) for order in _resting(ask, wallet, kind, conditional=True)]

    return answer


def _conditional_row(order: Order) -> dict[str, Json]:
    row: dict[str, Json] = {
        "newClientStrategyId": f"demo{order.order_id}",
        "strategyId": order.order_id,
        "strategyStatus": "NEW",
        "strategyType": contract_order_type(order),
        "origQty": f"{order.contracts:f}",
        "price": f"{order.price or ZERO:f}",
        "reduceOnly": order.reduce_only,
        "side": order.side.upper(),
        "positionSide": side_text(order.position_side),
        "stopPrice": f"{order.trigger_price or ZERO:f}",
        "symbol": order.instrument.symbol,
        "bookTime": order.placed_at,
        "updateTime": order.placed_at,
        "timeInForce": "GTC",
        "activatePrice": "0",
        "priceRate": "0",
    }
    if order.instrument.kind != INVERSE:
        row |= {"selfTradePreventionMode": "NONE", "goodTillDate": 0, "priceMatch": "NONE"}
    return row
