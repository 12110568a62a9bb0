"""Open orders as OKX tells them: those that rest, and those that wait for a trigger."""

from __future__ import annotations

from portfolio_lab.demo.facts import ZERO, Order
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, OkxRefusalError, Row, plain
from portfolio_lab.models.accounts import Wallet

ALGO_TYPES = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase")


def pending_orders(ask: OkxAsk) -> list[Row]:
    """trade/orders-pending, newest first, paged by ordId."""
    orders = [order for order in _orders(ask) if not order.is_conditional]
    return [_order_row(order) for order in ask.page(orders, lambda order: order.order_id)]


def pending_algo_orders(ask: OkxAsk) -> list[Row]:
    """trade/orders-algo-pending of the mandatory ordType, newest first, paged by algoId."""
    kinds = set(ask.required("ordType").split(","))
    if not kinds <= set(ALGO_TYPES):
        raise OkxRefusalError(200, "51000", "Parameter ordType error.")
    orders = [order for order in _orders(ask) if order.is_conditional and _algo_type(order) in kinds]
    return [_algo_row(ask, order) for order in ask.page(orders, lambda order: order.order_id)]


def _orders(ask: OkxAsk) -> list[Order]:
    name, kind = ask.text("instId"), ask.text("instType")
    return [
        order
        for order in ask.view.orders(Wallet.TRADING)
        if name in ("", order.instrument.symbol) and kind in ("", instrument_type(order.instrument))
    ]


def _algo_type(order: Order) -> str:
    """A trigger order names the price it will then rest at; a conditional one trades at market."""
    return "conditional" if order.price is None else "trigger"


_BLANK_ORDER = dict.fromkeys(
    (
        "algoClOrdId",
        "algoId",
        "attachAlgoClOrdId",
        "ccy",
        "clOrdId",
        "pxType",
        "pxUsd",
        "pxVol",
        "quickMgnType",
        "slOrdPx",
        "slTriggerPx",
        "slTriggerPxType",
        "source",
        "stpId",
        "tag",
        "tgtCcy",
        "tpOrdPx",
        "tpTriggerPx",
        "tpTriggerPxType",
    ),
    "",
)


def _order_row(order: Order) -> Row:
    one, begun = order.instrument, order.filled > ZERO
    price = "" if order.price is None else plain(order.price)
    return {
        **_BLANK_ORDER,
        "accFillSz": plain(order.filled),
        "attachAlgoOrds": [],
        "avgPx": price if begun else "",
        "cTime": str(order.placed_at),
        "cancelSource": "",
        "cancelSourceReason": "",
        "category": "normal",
        "fee": "0",
        "feeCcy": one.settle or (one.base if order.side == "buy" else one.quote),
        "fillPx": price if begun else "",
        "fillSz": plain(order.filled),
        "fillTime": str(order.placed_at) if begun else "",
        "instId": one.symbol,
        "instType": instrument_type(one),
        "isTpLimit": "false",
        "lever": "5" if one.is_contract else "",
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": str(order.order_id),
        "ordType": "limit",
        "pnl": "0",
        "posSide": order.position_side if one.is_contract else "",
        "px": price,
        "rebate": "0",
        "rebateCcy": one.settle or one.quote,
        "reduceOnly": str(order.reduce_only).lower(),
        "side": order.side,
        "state": "partially_filled" if begun else "live",
        "stpMode": "cancel_maker",
        "sz": plain(order.contracts),
        "tdMode": "cross" if one.is_contract else "cash",
        "tradeId": "",
        "uTime": str(order.placed_at),
    }


_BLANK_ALGO = dict.fromkeys(
    (
        "activePx",
        "actualPx",
        "actualSide",
        "algoClOrdId",
        "amendPxOnTriggerType",
        "callbackRatio",
        "callbackSpread",
        "ccy",
        "chaseType",
        "chaseVal",
        "clOrdId",
        "closeFraction",
        "failCode",
        "maxChaseType",
        "maxChaseVal",
        "moveTriggerPx",
        "ordId",
        "ordPx",
        "pxLimit",
        "pxSpread",
        "pxVar",
        "quickMgnType",
        "slOrdPx",
        "slTriggerPx",
        "slTriggerPxType",
        "szLimit",
        "tag",
        "tgtCcy",
        "timeInterval",
        "tpOrdPx",
        "tpTriggerPx",
        "tpTriggerPxType",
        "triggerPx",
        "triggerPxType",
        "triggerTime",
    ),
    "",
)


def _algo_row(ask: OkxAsk, order: Order) -> Row:
    one, kind = order.instrument, _algo_type(order)
    trigger = plain(order.trigger_price or ZERO)
    stop = {"slTriggerPx": trigger, "slOrdPx": "-1", "slTriggerPxType": "last"}
    rest = {"triggerPx": trigger, "triggerPxType": "last", "ordPx": plain(order.price or ZERO)}
    return {
        **_BLANK_ALGO,
        "actualSz": "0",
        "algoId": str(order.order_id),
        "attachAlgoOrds": [],
        "cTime": str(order.placed_at),
        "instId": one.symbol,
        "instType": instrument_type(one),
        "isTradeBorrowMode": "",
        "last": plain(ask.exchange.market.last("okx", one.symbol, one.kind, ask.now)),
        "lever": "5" if one.is_contract else "",
        "linkedOrd": {"ordId": ""},
        "ordIdList": [],
        "ordType": kind,
        "posSide": order.position_side if one.is_contract else "net",
        "reduceOnly": str(order.reduce_only).lower(),
        "side": order.side,
        "state": "live",
        "sz": plain(order.contracts),
        "tdMode": "cross" if one.is_contract else "cash",
        "uTime": str(order.placed_at),
        **(stop if kind == "conditional" else rest),
    }
