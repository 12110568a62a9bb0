"""Open orders as OKX tells them: those that rest, and those that wait for a trigger."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from portfolio_lab.demo.facts import ZERO, Order
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, OkxRefusalError, Row, plain
from portfolio_lab.models.accounts import Wallet

ALGO_TYPES = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase")
_TOGETHER = frozenset({"conditional", "oco"})


def pending_orders(ask: OkxAsk) -> list[Row]:
    """trade/orders-pending, newest first, paged by ordId."""
    state, kind = ask.text("state"), ask.listed("ordType")
    rows = [(order, _order_row(order)) for order in _orders(ask) if algo_type(order) is None]
    chosen = [
        (order, row) for order, row in rows if state in ("", row["state"]) and (kind is None or row["ordType"] in kind)
    ]
    return [row for _, row in ask.page(chosen, lambda pair: pair[0].order_id)]


def pending_algo_orders(ask: OkxAsk) -> list[Row]:
    """trade/orders-algo-pending of the mandatory ordType, newest first, paged by algoId.

    One kind a request; only conditional and oco may be asked for together.
    """
    kinds = set(ask.required("ordType").split(","))
    if not kinds <= set(ALGO_TYPES) or (len(kinds) > 1 and not kinds <= _TOGETHER):
        raise OkxRefusalError(200, "51000", "Parameter ordType error.")
    wanted = ask.text("algoId")
    orders = [one for one in _orders(ask) if algo_type(one) in kinds and wanted in ("", str(one.order_id))]
    return [_algo_row(ask, order) for order in ask.page(orders, lambda order: order.order_id)]


def _orders(ask: OkxAsk) -> list[Order]:
    name, kind = ask.text("instId"), ask.text("instType")
    return [
        order
        for order in ask.view.orders(Wallet.TRADING)
        if name in ("", order.instrument.symbol) and kind in ("", instrument_type(order.instrument))
    ]


def algo_type(order: Order) -> str | None:
    """OKX's ordType of an algo order; None for one that rests in the order book.

    A book names OKX's own kinds as they are. Else a trigger order names the price it will then
    rest at, and a conditional one trades at market.
    """
    if order.order_type in ALGO_TYPES:
        return order.order_type
    if not order.is_conditional:
        return None
    return "conditional" if order.price is None else "trigger"


BLANK_ORDER = dict.fromkeys(
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
        **BLANK_ORDER,
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
    one, kind = order.instrument, algo_type(order) or ""
    last = ask.exchange.market.last("okx", one.symbol, one.kind, ask.now)
    return {
        **_BLANK_ALGO,
        "actualSz": "0",
        "algoId": str(order.order_id),
        "attachAlgoOrds": [],
        "cTime": str(order.placed_at),
        "instId": one.symbol,
        "instType": instrument_type(one),
        "isTradeBorrowMode": "",
        "last": plain(last),
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
        "triggerTime": "0",
        "uTime": str(order.placed_at),
        **_ALGO_FIELDS[kind](order, last),
    }


def _conditional_fields(order: Order, last: Decimal) -> Row:
    """One way out: a stop loss, or a take profit where the book says so; at market when no price is named."""
    leg = "tp" if order.order_type == "take_profit" else "sl"
    return _leg(leg, order.trigger_price or last, order.price)


def _oco_fields(order: Order, last: Decimal) -> Row:
    """Both ways out: the stop at the trigger, the take profit at the price (or as far on the other side)."""
    stop = order.trigger_price or last
    return _leg("sl", stop, None) | _leg("tp", order.price or max(order.instrument.tick, 2 * last - stop), None)


def _leg(name: str, trigger: Decimal, price: Decimal | None) -> Row:
    return {
        f"{name}TriggerPx": plain(trigger),
        f"{name}TriggerPxType": "last",
        f"{name}OrdPx": "-1" if price is None else plain(price),
    }


def _trigger_fields(order: Order, last: Decimal) -> Row:
    return {
        "ordPx": "-1" if order.price is None else plain(order.price),
        "triggerPx": plain(order.trigger_price or last),
        "triggerPxType": "last",
    }


def _trailing_fields(order: Order, last: Decimal) -> Row:
    """A stop that follows the price two percent behind, from the price at which it becomes active."""
    return {
        "activePx": "" if order.price is None else plain(order.price),
        "callbackRatio": "0.02",
        "moveTriggerPx": plain(order.trigger_price or last),
    }


def _sliced_fields(order: Order, last: Decimal) -> Row:
    """Many small limit orders, never worse than pxLimit."""
    return {
        "pxLimit": plain(order.price or last),
        "pxSpread": plain(order.instrument.tick),
        "szLimit": plain(max(order.instrument.lot, order.contracts / 10)),
    }


def _twap_fields(order: Order, last: Decimal) -> Row:
    return _sliced_fields(order, last) | {"timeInterval": "60"}


def _chase_fields(order: Order, _: Decimal) -> Row:
    return {"chaseType": "distance", "chaseVal": plain(order.instrument.tick)}


_ALGO_FIELDS: dict[str, Callable[[Order, Decimal], Row]] = {
    "conditional": _conditional_fields,
    "oco": _oco_fields,
    "trigger": _trigger_fields,
    "move_order_stop": _trailing_fields,
    "iceberg": _sliced_fields,
    "twap": _twap_fields,
    "chase": _chase_fields,
}
"""The fields that each kind of algo order fills; all others stay ""."""
