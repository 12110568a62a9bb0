"""What OKX tells of trades: fills, and orders that are done."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from portfolio_lab.demo.facts import ZERO, Fill, Reason
from portfolio_lab.demo.instruments import INVERSE
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.demo.okx_orders import BLANK_ORDER
from portfolio_lab.demo.okx_public import INSTRUMENT_TYPES, instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain, wrong

RECENT_FILLS_MS = 3 * DAY_MS
WEEK_MS = 7 * DAY_MS
QUARTER_MS = 90 * DAY_MS
TRADES = (Reason.TRADE, Reason.FEE, Reason.PNL, Reason.PREMIUM)
_RATE = Decimal("0.00001")
_SIDED = {("long", "buy"): "3", ("short", "sell"): "4", ("long", "sell"): "5", ("short", "buy"): "6"}


def fills_history(ask: OkxAsk) -> list[Row]:
    """trade/fills-history of the mandatory instType: three months."""
    ask.required("instType")
    return _fills(ask, QUARTER_MS)


def recent_fills(ask: OkxAsk) -> list[Row]:
    """trade/fills: three days."""
    return _fills(ask, RECENT_FILLS_MS)


def _fills(ask: OkxAsk, reach: int) -> list[Row]:
    """Newest first, paged by billId: the bill of the currency that the fee was taken from."""
    since, until = ask.span(reach)
    order = ask.text("ordId")
    fills = [
        fill
        for fill in ask.view.book.fills(since=since, until=until)
        if _asked_for(ask, fill) and order in ("", str(fill.order_id))
    ]
    bills = bill_ids(ask, since, until)
    told = ask.told(fills, lambda fill: fill.at)
    page = ask.page(told, lambda fill: bills.get(fill.fill_id, fill.fill_id))
    return [_fill_row(fill, bills.get(fill.fill_id, fill.fill_id)) for fill in page]


def _asked_for(ask: OkxAsk, fill: Fill) -> bool:
    kind, name = ask.text("instType"), ask.text("instId")
    if kind and kind not in INSTRUMENT_TYPES:
        raise wrong("instType")
    return kind in ("", instrument_type(fill.instrument)) and name in ("", fill.instrument.symbol)


def bill_ids(ask: OkxAsk, since: int, until: int) -> dict[int, int]:
    """The id of the last bill that each fill has written, by fill."""
    entries = ask.view.book.entries(since=since, until=until)
    return {entry.reference: entry.entry_id for entry in entries if entry.reason in TRADES}


def trade_sub_type(fill: Fill) -> str:
    """OKX's subType of a trade: bought or sold, or a long or short side opened or closed."""
    return _SIDED.get((fill.position_side, fill.side), "1" if fill.side == "buy" else "2")


def _fill_row(fill: Fill, bill: int) -> Row:
    one = fill.instrument
    return {
        "billId": str(bill),
        "clOrdId": "",
        "execType": "M" if fill.maker else "T",
        "fee": plain(-fill.fee),
        "feeCcy": fill.fee_asset,
        "feeRate": plain(-_fee_rate(fill)),
        "fillFwdPx": "",
        "fillIdxPx": "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPnl": plain(fill.realised_pnl),
        "fillPx": plain(fill.price),
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": plain(fill.contracts),
        "fillTime": str(fill.at),
        "instId": one.symbol,
        "instType": instrument_type(one),
        "ordId": str(fill.order_id),
        "posSide": fill.position_side,
        "side": fill.side,
        "subType": trade_sub_type(fill),
        "tag": "",
        "tradeId": str(fill.fill_id),
        "ts": str(fill.at),
    }


def _fee_rate(fill: Fill) -> Decimal:
    """The fee as a share of what it was taken from, to five decimals."""
    one = fill.instrument
    worth = fill.quote_amount / fill.price if one.kind == INVERSE else fill.quote_amount
    base = fill.contracts if fill.fee_asset == one.base and not one.is_contract else worth
    return (fill.fee / base).quantize(_RATE) if base else ZERO


def orders_history(ask: OkxAsk) -> list[Row]:
    """trade/orders-history of the mandatory instType: seven days, paged by ordId."""
    return _done(ask, WEEK_MS)


def orders_archive(ask: OkxAsk) -> list[Row]:
    """trade/orders-history-archive of the mandatory instType: three months."""
    return _done(ask, QUARTER_MS)


def _done(ask: OkxAsk, reach: int) -> list[Row]:
    """Orders that have filled completely; cancelled ones leave no trace in the book."""
    ask.required("instType")
    since, until = ask.span(reach)
    open_ids = {order.order_id for order in ask.view.orders()}
    fills = [one for one in ask.view.book.fills(until=until) if one.order_id not in open_ids and _asked_for(ask, one)]
    ordered = sorted(fills, key=lambda one: one.order_id)
    grouped = [list(group) for _, group in groupby(ordered, key=lambda one: one.order_id)]
    done = ask.told([group for group in grouped if group[-1].at >= since], lambda group: group[-1].at)
    return [_done_row(group) for group in ask.page(done, lambda group: group[0].order_id)]


def _done_row(fills: list[Fill]) -> Row:
    first, last = fills[0], fills[-1]
    one, size = first.instrument, sum((fill.contracts for fill in fills), ZERO)
    price = sum((fill.contracts * fill.price for fill in fills), ZERO) / size
    return {
        **BLANK_ORDER,
        "accFillSz": plain(size),
        "attachAlgoOrds": [],
        "avgPx": plain(price),
        "cTime": str(first.at),
        "cancelSource": "",
        "cancelSourceReason": "",
        "category": "normal",
        "fee": plain(-sum((fill.fee for fill in fills), ZERO)),
        "feeCcy": first.fee_asset,
        "fillPx": plain(last.price),
        "fillSz": plain(last.contracts),
        "fillTime": str(last.at),
        "instId": one.symbol,
        "instType": instrument_type(one),
        "isTpLimit": "false",
        "lever": "5" if one.is_contract else "",
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": str(first.order_id),
        "ordType": "limit" if first.maker else "market",
        "pnl": plain(sum((fill.realised_pnl for fill in fills), ZERO)),
        "posSide": first.position_side if one.is_contract else "",
        "px": plain(price) if first.maker else "",
        "rebate": "0",
        "rebateCcy": one.settle or one.quote,
        "reduceOnly": "false",
        "side": first.side,
        "state": "filled",
        "stpMode": "cancel_maker",
        "sz": plain(size),
        "tdMode": "cross" if one.is_contract else "cash",
        "tgtCcy": "" if one.is_contract else "base_ccy",
        "tradeId": str(last.fill_id),
        "uTime": str(last.at),
    }
