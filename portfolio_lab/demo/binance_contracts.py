"""Orders, fills and income of both futures hosts.

Conditional orders live in openAlgoOrders alone: openOrders never shows them.
"""

from __future__ import annotations

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Answer, Ask, Json, Span
from portfolio_lab.demo.binance_text import contract_order_type, eight_text, side_text
from portfolio_lab.demo.facts import ZERO, Entry, Fill, Order, Reason, eight, settle_notional
from portfolio_lab.demo.instruments import INVERSE, Instrument
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

WEEK_MS = 7 * DAY_MS
FILLS_KEPT_MS = 182 * DAY_MS
INCOME_KEPT_MS = 90 * DAY_MS
INCOME_NAMES = {
    Reason.TRANSFER: "TRANSFER",
    Reason.FEE: "COMMISSION",
    Reason.PNL: "REALIZED_PNL",
    Reason.FUNDING: "FUNDING_FEE",
    Reason.GRANT: "WELCOME_BONUS",
    Reason.DEPOSIT: "TRANSFER",
    Reason.WITHDRAWAL: "TRANSFER",
}


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
        "goodTillDate": 0,
    }
    if one.kind == INVERSE:
        row["pair"] = one.index
    return row


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


# ---------------------------------------------------------------- fills


def fills(kind: str) -> Answer:
    """Answers userTrades: a week at most by time, or from an id on; half a year is kept."""

    def answer(ask: Ask) -> Json:
        wanted = _named(ask, kind)
        rows = ask.strict_limit(default=50 if kind == INVERSE else 500, most=1000)
        by_id = bool(ask.parameters.get("fromId"))
        if by_id and (ask.parameters.get("startTime") or ask.parameters.get("endTime")):
            raise refuse.combination_invalid()
        kept = ask.book.fills(since=ask.at - FILLS_KEPT_MS, until=ask.at)
        found = [fill for fill in kept if fill.instrument in wanted]
        if by_id:
            first = ask.number("fromId", 0)
            return [_fill_row(fill) for fill in found if fill.fill_id >= first][:rows]
        span = _week(ask)
        return [_fill_row(fill) for fill in found if span.holds(fill.at)][:rows]

    return answer


def _named(ask: Ask, kind: str) -> list[Instrument]:
    """The contract that `symbol` names; COIN-M takes `pair` instead as well."""
    pair = ask.parameters.get("pair", "")
    if kind != INVERSE or not pair:
        return [ask.instrument(kind)]
    found = [one for one in ask.instruments(kind) if one.index == pair]
    if not found:
        raise refuse.symbol_unknown()
    return found


def _week(ask: Ask) -> Span:
    span = ask.span(longest=2**62, default=WEEK_MS, text="")
    if span.until - span.since > WEEK_MS:
        raise refuse.futures_window_too_long(7)
    if ask.parameters.get("startTime") and span.since < ask.at - FILLS_KEPT_MS:
        raise refuse.futures_history_too_old(6)
    return span


def _fill_row(fill: Fill) -> dict[str, Json]:
    one = fill.instrument
    row: dict[str, Json] = {
        "buyer": fill.side == "buy",
        "commission": eight_text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "id": fill.fill_id,
        "maker": fill.maker,
        "orderId": fill.order_id,
        "price": f"{fill.price:f}",
        "qty": f"{fill.contracts:f}",
        "realizedPnl": eight_text(fill.realised_pnl),
        "side": fill.side.upper(),
        "positionSide": side_text(fill.position_side),
        "symbol": one.symbol,
        "time": fill.at,
    }
    if one.kind == INVERSE:
        base = eight_text(settle_notional(one, fill.contracts, fill.price))
        return row | {"pair": one.index, "marginAsset": one.settle, "baseQty": base}
    return row | {"quoteQty": eight_text(fill.quote_amount)}


# ---------------------------------------------------------------- income


def income(wallet: Wallet) -> Answer:
    """Answers income: every change of the wallet balance, three months back, oldest first.

    One fill's commission and its realised PnL carry the same tranId.
    """

    def answer(ask: Ask) -> Json:
        rows = ask.strict_limit(default=100, most=1000)
        page = max(1, ask.number("page", 1))
        span = _income_span(ask)
        since = max(span.since, ask.at - INCOME_KEPT_MS)
        entries = ask.book.entries(since=since, until=min(span.until, ask.at), wallets={wallet})
        found = [row for entry in entries if _is_wanted(ask, row := _income_row(entry))]
        return found[(page - 1) * rows : page * rows]

    return answer


def _income_span(ask: Ask) -> Span:
    """From startTime on; the last week when neither end is sent."""
    if not ask.parameters.get("startTime") and not ask.parameters.get("endTime"):
        return Span(ask.at - WEEK_MS, ask.at)
    until = ask.number("endTime", ask.at)
    return Span(ask.number("startTime", until - WEEK_MS), until)


def _is_wanted(ask: Ask, row: dict[str, Json]) -> bool:
    """Whether a row has the symbol and the type that were asked for."""
    return all(ask.parameters.get(name, "") in {"", row[name]} for name in ("symbol", "incomeType"))


def _income_row(entry: Entry) -> dict[str, Json]:
    name = INCOME_NAMES[entry.reason]
    by_fill = entry.reason in {Reason.FEE, Reason.PNL}
    return {
        "symbol": entry.instrument.symbol if entry.instrument else "",
        "incomeType": name,
        "income": eight_text(entry.amount),
        "asset": entry.asset,
        "info": str(entry.reference) if by_fill else name,
        "time": entry.at,
        "tranId": entry.reference,
        "tradeId": str(entry.reference) if by_fill else "",
    }
