"""A small Bybit: the unified account of one book, as far as unmodified clients' unified reads need it.

Envelope, signature (HMAC-SHA256 over time stamp, key, window and query), time window, pages by
cursor and the refusals are Bybit's; the listing is a handful of instruments.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from portfolio_lab.demo.generic_book import SmallBook, SmallFill, SmallFlow, SmallOrder, SmallPosition
from portfolio_lab.demo.wire import Answer, Asked

SPOT = {"BTCUSDT": ("BTC", "USDT", "61000.5"), "ETHUSDT": ("ETH", "USDT", "3000")}
LINEAR = {"BTCUSDT": ("BTC", "USDT"), "ETHPERP": ("ETH", "USDC")}
INVERSE = {"BTCUSD": ("BTC", "BTC")}
PAGE = 2
"""Rows of one page of resting orders: small, so that pages are needed."""

DAY_MS = 86_400_000
Row = dict[str, Any]


class _RefusalError(Exception):
    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.answer = Answer({"retCode": code, "retMsg": words, "result": {}, "retExtInfo": {}, "time": 0})


class BybitFace:
    """Answers for one book; see `wire.Venue`."""

    def __init__(self, book: SmallBook) -> None:
        self.book = book
        self._public: dict[str, Callable[[Asked], Row]] = {
            "/v5/market/time": lambda asked: {"timeSecond": str(asked.wire_now // 1000)},
            "/v5/market/instruments-info": _instruments,
            "/v5/market/tickers": _tickers,
        }
        self._private: dict[str, Callable[[Asked], Row]] = {
            "/v5/user/query-api": lambda _: _rights(self.book),
            "/v5/account/info": lambda _: {"unifiedMarginStatus": 6, "marginMode": "REGULAR_MARGIN"},
            "/v5/account/wallet-balance": lambda _: _wallet(self.book),
            "/v5/position/list": self._positions,
            "/v5/order/realtime": self._orders,
            "/v5/asset/deposit/query-record": lambda asked: self._flows(asked, is_deposit=True),
            "/v5/asset/withdraw/query-record": lambda asked: self._flows(asked, is_deposit=False),
            "/v5/execution/list": self._fills,
        }

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request; refusals are answers too."""
        try:
            if asked.method == "GET" and asked.path in self._public:
                result = self._public[asked.path](asked)
            elif asked.method == "GET" and asked.path in self._private:
                self._check_door(asked)
                result = self._private[asked.path](asked)
            else:
                return Answer({"retCode": 10404, "retMsg": "no such path", "result": {}}, 404)
        except _RefusalError as refusal:
            return refusal.answer
        return Answer({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": asked.wire_now})

    def _check_door(self, asked: Asked) -> None:
        stamp, window = asked.headers.get("X-BAPI-TIMESTAMP", ""), asked.headers.get("X-BAPI-RECV-WINDOW", "5000")
        if asked.headers.get("X-BAPI-API-KEY") != self.book.key:
            raise _RefusalError(10003, "API key is invalid.")
        if self.book.is_revoked:
            raise _RefusalError(33004, "Your api key has expired.")
        if not stamp.isdigit() or not -1_000 <= asked.wire_now - int(stamp) <= int(window):
            raise _RefusalError(10002, "invalid request, please check your server timestamp or recv_window param.")
        message = f"{stamp}{self.book.key}{window}{asked.query}".encode()
        signature = hmac.new(self.book.secret.encode(), message, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature, asked.headers.get("X-BAPI-SIGN", "")):
            raise _RefusalError(10004, "error sign! please check your signature generation algorithm.")

    def _positions(self, asked: Asked) -> Row:
        names = LINEAR if asked.parameters["category"] == "linear" else INVERSE
        settle = asked.parameters.get("settleCoin", "")
        rows = [_position(one) for one in self.book.positions if one.symbol in names and settle in {"", one.settle}]
        return {"category": asked.parameters["category"], "list": rows, "nextPageCursor": ""}

    def _orders(self, asked: Asked) -> Row:
        category, settle = asked.parameters["category"], asked.parameters.get("settleCoin", "")
        if category == "linear" and not settle and "symbol" not in asked.parameters:
            raise _RefusalError(
                10001, "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin"
            )
        rows = [_order(one) for one in self.book.orders if _is_of(one, category, settle)]
        start = int(asked.parameters.get("cursor", "0"))
        following = str(start + PAGE) if start + PAGE < len(rows) else ""
        return {"category": category, "list": rows[start : start + PAGE], "nextPageCursor": following}

    def _flows(self, asked: Asked, *, is_deposit: bool) -> Row:
        found = [flow for flow in self.book.flows if (flow.amount > 0) == is_deposit]
        chosen = _in_window(asked, found, days=30, most=50)
        return {"rows": [_flow(flow) for flow in chosen], "nextPageCursor": ""}

    def _fills(self, asked: Asked) -> Row:
        category = asked.parameters["category"]
        found = [fill for fill in self.book.fills if fill.is_contract == (category == "linear")]
        rows = [] if category == "inverse" else [_fill(fill) for fill in _in_window(asked, found, days=7, most=100)]
        return {"category": category, "list": rows, "nextPageCursor": ""}


def _in_window(asked: Asked, found: Sequence[Any], *, days: int, most: int) -> list[Any]:
    """Newest first, at most one page; a longer window is refused."""
    start, end = int(asked.parameters["startTime"]), int(asked.parameters["endTime"])
    if end - start > days * DAY_MS:
        raise _RefusalError(10001, f"The time range between startTime and endTime cannot exceed {days} days")
    limit = min(most, int(asked.parameters.get("limit", "50")))
    return sorted((one for one in found if start <= one.at <= end), key=lambda one: -one.at)[:limit]


def _is_of(order: SmallOrder, category: str, settle: str) -> bool:
    if not order.is_contract:
        return category == "spot"
    return category == "linear" and LINEAR[order.symbol][1] == settle


def _instruments(asked: Asked) -> Row:
    category = asked.parameters["category"]
    if category == "spot":
        rows = [_spot_pair(name, base, quote) for name, (base, quote, _) in SPOT.items()]
    elif category == "linear":
        rows = [_contract(name, *coins, kind="LinearPerpetual") for name, coins in LINEAR.items()]
    else:
        rows = [_contract(name, *coins, kind="InversePerpetual") for name, coins in INVERSE.items()] * (
            category == "inverse"
        )
    return {"category": category, "list": rows, "nextPageCursor": ""}


def _spot_pair(name: str, base: str, quote: str) -> Row:
    return {
        "symbol": name,
        "baseCoin": base,
        "quoteCoin": quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.00000001", "minOrderQty": "0.00001"},
        "priceFilter": {"tickSize": "0.01"},
    }


def _contract(name: str, base: str, settle: str, *, kind: str) -> Row:
    return {
        "symbol": name,
        "contractType": kind,
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": "USD" if kind == "InversePerpetual" else settle,
        "settleCoin": settle,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.5", "maxPrice": "999999", "tickSize": "0.5"},
        "lotSizeFilter": {"maxOrderQty": "100", "minOrderQty": "0.001", "qtyStep": "0.001"},
        "fundingInterval": 480,
    }


def _tickers(asked: Asked) -> Row:
    rows = [{"symbol": name, "lastPrice": price, "price24hPcnt": "0"} for name, (_, _, price) in SPOT.items()]
    return {"category": asked.parameters["category"], "list": rows if asked.parameters["category"] == "spot" else []}


def _rights(book: SmallBook) -> Row:
    return {"userID": int(book.uid), "readOnly": 0 if book.may_trade else 1, "parentUid": "0", "uta": 1, "unified": 0}


def _wallet(book: SmallBook) -> Row:
    coins = [
        {
            "coin": coin,
            "walletBalance": str(held),
            "equity": str(held),
            "locked": str(locked),
            "borrowAmount": "0",
            "accruedInterest": "0",
            "availableToWithdraw": "",
            "totalOrderIM": "0",
            "totalPositionIM": "0",
        }
        for coin, (held, locked) in book.coins.items()
    ]
    return {"list": [{"accountType": "UNIFIED", "totalEquity": "0", "coin": coins}]}


def _position(one: SmallPosition) -> Row:
    return {
        "symbol": one.symbol,
        "side": "Buy" if one.size > 0 else "Sell",
        "size": str(abs(one.size)),
        "avgPrice": str(one.entry),
        "markPrice": str(one.mark),
        "positionValue": str(abs(one.size) * one.entry),
        "unrealisedPnl": str(one.earned),
        "positionIdx": 0,
        "leverage": "10",
        "liqPrice": "",
        "tradeMode": 0,
        "createdTime": "1700000000000",
        "updatedTime": "1700000000000",
    }


def _order(one: SmallOrder) -> Row:
    return {
        "orderId": one.order_id,
        "symbol": one.symbol,
        "side": one.side.capitalize(),
        "orderType": "Limit",
        "price": str(one.price),
        "qty": str(one.amount),
        "cumExecQty": "0",
        "cumExecValue": "0",
        "cumExecFee": "0",
        "leavesQty": str(one.amount),
        "avgPrice": "",
        "triggerPrice": "",
        "orderStatus": "New",
        "timeInForce": "GTC",
        "reduceOnly": False,
        "createdTime": str(one.at),
        "updatedTime": str(one.at),
    }


def _flow(flow: SmallFlow) -> Row:
    row: Row = {"coin": flow.coin, "chain": flow.coin, "amount": str(abs(flow.amount)), "txID": flow.txid}
    if flow.amount > 0:
        status = 3 if flow.is_done else 1
        return {**row, "id": flow.flow_id, "depositFee": str(flow.fee), "successAt": str(flow.at), "status": status}
    return {
        **row,
        "withdrawId": flow.flow_id,
        "withdrawFee": str(flow.fee),
        "createTime": str(flow.at),
        "updateTime": str(flow.at),
        "status": "success" if flow.is_done else "Pending",
    }


def _fill(fill: SmallFill) -> Row:
    return {
        "symbol": fill.symbol,
        "execId": fill.fill_id,
        "orderId": f"order-{fill.fill_id}",
        "side": fill.side.capitalize(),
        "execType": "Trade",
        "execQty": str(fill.amount),
        "execPrice": str(fill.price),
        "execValue": str(fill.amount * fill.price),
        "execFee": str(fill.fee),
        "feeCurrency": fill.fee_coin,
        "feeRate": str((fill.fee / (fill.amount * fill.price)).quantize(Decimal("1e-8"))),
        "isMaker": False,
        "execTime": str(fill.at),
    }
